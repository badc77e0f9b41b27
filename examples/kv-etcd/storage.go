package main

import (
	"slices"

	"go.etcd.io/raft/v3"
)

// storage is raft's view of the log. It hands out a snapshot only if that is of use to whoever needs one.
type storage struct {
	*raft.MemoryStorage
	members wordMembers // as of the applied index
	wanted  bool        // a snapshot was asked for, and there is none that would do
}

func newStorage(f found) (*storage, error) {
	s := &storage{MemoryStorage: raft.NewMemoryStorage(), members: f.snapshot.members}
	if f.snapshot.index > 0 {
		if err := s.ApplySnapshot(makeSnapshot(f.snapshot)); err != nil {
			return nil, err
		}
	}
	if !raft.IsEmptyHardState(f.state) {
		if err := s.SetHardState(f.state); err != nil {
			return nil, err
		}
	}
	return s, s.Append(f.entries)
}

// Snapshot is asked by a leader on behalf of a follower. The first one of a cluster holds no state, and one from before
// the last change may not know the follower: then raft asks again, and there will be a new one.
func (s *storage) Snapshot() (wordSnapshot, error) {
	last, err := s.MemoryStorage.Snapshot()
	if err != nil {
		return last, err
	}
	if seen := lookSnapshot(last); len(seen.data) == 0 || !sameMembers(seen.members, s.members) {
		s.wanted = true
		return last, raft.ErrSnapshotTemporarilyUnavailable
	}
	return last, nil
}

func sameMembers(a, b wordMembers) bool {
	x, y := lookMembers(a), lookMembers(b)
	return slices.Equal(x.voters, y.voters) && slices.Equal(x.learners, y.learners) &&
		slices.Equal(x.outgoing, y.outgoing) && slices.Equal(x.learnersNext, y.learnersNext)
}
