package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

var errList = errors.New("a line is one of: ID=HOST:PORT, learner ID=HOST:PORT; each ID once, one of them no learner")

// wish is the membership that a client wants, by id.
type wish map[uint64]wanted

type wanted struct {
	flags   rft.MemberFlags
	address string
}

func parseWish(body string) (wish, error) {
	list, voters := wish{}, 0
	for line := range strings.SplitSeq(body, "\n") {
		if line == "" {
			continue
		}
		text, learner := strings.CutPrefix(line, "learner ")
		m, ok := parseMember(text)
		if _, twice := list[m.id]; !ok || twice || len(list) == membersMax {
			return nil, errList
		}
		flags := rft.MemberLearner
		if !learner {
			flags = rft.MemberVoter
			voters++
		}
		list[m.id] = wanted{flags, m.address}
	}
	if voters == 0 {
		return nil, errList
	}
	return list, nil
}

// setMembers makes the members these and no others. After each change it looks again, behind a read: then what is
// answered was true at one moment, whoever else has changed the membership meanwhile.
func setMembers(n *node, to http.ResponseWriter, request *http.Request, body []byte) {
	list, err := parseWish(string(body))
	if err != nil {
		reply(to, http.StatusBadRequest, err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(request.Context(), waitLimit)
	defer cancel()
	for {
		missing, settled, err := n.difference(ctx, list)
		switch {
		case err != nil:
		case !settled:
			err = pause(ctx)
		case len(missing.steps) == 0:
			to.WriteHeader(http.StatusNoContent)
			return
		default:
			_, err = n.engine.Change(ctx, missing.change())
		}
		if err != nil {
			n.replyError(to, request, err)
			return
		}
	}
}

// pause lets a joint change go on.
func pause(ctx context.Context) error {
	select {
	case <-time.After(20 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return rft.ErrTimedOut
	}
}

// difference is what a membership lacks to be the one wanted. It is not settled in the middle of a joint change, which
// ends by itself.
func (n *node) difference(ctx context.Context, list wish) (missing changes, settled bool, err error) {
	if _, err = n.engine.Read(ctx); err != nil {
		return missing, false, err
	}
	members, err := n.engine.Members()
	if err != nil {
		return missing, false, err
	}
	book := n.machine.members()
	there := map[uint64]rft.MemberFlags{}
	for _, m := range members {
		if m.Flags != rft.MemberVoter && m.Flags != rft.MemberLearner {
			return missing, false, nil
		}
		there[m.ID] = m.Flags
		if _, stays := list[m.ID]; !stays {
			missing.add(rft.ChangeRemove, m.ID)
			missing.note(m.ID, "")
		}
	}
	for id, want := range list {
		moved := book.address(id) != want.address
		switch {
		case there[id] == want.flags && moved:
			missing.add(rft.ChangeUpdate, id)
		case there[id] == want.flags:
		case want.flags == rft.MemberVoter:
			missing.add(rft.ChangeAddVoter, id)
		default:
			missing.add(rft.ChangeAddLearner, id)
		}
		if moved {
			missing.note(id, want.address)
		}
	}
	return missing, true, nil
}
