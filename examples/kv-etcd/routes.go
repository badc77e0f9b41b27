package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	waitMax     = 5 * time.Second
	smallBody   = 64 << 10
	raftBodyMax = 64 << 20
)

// routes answers what ../README.md describes.
type routes struct{ node *node }

func (r *routes) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	path := q.URL.EscapedPath()
	switch {
	case strings.HasPrefix(path, "/kv/"):
		r.key(w, q, strings.TrimPrefix(path, "/kv/"))
	case path == "/status":
		r.only(w, q, http.MethodGet, r.status)
	case path == "/members":
		r.members(w, q)
	case path == "/snapshot":
		r.only(w, q, http.MethodPost, r.snapshot)
	case path == "/raft":
		r.only(w, q, http.MethodPost, r.raft)
	case strings.HasPrefix(path, "/transfer/"):
		r.only(w, q, http.MethodPost, r.transfer)
	default:
		text(w, http.StatusNotFound, "there is no such path")
	}
}

func (r *routes) only(w http.ResponseWriter, q *http.Request, method string, run http.HandlerFunc) {
	if q.Method != method {
		w.Header().Set("Allow", method)
		text(w, http.StatusMethodNotAllowed, method)
		return
	}
	run(w, q)
}

func text(w http.ResponseWriter, status int, line string) {
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintln(w, line)
}

// refuse answers before the body has come, which so need not come any more.
func refuse(w http.ResponseWriter, status int, line string) {
	w.Header().Set("Connection", "close")
	text(w, status, line)
}

// body reads at most max bytes, and answers by itself if that does not work.
func body(w http.ResponseWriter, q *http.Request, max int64) ([]byte, bool) {
	if q.ContentLength > max {
		refuse(w, http.StatusRequestEntityTooLarge, "the body is too large")
		return nil, false
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, q.Body, max))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		text(w, http.StatusRequestEntityTooLarge, "the body is too large")
	} else if err != nil {
		refuse(w, http.StatusRequestTimeout, "the body does not come")
	}
	return data, err == nil
}

// ---- keys ----

func (r *routes) key(w http.ResponseWriter, q *http.Request, escaped string) {
	key, err := url.PathUnescape(escaped)
	switch {
	case err != nil || key == "":
		text(w, http.StatusBadRequest, "a key has 1 to 1024 bytes, with percent signs where needed")
	case len(key) > keyMax:
		text(w, http.StatusRequestURITooLong, "a key has 1 to 1024 bytes")
	case q.Method == http.MethodGet:
		r.read(w, q, key)
	case q.Method == http.MethodPut || q.Method == http.MethodDelete:
		c, err := conditional(q, key)
		if err != nil {
			text(w, http.StatusBadRequest, err.Error())
			return
		}
		var ok bool
		if c.value, ok = body(w, q, valueMax); !ok {
			return
		}
		if q.Method == http.MethodDelete && len(c.value) > 0 {
			text(w, http.StatusBadRequest, "a removal takes no body")
			return
		}
		r.write(w, q, c)
	default:
		w.Header().Set("Allow", "GET, PUT, DELETE")
		text(w, http.StatusMethodNotAllowed, "a key takes GET, PUT and DELETE")
	}
}

// conditional is the command that a PUT or DELETE asks for.
func conditional(q *http.Request, key string) (command, error) {
	c := command{op: opPut, key: key}
	if q.Method == http.MethodDelete {
		c.op = opDelete
	}
	match, none := q.Header.Values("If-Match"), q.Header.Values("If-None-Match")
	switch {
	case len(match) == 0 && len(none) == 0:
		return c, nil
	case len(match) == 1 && len(none) == 0:
		tag := match[0]
		if len(tag) < 2 || tag[0] != '"' || tag[len(tag)-1] != '"' {
			return c, errors.New("an entity tag is a revision in quotes")
		}
		digits := tag[1 : len(tag)-1]
		revision, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || strconv.FormatUint(revision, 10) != digits || revision == 0 {
			return c, errors.New("an entity tag is a revision in quotes")
		}
		c.op, c.revision = c.op+opPutIf-opPut, revision
		return c, nil
	case len(match) == 0 && len(none) == 1 && none[0] == "*" && c.op == opPut:
		c.op = opPutIf
		return c, nil
	}
	return c, errors.New("one condition: If-Match with a revision, or If-None-Match: * of a PUT")
}

func (r *routes) write(w http.ResponseWriter, q *http.Request, c command) {
	result := r.propose(proposal{data: c.encode(), answer: make(chan outcome, 1)})
	if result.code == done {
		r.count(func(c *counters) { c.Writes++ })
	}
	r.answer(w, q, result)
}

// propose hands a proposal to the loop and waits for its outcome.
func (r *routes) propose(p proposal) outcome {
	select {
	case r.node.proposals <- p:
	default:
		return outcome{code: refused}
	}
	select {
	case result := <-p.answer:
		return result
	case <-time.After(waitMax):
		return outcome{code: unknown}
	}
}

