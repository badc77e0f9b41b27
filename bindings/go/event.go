package rft

// #include "shim.h"
import "C"

import "time"

// EventKind is what an event tells. Pass over one you do not know.
type EventKind int32

const (
	// EventRole says that role, term or known leader changed.
	EventRole = EventKind(C.RFT_EVENT_ROLE)
	// EventMembership says that a membership change was applied, at Index.
	EventMembership = EventKind(C.RFT_EVENT_MEMBERSHIP)
	// EventSnapshotSaved says that a snapshot of the state machine is durable: Index, Term, Bytes.
	EventSnapshotSaved = EventKind(C.RFT_EVENT_SNAPSHOT_SAVED)
	// EventSnapshotRestored says that the state machine was replaced by a leader's snapshot: Index, Term, Bytes.
	EventSnapshotRestored = EventKind(C.RFT_EVENT_SNAPSHOT_RESTORED)
	// EventFailed says that the engine has stopped for good: Err. Its Status still works.
	EventFailed = EventKind(C.RFT_EVENT_FAILED)
	// EventRecovered says that the engine came up from its directory, with the snapshot at Index. Text tells, a
	// sentence a line, what was mended.
	EventRecovered = EventKind(C.RFT_EVENT_RECOVERED)
	// EventDiskFull says that the disk has less room than Config.DiskReserveBytes: Bytes are left.
	EventDiskFull = EventKind(C.RFT_EVENT_DISK_FULL)
	// EventDiskHasRoom says that the disk has room again: Bytes are left.
	EventDiskHasRoom = EventKind(C.RFT_EVENT_DISK_HAS_ROOM)
	// EventDamaged says that the disk has lost what this node had acknowledged, up to Index at the most. Text tells the
	// places, a sentence a line. The node neither votes nor leads until EventRefilled.
	EventDamaged = EventKind(C.RFT_EVENT_DAMAGED)
	// EventRefilled says that this node holds again all that its disk had lost; its log ends at Index.
	EventRefilled = EventKind(C.RFT_EVENT_REFILLED)
	// EventPaused says that nothing of the engine ran for Time, more than half an election timeout: the process was
	// stopped, the machine slept, or Send held it up.
	EventPaused = EventKind(C.RFT_EVENT_PAUSED)
	// EventDiskStalled says that the disk has been at one write to the log for Time. A leader hands over, or steps down.
	EventDiskStalled = EventKind(C.RFT_EVENT_DISK_STALLED)
	// EventDiskMoves says that the disk has finished that write, after Time.
	EventDiskMoves = EventKind(C.RFT_EVENT_DISK_MOVES)
)

// Event is something that happened at an engine. What its kind does not name is zero.
type Event struct {
	// Kind is what it tells.
	Kind EventKind
	// Role, Term and Leader are the node's.
	Role         Role
	Term, Leader uint64
	// Index is an entry.
	Index uint64
	// Bytes is the length of a snapshot, or what is left of the disk.
	Bytes uint64
	// Time is how long something took.
	Time time.Duration
	// Err is why the engine stopped.
	Err error
	// Text tells more.
	Text string
}

func eventOf(from *C.rft_event_t, h *host) Event {
	event := Event{
		Kind: EventKind(from.kind), Role: Role(from.role), Term: uint64(from.term), Leader: uint64(from.leader),
		Index: uint64(from.index), Bytes: uint64(from.bytes), Text: C.GoStringN(from.text, C.int(from.text_len)),
		Time: time.Duration(from.millis) * time.Millisecond,
	}
	if from.status != C.RFT_OK {
		event.Err = h.explained(newError(Code(from.status), event.Text))
	}
	return event
}
