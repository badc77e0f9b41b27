package main

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

const (
	membersMax = 64
	addressMax = 255
)

// member is a node and where it answers, host:port.
type member struct {
	id      uint64
	address string
}

// book is the address book: which node answers where, sorted by id. What was handed out is never changed.
type book []member

// errRoom is of an address that is too long, or that the full book has no room for.
var (
	errRoom = errors.New("the address is too long, or there are too many")
	errBook = errors.New("not a list of addresses such as 1=127.0.0.1:7001,2=127.0.0.1:7002")
)

// find tells where a node stands, or would stand, and whether it does.
func (b book) find(id uint64) (int, bool) {
	return slices.BinarySearchFunc(b, id, func(m member, id uint64) int {
		switch {
		case m.id < id:
			return -1
		case m.id > id:
			return 1
		default:
			return 0
		}
	})
}

// address is empty when the node is unknown.
func (b book) address(id uint64) string {
	if at, known := b.find(id); known {
		return b[at].address
	}
	return ""
}

// with is the book with one address more, or another one; an empty one forgets the node.
func (b book) with(id uint64, address string) (book, error) {
	at, known := b.find(id)
	if address == "" {
		if known {
			return slices.Delete(slices.Clone(b), at, at+1), nil
		}
		return b, nil
	}
	if len(address) > addressMax || (!known && len(b) == membersMax) {
		return b, errRoom
	}
	changed := slices.Clone(b)
	if known {
		changed[at].address = address
		return changed, nil
	}
	return slices.Insert(changed, at, member{id, address}), nil
}

// following is the book after a list of addresses such as "1=127.0.0.1:7001,2=".
func (b book) following(list string) (book, error) { return b.take(list, true) }

// changed is the book after a change that has been made, and that nobody can refuse any more: an address that the full
// book has no room for is left out, by every node alike.
func (b book) changed(list string) (book, error) { return b.take(list, false) }

func (b book) take(list string, hasToFit bool) (book, error) {
	if list == "" {
		return b, nil
	}
	for item := range strings.SplitSeq(strings.TrimSuffix(list, ","), ",") {
		text, address, found := strings.Cut(item, "=")
		id, err := parseID(text)
		if !found || err != nil {
			return b, errBook
		}
		if b, err = b.with(id, address); err != nil && (hasToFit || len(address) > addressMax) {
			return b, err
		}
	}
	return b, nil
}

// parseID takes a decimal number of at least 1, of digits alone.
func parseID(text string) (uint64, error) {
	id, err := strconv.ParseUint(text, 10, 64)
	if err == nil && (id == 0 || text[0] == '+') {
		err = errors.New("not an id")
	}
	return id, err
}
