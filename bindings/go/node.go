package rft

// #include "shim.h"
//
// #cgo noescape rft_node_create
// #cgo nocallback rft_node_create
// #cgo noescape rft_node_tick
// #cgo nocallback rft_node_tick
// #cgo noescape rft_node_step
// #cgo nocallback rft_node_step
// #cgo noescape rft_node_step_many
// #cgo nocallback rft_node_step_many
// #cgo noescape rft_go_node_propose
// #cgo nocallback rft_go_node_propose
// #cgo noescape rft_go_node_propose_one
// #cgo nocallback rft_go_node_propose_one
// #cgo noescape rft_node_propose_change
// #cgo nocallback rft_node_propose_change
// #cgo noescape rft_node_read_index
// #cgo nocallback rft_node_read_index
// #cgo noescape rft_node_campaign
// #cgo nocallback rft_node_campaign
// #cgo noescape rft_node_transfer_leader
// #cgo nocallback rft_node_transfer_leader
// #cgo noescape rft_node_report_unreachable
// #cgo nocallback rft_node_report_unreachable
// #cgo noescape rft_node_report_snapshot
// #cgo nocallback rft_node_report_snapshot
// #cgo noescape rft_node_advance
// #cgo nocallback rft_node_advance
// #cgo noescape rft_node_snapshot
// #cgo nocallback rft_node_snapshot
// #cgo noescape rft_node_status
// #cgo nocallback rft_node_status
// #cgo noescape rft_node_members
// #cgo nocallback rft_node_members
import "C"

import (
	"runtime"
	"sync"
)

// Node is the bare state machine of consensus. Call [Node.Tick] at a steady pace and [Node.Step] with what peers send;
// as long as [Node.HasReady], take [Node.Ready], do what it says, and answer with [Node.Advance].
//
// With a [Store] a node survives its process. Without one it lives in memory only: never give its id to another node
// after it is gone. Calls of several goroutines wait for each other.
type Node struct {
	lock    sync.Mutex
	node    *C.rft_node_t // nil when closed
	cleanup runtime.Cleanup
}

// NewNode creates a node. What the store holds is where it starts, and only one node can be created from an open store;
// without a store, nil, it is a node in memory, of a new cluster of the config's voters.
func NewNode(config Config, store *Store) (*Node, error) {
	built, err := config.build()
	if err != nil {
		return nil, err
	}
	defer C.rft_config_free(built)
	var from *C.rft_store_t
	if store != nil {
		store.lock.Lock()
		defer store.lock.Unlock()
		if from = store.store; from == nil {
			return nil, errClosed
		}
	}
	n := &Node{}
	var object *C.rft_error_t
	var node *C.rft_node_t
	if err := failure(C.rft_node_create(built, from, &node, &object), object); err != nil {
		return nil, err
	}
	n.node = node
	n.cleanup = runtime.AddCleanup(n, func(node *C.rft_node_t) { C.rft_node_free(node) }, node)
	return n, nil
}

var errClosed = newError(ErrStopped, "it is closed, or was never opened")

// call runs one call on the node, or answers for a node that is closed.
func (n *Node) call(body func(node *C.rft_node_t, object **C.rft_error_t) C.rft_status_t) error {
	if n == nil {
		return errClosed
	}
	n.lock.Lock()
	defer n.lock.Unlock()
	if n.node == nil {
		return errClosed
	}
	var object *C.rft_error_t
	status := body(n.node, &object)
	return failure(status, object)
}

// Tick tells the node that one unit of time has passed.
func (n *Node) Tick() error {
	return n.call(func(node *C.rft_node_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_node_tick(node, object)
	})
}

// Step gives the node a message from a peer. Any error but ErrInvariant leaves the node as it was: drop the message
// and go on.
func (n *Node) Step(message []byte) error {
	return n.call(func(node *C.rft_node_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_node_step(node, first(message), C.size_t(len(message)), object)
	})
}

// StepMany gives the node several messages, in order, and stops at the first that is refused. It says how many were
// taken.
func (n *Node) StepMany(messages [][]byte) (int, error) {
	var done C.size_t
	err := n.call(func(node *C.rft_node_t, object **C.rft_error_t) C.rft_status_t {
		var pinner runtime.Pinner
		defer pinner.Unpin()
		array := borrowed(&pinner, messages)
		if len(array) == 0 {
			return C.RFT_OK
		}
		return C.rft_node_step_many(node, &array[0], C.size_t(len(array)), &done, object)
	})
	return int(done), err
}

