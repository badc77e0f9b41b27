package interop

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
	"github.com/raft-ffi/raft-ffi/bindings/go/internal/kit"
	"github.com/raft-ffi/raft-ffi/bindings/go/rfthttp"
	"github.com/raft-ffi/raft-ffi/bindings/go/rfthttp/etcdhttp"
)

const (
	clusterID = 0x1000
	tick      = 100 * time.Millisecond
	patience  = kit.Patience
)

var (
	must  = kit.Must
	until = kit.Until
)

// listen serves at an address; one that was left a moment ago may need a moment.
func listen(t *testing.T, address string, handler http.Handler) *httptest.Server {
	var listener net.Listener
	until(t, "the address is free", func() (ok bool) {
		var err error
		listener, err = net.Listen("tcp", address)
		return err == nil
	})
	server := &httptest.Server{Listener: listener, Config: rfthttp.NewServer(handler, nil)}
	server.Start()
	return server
}

// list is a state machine that keeps what it is told.
type list struct {
	lock     sync.Mutex
	commands []string
}

func (l *list) Apply(entries []rft.Entry) error {
	l.lock.Lock()
	defer l.lock.Unlock()
	for _, entry := range entries {
		if entry.Type == rft.EntryNormal {
			l.commands = append(l.commands, string(entry.Data))
		}
	}
	return nil
}

func (l *list) Snapshot(to io.Writer) error { return json.NewEncoder(to).Encode(l.list()) }

func (l *list) Restore(from io.Reader) error {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.commands = nil
	return json.NewDecoder(from).Decode(&l.commands)
}

func (l *list) list() []string {
	l.lock.Lock()
	defer l.lock.Unlock()
	return append([]string(nil), l.commands...)
}

// ours is a node of this library.
type ours struct {
	id        uint64
	dir       string
	machine   *list
	transport *etcdhttp.Transport
	engine    *rft.Engine
	server    *httptest.Server
}

func (n *ours) start(t *testing.T, address string, peers map[uint64]string, voters []uint64) {
	var err error
	n.machine = &list{}
	n.transport, err = etcdhttp.New(etcdhttp.Options{
		Options: rfthttp.Options{ID: n.id, ClusterID: clusterID, Peers: peers}, URLs: []string{"http://" + address},
	})
	must(t, err)
	mux := http.NewServeMux()
	mux.Handle("/raft", n.transport)
	mux.Handle("/raft/", n.transport)
	n.server = listen(t, address, mux)
	n.engine, err = rft.Open(context.Background(), rft.Config{
		Dir: n.dir, ID: n.id, ClusterID: clusterID, Voters: voters, TickInterval: tick, SnapshotTrailing: -1,
	}, n.machine, n.transport)
	must(t, err)
}

func (n *ours) close() {
	_ = n.engine.Close()
	_ = n.transport.Close()
	n.server.CloseClientConnections()
	n.server.Close()
}
