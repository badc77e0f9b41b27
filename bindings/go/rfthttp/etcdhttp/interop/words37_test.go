//go:build etcd37

package interop

import (
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// The words of etcd 3.7, whose fields are there or not.

type message = *raftpb.Message

func begin(storage *raft.MemoryStorage, voters []uint64) error {
	one, zero := uint64(1), uint64(0)
	metadata := &raftpb.SnapshotMetadata{ConfState: &raftpb.ConfState{Voters: voters}, Index: &one, Term: &one}
	if err := storage.ApplySnapshot(&raftpb.Snapshot{Metadata: metadata}); err != nil {
		return err
	}
	return storage.SetHardState(&raftpb.HardState{Term: &one, Vote: &zero, Commit: &one})
}

func entryOf(e *raftpb.Entry) entry { return entry{e.GetIndex(), e.GetType(), e.GetData()} }

func snapshotIndex(s *raftpb.Snapshot) uint64 { return s.GetMetadata().GetIndex() }