func (r *routes) answer(w http.ResponseWriter, q *http.Request, result outcome) {
	if result.revision > 0 {
		w.Header().Set("ETag", fmt.Sprintf("\"%d\"", result.revision))
	}
	switch result.code {
	case done:
		w.WriteHeader(http.StatusNoContent)
	case notLeader:
		r.toLeader(w, q)
	case refused:
		text(w, http.StatusServiceUnavailable, "nothing was done")
	case misfit:
		text(w, http.StatusConflict, "the change does not fit, or another one is under way")
	case mismatched:
		text(w, http.StatusPreconditionFailed, "the key has another revision; nothing was done")
	case unknown:
		text(w, http.StatusGatewayTimeout, "the outcome is unknown")
	}
}

// toLeader sends a client on, if somebody else is known to lead.
func (r *routes) toLeader(w http.ResponseWriter, q *http.Request) {
	address, found := "", false
	if now, ok := r.look(false); ok && now.Leader != r.node.id {
		address, found = r.node.peers.address(now.Leader)
	}
	if !found {
		text(w, http.StatusServiceUnavailable, "no leader is known; nothing was done")
		return
	}
	w.Header().Set("Location", r.node.options.scheme()+"://"+address+q.URL.EscapedPath())
	w.WriteHeader(http.StatusTemporaryRedirect)
}

func (r *routes) read(w http.ResponseWriter, q *http.Request, key string) {
	if q.URL.Query().Get("stale") != "1" && !r.readIndex(w) {
		return
	}
	r.node.mutex.Lock()
	it, found := r.node.state.items[key]
	r.node.counters.Reads++
	r.node.mutex.Unlock()
	if !found {
		text(w, http.StatusNotFound, "there is no such key")
		return
	}
	w.Header().Set("ETag", fmt.Sprintf("\"%d\"", it.revision))
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(it.value)))
	w.Write(it.value)
}

// readIndex waits until the state holds all that was acknowledged before; it answers by itself if that does not work.
func (r *routes) readIndex(w http.ResponseWriter) bool {
	answer := make(chan outcome, 1)
	select {
	case r.node.reads <- answer:
	default:
		text(w, http.StatusServiceUnavailable, "the queue is full")
		return false
	}
	select {
	case <-answer:
		return true
	case <-time.After(waitMax):
		text(w, http.StatusServiceUnavailable, "no leader answers")
		return false
	}
}

func (r *routes) count(add func(*counters)) {
	r.node.mutex.Lock()
	add(&r.node.counters)
	r.node.mutex.Unlock()
}

// ---- the cluster ----

func (r *routes) snapshot(w http.ResponseWriter, q *http.Request) {
	r.node.tasks <- func() { r.node.storage.wanted = true }
	text(w, http.StatusAccepted, "a snapshot is under way")
}

func (r *routes) transfer(w http.ResponseWriter, q *http.Request) {
	id, err := strconv.ParseUint(strings.TrimPrefix(q.URL.EscapedPath(), "/transfer/"), 10, 64)
	if err != nil || id == 0 {
		text(w, http.StatusBadRequest, "the path ends with the id of the new leader")
		return
	}
	now, ok := r.look(false)
	if !ok || now.Role != "leader" {
		r.toLeader(w, q)
		return
	}
	r.node.tasks <- func() { r.node.raw.TransferLeader(id) }
	text(w, http.StatusAccepted, "the transfer is under way")
}

// raft takes messages of the other nodes: one, or many in frames.
func (r *routes) raft(w http.ResponseWriter, q *http.Request) {
	cluster, err := strconv.ParseUint(q.Header.Get("X-Etcd-Cluster-ID"), 16, 64)
	if err != nil || cluster != r.node.cluster {
		refuse(w, http.StatusPreconditionFailed, "cluster ID mismatch")
		return
	}
	from, err := strconv.ParseUint(q.Header.Get("X-Server-From"), 16, 64)
	if err != nil {
		refuse(w, http.StatusBadRequest, "X-Server-From is not a node's id in hex")
		return
	}
	if q.TLS != nil && q.TLS.PeerCertificates[0].Subject.CommonName != fmt.Sprintf("rft-node-%d", from) {
		refuse(w, http.StatusForbidden, "the certificate is not that of the node that speaks")
		return
	}
	data, ok := body(w, q, raftBodyMax)
	if !ok {
		return
	}
	frames := [][]byte{data}
	if q.Header.Get("Content-Type") == typeFrames {
		if frames, ok = splitFrames(data); !ok {
			text(w, http.StatusBadRequest, "the body is not whole frames")
			return
		}
	}
	messages := make([]wordMessage, 0, len(frames))
	for _, frame := range frames {
		m, err := decodeMessage(frame)
		if err != nil || !belongs(m, from, r.node.id) {
			text(w, http.StatusBadRequest, "not a message, or not of this sender to this node")
			return
		}
		messages = append(messages, m)
	}
	select {
	case r.node.tasks <- func() { r.node.step(messages) }:
		w.WriteHeader(http.StatusNoContent)
	default:
		text(w, http.StatusServiceUnavailable, "the queue is full")
	}
}

// belongs says whether a message is what its sender may send here. A transfer names the new leader as its sender. A
// snapshot has to be a whole one: an engine of raft-ffi sends a long one in pieces, which raft would take for the state.
func belongs(m wordMessage, from, to uint64) bool {
	outside := lookMessage(m)
	if outside.isSnapshot {
		if _, err := decodeState(outside.snapshot); err != nil {
			return false
		}
	}
	return !isLocal(m) && outside.to == to && (outside.from == from || outside.isTransfer)
}
