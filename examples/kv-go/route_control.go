package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

const transferPrefix = "/transfer/"

// snapshot has one taken soon; the counters of /status tell when.
func snapshot(n *node, to http.ResponseWriter, request *http.Request, _ []byte) {
	n.inBackground("the snapshot", func(ctx context.Context) error {
		_, err := n.engine.Snapshot(ctx)
		return err
	})
	reply(to, http.StatusAccepted, "a snapshot is under way")
}

// transfer hands leadership over. The engine ends it within two election timeouts, one way or the other.
func transfer(n *node, to http.ResponseWriter, request *http.Request, _ []byte) {
	target, err := parseID(strings.TrimPrefix(request.URL.Path, transferPrefix))
	if err != nil {
		reply(to, http.StatusBadRequest, "the path ends with the id of the new leader")
		return
	}
	now, err := n.engine.Status()
	if err != nil {
		n.replyError(to, request, err)
		return
	}
	if now.Role != rft.RoleLeader {
		n.toLeader(to, request, now.Leader)
		return
	}
	n.inBackground(fmt.Sprintf("the transfer to node %d", target), func(ctx context.Context) error {
		_, err := n.engine.TransferLeader(ctx, target)
		return err
	})
	reply(to, http.StatusAccepted, "the transfer is under way")
}

// inBackground does what nobody waits for. The engine's end ends it.
func (n *node) inBackground(what string, do func(context.Context) error) {
	go func() {
		if err := do(context.Background()); err != nil {
			n.log.Warn(what + ": " + named(err))
		}
	}()
}
