package main

import "go.etcd.io/raft/v3/raftpb"

// What this program knows of raft's words, whichever release they come from; words36.go and words37.go translate.

type entry struct {
	term, index uint64
	kind        int // as raftpb.EntryType
	data        []byte
}

func (e entry) isChange() bool { return e.kind != int(raftpb.EntryNormal) }

type snapshot struct {
	term, index uint64
	members     wordMembers
	data        []byte
}

// members is who belongs to the cluster; outgoing and learnersNext only while a joint change is under way.
type members struct{ voters, learners, outgoing, learnersNext []uint64 }

// letter is what a message says on its outside.
type letter struct {
	from, to               uint64
	isSnapshot, isTransfer bool
	snapshot               []byte // the state in it
}

type change struct {
	kind raftpb.ConfChangeType
	id   uint64
}
