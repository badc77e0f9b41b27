package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	"go.etcd.io/etcd/server/v3/etcdserver/api/snap"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3"
	"go.uber.org/zap"
)

// filesKept is how many old segments and snapshots stay beside those that a restart needs.
const filesKept = 5

// disk is a node's directory: etcd's write-ahead log in wal, its snapshots in snap.
type disk struct {
	wal   *wal.WAL
	snap  *snap.Snapshotter
	purge chan struct{} // closed to end the removal of old files
}

// found is what a directory holds. A snapshot of index 0: none.
type found struct {
	snapshot snapshot
	state    wordState
	entries  []wordEntry
}

func walDir(dir string) string  { return filepath.Join(dir, "wal") }
func snapDir(dir string) string { return filepath.Join(dir, "snap") }

// openDisk opens or makes the directory. That of a new node gets `first`, if that has an index.
func openDisk(dir string, node, cluster uint64, first snapshot) (*disk, found, error) {
	quiet := zap.NewNop()
	if err := os.MkdirAll(snapDir(dir), 0o700); err != nil {
		return nil, found{}, err
	}
	if !wal.Exist(walDir(dir)) {
		owner, err := makeOwner(node, cluster)
		if err != nil {
			return nil, found{}, err
		}
		made, err := wal.Create(quiet, walDir(dir), owner)
		if err != nil {
			return nil, found{}, err
		}
		if err := made.Close(); err != nil {
			return nil, found{}, err
		}
	}
	newest, err := newestSnapshot(dir)
	if err != nil {
		return nil, found{}, err
	}
	d := &disk{snap: snap.New(quiet, snapDir(dir)), purge: make(chan struct{})}
	owner, f, err := d.read(dir, newest)
	if err != nil {
		return nil, found{}, err
	}
	if ofNode, ofCluster, err := lookOwner(owner); err != nil || ofNode != node || ofCluster != cluster {
		return nil, found{}, fmt.Errorf("the directory is that of node %d in cluster %d (%v)", ofNode, ofCluster, err)
	}
	// A process that was killed here has left a log without it; then it comes now.
	if newest.index == 0 && len(f.entries) == 0 && first.index > 0 {
		f.snapshot, f.state = first, makeState(first.term, first.index)
		if err := d.save(f.state, nil, makeSnapshot(first)); err != nil {
			return nil, found{}, err
		}
	}
	d.removeOld(dir, quiet)
	return d, f, nil
}

func newestSnapshot(dir string) (snapshot, error) {
	quiet := zap.NewNop()
	recorded, err := wal.ValidSnapshotEntries(quiet, walDir(dir))
	if err != nil {
		return snapshot{}, err
	}
	newest, err := snap.New(quiet, snapDir(dir)).LoadNewestAvailable(recorded)
	if errors.Is(err, snap.ErrNoSnapshot) {
		return snapshot{}, nil
	}
	if err != nil {
		return snapshot{}, err
	}
	return loaded(newest), nil
}

// read opens the log behind a snapshot. A record that was being written when the process ended is cut off, once.
func (d *disk) read(dir string, newest snapshot) ([]byte, found, error) {
	quiet := zap.NewNop()
	for repaired := false; ; repaired = true {
		log, err := wal.Open(quiet, walDir(dir), position(newest))
		if err != nil {
			return nil, found{}, err
		}
		owner, state, entries, err := log.ReadAll()
		if err == nil {
			d.wal = log
			return owner, found{newest, state, entries}, nil
		}
		log.Close()
		if repaired || !errors.Is(err, io.ErrUnexpectedEOF) || !wal.Repair(quiet, walDir(dir)) {
			return nil, found{}, err
		}
	}
}

// removeOld starts what looks for files that are not needed any more; the log holds locks on those that are.
func (d *disk) removeOld(dir string, quiet *zap.Logger) {
	fileutil.PurgeFile(quiet, walDir(dir), "wal", filesKept, 5*time.Second, d.purge)
	fileutil.PurgeFile(quiet, snapDir(dir), "snap", filesKept, 5*time.Second, d.purge)
}

// save makes a Ready durable. The snapshot comes first: a state that commits its index must not be there without it.
func (d *disk) save(state wordState, entries []wordEntry, received wordSnapshot) error {
	hasSnapshot := !raft.IsEmptySnap(received)
	if hasSnapshot {
		if err := d.record(received); err != nil {
			return err
		}
	}
	if err := d.wal.Save(state, entries); err != nil {
		return err
	}
	if !hasSnapshot {
		return nil
	}
	if err := d.wal.Sync(); err != nil {
		return err
	}
	return d.wal.ReleaseLockTo(lookSnapshot(received).index)
}

// record writes a snapshot's file, then its name into the log.
func (d *disk) record(s wordSnapshot) error {
	if err := d.snap.SaveSnap(s); err != nil {
		return err
	}
	return d.wal.SaveSnapshot(position(lookSnapshot(s)))
}

func (d *disk) close() error {
	close(d.purge)
	return d.wal.Close()
}
