//go:build !etcd37

package interop

import (
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// The words of etcd 3.6, which hands structs over by value, and writes fields that are zero.

type message = raftpb.Message

func begin(storage *raft.MemoryStorage, voters []uint64) error {
	metadata := raftpb.SnapshotMetadata{ConfState: raftpb.ConfState{Voters: voters}, Index: 1, Term: 1}
	if err := storage.ApplySnapshot(raftpb.Snapshot{Metadata: metadata}); err != nil {
		return err
	}
	return storage.SetHardState(raftpb.HardState{Term: 1, Commit: 1})
}

func entryOf(e raftpb.Entry) entry { return entry{e.Index, e.Type, e.Data} }

func snapshotIndex(s raftpb.Snapshot) uint64 { return s.Metadata.Index }
