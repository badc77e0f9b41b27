package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
	"github.com/raft-ffi/raft-ffi/bindings/go/rfthttp"
	"github.com/raft-ffi/raft-ffi/bindings/go/rfthttp/etcdhttp"
)

// counters count since the process began, except starts: that one is kept in DIR/starts.
type counters struct {
	writes, reads, elections                  atomic.Uint64
	snapshotsSaved, snapshotBytesSaved        atomic.Uint64
	snapshotsRestored, snapshotsRestoredBytes atomic.Uint64
	starts                                    uint64
}

// transport is how nodes speak to each other.
type transport interface {
	rft.Transport
	rft.Attacher
	http.Handler
	SetPeer(id uint64, base string) error
	Close() error
}

func newTransport(o options, more rfthttp.Options) (transport, error) {
	more.ID, more.ClusterID = o.id, o.clusterID
	if !o.rafthttp {
		return rfthttp.New(more)
	}
	return etcdhttp.New(etcdhttp.Options{Options: more})
}

// node is one node: the engine, and what its callbacks and the HTTP routes share.
type node struct {
	options   options
	log       *slog.Logger
	tls       *tls.Config // nil: plain HTTP
	machine   *machine
	transport transport
	engine    *rft.Engine
	counters  counters
}

// openNode opens what --dir holds and starts the engine.
func openNode(o options, log *slog.Logger) (*node, error) {
	if err := os.MkdirAll(o.dir, 0o777); err != nil {
		return nil, err
	}
	secrets, err := o.tls()
	if err != nil {
		return nil, err
	}
	n := &node{options: o, log: log, tls: secrets}
	// The addresses a new cluster begins with. A node that joins gets them with its first snapshot.
	first := o.cluster
	if o.join {
		first = nil
	}
	n.machine = &machine{state: newState(first), follow: n.follow, onRestore: n.restored}
	n.transport, err = newTransport(o, rfthttp.Options{TLS: secrets, OnPeer: n.peerChanged})
	if err != nil {
		return nil, err
	}
	// Callbacks begin inside of Open: what they use stands ready before.
	n.follow(o.cluster)
	dir := filepath.Join(o.dir, "raft")
	n.engine, err = rft.Open(context.Background(), o.config(dir), n.machine, n.transport,
		rft.WithLogger(of(log, "rft")), rft.WithEvents(n.happened))
	if err != nil {
		n.close()
		return nil, fmt.Errorf("%s: %s", dir, named(err))
	}
	n.counters.starts = countStart(filepath.Join(o.dir, "starts"))
	return n, nil
}

// close ends the engine's threads; every request that waits is answered.
func (n *node) close() {
	if err := n.engine.Close(); err != nil && !errors.Is(err, rft.ErrStopped) {
		n.log.Error("the engine does not stop: " + named(err))
	}
	_ = n.transport.Close()
}

func (n *node) scheme() string {
	if n.tls != nil {
		return "https"
	}
	return "http"
}

// named is an error of the library with the name of its code.
func named(err error) string {
	var code rft.Code
	if errors.As(err, &code) {
		return fmt.Sprintf("%s (%s)", strings.TrimPrefix(err.Error(), "rft: "), code.Name())
	}
	return err.Error()
}

// follow has the transport know where the nodes are: the addresses are part of the replicated state. One that has left is
// kept, because it may not know yet.
func (n *node) follow(members book) {
	for _, m := range members {
		if m.id == n.options.id {
			continue
		}
		if err := n.transport.SetPeer(m.id, n.scheme()+"://"+m.address); err != nil {
			n.log.Warn(err.Error())
		}
	}
}

func (n *node) peerChanged(id uint64, url string, err error) {
	if err != nil {
		n.log.Warn(fmt.Sprintf("node %d at %s: %v", id, url, err))
	} else {
		n.log.Info(fmt.Sprintf("node %d at %s: reachable again", id, url))
	}
}

func (n *node) restored(size uint64) {
	n.counters.snapshotsRestored.Add(1)
	n.counters.snapshotsRestoredBytes.Add(size)
}

func (n *node) happened(event rft.Event) {
	switch event.Kind {
	case rft.EventRole:
		if event.Leader != 0 {
			n.counters.elections.Add(1)
		}
		n.log.Info(fmt.Sprintf("term %d: node %d leads", event.Term, event.Leader))
	case rft.EventMembership:
		n.log.Info(fmt.Sprintf("membership changed at index %d", event.Index))
	case rft.EventSnapshotSaved:
		n.counters.snapshotsSaved.Add(1)
		n.counters.snapshotBytesSaved.Add(event.Bytes)
	case rft.EventRecovered:
		text := ""
		if event.Text != "" {
			text = ": " + event.Text
		}
		n.log.Info(fmt.Sprintf("recovered, with the snapshot at index %d%s", event.Index, text))
	case rft.EventDiskFull:
		n.log.Warn(fmt.Sprintf("the disk is full: %d bytes are left", event.Bytes))
	case rft.EventDiskHasRoom:
		n.log.Info(fmt.Sprintf("the disk has room again: %d bytes", event.Bytes))
	case rft.EventFailed:
		n.log.Error("this node has failed: " + event.Text)
	}
}

// countStart tells how many times this directory was started, this time included. A count for people: a lost or torn
// file only makes it begin again.
func countStart(path string) uint64 {
	text, _ := os.ReadFile(path)
	starts, _ := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	_ = os.WriteFile(path, fmt.Appendf(nil, "%d\n", starts+1), 0o666)
	return starts + 1
}
