package rft

// #include "shim.h"
//
// #cgo noescape rft_node_has_ready
// #cgo nocallback rft_node_has_ready
// #cgo noescape rft_node_ready
// #cgo nocallback rft_node_ready
import "C"

// Ready is what a node wants done, in this order: send the Messages, save ([Store.Save] does it), replace the state
// machine when there is a Snapshot, apply Committed, answer the Reads, [Node.Advance]. All of it is yours to keep.
type Ready struct {
	// Messages are to be sent. They may leave at once, before anything is saved.
	Messages []Message
	// Entries are to be saved. They replace what was saved at their indices and behind.
	Entries []Entry
	// Committed are to be applied, in order, once all above is saved.
	Committed []Entry
	// Reads are to be answered, each as soon as its index is applied.
	Reads []ReadState
	// HardState is to be saved; nil when it did not change.
	HardState *HardState
	// Snapshot is to be saved before the entries, and to replace the whole state machine with; nil when there is none.
	Snapshot *Snapshot
	// MustSync says whether what is to be saved must be synced to the disk before Advance.
	MustSync bool
	// Leader is the one this node knows; 0 is none.
	Leader uint64
	// Role is what the node is.
	Role Role
}

// ReadState is a read that may be answered.
type ReadState struct {
	// Index is an entry that the state machine has to have applied first.
	Index uint64
	// Request is the number given to [Node.ReadIndex].
	Request uint64
}

// HardState is what must survive a crash beside the log.
type HardState struct {
	// Term is the newest this node has seen, and Vote whom it voted for in it; 0 is nobody.
	Term, Vote uint64
	// Commit is how far the log is known to be committed.
	Commit uint64
}

// Snapshot is the state machine at one entry.
type Snapshot struct {
	// Index is the last entry it covers, and Term that entry's term.
	Index, Term uint64
	// Data are the bytes given to [Node.Snapshot], here or on another node.
	Data []byte
}

func snapshotOf(from *C.rft_snapshot_t) *Snapshot {
	return &Snapshot{Index: uint64(from.index), Term: uint64(from.term), Data: copied(from.data, from.len)}
}

// HasReady says whether Ready has something.
func (n *Node) HasReady() bool {
	var has C.uint8_t
	err := n.call(func(node *C.rft_node_t, _ **C.rft_error_t) C.rft_status_t {
		has = C.rft_node_has_ready(node)
		return C.RFT_OK
	})
	return err == nil && has != 0
}

// Ready takes what the node wants done.
func (n *Node) Ready() (*Ready, error) {
	ready := &Ready{}
	err := n.call(func(node *C.rft_node_t, object **C.rft_error_t) C.rft_status_t {
		var from C.rft_ready_t
		status := C.rft_node_ready(node, &from, object)
		if status == C.RFT_OK {
			ready.take(&from) // under the node's lock, because an advance would take it all away
		}
		return status
	})
	if err != nil {
		return nil, err
	}
	return ready, nil
}

func (r *Ready) take(from *C.rft_ready_t) {
	r.Messages = messagesOf(view(from.messages, from.messages_len))
	r.Entries = entriesOf(view(from.entries, from.entries_len))
	r.Committed = entriesOf(view(from.committed, from.committed_len))
	for _, read := range view(from.reads, from.reads_len) {
		r.Reads = append(r.Reads, ReadState{Index: uint64(read.index), Request: uint64(read.request)})
	}
	if from.has_hard_state != 0 {
		state := from.hard_state
		r.HardState = &HardState{Term: uint64(state.term), Vote: uint64(state.vote), Commit: uint64(state.commit)}
	}
	if from.has_snapshot != 0 {
		r.Snapshot = snapshotOf(&from.snapshot)
	}
	r.MustSync = from.must_sync != 0
	r.Leader = uint64(from.leader)
	r.Role = Role(from.role)
}
