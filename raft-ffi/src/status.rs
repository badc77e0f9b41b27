//! Status: what a call answers.
//!
//! Every call that can fail returns an `rft_status_t`: 0 is success, every error is negative. A number is never
//! given to another meaning. A newer library may answer numbers that this header does not know: treat those as
//! errors that are neither retryable nor fatal.
//!
//! For a proposal the codes say how certain its fate is. RFT_E_NOT_LEADER, RFT_E_DROPPED, RFT_E_CONF_CHANGE,
//! RFT_E_TOO_LARGE, RFT_E_DISK_FULL, RFT_E_QUORUM_AT_RISK and RFT_E_LEARNER_BEHIND: it certainly was not applied.
//! RFT_E_TIMED_OUT, RFT_E_UNKNOWN and, in an outcome, RFT_E_STOPPED: it may or may not be applied.

use std::ffi::{CStr, c_char};

use raft_core::engine::code::Code;
use raft_core::error::Error;

use crate::boundary;

/// A status code: one of the constants above.
pub type rft_status_t = i32;

/// The status codes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rft_status {
    /// Success.
    RFT_OK = 0,
    /// An argument cannot be right: NULL, a zero id, a bad length, an unknown constant.
    RFT_E_INVALID_ARG = -1,
    /// A setting is out of its range, or settings contradict each other; the message names them.
    RFT_E_CONFIG = -2,
    /// A queue is full, or another thread is inside a call on the same handle. Later it may work.
    RFT_E_BUSY = -3,
    /// A panic inside the library was contained. The handle refuses all further work.
    RFT_E_PANIC = -4,
    /// The bytes are not a message, or the message contradicts what is committed here: it comes from another
    /// cluster, or from a node that lost its disk.
    RFT_E_DECODE = -5,
    /// The message is of a kind that may not come from a peer.
    RFT_E_LOCAL_MESSAGE = -6,
    /// The message answers for a node that is not a member, or comes from a member that has lost its directory: it
    /// counts as gone until it is removed and added again.
    RFT_E_UNKNOWN_PEER = -7,
    /// The message is for another node.
    RFT_E_WRONG_RECEIVER = -8,
    /// This node does not lead; the error or outcome carries the leader's id, 0 if unknown. Not applied, for certain.
    RFT_E_NOT_LEADER = -9,
    /// Not taken, or superseded by another leader's entry. Not applied, for certain.
    RFT_E_DROPPED = -10,
    /// Another membership change is pending, or this one does not fit. Not applied, for certain.
    RFT_E_CONF_CHANGE = -11,
    /// More bytes than the limit allows. Not applied, for certain.
    RFT_E_TOO_LARGE = -12,
    /// The wait ended first. It may or may not be applied.
    RFT_E_TIMED_OUT = -13,
    /// Leadership was lost in flight. It may or may not be applied.
    RFT_E_UNKNOWN = -14,
    /// The engine is stopping or has stopped, or is at work in the process that this one was forked off. In an outcome:
    /// it may or may not be applied.
    RFT_E_STOPPED = -15,
    /// The entries asked for have been compacted away.
    RFT_E_COMPACTED = -16,
    /// The entries asked for are not there yet.
    RFT_E_UNAVAILABLE = -17,
    /// The snapshot is older than what there is.
    RFT_E_SNAPSHOT_OLD = -18,
    /// There is no snapshot to be had right now.
    RFT_E_SNAPSHOT_UNAVAILABLE = -19,
    /// The operating system refused; the message names the operation and the file. A failed write or fsync is
    /// final for its store or engine.
    RFT_E_IO = -20,
    /// A file holds what cannot have been written; the message names it and the place.
    RFT_E_CORRUPT = -21,
    /// The directory is open elsewhere, in this process or another.
    RFT_E_LOCKED = -22,
    /// The directory belongs to another node or cluster.
    RFT_E_FOREIGN = -23,
    /// A callback of the host failed. The engine has stopped; where that was the outcome of a snapshot, it goes on, and
    /// there is none this time.
    RFT_E_HOST = -24,
    /// A broken invariant. The node has stopped, for good.
    RFT_E_INVARIANT = -25,
    /// This call may not be made from inside a callback.
    RFT_E_REENTRANT = -26,
    /// Calls came out of order, for instance advance without ready.
    RFT_E_MISUSE = -27,
    /// The disk has less room than RFT_CONFIG_DISK_RESERVE_BYTES. Not applied, for certain; it works again when there
    /// is room, without a restart. From a snapshot: it would have taken what is kept for the log.
    RFT_E_DISK_FULL = -28,
    /// The session is closed or has gone on to a higher number. This try was not applied; an earlier one of its number
    /// may have been.
    RFT_E_SESSION = -29,
    /// Of the voters after this membership change, those that the leader has heard of lately would be no quorum; the
    /// message names the others. Not applied, for certain. RFT_TRANSITION_FORCED has it made all the same.
    RFT_E_QUORUM_AT_RISK = -30,
    /// The learner that is to become a voter has not caught up yet. Not applied, for certain; later it may work.
    RFT_E_LEARNER_BEHIND = -31,
    /// The message names another sender than the peer that brought it.
    RFT_E_WRONG_SENDER = -32,
}

