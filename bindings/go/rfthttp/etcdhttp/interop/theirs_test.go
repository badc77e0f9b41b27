package interop

import (
	"context"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/etcdserver/api/rafthttp"
	stats "go.etcd.io/etcd/server/v3/etcdserver/api/v2stats"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
)

// entry is what both generations of etcd's entries have.
type entry struct {
	index uint64
	kind  raftpb.EntryType
	data  []byte
}

// theirs is a node on etcd's raft behind etcd's Transport, as raftexample has them. Its log is in memory and outlives its
// restarts.
type theirs struct {
	id      uint64
	storage *raft.MemoryStorage

	node      raft.Node
	transport *rafthttp.Transport
	server    *httptest.Server
	stop      chan struct{}
	done      chan struct{}

	lock      sync.Mutex
	applied   []string
	index     uint64 // of the last entry that is applied
	restored  uint64 // the index of the last snapshot that came
	pipelined int    // POSTs that came
}

// newTheirs makes a node of a cluster that begins where this library's begin: at index 1 of term 1.
func newTheirs(t *testing.T, id uint64, voters []uint64) *theirs {
	n := &theirs{id: id, storage: raft.NewMemoryStorage(), index: 1}
	must(t, begin(n.storage, voters))
	return n
}

// start begins, or goes on, at an address.
func (n *theirs) start(t *testing.T, address string, peers map[uint64]string) {
	n.lock.Lock()
	applied := n.index
	n.lock.Unlock()
	n.node = raft.RestartNode(&raft.Config{
		ID: n.id, ElectionTick: 10, HeartbeatTick: 1, Storage: n.storage, Applied: applied, MaxSizePerMsg: 1 << 20,
		MaxInflightMsgs: 256, PreVote: true, CheckQuorum: true, Logger: &raft.DefaultLogger{Logger: log.New(quiet{}, "", 0)},
	})
	n.transport = &rafthttp.Transport{
		Logger: zap.NewNop(), ID: types.ID(n.id), ClusterID: clusterID, Raft: n, ErrorC: make(chan error, 1),
		ServerStats: stats.NewServerStats("", ""), LeaderStats: stats.NewLeaderStats(zap.NewNop(), types.ID(n.id).String()),
	}
	must(t, n.transport.Start())
	for id, url := range peers {
		n.transport.AddPeer(types.ID(id), []string{url})
	}
	handler := n.transport.Handler()
	n.server = listen(t, address, http.HandlerFunc(func(to http.ResponseWriter, request *http.Request) {
		if request.Method == http.MethodPost {
			n.lock.Lock()
			n.pipelined++
			n.lock.Unlock()
		}
		handler.ServeHTTP(to, request)
	}))
	n.stop, n.done = make(chan struct{}), make(chan struct{})
	go n.run(t)
}

func (n *theirs) close() {
	close(n.stop)
	<-n.done
	n.transport.Stop()
	n.node.Stop()
	n.server.CloseClientConnections()
	n.server.Close()
}

func (n *theirs) run(t *testing.T) {
	defer close(n.done)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-n.stop:
			return
		case <-ticker.C:
			n.node.Tick()
		case err := <-n.transport.ErrorC:
			t.Error("the transport of etcd gives up:", err)
			return
		case ready := <-n.node.Ready():
			if err := n.take(ready); err != nil {
				t.Error(err)
				return
			}
			n.node.Advance()
		}
	}
}

func (n *theirs) take(ready raft.Ready) error {
	if !raft.IsEmptySnap(ready.Snapshot) {
		if err := n.storage.ApplySnapshot(ready.Snapshot); err != nil {
			return err
		}
	}
	if !raft.IsEmptyHardState(ready.HardState) {
		if err := n.storage.SetHardState(ready.HardState); err != nil {
			return err
		}
	}
	if err := n.storage.Append(ready.Entries); err != nil {
		return err
	}
	n.transport.Send(ready.Messages)
	n.lock.Lock()
	defer n.lock.Unlock()
	if !raft.IsEmptySnap(ready.Snapshot) {
		n.restored = snapshotIndex(ready.Snapshot)
		n.index = n.restored
	}
	for _, committed := range ready.CommittedEntries {
		entry := entryOf(committed)
		n.index = entry.index
		if entry.kind == raftpb.EntryNormal && len(entry.data) > 0 {
			n.applied = append(n.applied, string(entry.data))
		}
	}
	return nil
}

func (n *theirs) list() []string {
	n.lock.Lock()
	defer n.lock.Unlock()
	return append([]string(nil), n.applied...)
}

func (n *theirs) lastRestored() uint64 {
	n.lock.Lock()
	defer n.lock.Unlock()
	return n.restored
}

func (n *theirs) posts() int {
	n.lock.Lock()
	defer n.lock.Unlock()
	return n.pipelined
}

// Process is for the transport, like all below.
func (n *theirs) Process(ctx context.Context, m message) error { return n.node.Step(ctx, m) }

func (n *theirs) IsIDRemoved(uint64) bool { return false }

func (n *theirs) ReportUnreachable(id uint64) { n.node.ReportUnreachable(id) }

func (n *theirs) ReportSnapshot(id uint64, status raft.SnapshotStatus) {
	n.node.ReportSnapshot(id, status)
}

type quiet struct{}

func (quiet) Write(text []byte) (int, error) { return len(text), nil }
