//go:build !etcd37

package main

import (
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// The words of raft 3.6, which hands structs over by value.

const raftVersion = "3.6"

type (
	wordEntry    = raftpb.Entry
	wordMessage  = raftpb.Message
	wordSnapshot = raftpb.Snapshot
	wordState    = raftpb.HardState
	wordMembers  = raftpb.ConfState
	wordPosition = walpb.Snapshot
)

func lookEntry(e wordEntry) entry { return entry{e.Term, e.Index, int(e.Type), e.Data} }

func lookState(s wordState) (term, vote, commit uint64) { return s.Term, s.Vote, s.Commit }

func lookSnapshot(s wordSnapshot) snapshot {
	return snapshot{s.Metadata.Term, s.Metadata.Index, s.Metadata.ConfState, s.Data}
}

func lookMembers(m wordMembers) members {
	return members{m.Voters, m.Learners, m.VotersOutgoing, m.LearnersNext}
}

func lookMessage(m wordMessage) letter {
	out := letter{from: m.From, to: m.To, isSnapshot: m.Type == raftpb.MsgSnap, isTransfer: m.Type == raftpb.MsgTransferLeader}
	if m.Snapshot != nil {
		out.snapshot = m.Snapshot.Data
	}
	return out
}

func isLocal(m wordMessage) bool { return raft.IsLocalMsg(m.Type) }

func encodeMessage(m wordMessage) ([]byte, error) { return m.Marshal() }

func decodeMessage(data []byte) (m wordMessage, err error) {
	err = m.Unmarshal(data)
	return m, err
}

func makeMembers(voters []uint64) wordMembers { return wordMembers{Voters: voters} }

func makeState(term, commit uint64) wordState { return wordState{Term: term, Commit: commit} }

// loaded is what the file of a snapshot holds.
func loaded(s *raftpb.Snapshot) snapshot { return lookSnapshot(*s) }

func makeSnapshot(s snapshot) wordSnapshot {
	metadata := raftpb.SnapshotMetadata{ConfState: s.members, Index: s.index, Term: s.term}
	return wordSnapshot{Data: s.data, Metadata: metadata}
}

func position(s snapshot) wordPosition {
	return wordPosition{Index: s.index, Term: s.term, ConfState: &s.members}
}

func makeOwner(node, cluster uint64) ([]byte, error) {
	return (&etcdserverpb.Metadata{NodeID: node, ClusterID: cluster}).Marshal()
}

func lookOwner(data []byte) (node, cluster uint64, err error) {
	var owner etcdserverpb.Metadata
	err = owner.Unmarshal(data)
	return owner.NodeID, owner.ClusterID, err
}

func makeChange(changes []change, context []byte) raftpb.ConfChangeI {
	out := raftpb.ConfChangeV2{Context: context}
	for _, c := range changes {
		out.Changes = append(out.Changes, raftpb.ConfChangeSingle{Type: c.kind, NodeID: c.id})
	}
	return out
}

// readChange undoes an entry of a membership change; the context is the host's.
func readChange(e entry) (raftpb.ConfChangeI, []byte, error) {
	if e.kind == int(raftpb.EntryConfChange) {
		var one raftpb.ConfChange
		err := one.Unmarshal(e.data)
		return one, one.Context, err
	}
	var many raftpb.ConfChangeV2
	err := many.Unmarshal(e.data)
	return many, many.Context, err
}

// raft hands out who belongs by pointer, and takes it so.
func pointed(m *raftpb.ConfState) wordMembers { return *m }

func pointing(m wordMembers) *raftpb.ConfState { return &m }
