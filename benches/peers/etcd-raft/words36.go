//go:build !etcd37

package main

import "go.etcd.io/raft/v3/raftpb"

type wordMessage = raftpb.Message

func firstSnapshot() raftpb.Snapshot {
	members := raftpb.ConfState{Voters: []uint64{1, 2, 3}}
	return raftpb.Snapshot{Metadata: raftpb.SnapshotMetadata{ConfState: members, Index: 1, Term: 1}}
}

func receiver(m wordMessage) uint64 { return m.To }

func look(e raftpb.Entry) (uint64, []byte) { return e.Index, e.Data }

func proposal(buffer []byte, batch, size int) wordMessage {
	entries := make([]raftpb.Entry, batch)
	for at := range entries {
		entries[at].Data = buffer[at*size : (at+1)*size : (at+1)*size]
	}
	return raftpb.Message{Type: raftpb.MsgProp, From: 1, To: 1, Entries: entries}
}

func throughWire(m wordMessage) (found wordMessage) {
	data, err := m.Marshal()
	must(err)
	must(found.Unmarshal(data))
	return found
}
