//go:build etcd37

package main

import (
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// The words of raft 3.7, which has pointers to everything, and leaves fields out that nobody has set.

const raftVersion = "3.7"

type (
	wordEntry    = *raftpb.Entry
	wordMessage  = *raftpb.Message
	wordSnapshot = *raftpb.Snapshot
	wordState    = *raftpb.HardState
	wordMembers  = *raftpb.ConfState
	wordPosition = *walpb.Snapshot
)

func lookEntry(e wordEntry) entry {
	return entry{e.GetTerm(), e.GetIndex(), int(e.GetType()), e.GetData()}
}

func lookState(s wordState) (term, vote, commit uint64) {
	return s.GetTerm(), s.GetVote(), s.GetCommit()
}

func lookSnapshot(s wordSnapshot) snapshot {
	m := s.GetMetadata()
	return snapshot{m.GetTerm(), m.GetIndex(), m.GetConfState(), s.GetData()}
}

func lookMembers(m wordMembers) members {
	return members{m.GetVoters(), m.GetLearners(), m.GetVotersOutgoing(), m.GetLearnersNext()}
}

func lookMessage(m wordMessage) letter {
	kind := m.GetType()
	return letter{m.GetFrom(), m.GetTo(), kind == raftpb.MsgSnap, kind == raftpb.MsgTransferLeader, m.GetSnapshot().GetData()}
}

func isLocal(m wordMessage) bool { return raft.IsLocalMsg(m.GetType()) }

func encodeMessage(m wordMessage) ([]byte, error) { return proto.Marshal(m) }

func decodeMessage(data []byte) (wordMessage, error) {
	m := &raftpb.Message{}
	return m, proto.Unmarshal(data, m)
}

func makeMembers(voters []uint64) wordMembers {
	return &raftpb.ConfState{Voters: voters, AutoLeave: proto.Bool(false)}
}

func makeState(term, commit uint64) wordState {
	return &raftpb.HardState{Term: &term, Vote: proto.Uint64(0), Commit: &commit}
}

// loaded is what the file of a snapshot holds.
func loaded(s *raftpb.Snapshot) snapshot { return lookSnapshot(s) }

func makeSnapshot(s snapshot) wordSnapshot {
	metadata := &raftpb.SnapshotMetadata{ConfState: s.members, Index: &s.index, Term: &s.term}
	return &raftpb.Snapshot{Data: s.data, Metadata: metadata}
}

func position(s snapshot) wordPosition {
	return &walpb.Snapshot{Index: &s.index, Term: &s.term, ConfState: s.members}
}

func makeOwner(node, cluster uint64) ([]byte, error) {
	return proto.Marshal(&etcdserverpb.Metadata{NodeID: &node, ClusterID: &cluster})
}

func lookOwner(data []byte) (node, cluster uint64, err error) {
	var owner etcdserverpb.Metadata
	err = proto.Unmarshal(data, &owner)
	return owner.GetNodeID(), owner.GetClusterID(), err
}

func makeChange(changes []change, context []byte) raftpb.ConfChangeI {
	out := &raftpb.ConfChangeV2{Context: context}
	for _, c := range changes {
		out.Changes = append(out.Changes, &raftpb.ConfChangeSingle{Type: c.kind.Enum(), NodeId: proto.Uint64(c.id)})
	}
	return out
}

// readChange undoes an entry of a membership change; the context is the host's.
func readChange(e entry) (raftpb.ConfChangeI, []byte, error) {
	if e.kind == int(raftpb.EntryConfChange) {
		one := &raftpb.ConfChange{}
		err := proto.Unmarshal(e.data, one)
		return one, one.GetContext(), err
	}
	many := &raftpb.ConfChangeV2{}
	err := proto.Unmarshal(e.data, many)
	return many, many.GetContext(), err
}

func pointed(m *raftpb.ConfState) wordMembers { return m }

func pointing(m wordMembers) *raftpb.ConfState { return m }
