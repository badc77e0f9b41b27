package etcd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	"go.etcd.io/etcd/server/v3/etcdserver/api/snap"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
)

const (
	nodeID    = 1
	clusterID = 7
	// How many old segments etcd's server keeps beside those that it needs.
	segmentsKept = 2
)

var quiet = zap.NewNop()

type theirs struct {
	dir  string
	wal  *wal.WAL
	snap *snap.Snapshotter
}

func dirs(dir string) (string, string) { return filepath.Join(dir, "wal"), filepath.Join(dir, "snap") }

// createTheirs begins a log as etcd's server does.
func createTheirs(dir string) (log, error) {
	walDir, snapDir := dirs(dir)
	if err := os.MkdirAll(snapDir, 0o700); err != nil {
		return nil, err
	}
	metadata, err := (&etcdserverpb.Metadata{NodeID: nodeID, ClusterID: clusterID}).Marshal()
	if err != nil {
		return nil, err
	}
	w, err := wal.Create(quiet, walDir, metadata)
	if err != nil {
		return nil, err
	}
	w.SetUnsafeNoFsync()
	return &theirs{dir, w, snap.New(quiet, snapDir)}, nil
}

// newestTheirs loads the snapshot that etcd's server would restart from.
func newestTheirs(dir string) (snapshot, walpb.Snapshot, error) {
	walDir, snapDir := dirs(dir)
	recorded, err := wal.ValidSnapshotEntries(quiet, walDir)
	if err != nil {
		return snapshot{}, walpb.Snapshot{}, err
	}
	found, err := snap.New(quiet, snapDir).LoadNewestAvailable(recorded)
	if errors.Is(err, snap.ErrNoSnapshot) {
		return snapshot{}, walpb.Snapshot{}, nil
	}
	if err != nil {
		return snapshot{}, walpb.Snapshot{}, err
	}
	m := found.Metadata
	return snapshot{m.Term, m.Index, m.ConfState.Voters, found.Data}, walpb.Snapshot{Index: m.Index, Term: m.Term}, nil
}

// openTheirs opens dir for writing, as etcd's server does, and says what was found.
func openTheirs(dir string) (log, content, error) {
	walDir, snapDir := dirs(dir)
	newest, start, err := newestTheirs(dir)
	if err != nil {
		return nil, content{}, err
	}
	for repaired := false; ; repaired = true {
		w, err := wal.Open(quiet, walDir, start)
		if err != nil {
			return nil, content{}, err
		}
		w.SetUnsafeNoFsync()
		found, err := readTheirs(w)
		if err == nil {
			found.snapshot = newest
			return &theirs{dir, w, snap.New(quiet, snapDir)}, found, nil
		}
		w.Close()
		if repaired || !errors.Is(err, io.ErrUnexpectedEOF) || !wal.Repair(quiet, walDir) {
			return nil, content{}, err
		}
	}
}

// lookTheirs reads dir without changing it: all that etcd's tools look at.
func lookTheirs(dir string) (content, error) {
	walDir, _ := dirs(dir)
	newest, start, err := newestTheirs(dir)
	if err != nil {
		return content{}, err
	}
	verified, err := wal.Verify(quiet, walDir, start)
	if err != nil {
		return content{}, fmt.Errorf("wal.Verify: %w", err)
	}
	w, err := wal.OpenForRead(quiet, walDir, start)
	if err != nil {
		return content{}, err
	}
	defer w.Close()
	found, err := readTheirs(w)
	if err != nil {
		return content{}, err
	}
	if s := (state{verified.Term, verified.Vote, verified.Commit}); s != found.state {
		return content{}, fmt.Errorf("wal.Verify finds state %+v, ReadAll %+v", s, found.state)
	}
	found.snapshot = newest
	return found, nil
}

func readTheirs(w *wal.WAL) (content, error) {
	metadata, hard, entries, err := w.ReadAll()
	if err != nil {
		return content{}, err
	}
	var of etcdserverpb.Metadata
	if err := of.Unmarshal(metadata); err != nil || of.NodeID != nodeID || of.ClusterID != clusterID {
		return content{}, fmt.Errorf("metadata %x: %w", metadata, err)
	}
	found := content{state: state{hard.Term, hard.Vote, hard.Commit}}
	for _, e := range entries {
		found.entries = append(found.entries, entry{e.Term, e.Index, int(e.Type), bytes.Clone(e.Data)})
	}
	return found, nil
}

func (t *theirs) save(s state, entries []entry) error {
	var all []raftpb.Entry
	for _, e := range entries {
		all = append(all, raftpb.Entry{Term: e.term, Index: e.index, Type: raftpb.EntryType(e.kind), Data: e.data})
	}
	return t.wal.Save(raftpb.HardState{Term: s.term, Vote: s.vote, Commit: s.commit}, all)
}

func (t *theirs) record(s snapshot) error {
	members := raftpb.ConfState{Voters: s.voters}
	metadata := raftpb.SnapshotMetadata{ConfState: members, Index: s.index, Term: s.term}
	if err := t.snap.SaveSnap(raftpb.Snapshot{Data: s.data, Metadata: metadata}); err != nil {
		return err
	}
	return t.wal.SaveSnapshot(walpb.Snapshot{Index: s.index, Term: s.term, ConfState: &members})
}

// release lets go of the locks and then does what the purging threads of etcd's server do.
func (t *theirs) release(index uint64) error {
	if err := t.wal.ReleaseLockTo(index); err != nil {
		return err
	}
	walDir, snapDir := dirs(t.dir)
	if err := purge(walDir, ".wal"); err != nil {
		return err
	}
	return purge(snapDir, ".snap")
}

func purge(dir, suffix string) error {
	names, err := fileutil.ReadDir(dir)
	if err != nil {
		return err
	}
	var files []string
	for _, name := range names {
		if strings.HasSuffix(name, suffix) {
			files = append(files, filepath.Join(dir, name))
		}
	}
	for ; len(files) > segmentsKept; files = files[1:] {
		held, err := fileutil.TryLockFile(files[0], os.O_WRONLY, fileutil.PrivateFileMode)
		if errors.Is(err, fileutil.ErrLocked) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := errors.Join(os.Remove(files[0]), held.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (t *theirs) close() error { return t.wal.Close() }
