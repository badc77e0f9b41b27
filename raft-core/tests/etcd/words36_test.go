//go:build !etcd37

package etcd

import (
	"bytes"
	"errors"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
)

// The words of etcd 3.6, which writes fields that are zero and hands structs over by value.

type position = walpb.Snapshot

func at(index, term uint64) position { return position{Index: index, Term: term} }

func owner() ([]byte, error) {
	return (&etcdserverpb.Metadata{NodeID: nodeID, ClusterID: clusterID}).Marshal()
}

func checkOwner(metadata []byte) error {
	var of etcdserverpb.Metadata
	if err := of.Unmarshal(metadata); err != nil {
		return err
	}
	if of.NodeID != nodeID || of.ClusterID != clusterID {
		return errors.New("of somebody else")
	}
	return nil
}

func pointer[T any](value T) *T { return &value }

func fromState(s *raftpb.HardState) state { return state{s.Term, s.Vote, s.Commit} }

func toState(s state) raftpb.HardState {
	return raftpb.HardState{Term: s.term, Vote: s.vote, Commit: s.commit}
}

func fromEntry(e *raftpb.Entry) entry {
	return entry{e.Term, e.Index, int(e.Type), bytes.Clone(e.Data)}
}

func toEntries(entries []entry) (all []raftpb.Entry) {
	for _, e := range entries {
		all = append(all, raftpb.Entry{Term: e.term, Index: e.index, Type: raftpb.EntryType(e.kind), Data: e.data})
	}
	return all
}

func fromSnapshot(s *raftpb.Snapshot) snapshot {
	return snapshot{s.Metadata.Term, s.Metadata.Index, s.Metadata.ConfState.Voters, s.Data}
}

func toSnapshot(s snapshot) raftpb.Snapshot {
	members := raftpb.ConfState{Voters: s.voters}
	metadata := raftpb.SnapshotMetadata{ConfState: members, Index: s.index, Term: s.term}
	return raftpb.Snapshot{Data: s.data, Metadata: metadata}
}

func toRecord(s snapshot) walpb.Snapshot {
	return walpb.Snapshot{Index: s.index, Term: s.term, ConfState: &raftpb.ConfState{Voters: s.voters}}
}