use rft_status::*;

/// Every code, in the order of its number.
pub(crate) const ALL: [rft_status; 33] = [
    RFT_OK,
    RFT_E_INVALID_ARG,
    RFT_E_CONFIG,
    RFT_E_BUSY,
    RFT_E_PANIC,
    RFT_E_DECODE,
    RFT_E_LOCAL_MESSAGE,
    RFT_E_UNKNOWN_PEER,
    RFT_E_WRONG_RECEIVER,
    RFT_E_NOT_LEADER,
    RFT_E_DROPPED,
    RFT_E_CONF_CHANGE,
    RFT_E_TOO_LARGE,
    RFT_E_TIMED_OUT,
    RFT_E_UNKNOWN,
    RFT_E_STOPPED,
    RFT_E_COMPACTED,
    RFT_E_UNAVAILABLE,
    RFT_E_SNAPSHOT_OLD,
    RFT_E_SNAPSHOT_UNAVAILABLE,
    RFT_E_IO,
    RFT_E_CORRUPT,
    RFT_E_LOCKED,
    RFT_E_FOREIGN,
    RFT_E_HOST,
    RFT_E_INVARIANT,
    RFT_E_REENTRANT,
    RFT_E_MISUSE,
    RFT_E_DISK_FULL,
    RFT_E_SESSION,
    RFT_E_QUORUM_AT_RISK,
    RFT_E_LEARNER_BEHIND,
    RFT_E_WRONG_SENDER,
];

impl rft_status {
    /// The number that crosses the boundary.
    pub(crate) const fn code(self) -> rft_status_t {
        self as rft_status_t
    }

    fn of(code: rft_status_t) -> Option<Self> {
        ALL.into_iter().find(|status| status.code() == code)
    }

