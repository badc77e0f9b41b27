package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

const (
	changesMax     = 16
	membersMax     = 64
	lookAgainAfter = 10 * time.Millisecond
)

// members takes changes by POST, and the whole list by PUT.
func (r *routes) members(w http.ResponseWriter, q *http.Request) {
	if q.Method != http.MethodPost && q.Method != http.MethodPut {
		w.Header().Set("Allow", "POST, PUT")
		text(w, http.StatusMethodNotAllowed, "POST or PUT")
		return
	}
	lines, ok := body(w, q, smallBody)
	if !ok {
		return
	}
	if q.Method == http.MethodPut {
		r.wholeList(w, q, string(lines))
		return
	}
	changes, addresses, err := parseChanges(string(lines))
	if err != nil {
		text(w, http.StatusBadRequest, err.Error())
		return
	}
	r.node.mutex.RLock()
	book := maps.Clone(r.node.state.book)
	r.node.mutex.RUnlock()
	if fits, _ := book.parse(addresses); !fits {
		text(w, http.StatusConflict, "the address book has no room; nothing was done")
		return
	}
	p := proposal{data: []byte(addresses), changes: changes, answer: make(chan outcome, 1)}
	r.answer(w, q, r.propose(p))
}

var verbs = map[string]struct {
	kind         raftpb.ConfChangeType
	takesAddress bool
}{
	"add":         {raftpb.ConfChangeAddNode, true},
	"add-learner": {raftpb.ConfChangeAddLearnerNode, true},
	"promote":     {raftpb.ConfChangeAddNode, false},
	"remove":      {raftpb.ConfChangeRemoveNode, false},
}

// parseChanges reads lines like "add 4=127.0.0.1:7004" and "remove 2", and says what they mean for the book.
func parseChanges(lines string) (changes []change, addresses string, err error) {
	bad := errors.New("a line is one of: add ID=HOST:PORT, add-learner ID=HOST:PORT, promote ID, remove ID")
	var entries []string
	for line := range strings.SplitSeq(lines, "\n") {
		if line == "" {
			continue
		}
		word, what, _ := strings.Cut(line, " ")
		number, address, _ := strings.Cut(what, "=")
		verb, found := verbs[word]
		id, err := strconv.ParseUint(number, 10, 64)
		hasAddress := strings.Contains(what, "=")
		if !found || err != nil || id == 0 || verb.takesAddress != hasAddress || hasAddress && !isAddress(address) ||
			len(changes) == changesMax {
			return nil, "", bad
		}
		changes = append(changes, change{verb.kind, id})
		if verb.takesAddress || word == "remove" {
			entries = append(entries, fmt.Sprintf("%d=%s", id, address))
		}
	}
	if len(changes) == 0 {
		return nil, "", bad
	}
	return changes, strings.Join(entries, ","), nil
}

// wish is a membership as a whole.
type wish struct {
	book   book
	learns map[uint64]bool
}

// parseWish reads lines like "4=127.0.0.1:7004" and "learner 5=127.0.0.1:7005".
func parseWish(lines string) (wish, error) {
	w := wish{book{}, map[uint64]bool{}}
	for line := range strings.SplitSeq(lines, "\n") {
		if line == "" {
			continue
		}
		member, learns := strings.CutPrefix(line, "learner ")
		number, address, _ := strings.Cut(member, "=")
		id, err := strconv.ParseUint(number, 10, 64)
		if err != nil || id == 0 || !isAddress(address) || w.book[id] != "" || len(w.book) == membersMax {
			return w, errors.New("a line is ID=HOST:PORT or learner ID=HOST:PORT, each ID once, and one is no learner")
		}
		w.book[id], w.learns[id] = address, learns
	}
	if !slices.Contains(slices.Collect(maps.Values(w.learns)), false) {
		return w, errors.New("one member has to vote")
	}
	return w, nil
}

// missing is the change from what is applied here to what is wanted: no changes where nothing is left to do.
func (w wish) missing(now statusReport, known book) ([]change, string) {
	var changes []change
	var addresses []string
	flags := map[uint64]string{}
	for _, m := range now.Members {
		flags[m.ID] = strings.Join(m.Flags, " ")
		if w.book[m.ID] == "" {
			changes = append(changes, change{raftpb.ConfChangeRemoveNode, m.ID})
			addresses = append(addresses, fmt.Sprintf("%d=", m.ID))
		}
	}
	ids := slices.Sorted(maps.Keys(w.book))
	for _, id := range ids {
		kind, flag := raftpb.ConfChangeAddNode, "voter"
		if w.learns[id] {
			kind, flag = raftpb.ConfChangeAddLearnerNode, "learner"
		}
		if flags[id] != flag {
			changes = append(changes, change{kind, id})
		}
		if known[id] != w.book[id] {
			addresses = append(addresses, fmt.Sprintf("%d=%s", id, w.book[id]))
		}
	}
	// Only addresses change: that needs an entry, too.
	if len(changes) == 0 && len(addresses) > 0 {
		changes = append(changes, change{raftpb.ConfChangeUpdateNode, ids[0]})
	}
	return changes, strings.Join(addresses, ",")
}

// wholeList makes the change to the wanted members, and waits until they are in force.
func (r *routes) wholeList(w http.ResponseWriter, q *http.Request, lines string) {
	wanted, err := parseWish(lines)
	if err != nil {
		text(w, http.StatusBadRequest, err.Error())
		return
	}
	isMade := false
	result := outcome{code: misfit}
	for deadline := time.Now().Add(waitMax); time.Now().Before(deadline); time.Sleep(lookAgainAfter) {
		now, ok := r.look(false)
		if !ok || now.Role != "leader" && !isMade {
			r.toLeader(w, q)
			return
		}
		joint := slices.ContainsFunc(now.Members, func(m memberReport) bool {
			return slices.Contains(m.Flags, "outgoing") || slices.Contains(m.Flags, "learner_next")
		})
		if joint {
			continue
		}
		r.node.mutex.RLock()
		changes, addresses := wanted.missing(now, r.node.state.book)
		r.node.mutex.RUnlock()
		if len(changes) == 0 || isMade {
			result.code = done
			break
		}
		if result = r.propose(proposal{data: []byte(addresses), changes: changes, answer: make(chan outcome, 1)}); result.code == done {
			isMade = true
		} else if result.code != misfit {
			break
		}
	}
	if isMade && result.code != done {
		result.code = unknown
	}
	r.answer(w, q, result)
}
