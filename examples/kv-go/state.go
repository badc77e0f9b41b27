package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"sync"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

// pair is what a key has. Its bytes are never changed, so they may be handed out.
type pair struct {
	revision uint64 // the index of the entry that wrote it
	value    []byte
}

// state is what all nodes that have applied the same index have alike.
type state struct {
	applied uint64
	members book
	pairs   map[string]pair
}

func newState(first book) state {
	return state{members: first, pairs: make(map[string]pair)}
}

// apply takes an entry over, and says what its proposer is answered.
func (s *state) apply(entry rft.Entry) ([]byte, error) {
	if entry.Type == rft.EntryConfChange {
		// A host that speaks to nobody by address may leave the context empty, and so does the library when it ends a
		// joint change by itself.
		members, err := s.members.changed(string(entry.Data))
		if err != nil {
			return nil, err
		}
		s.members, s.applied = members, entry.Index
		return nil, nil
	}
	if len(entry.Data) == 0 {
		s.applied = entry.Index
		return nil, nil
	}
	c, err := parseCommand(entry.Data)
	if err != nil {
		return nil, err
	}
	s.applied = entry.Index
	return s.run(c).encode(), nil
}

func (s *state) run(c command) answer {
	if c.conditional() && s.pairs[c.key].revision != c.revision {
		return answer{revision: s.pairs[c.key].revision}
	}
	switch c.op {
	case opPut, opPutIf:
		// A copy, because the entries of a batch share their memory.
		s.pairs[c.key] = pair{revision: s.applied, value: bytes.Clone(c.value)}
		return answer{done: true, revision: s.applied}
	default:
		delete(s.pairs, c.key)
		return answer{done: true}
	}
}

// machine is the state behind a lock, as the engine's state machine. Only the engine writes it.
type machine struct {
	lock      sync.RWMutex
	state     state
	follow    func(book)        // told of every change of the book
	onRestore func(size uint64) // told of every snapshot that was restored
}

// Apply applies entries; the first that cannot be understood ends the engine.
func (m *machine) Apply(entries []rft.Entry) error {
	members, changed, err := m.apply(entries)
	if changed {
		m.follow(members)
	}
	return err
}

func (m *machine) apply(entries []rft.Entry) (members book, changed bool, err error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	for at := range entries {
		if entries[at].Answer, err = m.state.apply(entries[at]); err != nil {
			return nil, false, fmt.Errorf("entry %d: %w", entries[at].Index, err)
		}
		changed = changed || entries[at].Type == rft.EntryConfChange
	}
	return m.state.members, changed, nil
}

// View hands out the state as of now: applying goes on while it is written.
func (m *machine) View() (func(io.Writer) error, error) {
	m.lock.RLock()
	defer m.lock.RUnlock()
	view := m.state
	view.pairs = maps.Clone(view.pairs)
	return view.encode, nil
}

// Snapshot writes the state; the engine asks for a View instead.
func (m *machine) Snapshot(to io.Writer) error {
	m.lock.RLock()
	defer m.lock.RUnlock()
	return m.state.encode(to)
}

// Restore replaces the state. Until all of it has been read well, the old one stays.
func (m *machine) Restore(from io.Reader) error {
	fresh, err := decodeState(from)
	if err != nil {
		return err
	}
	m.lock.Lock()
	m.state = fresh
	m.lock.Unlock()
	m.follow(fresh.members)
	if snapshot, ok := from.(*rft.SnapshotReader); ok {
		m.onRestore(snapshot.Len())
	}
	return nil
}

func (m *machine) get(key string) (pair, bool) {
	m.lock.RLock()
	defer m.lock.RUnlock()
	found, there := m.state.pairs[key]
	return found, there
}

func (m *machine) members() book {
	m.lock.RLock()
	defer m.lock.RUnlock()
	return m.state.members
}

// summary is the state in a few words.
type summary struct {
	Applied uint64 `json:"applied"`
	Keys    int    `json:"keys"`
	Hash    string `json:"hash,omitempty"`
}

func (m *machine) summary(withHash bool) summary {
	m.lock.RLock()
	defer m.lock.RUnlock()
	out := summary{Applied: m.state.applied, Keys: len(m.state.pairs)}
	if withHash {
		out.Hash = fmt.Sprintf("%016x", m.state.hash())
	}
	return out
}
