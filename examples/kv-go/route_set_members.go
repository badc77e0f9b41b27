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

// setMembers makes the members these and no others, by at most one change. It looks behind a read: then what is there is
// what was acknowledged before, and behind the change it is what that has made.
func setMembers(n *node, to http.ResponseWriter, request *http.Request, body []byte) {
	list, err := parseWish(string(body))
	if err != nil {
		reply(to, http.StatusBadRequest, err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(request.Context(), waitLimit)
	defer cancel()
	_, stays := list[n.options.id]
	made := false
	for ; ctx.Err() == nil; pause(ctx) {
		// Who goes can ask nobody any more, and looks at what has come here.
		if stays || !made {
			if _, err := n.engine.Read(ctx); err != nil {
				continue // an election, say: it ends
			}
		}
		missing, settled, err := n.difference(list)
		switch {
		case err != nil:
			n.replyError(to, request, err)
			return
		case !settled:
			continue
		case len(missing.steps) == 0, made && stays:
			to.WriteHeader(http.StatusNoContent)
			return
		case made:
			continue
		}
		if made = n.change(ctx, to, request, missing); !made {
			return
		}
	}
	if made {
		n.replyError(to, request, rft.ErrTimedOut)
	} else {
		reply(to, http.StatusServiceUnavailable, "nobody could be asked; nothing was done")
	}
}

// pause lets a joint change or an election go on.
func pause(ctx context.Context) {
	select {
	case <-time.After(20 * time.Millisecond):
	case <-ctx.Done():
	}
}

// difference is what the membership known here lacks to be the one wanted. It is not settled in the middle of a joint
// change, which ends by itself.
func (n *node) difference(list wish) (missing changes, settled bool, err error) {
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
