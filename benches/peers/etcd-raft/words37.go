//go:build etcd37

package main

import (
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

type wordMessage = *raftpb.Message

func firstSnapshot() *raftpb.Snapshot {
	members := &raftpb.ConfState{Voters: []uint64{1, 2, 3}, AutoLeave: proto.Bool(false)}
	metadata := &raftpb.SnapshotMetadata{ConfState: members, Index: proto.Uint64(1), Term: proto.Uint64(1)}
	return &raftpb.Snapshot{Metadata: metadata}
}

func receiver(m wordMessage) uint64 { return m.GetTo() }

func look(e *raftpb.Entry) (uint64, []byte) { return e.GetIndex(), e.GetData() }

func proposal(buffer []byte, batch, size int) wordMessage {
	entries := make([]*raftpb.Entry, batch)
	values := make([]raftpb.Entry, batch)
	for at := range entries {
		values[at].Data = buffer[at*size : (at+1)*size : (at+1)*size]
		entries[at] = &values[at]
	}
	return &raftpb.Message{Type: raftpb.MsgProp.Enum(), From: proto.Uint64(1), To: proto.Uint64(1), Entries: entries}
}

func throughWire(m wordMessage) wordMessage {
	data, err := proto.Marshal(m)
	must(err)
	found := &raftpb.Message{}
	must(proto.Unmarshal(data, found))
	return found
}
