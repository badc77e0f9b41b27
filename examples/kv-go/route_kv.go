package main

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

const kvPrefix = "/kv/"

// keyOf is the key that a path names. Go has undone the percent signs; a key may hold any byte.
func keyOf(to http.ResponseWriter, request *http.Request) (string, bool) {
	key := strings.TrimPrefix(request.URL.Path, kvPrefix)
	if key == "" {
		reply(to, http.StatusBadRequest, "a key has 1 to 1024 bytes, with percent signs where needed")
	} else if len(key) > keyMax {
		reply(to, http.StatusRequestURITooLong, "a key has 1 to 1024 bytes, with percent signs where needed")
	}
	return key, key != "" && len(key) <= keyMax
}

var errTag = errors.New("a condition is If-Match with one revision such as \"17\", or If-None-Match: * with a PUT")

// condition reads If-Match and If-None-Match: the revision that the key must have, 0 for none, and whether there is a
// condition at all.
func condition(request *http.Request) (revision uint64, given bool, err error) {
	match, none := request.Header.Values("If-Match"), request.Header.Values("If-None-Match")
	switch {
	case len(match)+len(none) == 0:
		return 0, false, nil
	case len(match)+len(none) > 1:
		return 0, true, errTag
	case len(none) == 1:
		if none[0] != "*" || request.Method != http.MethodPut {
			return 0, true, errTag
		}
		return 0, true, nil
	}
	text, found := strings.CutPrefix(match[0], `"`)
	text, closed := strings.CutSuffix(text, `"`)
	if revision, err = parseID(text); err != nil || !found || !closed || text[0] == '0' {
		return 0, true, errTag
	}
	return revision, true, nil
}

func putKey(n *node, to http.ResponseWriter, request *http.Request, body []byte) {
	n.write(to, request, command{op: opPut, value: body}, opPutIf)
}

func deleteKey(n *node, to http.ResponseWriter, request *http.Request, _ []byte) {
	n.write(to, request, command{op: opDelete}, opDeleteIf)
}

// write proposes, at the leader wherever that is, and waits until the command is applied there: a majority has it on disk.
func (n *node) write(to http.ResponseWriter, request *http.Request, c command, conditional byte) {
	key, ok := keyOf(to, request)
	if !ok {
		return
	}
	c.key = key
	revision, given, err := condition(request)
	if err != nil {
		reply(to, http.StatusBadRequest, err.Error())
		return
	}
	if given {
		c.op, c.revision = conditional, revision
	}
	ctx, cancel := context.WithTimeout(request.Context(), waitLimit)
	defer cancel()
	outcome, err := n.engine.Propose(ctx, c.encode())
	if err != nil {
		n.replyError(to, request, err)
		return
	}
	got, err := parseAnswer(outcome.Answer)
	if err != nil {
		reply(to, http.StatusInternalServerError, "the outcome is unknown: "+err.Error())
		return
	}
	if got.revision != 0 {
		to.Header().Set("ETag", tag(got.revision))
	}
	if !got.done {
		reply(to, http.StatusPreconditionFailed, "the key has another revision; nothing was done")
		return
	}
	n.counters.writes.Add(1)
	to.WriteHeader(http.StatusNoContent)
}

func tag(revision uint64) string { return `"` + strconv.FormatUint(revision, 10) + `"` }

func getKey(n *node, to http.ResponseWriter, request *http.Request, _ []byte) {
	key, ok := keyOf(to, request)
	if !ok {
		return
	}
	if request.URL.Query().Get("stale") != "1" {
		ctx, cancel := context.WithTimeout(request.Context(), waitLimit)
		defer cancel()
		// Once this returns, the state here holds all that was acknowledged anywhere before the call.
		if _, err := n.engine.Read(ctx); err != nil {
			n.replyError(to, request, err)
			return
		}
	}
	found, there := n.machine.get(key)
	n.counters.reads.Add(1)
	if !there {
		reply(to, http.StatusNotFound, "there is no such key")
		return
	}
	to.Header().Set("ETag", tag(found.revision))
	replyBytes(to, http.StatusOK, "application/octet-stream", found.value)
}
