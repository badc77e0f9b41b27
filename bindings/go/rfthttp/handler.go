package rfthttp

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

const (
	headerCluster = "X-Etcd-Cluster-Id"
	headerFrom    = "X-Server-From"
)

// ServeHTTP takes what a peer sends. Mount it at /raft.
func (t *Transport) ServeHTTP(to http.ResponseWriter, request *http.Request) {
	// Until the body is read an answer ends the connection: otherwise the server would wait for the body before it.
	if request.ContentLength != 0 {
		to.Header().Set("Connection", "close")
	}
	if request.Method != http.MethodPost {
		to.Header().Set("Allow", http.MethodPost)
		http.Error(to, "messages come by POST", http.StatusMethodNotAllowed)
		return
	}
	cluster, err := strconv.ParseUint(request.Header.Get(headerCluster), 16, 64)
	if err != nil || cluster != t.options.ClusterID {
		http.Error(to, "cluster ID mismatch", http.StatusPreconditionFailed)
		return
	}
	from, err := strconv.ParseUint(request.Header.Get(headerFrom), 16, 64)
	if err != nil || from == 0 || from == t.options.ID {
		http.Error(to, "X-Server-From is not another node's id in hex", http.StatusBadRequest)
		return
	}
	if err := t.options.Sender(request, from); err != nil {
		http.Error(to, err.Error(), http.StatusForbidden)
		return
	}
	engine := t.attached()
	if engine == nil {
		http.Error(to, "the engine is not open", http.StatusServiceUnavailable)
		return
	}
	body, status := t.read(to, request)
	if status != http.StatusOK {
		http.Error(to, "the body is too long, or did not come", status)
		return
	}
	messages := [][]byte{body}
	if request.Header.Get("Content-Type") == typeFrames {
		if messages, err = splitFrames(body); err != nil {
			http.Error(to, err.Error(), http.StatusBadRequest)
			return
		}
	}
	if err := step(engine, from, messages); err != nil {
		http.Error(to, err.Error(), statusOf(err))
		return
	}
	to.WriteHeader(http.StatusNoContent)
}

// read takes the body, within the limits of length and time.
func (t *Transport) read(to http.ResponseWriter, request *http.Request) ([]byte, int) {
	if request.ContentLength > int64(t.options.BodyBytesMax) {
		return nil, http.StatusRequestEntityTooLarge
	}
	// Not every server can set a deadline; one that cannot has limits of its own.
	control := http.NewResponseController(to)
	_ = control.SetReadDeadline(time.Now().Add(t.options.ReadTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(to, request.Body, int64(t.options.BodyBytesMax)))
	if err == nil {
		_ = control.SetReadDeadline(time.Time{})
		to.Header().Del("Connection")
		return body, http.StatusOK
	}
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return nil, http.StatusRequestEntityTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, http.StatusRequestTimeout
	default:
		return nil, http.StatusBadRequest
	}
}

// step hands messages to the engine. Two kinds are passed over, since they say nothing about those behind them: of a node
// unknown here, which may have been removed a moment ago; and of another sender than the one who brings them, which is
// told in the end. Requests are none of these: whoever leads no more passes them on.
//
// Every call looks at all it is given. Where there are many to pass over, they come in small pieces, or else each would
// cost as much as all of them.
func step(engine *rft.Engine, from uint64, messages [][]byte) (refused error) {
	for most := len(messages); len(messages) > 0; {
		n := min(most, len(messages))
		done, err := engine.StepFrom(from, messages[:n])
		if err == nil {
			messages, most = messages[n:], 2*n
			continue
		}
		if errors.Is(err, rft.ErrWrongSender) {
			refused = err
		} else if !errors.Is(err, rft.ErrUnknownPeer) {
			return err
		}
		messages, most = messages[done+1:], 1
	}
	return refused
}

func statusOf(err error) int {
	var known *rft.Error
	if !errors.As(err, &known) {
		return http.StatusInternalServerError
	}
	switch known.Code {
	case rft.ErrDecode, rft.ErrLocalMessage, rft.ErrWrongReceiver, rft.ErrWrongSender, rft.ErrInvalidArg:
		return http.StatusBadRequest
	case rft.ErrBusy, rft.ErrStopped:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}