    /// Its sentence, for an error object that has nothing to add.
    pub(crate) fn text(self) -> &'static str {
        self.sentence().to_str().unwrap_or_default()
    }

    /// Whether the same call may succeed later, and had no effect now.
    pub(crate) fn is_retryable(self) -> bool {
        Code::of(self.code()).is_some_and(Code::is_retryable)
    }

    /// Whether the handle will never work again, if it is not the outcome of a snapshot.
    pub(crate) fn is_fatal(self) -> bool {
        Code::of(self.code()).is_some_and(Code::is_fatal)
    }

    fn name(self) -> &'static CStr {
        match self {
            RFT_OK => c"RFT_OK",
            RFT_E_INVALID_ARG => c"RFT_E_INVALID_ARG",
            RFT_E_CONFIG => c"RFT_E_CONFIG",
            RFT_E_BUSY => c"RFT_E_BUSY",
            RFT_E_PANIC => c"RFT_E_PANIC",
            RFT_E_DECODE => c"RFT_E_DECODE",
            RFT_E_LOCAL_MESSAGE => c"RFT_E_LOCAL_MESSAGE",
            RFT_E_UNKNOWN_PEER => c"RFT_E_UNKNOWN_PEER",
            RFT_E_WRONG_RECEIVER => c"RFT_E_WRONG_RECEIVER",
            RFT_E_NOT_LEADER => c"RFT_E_NOT_LEADER",
            RFT_E_DROPPED => c"RFT_E_DROPPED",
            RFT_E_CONF_CHANGE => c"RFT_E_CONF_CHANGE",
            RFT_E_TOO_LARGE => c"RFT_E_TOO_LARGE",
            RFT_E_TIMED_OUT => c"RFT_E_TIMED_OUT",
            RFT_E_UNKNOWN => c"RFT_E_UNKNOWN",
            RFT_E_STOPPED => c"RFT_E_STOPPED",
            RFT_E_COMPACTED => c"RFT_E_COMPACTED",
            RFT_E_UNAVAILABLE => c"RFT_E_UNAVAILABLE",
            RFT_E_SNAPSHOT_OLD => c"RFT_E_SNAPSHOT_OLD",
            RFT_E_SNAPSHOT_UNAVAILABLE => c"RFT_E_SNAPSHOT_UNAVAILABLE",
            RFT_E_IO => c"RFT_E_IO",
            RFT_E_CORRUPT => c"RFT_E_CORRUPT",
            RFT_E_LOCKED => c"RFT_E_LOCKED",
            RFT_E_FOREIGN => c"RFT_E_FOREIGN",
            RFT_E_HOST => c"RFT_E_HOST",
            RFT_E_INVARIANT => c"RFT_E_INVARIANT",
            RFT_E_REENTRANT => c"RFT_E_REENTRANT",
            RFT_E_MISUSE => c"RFT_E_MISUSE",
            RFT_E_DISK_FULL => c"RFT_E_DISK_FULL",
            RFT_E_SESSION => c"RFT_E_SESSION",
            RFT_E_QUORUM_AT_RISK => c"RFT_E_QUORUM_AT_RISK",
            RFT_E_LEARNER_BEHIND => c"RFT_E_LEARNER_BEHIND",
            RFT_E_WRONG_SENDER => c"RFT_E_WRONG_SENDER",
        }
    }

    fn sentence(self) -> &'static CStr {
        match self {
            RFT_OK => c"Success.",
            RFT_E_INVALID_ARG => c"An argument is NULL, zero, of a bad length or unknown.",
            RFT_E_CONFIG => c"A setting is out of its range, or settings contradict each other.",
            RFT_E_BUSY => c"A queue is full or the handle is in use by another thread; try again later.",
            RFT_E_PANIC => c"A panic was contained; the handle refuses all further work.",
            RFT_E_DECODE => c"The bytes are not a message, or it contradicts what is committed.",
            RFT_E_LOCAL_MESSAGE => c"A message of this kind may not come from a peer.",
            RFT_E_UNKNOWN_PEER => {
                c"The message comes from a node that is not a member, or has lost its directory."
            }
            RFT_E_WRONG_RECEIVER => c"The message is for another node.",
            RFT_E_NOT_LEADER => c"This node does not lead; nothing was applied.",
            RFT_E_DROPPED => c"The proposal was not taken or was superseded; nothing was applied.",
            RFT_E_CONF_CHANGE => {
                c"Another membership change is pending, or this one does not fit; nothing was applied."
            }
            RFT_E_TOO_LARGE => c"More bytes than the limit allows; nothing was applied.",
            RFT_E_TIMED_OUT => c"The wait ended before the outcome was known.",
            RFT_E_UNKNOWN => c"Leadership was lost in flight; the outcome is not known.",
            RFT_E_STOPPED => c"The engine is stopping or has stopped.",
            RFT_E_COMPACTED => c"The entries asked for have been compacted away.",
            RFT_E_UNAVAILABLE => c"The entries asked for are not there yet.",
            RFT_E_SNAPSHOT_OLD => c"The snapshot is older than what there is.",
            RFT_E_SNAPSHOT_UNAVAILABLE => c"There is no snapshot to be had right now.",
            RFT_E_IO => c"The operating system refused.",
            RFT_E_CORRUPT => c"A file holds what cannot have been written.",
            RFT_E_LOCKED => c"The directory is open elsewhere.",
            RFT_E_FOREIGN => c"The directory belongs to another node or cluster.",
            RFT_E_HOST => c"A callback of the host failed.",
            RFT_E_INVARIANT => c"A broken invariant; the node has stopped, for good.",
            RFT_E_REENTRANT => c"This call may not be made from inside a callback.",
            RFT_E_MISUSE => c"Calls came out of order.",
            RFT_E_DISK_FULL => c"The disk has less room than is kept for the log; nothing was applied.",
            RFT_E_SESSION => c"The session is closed or has gone on; this try was not applied.",
            RFT_E_QUORUM_AT_RISK => c"The voters heard of lately would be no quorum; nothing was applied.",
            RFT_E_LEARNER_BEHIND => c"The learner has not caught up yet; it does not vote.",
            RFT_E_WRONG_SENDER => c"The message names another sender than the peer that brought it.",
        }
    }
}

