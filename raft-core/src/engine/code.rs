//! [`Code`]: what happened, as a number that means the same in every language.

use crate::error::{Dropped, Error};

/// The status of a call or of a request. The numbers are part of the C interface and are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Code {
    /// Done.
    Ok = 0,
    /// An argument is null, zero, too long or unknown.
    InvalidArg = -1,
    /// A setting is out of range, or settings contradict each other.
    Config = -2,
    /// A queue is full, or the handle is in use by another thread; trying again later helps.
    Busy = -3,
    /// A panic was caught; the handle is poisoned.
    Panic = -4,
    /// Malformed bytes.
    Decode = -5,
    /// A message of a kind that may not come from a peer.
    LocalMessage = -6,
    /// A response from a node that is not a member, or any message from a member that has lost its disk.
    UnknownPeer = -7,
    /// The message is for another node.
    WrongReceiver = -8,
    /// Certainly not applied: this node does not lead.
    NotLeader = -9,
    /// Certainly not applied: a transfer is under way, too much is uncommitted, or another leader's entry took its place.
    Dropped = -10,
    /// Certainly not applied: another change is pending, or this one does not fit the membership.
    ConfChange = -11,
    /// More bytes or items than the limit allows.
    TooLarge = -12,
    /// The wait ended first: it may or may not be applied.
    TimedOut = -13,
    /// Leadership was lost in flight: it may or may not be applied.
    Unknown = -14,
    /// The engine is stopping or has stopped. In an outcome: it may or may not be applied.
    Stopped = -15,
    /// The entries have been compacted away.
    Compacted = -16,
    /// The entries are not there yet.
    Unavailable = -17,
    /// The snapshot is older than what there is.
    SnapshotOld = -18,
    /// There is no snapshot right now.
    SnapshotUnavailable = -19,
    /// The operating system refused. A failed write or fsync is final.
    Io = -20,
    /// A file holds what cannot have been written.
    Corrupt = -21,
    /// The directory is open elsewhere.
    Locked = -22,
    /// The directory belongs to another node or cluster.
    Foreign = -23,
    /// A callback of the host failed.
    Host = -24,
    /// A broken invariant: the node has stopped, for good.
    Invariant = -25,
    /// The call may not be made from inside a callback.
    Reentrant = -26,
    /// Calls out of order.
    Misuse = -27,
    /// Certainly not applied: the disk has less room than the reserve. Space that comes back heals it.
    DiskFull = -28,
    /// The session has been closed or has gone on: this try was not applied. An earlier one of its number may have been.
    Session = -29,
    /// Certainly not applied: the voters heard of lately would be no quorum after this membership change. It can be forced.
    QuorumAtRisk = -30,
    /// Certainly not applied: a learner that is to become a voter has not caught up yet.
    LearnerBehind = -31,
    /// The message names another sender than the peer that brought it.
    WrongSender = -32,
}

/// Every code with its name, as `rft_status_name` gives it without `RFT_E_`.
pub const NAMES: [(&str, Code); 33] = [
    ("OK", Code::Ok),
    ("INVALID_ARG", Code::InvalidArg),
    ("CONFIG", Code::Config),
    ("BUSY", Code::Busy),
    ("PANIC", Code::Panic),
    ("DECODE", Code::Decode),
    ("LOCAL_MESSAGE", Code::LocalMessage),
    ("UNKNOWN_PEER", Code::UnknownPeer),
    ("WRONG_RECEIVER", Code::WrongReceiver),
    ("NOT_LEADER", Code::NotLeader),
    ("DROPPED", Code::Dropped),
    ("CONF_CHANGE", Code::ConfChange),
    ("TOO_LARGE", Code::TooLarge),
    ("TIMED_OUT", Code::TimedOut),
    ("UNKNOWN", Code::Unknown),
    ("STOPPED", Code::Stopped),
    ("COMPACTED", Code::Compacted),
    ("UNAVAILABLE", Code::Unavailable),
    ("SNAPSHOT_OLD", Code::SnapshotOld),
    ("SNAPSHOT_UNAVAILABLE", Code::SnapshotUnavailable),
    ("IO", Code::Io),
    ("CORRUPT", Code::Corrupt),
    ("LOCKED", Code::Locked),
    ("FOREIGN", Code::Foreign),
    ("HOST", Code::Host),
    ("INVARIANT", Code::Invariant),
    ("REENTRANT", Code::Reentrant),
    ("MISUSE", Code::Misuse),
    ("DISK_FULL", Code::DiskFull),
    ("SESSION", Code::Session),
    ("QUORUM_AT_RISK", Code::QuorumAtRisk),
    ("LEARNER_BEHIND", Code::LearnerBehind),
    ("WRONG_SENDER", Code::WrongSender),
];