// Propose proposes entries, all of them or none, at least one. At a leader they are in its log when the call returns,
// which is no promise: they are committed when they come back in Ready.Committed. It gives the index of the first, 0
// when they were sent on to the leader.
func (n *Node) Propose(payloads ...[]byte) (uint64, error) {
	if len(payloads) == 0 {
		return 0, newError(ErrInvalidArg, "there is no payload")
	}
	if n == nil {
		return 0, errClosed
	}
	n.lock.Lock()
	if n.node == nil {
		n.lock.Unlock()
		return 0, errClosed
	}
	var out C.rft_go_proposed_t
	if len(payloads) == 1 {
		one := payloads[0]
		out = C.rft_go_node_propose_one(n.node, first(one), C.size_t(len(one)))
	} else {
		many := pack(payloads)
		out = C.rft_go_node_propose(n.node, first(many.data), &many.lens[0], C.size_t(len(many.lens)))
		many.free()
	}
	n.lock.Unlock()
	return uint64(out.index), failure(out.status, out.error)
}

// ProposeChange proposes a membership change. It takes effect on each node when that node advances past it. A newcomer
// starts from a snapshot: give the leader one, with Snapshot, after the change is applied.
func (n *Node) ProposeChange(change Change) error {
	return n.call(func(node *C.rft_node_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_node_propose_change(node, change.steps(), C.size_t(len(change.Steps)),
			C.int32_t(change.Transition), first(change.Context), C.size_t(len(change.Context)), object)
	})
}

// ReadIndex asks for the index at which a read is linearizable. The answer is one of the Reads of a later Ready, with
// the request's number; it may be lost with a message or a leader, so keep the time and ask again.
func (n *Node) ReadIndex(request uint64) error {
	return n.call(func(node *C.rft_node_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_node_read_index(node, C.uint64_t(request), object)
	})
}

// Campaign asks for votes now, instead of waiting for the election timeout.
func (n *Node) Campaign() error {
	return n.call(func(node *C.rft_node_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_node_campaign(node, object)
	})
}

// TransferLeader asks the leader, this node or another, to hand its leadership to a member.
func (n *Node) TransferLeader(to uint64) error {
	return n.call(func(node *C.rft_node_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_node_transfer_leader(node, C.uint64_t(to), object)
	})
}

// ReportUnreachable tells the node that a message to a peer could not be delivered. Optional.
func (n *Node) ReportUnreachable(id uint64) error {
	return n.call(func(node *C.rft_node_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_node_report_unreachable(node, C.uint64_t(id), object)
	})
}

// ReportSnapshot tells the node whether a MsgSnap, a message of type 7, was delivered. Required after each: its
// receiver gets nothing else until then.
func (n *Node) ReportSnapshot(id uint64, delivered bool) error {
	var ok C.uint8_t
	if delivered {
		ok = 1
	}
	return n.call(func(node *C.rft_node_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_node_report_snapshot(node, C.uint64_t(id), ok, object)
	})
}

// Advance says that everything in the last Ready is saved and applied. Messages that had to wait for it come with the
// next one.
func (n *Node) Advance() error {
	return n.call(func(node *C.rft_node_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_node_advance(node, object)
	})
}

// Snapshot gives the node a snapshot of the state machine, as of the entry at index: for peers that need entries from
// before it, and, with the node's store, for the next start. Without, nil, it is kept in memory only.
func (n *Node) Snapshot(store *Store, index uint64, data []byte) error {
	return n.call(func(node *C.rft_node_t, object **C.rft_error_t) C.rft_status_t {
		var to *C.rft_store_t
		if store != nil {
			store.lock.Lock()
			defer store.lock.Unlock()
			if to = store.store; to == nil {
				return C.RFT_E_STOPPED
			}
		}
		return C.rft_node_snapshot(node, to, C.uint64_t(index), first(data), C.size_t(len(data)), object)
	})
}

// Status tells how the node stands.
func (n *Node) Status() (Status, error) {
	var out C.rft_node_status_t
	err := n.call(func(node *C.rft_node_t, object **C.rft_error_t) C.rft_status_t {
		return C.rft_node_status(node, &out, object)
	})
	return statusOf(&out), err
}

// Members tells who is a member, by ascending id.
func (n *Node) Members() ([]Member, error) {
	return members(func(out *C.rft_member_t, room C.size_t, count *C.size_t) error {
		return n.call(func(node *C.rft_node_t, object **C.rft_error_t) C.rft_status_t {
			return C.rft_node_members(node, out, room, count, object)
		})
	})
}

// Close frees the node. Its store stays open. A second call does nothing.
func (n *Node) Close() error {
	if n == nil {
		return nil
	}
	n.lock.Lock()
	defer n.lock.Unlock()
	if n.node != nil {
		n.cleanup.Stop()
		C.rft_node_free(n.node)
		n.node = nil
	}
	return nil
}
