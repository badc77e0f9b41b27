package main

import (
	"errors"
	"net/http"
	"strconv"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

// reply answers with one line of text.
func reply(to http.ResponseWriter, status int, text string) {
	if status == http.StatusServiceUnavailable {
		to.Header().Set("Retry-After", "1")
	}
	replyBytes(to, status, "text/plain; charset=utf-8", []byte(text+"\n"))
}

func replyBytes(to http.ResponseWriter, status int, contentType string, body []byte) {
	to.Header().Set("Content-Type", contentType)
	to.Header().Set("Content-Length", strconv.Itoa(len(body)))
	to.WriteHeader(status)
	_, _ = to.Write(body) // a client that has gone needs no answer
}

// toLeader sends the client to the leader, with the same path and query, or tells that there is none.
func (n *node) toLeader(to http.ResponseWriter, request *http.Request, leader uint64) {
	address := n.machine.members().address(leader)
	if address == "" {
		address = n.options.cluster.address(leader)
	}
	if leader == 0 || leader == n.options.id || address == "" {
		reply(to, http.StatusServiceUnavailable, "no leader is known; nothing was done")
		return
	}
	to.Header().Set("Location", n.scheme()+"://"+address+request.URL.RequestURI())
	to.WriteHeader(http.StatusTemporaryRedirect)
}

// replyError answers for a call of the library that failed.
func (n *node) replyError(to http.ResponseWriter, request *http.Request, err error) {
	var code rft.Code
	_ = errors.As(err, &code) // what is none is a code of nothing below
	status := http.StatusInternalServerError
	switch code {
	case rft.ErrNotLeader:
		var known *rft.Error
		if errors.As(err, &known) {
			n.toLeader(to, request, known.Leader)
			return
		}
	case rft.ErrBusy, rft.ErrDiskFull, rft.ErrDropped:
		status = http.StatusServiceUnavailable // certain: nothing was done, so trying again is safe
	case rft.ErrConfChange, rft.ErrQuorumAtRisk, rft.ErrLearnerBehind:
		status = http.StatusConflict
	case rft.ErrTooLarge:
		status = http.StatusRequestEntityTooLarge
	case rft.ErrInvalidArg:
		status = http.StatusBadRequest
	case rft.ErrTimedOut, rft.ErrUnknown, rft.ErrStopped:
		status = http.StatusGatewayTimeout
	}
	text := named(err)
	// A writer has to learn that nobody can tell. A read changes nothing: it may simply be tried again.
	if (status == http.StatusGatewayTimeout || status == http.StatusInternalServerError) && request.Method != http.MethodGet {
		text = "the outcome is unknown: " + text
	}
	reply(to, status, text)
}