impl Code {
    /// The code of this number, if it is one.
    pub fn of(number: i32) -> Option<Self> {
        NAMES.into_iter().map(|(_, code)| code).find(|code| *code as i32 == number)
    }

    /// Whether the same request may succeed later, and had no effect now.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Code::Busy
                | Code::NotLeader
                | Code::Dropped
                | Code::SnapshotUnavailable
                | Code::Locked
                | Code::DiskFull
                | Code::LearnerBehind
        )
    }

    /// Whether what was called will never work again, if it is not the outcome of a snapshot.
    pub fn is_fatal(self) -> bool {
        matches!(self, Code::Panic | Code::Stopped | Code::Io | Code::Corrupt | Code::Host | Code::Invariant)
    }
}

/// Makes the error of a callback out of what it answered.
pub(super) fn failed(callback: &'static str) -> impl Fn(i32) -> Error {
    move |code| {
        let name = NAMES.into_iter().find(|(_, known)| *known as i32 == code).map(|(name, _)| name);
        Error::Host { callback, code, name }
    }
}

impl From<&Error> for Code {
    fn from(error: &Error) -> Self {
        match error {
            Error::Config(_) => Code::Config,
            // A message that cannot be right: no part of it was used.
            Error::Decode(_) | Error::Contradiction(_) => Code::Decode,
            Error::ProposalDropped(Dropped::NoLeader | Dropped::NotLeader(_)) => Code::NotLeader,
            Error::ProposalDropped(Dropped::Transferring | Dropped::NotMember | Dropped::UncommittedFull) => {
                Code::Dropped
            }
            Error::ConfChange(_) => Code::ConfChange,
            Error::QuorumAtRisk(_) => Code::QuorumAtRisk,
            Error::LearnerBehind(_) => Code::LearnerBehind,
            Error::StepLocalMessage(_) => Code::LocalMessage,
            Error::StepPeerNotFound(_) | Error::ReplacedStore(_) => Code::UnknownPeer,
            Error::WrongReceiver(_) => Code::WrongReceiver,
            Error::WrongSender { .. } => Code::WrongSender,
            Error::Compacted => Code::Compacted,
            Error::Unavailable => Code::Unavailable,
            Error::SnapshotOutOfDate => Code::SnapshotOld,
            Error::SnapshotTemporarilyUnavailable => Code::SnapshotUnavailable,
            Error::Invariant(_) => Code::Invariant,
            Error::Io(_) => Code::Io,
            Error::DiskFull { .. } => Code::DiskFull,
            Error::Corrupt { .. } => Code::Corrupt,
            Error::Locked(_) => Code::Locked,
            Error::Foreign(_) => Code::Foreign,
            Error::Busy => Code::Busy,
            Error::TooLarge { .. } => Code::TooLarge,
            Error::TimedOut => Code::TimedOut,
            Error::Stopped | Error::Forked => Code::Stopped,
            Error::Host { .. } => Code::Host,
            Error::Panic(_) => Code::Panic,
            Error::Reentrant => Code::Reentrant,
            Error::Misuse(_) => Code::Misuse,
        }
    }
}

/// The leader that an error names, or 0.
pub(super) fn leader_in(error: &Error) -> u64 {
    match error {
        Error::ProposalDropped(Dropped::NotLeader(id)) => *id,
        _ => 0,
    }
}
