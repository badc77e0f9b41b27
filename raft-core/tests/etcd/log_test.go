// The same random history of a log, written in turns by this library and by etcd's own packages. After each turn both
// read what is there, and both have to find what the model holds, entry by entry.
package etcd

import (
	"bytes"
	"fmt"
	"slices"
)

type entry struct {
	term, index uint64
	kind        int // as raftpb.EntryType
	data        []byte
}

type state struct{ term, vote, commit uint64 }

type snapshot struct {
	term, index uint64
	voters      []uint64
	data        []byte
}

// content is what a directory holds, or what a reader says it does.
type content struct {
	state    state
	snapshot snapshot // index 0: none
	entries  []entry  // behind the snapshot
}

func (c content) last() uint64 { return c.snapshot.index + uint64(len(c.entries)) }

// differs says in words where the two are not the same.
func (c content) differs(other content) string {
	if c.state != other.state {
		return fmt.Sprintf("state %+v, not %+v", c.state, other.state)
	}
	a, b := c.snapshot, other.snapshot
	if a.term != b.term || a.index != b.index {
		return fmt.Sprintf("snapshot of term %d and index %d, not %d and %d", a.term, a.index, b.term, b.index)
	}
	if !slices.Equal(a.voters, b.voters) || !bytes.Equal(a.data, b.data) {
		return fmt.Sprintf("voters %v and %d bytes in the snapshot, not %v and %d", a.voters, len(a.data), b.voters, len(b.data))
	}
	if len(c.entries) != len(other.entries) {
		return fmt.Sprintf("last index %d, not %d", c.last(), other.last())
	}
	for i, e := range c.entries {
		o := other.entries[i]
		if e.term != o.term || e.index != o.index || e.kind != o.kind || !bytes.Equal(e.data, o.data) {
			return fmt.Sprintf("entry %d:%d with %d bytes, not %d:%d with %d", e.term, e.index, len(e.data), o.term, o.index, len(o.data))
		}
	}
	return ""
}

// log is a directory that is open for writing.
type log interface {
	// save appends entries, then the state if its term is not 0.
	save(state, []entry) error
	// record writes a snapshot's file, then its record.
	record(snapshot) error
	// release lets go of what a restart from the snapshot at index does not need.
	release(index uint64) error
	close() error
}
