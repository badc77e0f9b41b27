package rft

// #include "shim.h"
import "C"

import "strings"

// Code is a status of the library. Each is an error of its own, to be found with errors.Is. A newer library may
// answer one that is not listed here: take it for an error that is neither retryable nor fatal.
type Code int32

const (
	// ErrInvalidArg says that an argument cannot be right: nil, a zero id, an unknown constant.
	ErrInvalidArg = Code(C.RFT_E_INVALID_ARG)
	// ErrConfig says that a setting is out of its range, or that settings contradict each other.
	ErrConfig = Code(C.RFT_E_CONFIG)
	// ErrBusy says that a queue is full. Later it may work.
	ErrBusy = Code(C.RFT_E_BUSY)
	// ErrPanic says that a panic inside the library was contained. The handle refuses all further work.
	ErrPanic = Code(C.RFT_E_PANIC)
	// ErrDecode says that the bytes are not a message, or one that contradicts what is committed here.
	ErrDecode = Code(C.RFT_E_DECODE)
	// ErrLocalMessage says that the message is of a kind that may not come from a peer.
	ErrLocalMessage = Code(C.RFT_E_LOCAL_MESSAGE)
	// ErrUnknownPeer says that the message comes from no member, or from one that has lost its directory.
	ErrUnknownPeer = Code(C.RFT_E_UNKNOWN_PEER)
	// ErrWrongReceiver says that the message is for another node.
	ErrWrongReceiver = Code(C.RFT_E_WRONG_RECEIVER)
	// ErrNotLeader says that this node does not lead; see [Error.Leader]. Not applied, for certain.
	ErrNotLeader = Code(C.RFT_E_NOT_LEADER)
	// ErrDropped says that it was not taken, or superseded by another leader's entry. Not applied, for certain. Of a
	// context that was over before the call it says that nothing was asked; errors.Is finds the context's error too.
	ErrDropped = Code(C.RFT_E_DROPPED)
	// ErrConfChange says that another membership change is pending, or that this one does not fit. Not applied.
	ErrConfChange = Code(C.RFT_E_CONF_CHANGE)
	// ErrTooLarge says that it has more bytes than the limit allows. Not applied, for certain.
	ErrTooLarge = Code(C.RFT_E_TOO_LARGE)
	// ErrTimedOut says that the wait ended first. It may or may not be applied.
	ErrTimedOut = Code(C.RFT_E_TIMED_OUT)
	// ErrUnknown says that leadership was lost in flight. It may or may not be applied.
	ErrUnknown = Code(C.RFT_E_UNKNOWN)
	// ErrStopped says that the engine is stopping or has stopped, or that a node or store is closed. What was under
	// way may or may not be applied.
	ErrStopped = Code(C.RFT_E_STOPPED)
	// ErrCompacted says that the entries asked for have been compacted away.
	ErrCompacted = Code(C.RFT_E_COMPACTED)
	// ErrUnavailable says that the entries asked for are not there yet.
	ErrUnavailable = Code(C.RFT_E_UNAVAILABLE)
	// ErrSnapshotOld says that the snapshot is older than what there is.
	ErrSnapshotOld = Code(C.RFT_E_SNAPSHOT_OLD)
	// ErrSnapshotUnavailable says that there is no snapshot to be had right now.
	ErrSnapshotUnavailable = Code(C.RFT_E_SNAPSHOT_UNAVAILABLE)
	// ErrIO says that the operating system refused. A failed write or fsync is final for its store or engine.
	ErrIO = Code(C.RFT_E_IO)
	// ErrCorrupt says that a file holds what cannot have been written.
	ErrCorrupt = Code(C.RFT_E_CORRUPT)
	// ErrLocked says that the directory is open elsewhere.
	ErrLocked = Code(C.RFT_E_LOCKED)
	// ErrForeign says that the directory belongs to another node or cluster.
	ErrForeign = Code(C.RFT_E_FOREIGN)
	// ErrHost says that the state machine failed or panicked. errors.As finds what it returned, or a [*PanicError]. The
	// engine has stopped; from [Engine.Snapshot] it may go on, see [Error.Fatal].
	ErrHost = Code(C.RFT_E_HOST)
	// ErrInvariant says that an invariant is broken. The node has stopped, for good.
	ErrInvariant = Code(C.RFT_E_INVARIANT)
	// ErrReentrant says that this call may not be made from inside a callback.
	ErrReentrant = Code(C.RFT_E_REENTRANT)
	// ErrMisuse says that calls came out of order, for instance Advance without Ready.
	ErrMisuse = Code(C.RFT_E_MISUSE)
	// ErrDiskFull says that the disk has less room than [Config.DiskReserveBytes]. Not applied, for certain; it works
	// again when there is room.
	ErrDiskFull = Code(C.RFT_E_DISK_FULL)
	// ErrSession says that the session is closed or has gone on to a higher number. This try was not applied; an earlier
	// one of its number may have been.
	ErrSession = Code(C.RFT_E_SESSION)
	// ErrQuorumAtRisk says that of the voters after this membership change those that the leader has heard of lately would
	// be no quorum; the message names the others. Not applied, for certain; see [Change.Forced].
	ErrQuorumAtRisk = Code(C.RFT_E_QUORUM_AT_RISK)
	// ErrLearnerBehind says that the learner that is to become a voter has not caught up yet. Not applied, for certain.
	ErrLearnerBehind = Code(C.RFT_E_LEARNER_BEHIND)
	// ErrWrongSender says that the message names another sender than the peer that brought it.
	ErrWrongSender = Code(C.RFT_E_WRONG_SENDER)

	codeOK = Code(C.RFT_OK)
)

// Error is the meaning of the code, as one sentence without its full stop.
func (c Code) Error() string {
	return strings.TrimSuffix(C.GoString(C.rft_status_str(C.rft_status_t(c))), ".")
}

// Name is the code's constant in C as text, "RFT_E_BUSY"; "RFT_E_?" for a number this library does not know.
func (c Code) Name() string {
	return C.GoString(C.rft_status_name(C.rft_status_t(c)))
}

// Retryable says whether the same call may succeed later and had no effect now.
func (c Code) Retryable() bool { return C.rft_status_is_retryable(C.rft_status_t(c)) != 0 }

// Fatal says whether what failed will never work again. What is left is to close it. Of a snapshot [Error.Fatal] knows
// better.
func (c Code) Fatal() bool { return C.rft_status_is_fatal(C.rft_status_t(c)) != 0 }
