package main

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

const changesMax = 16

var errChange = errors.New("a line is one of: add ID=HOST:PORT, add-learner ID=HOST:PORT, promote ID, remove ID")

// changes is a membership change in the making. Its context is what apply does to the address book:
// "4=127.0.0.1:7004,2=".
type changes struct {
	steps     []rft.ChangeStep
	addresses []string
}

func (c *changes) add(kind rft.ChangeType, id uint64) {
	c.steps = append(c.steps, rft.ChangeStep{Type: kind, ID: id})
}

func (c *changes) note(id uint64, address string) {
	c.addresses = append(c.addresses, strconv.FormatUint(id, 10)+"="+address)
}

func (c *changes) change() rft.Change {
	return rft.Change{Steps: c.steps, Context: []byte(strings.Join(c.addresses, ","))}
}

// parseMember takes "4=127.0.0.1:7004".
func parseMember(text string) (member, bool) {
	number, address, _ := strings.Cut(text, "=")
	id, err := parseID(number)
	return member{id, address}, err == nil && isAddress(address)
}

// isAddress says whether a text is host:port, and nothing that would need quotes anywhere.
func isAddress(text string) bool {
	at := strings.LastIndexByte(text, ':')
	if at <= 0 || len(text) > addressMax {
		return false
	}
	for _, c := range []byte(text[:at]) {
		digit, letter := c >= '0' && c <= '9', c|0x20 >= 'a' && c|0x20 <= 'z'
		if !digit && !letter && strings.IndexByte("-._:[]", c) < 0 {
			return false
		}
	}
	port, err := parseID(text[at+1:])
	return err == nil && port <= math.MaxUint16
}

// line takes "add-learner 4=127.0.0.1:7004", "promote 4", "remove 2".
func (c *changes) line(text string) error {
	verb, rest, _ := strings.Cut(text, " ")
	switch verb {
	case "add", "add-learner":
		m, ok := parseMember(rest)
		if !ok {
			return errChange
		}
		kind := rft.ChangeAddVoter
		if verb == "add-learner" {
			kind = rft.ChangeAddLearner
		}
		c.add(kind, m.id)
		c.note(m.id, m.address)
	case "promote", "remove":
		id, err := parseID(rest)
		if err != nil {
			return errChange
		}
		if verb == "promote" {
			c.add(rft.ChangeAddVoter, id)
		} else {
			c.add(rft.ChangeRemove, id)
			c.note(id, "")
		}
	default:
		return errChange
	}
	return nil
}

// changeMembers makes one change of the membership; several lines are one joint change.
func changeMembers(n *node, to http.ResponseWriter, request *http.Request, body []byte) {
	var wanted changes
	var err error
	for line := range strings.SplitSeq(string(body), "\n") {
		if line != "" && err == nil {
			err = wanted.line(line)
		}
	}
	if err != nil || len(wanted.steps) == 0 || len(wanted.steps) > changesMax {
		reply(to, http.StatusBadRequest, errChange.Error())
		return
	}
	ctx, cancel := context.WithTimeout(request.Context(), waitLimit)
	defer cancel()
	if n.change(ctx, to, request, wanted) {
		to.WriteHeader(http.StatusNoContent)
	}
}

// change makes a change, or answers why it did not.
func (n *node) change(ctx context.Context, to http.ResponseWriter, request *http.Request, wanted changes) bool {
	change := wanted.change()
	if _, err := n.machine.members().following(string(change.Context)); err != nil {
		reply(to, http.StatusConflict, "the address book has no room; nothing was done")
		return false
	}
	if _, err := n.engine.Change(ctx, change); err != nil {
		n.replyError(to, request, err)
		return false
	}
	return true
}
