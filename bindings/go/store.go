package rft

// #include "shim.h"
//
// #cgo noescape rft_store_open
// #cgo nocallback rft_store_open
// #cgo noescape rft_store_snapshot
// #cgo nocallback rft_store_snapshot
// #cgo noescape rft_store_save
// #cgo nocallback rft_store_save
import "C"

import (
	"runtime"
	"sync"
)

// Store is a node's directory: a write-ahead log and snapshots. One store at a time has a directory open, in all
// processes. The first write or fsync that fails is final. Calls of several goroutines wait for each other.
type Store struct {
	lock    sync.Mutex
	store   *C.rft_store_t // nil when closed
	cleanup runtime.Cleanup
}

// OpenStore opens the config's directory, and creates it when it is missing. A directory without a history gets one
// that starts with the config's voters; without voters it waits for a snapshot from a leader. It blocks for the disk.
func OpenStore(config Config) (*Store, error) {
	built, err := config.build()
	if err != nil {
		return nil, err
	}
	defer C.rft_config_free(built)
	s := &Store{}
	var object *C.rft_error_t
	var store *C.rft_store_t
	status := C.rft_store_open(built, text(config.Dir), C.size_t(len(config.Dir)), &store, &object)
	if err := failure(status, object); err != nil {
		return nil, err
	}
	s.store = store
	s.cleanup = runtime.AddCleanup(s, func(store *C.rft_store_t) { C.rft_store_free(store) }, store)
	return s, nil
}

func (s *Store) call(body func(store *C.rft_store_t, object **C.rft_error_t) C.rft_status_t) error {
	if s == nil {
		return errClosed
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.store == nil {
		return errClosed
	}
	var object *C.rft_error_t
	status := body(s.store, &object)
	return failure(status, object)
}

// Snapshot reads the newest snapshot, which the state machine is to be restored from before the first Ready; nil when
// there is none. It blocks for the disk.
func (s *Store) Snapshot() (*Snapshot, error) {
	var snapshot *Snapshot
	err := s.call(func(store *C.rft_store_t, object **C.rft_error_t) C.rft_status_t {
		var from C.rft_snapshot_t
		status := C.rft_store_snapshot(store, &from, object)
		if status == C.RFT_OK && from.len > 0 {
			snapshot = snapshotOf(&from)
		}
		return status
	})
	return snapshot, err
}

// Save writes the node's Ready to the disk, and syncs it where that is needed. Call it between [Node.Ready] and
// [Node.Advance]; a second time for the same one it does nothing. What need not be synced, a commit index alone, may be
// written only with what follows, or by Close. ErrDiskFull: no room for the Ready's snapshot; it may be saved again when
// there is. It blocks for the disk.
func (s *Store) Save(node *Node) error {
	return node.call(func(from *C.rft_node_t, object **C.rft_error_t) C.rft_status_t {
		if s == nil {
			return C.RFT_E_STOPPED
		}
		s.lock.Lock()
		defer s.lock.Unlock()
		if s.store == nil {
			return C.RFT_E_STOPPED
		}
		return C.rft_store_save(s.store, from, object)
	})
}

// Close closes the directory. What was saved stays there. A second call does nothing.
func (s *Store) Close() error {
	if s == nil {
		return nil
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.store != nil {
		s.cleanup.Stop()
		C.rft_store_free(s.store)
		s.store = nil
	}
	return nil
}