impl From<Code> for rft_status {
    fn from(code: Code) -> Self {
        match code {
            Code::Ok => RFT_OK,
            Code::InvalidArg => RFT_E_INVALID_ARG,
            Code::Config => RFT_E_CONFIG,
            Code::Busy => RFT_E_BUSY,
            Code::Panic => RFT_E_PANIC,
            Code::Decode => RFT_E_DECODE,
            Code::LocalMessage => RFT_E_LOCAL_MESSAGE,
            Code::UnknownPeer => RFT_E_UNKNOWN_PEER,
            Code::WrongReceiver => RFT_E_WRONG_RECEIVER,
            Code::NotLeader => RFT_E_NOT_LEADER,
            Code::Dropped => RFT_E_DROPPED,
            Code::ConfChange => RFT_E_CONF_CHANGE,
            Code::TooLarge => RFT_E_TOO_LARGE,
            Code::TimedOut => RFT_E_TIMED_OUT,
            Code::Unknown => RFT_E_UNKNOWN,
            Code::Stopped => RFT_E_STOPPED,
            Code::Compacted => RFT_E_COMPACTED,
            Code::Unavailable => RFT_E_UNAVAILABLE,
            Code::SnapshotOld => RFT_E_SNAPSHOT_OLD,
            Code::SnapshotUnavailable => RFT_E_SNAPSHOT_UNAVAILABLE,
            Code::Io => RFT_E_IO,
            Code::Corrupt => RFT_E_CORRUPT,
            Code::Locked => RFT_E_LOCKED,
            Code::Foreign => RFT_E_FOREIGN,
            Code::Host => RFT_E_HOST,
            Code::Invariant => RFT_E_INVARIANT,
            Code::Reentrant => RFT_E_REENTRANT,
            Code::Misuse => RFT_E_MISUSE,
            Code::DiskFull => RFT_E_DISK_FULL,
            Code::Session => RFT_E_SESSION,
            Code::QuorumAtRisk => RFT_E_QUORUM_AT_RISK,
            Code::LearnerBehind => RFT_E_LEARNER_BEHIND,
            Code::WrongSender => RFT_E_WRONG_SENDER,
        }
    }
}

impl From<&Error> for rft_status {
    fn from(error: &Error) -> Self {
        Code::from(error).into()
    }
}

/// The name of a status code.
///
/// @param status any number
/// @return its constant as text, `"RFT_E_BUSY"`; `"RFT_E_?"` for a number this library does not know. Static:
/// never freed.
/// @par Thread
/// Any.
#[unsafe(no_mangle)]
pub extern "C" fn rft_status_name(status: rft_status_t) -> *const c_char {
    boundary::or_default(
        || rft_status::of(status).map_or(c"RFT_E_?", rft_status::name).as_ptr(),
        c"RFT_E_?".as_ptr(),
    )
}

/// The meaning of a status code, as one English sentence.
///
/// @param status any number
/// @return the sentence. Static: never freed.
/// @par Thread
/// Any.
#[unsafe(no_mangle)]
pub extern "C" fn rft_status_str(status: rft_status_t) -> *const c_char {
    const UNKNOWN: &CStr = c"A status this version of the library does not know.";
    boundary::or_default(
        || rft_status::of(status).map_or(UNKNOWN, rft_status::sentence).as_ptr(),
        UNKNOWN.as_ptr(),
    )
}

/// Like rft_error_is_retryable, for a status that came without an error object, in an outcome for instance.
///
/// @param status any number; one that is not known here gives 0
/// @return 1 or 0
/// @par Thread
/// Any.
#[unsafe(no_mangle)]
pub extern "C" fn rft_status_is_retryable(status: rft_status_t) -> u8 {
    boundary::or_default(|| rft_status::of(status).is_some_and(rft_status::is_retryable).into(), 0)
}

/// Like rft_error_is_fatal, for a status that came without an error object. Of the outcome of a snapshot it does not tell
/// whether the engine goes on; rft_engine_status does.
///
/// @param status any number; one that is not known here gives 0
/// @return 1 or 0
/// @par Thread
/// Any.
#[unsafe(no_mangle)]
pub extern "C" fn rft_status_is_fatal(status: rft_status_t) -> u8 {
    boundary::or_default(|| rft_status::of(status).is_some_and(rft_status::is_fatal).into(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_run_down_from_zero_without_a_gap() {
        for (at, status) in ALL.into_iter().enumerate() {
            assert_eq!(status.code(), -(at as i32));
            assert_eq!(rft_status::of(status.code()), Some(status));
            assert_eq!(status.name().to_str().unwrap(), format!("{status:?}"));
        }
        assert_eq!(rft_status::from(Code::Misuse).code(), Code::Misuse as i32);
        assert_eq!(rft_status::of(1), None);
        assert_eq!(rft_status::of(i32::MIN), None);
    }

    #[test]
    fn no_status_is_both_retryable_and_fatal() {
        assert!(ALL.into_iter().all(|status| !(status.is_retryable() && status.is_fatal())));
    }
}
