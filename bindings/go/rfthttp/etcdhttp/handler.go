package etcdhttp

import (
	"context"
	"encoding/json"
	"net/http"
	"path"
	"strconv"
	"time"
)

const (
	pathPipeline = "/raft"
	pathMsgApp   = "/raft/stream/msgapp/"
	pathMessage  = "/raft/stream/message/"
	pathProbing  = "/raft/probing"
)

// ServeHTTP takes what a peer sends, and holds its streams. Mount it at /raft and at /raft/.
func (t *Transport) ServeHTTP(to http.ResponseWriter, request *http.Request) {
	switch folder := path.Dir(request.URL.Path) + "/"; {
	case request.URL.Path == pathPipeline:
		t.servePipeline(to, request)
	case request.URL.Path == pathProbing:
		to.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(to).Encode(struct { // who does not wait for it has seen that the node is there
			OK  bool
			Now time.Time
		}{true, time.Now()})
	case folder == pathMsgApp, folder == pathMessage:
		t.serveStream(to, request, folder)
	default:
		http.Error(to, "invalid path", http.StatusNotFound)
	}
}

func (t *Transport) servePipeline(to http.ResponseWriter, request *http.Request) {
	to.Header().Set(headerCluster, inHex(t.options.ClusterID))
	// The nodes of rfthttp say nothing of versions.
	if request.Method == http.MethodPost && request.Header.Get(headerVersion) != "" {
		if err := checkVersions(request.Header); err != nil {
			http.Error(to, err.Error(), http.StatusPreconditionFailed)
			return
		}
	}
	t.pipeline.ServeHTTP(to, request)
}

func (t *Transport) serveStream(to http.ResponseWriter, request *http.Request, folder string) {
	if request.Method != http.MethodGet {
		to.Header().Set("Allow", http.MethodGet)
		http.Error(to, "streams come by GET", http.StatusMethodNotAllowed)
		return
	}
	to.Header().Set(headerVersion, serverVersion)
	to.Header().Set(headerCluster, inHex(t.options.ClusterID))
	err := checkVersions(request.Header)
	if cluster, failed := strconv.ParseUint(request.Header.Get(headerCluster), 16, 64); err == nil &&
		(failed != nil || cluster != t.options.ClusterID) {
		err = errCluster
	}
	if err != nil {
		http.Error(to, err.Error(), http.StatusPreconditionFailed)
		return
	}
	from, err := strconv.ParseUint(path.Base(request.URL.Path), 16, 64)
	known := t.peer(from)
	if err != nil || known == nil {
		http.Error(to, "there is no such peer", http.StatusNotFound)
		return
	}
	if err := t.options.Sender(request, from); err != nil {
		http.Error(to, err.Error(), http.StatusForbidden)
		return
	}
	if request.Header.Get(headerTo) != inHex(t.options.ID) {
		http.Error(to, "to field mismatch", http.StatusPreconditionFailed)
		return
	}
	// The request is read, and its answer has no end. Not every server can take back its limits; one that cannot ends the
	// stream now and then.
	control := http.NewResponseController(to)
	_ = control.SetReadDeadline(time.Time{})
	to.WriteHeader(http.StatusOK)
	if control.Flush() != nil {
		return
	}
	// It ends with the transport, too, since no server ends a request that is under way.
	ctx, cancel := context.WithCancel(request.Context())
	defer cancel()
	defer context.AfterFunc(t.ended, cancel)()
	if folder == pathMsgApp {
		known.apps.serve(ctx, to, new(appEncoder))
	} else {
		known.others.serve(ctx, to, messageEncoder{})
	}
}
