//go:build etcd37

package etcd

import (
	"bytes"
	"errors"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// The words of etcd 3.7, which has pointers to fields, and leaves out the type of an ordinary entry.

type position = *walpb.Snapshot

func at(index, term uint64) position { return &walpb.Snapshot{Index: &index, Term: &term} }

func owner() ([]byte, error) {
	return proto.Marshal(&etcdserverpb.Metadata{NodeID: proto.Uint64(nodeID), ClusterID: proto.Uint64(clusterID)})
}

func checkOwner(metadata []byte) error {
	var of etcdserverpb.Metadata
	if err := proto.Unmarshal(metadata, &of); err != nil {
		return err
	}
	if of.GetNodeID() != nodeID || of.GetClusterID() != clusterID {
		return errors.New("of somebody else")
	}
	return nil
}

func pointer[T any](value *T) *T { return value }

func fromState(s *raftpb.HardState) state { return state{s.GetTerm(), s.GetVote(), s.GetCommit()} }

func toState(s state) *raftpb.HardState {
	return &raftpb.HardState{Term: &s.term, Vote: &s.vote, Commit: &s.commit}
}

func fromEntry(e *raftpb.Entry) entry {
	return entry{e.GetTerm(), e.GetIndex(), int(e.GetType()), bytes.Clone(e.GetData())}
}

func toEntries(entries []entry) (all []*raftpb.Entry) {
	for _, e := range entries {
		to := &raftpb.Entry{Term: &e.term, Index: &e.index, Data: e.data}
		if e.kind != 0 {
			to.Type = raftpb.EntryType(e.kind).Enum()
		}
		all = append(all, to)
	}
	return all
}

func fromSnapshot(s *raftpb.Snapshot) snapshot {
	m := s.GetMetadata()
	return snapshot{m.GetTerm(), m.GetIndex(), m.GetConfState().GetVoters(), s.GetData()}
}

func toSnapshot(s snapshot) *raftpb.Snapshot {
	members := &raftpb.ConfState{Voters: s.voters}
	metadata := &raftpb.SnapshotMetadata{ConfState: members, Index: &s.index, Term: &s.term}
	return &raftpb.Snapshot{Data: s.data, Metadata: metadata}
}

func toRecord(s snapshot) *walpb.Snapshot {
	return &walpb.Snapshot{Index: &s.index, Term: &s.term, ConfState: &raftpb.ConfState{Voters: s.voters}}
}
