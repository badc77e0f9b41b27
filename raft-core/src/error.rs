//! What can go wrong, as values: nothing in this crate ends the process.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The result of everything here that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a proposal was not taken. It is certain that it will not be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// No leader is known.
    NoLeader,
    /// Another node leads, and proposals are not forwarded; its id is here.
    NotLeader(u64),
    /// A leadership transfer is under way.
    Transferring,
    /// The leader is not, or no longer, a member.
    NotMember,
    /// The limit on uncommitted bytes is reached.
    UncommittedFull,
}

/// An error of any part of the library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A setting is out of its range; the text names it.
    Config(String),
    /// Bytes from a peer or from disk are not what they should be.
    Decode(String),
    /// A proposal was not taken.
    ProposalDropped(Dropped),
    /// Another membership change is not applied yet, or this one does not fit the configuration.
    ConfChange(String),
    /// After this membership change the voters that have been heard of lately would be no quorum; the text names the
    /// nodes. It is taken if it is forced.
    QuorumAtRisk(String),
    /// This learner is to become a voter and has not caught up yet; later it may, or now if it is forced.
    LearnerBehind(u64),
    /// A message that only the node itself may step came from outside.
    StepLocalMessage(String),
    /// A response came from a node that is not a member.
    StepPeerNotFound(u64),
    /// A node that is a member answers from another disk than the one it joined with, or from an older copy of it: it has
    /// lost what it acknowledged and whom it voted for, and counts as gone until it is removed and added again.
    ReplacedStore(u64),
    /// A message names another receiver.
    WrongReceiver(u64),
    /// A message names another sender than the peer that brought it.
    WrongSender {
        /// The peer that brought it.
        peer: u64,
        /// Whom it names.
        named: u64,
    },
    /// The entries asked for have been compacted away.
    Compacted,
    /// The entries asked for are not there yet.
    Unavailable,
    /// The snapshot is older than what there is.
    SnapshotOutOfDate,
    /// There is no snapshot to send right now; asking again later helps.
    SnapshotTemporarilyUnavailable,
    /// A message contradicts what is committed here: it comes from another cluster, or its sender lost its disk.
    /// Nothing of it was taken but a newer term, which raft takes from any message.
    Contradiction(String),
    /// A broken invariant: the node has stopped, for good.
    Invariant(String),
    /// The operating system refused. The first failed write or fsync is final for a store.
    Io(Arc<IoError>),
    /// The disk has less room than the reserve that is kept for the log. Nothing has failed, and space that comes back
    /// heals it.
    DiskFull {
        /// Bytes that are left.
        free: u64,
        /// Bytes that are to be left.
        reserve: u64,
    },
    /// A file holds what cannot have been written.
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// Another process, or another handle of this one, has the directory open.
    Locked(PathBuf),
    /// The directory belongs to another node or cluster; the text says to which.
    Foreign(String),
    /// A queue is full, or the handle is in use by another thread; trying again later helps.
    Busy,
    /// More bytes than the limit allows.
    TooLarge {
        /// What was given.
        len: usize,
        /// What is allowed.
        max: usize,
    },
    /// The wait ended before the outcome was known.
    TimedOut,
    /// The engine is stopping or has stopped.
    Stopped,
    /// This process was forked off the one that opened it, and nothing of it is at work here.
    Forked,
    /// A callback of the host failed.
    Host {
        /// Which one: `apply`, `snapshot_save`, ...
        callback: &'static str,
        /// What it answered.
        code: i32,
        /// The name of that number, if it is one of the library's.
        name: Option<&'static str>,
    },
    /// A panic was caught. The handle it happened in is poisoned.
    Panic(String),
    /// Calls out of order; the text says which. Nothing has changed.
    Misuse(&'static str),
    /// The call waits, and may not be made from inside a callback: it would wait for itself.
    Reentrant,
}

/// Which operation the operating system refused, and on which file.
#[derive(Debug)]
pub struct IoError {
    /// The operation: `open`, `write`, `fdatasync`, ...
    pub operation: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl PartialEq for IoError {
    fn eq(&self, other: &Self) -> bool {
        self.operation == other.operation
            && self.path == other.path
            && self.source.kind() == other.source.kind()
            && self.source.raw_os_error() == other.source.raw_os_error()
    }
}

impl Eq for IoError {}

impl Error {
    /// Wraps what the operating system said about `operation` on `path`.
    pub fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Error::Io(Arc::new(IoError { operation, path: path.to_owned(), source }))
    }

    /// What a stream of the disk wing says: its own error, or the system's about `operation` on `path`.
    pub fn of_stream(operation: &'static str, path: &Path, error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(own) => own.clone(),
            None => Error::io(operation, path, error),
        }
    }

    /// Whether the disk has failed to keep what it was given. No later sync in that directory can be trusted then: the
    /// system may have dropped what it could not write. A full disk is not meant: what does not fit is refused at once.
    pub fn is_failed_write(&self) -> bool {
        let Error::Io(io) = self else { return false };
        let writes = ["write", "truncate", "rename", "fdatasync", "fsync"].contains(&io.operation);
        writes && !matches!(io.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    /// Whether it says that a part of a file is damaged, or that the disk cannot read it.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Error::Corrupt { .. } => true,
            Error::Io(io) => io.source.raw_os_error() == Some(libc::EIO),
            _ => false,
        }
    }

    /// Says that the file `path` holds `what` at byte `offset`.
    pub fn corrupt(path: &Path, offset: u64, what: impl Into<String>) -> Self {
        Error::Corrupt { path: path.to_owned(), offset, what: what.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Config(text) => write!(f, "bad configuration: {text}"),
            Error::Decode(text) => write!(f, "malformed bytes: {text}"),
            Error::ProposalDropped(reason) => write!(f, "proposal not taken: {reason}"),
            Error::ConfChange(text) => write!(f, "membership change refused: {text}"),
            Error::QuorumAtRisk(text) => {
                write!(f, "membership change refused, the quorum is at risk: {text}")
            }
            Error::LearnerBehind(id) => write!(f, "learner {id} has not caught up yet"),
            Error::StepLocalMessage(kind) => write!(f, "{kind} may not come from a peer"),
            Error::StepPeerNotFound(id) => write!(f, "a response from node {id}, which is not a member"),
            Error::ReplacedStore(id) => {
                write!(
                    f,
                    "node {id} has lost its disk, or came back with an older copy: remove it, then add it again"
                )
            }
            Error::WrongReceiver(id) => write!(f, "the message is for node {id}"),
            Error::WrongSender { peer, named } => {
                write!(f, "node {peer} brings a message that names node {named} as its sender")
            }
            Error::Compacted => f.write_str("the entries have been compacted away"),
            Error::Unavailable => f.write_str("the entries are not there yet"),
            Error::SnapshotOutOfDate => f.write_str("the snapshot is older than what there is"),
            Error::SnapshotTemporarilyUnavailable => f.write_str("no snapshot can be had right now"),
            Error::Contradiction(text) => write!(f, "the message contradicts what is committed: {text}"),
            Error::Invariant(text) => write!(f, "the node has stopped: {text}"),
            Error::Io(io) => write!(f, "{} of {}: {}", io.operation, io.path.display(), io.source),
            Error::DiskFull { free, reserve } => {
                write!(f, "the disk is full: {free} bytes are left, {reserve} are kept for the log")
            }
            Error::Corrupt { path, offset, what } => {
                write!(f, "{} is corrupt at byte {offset}: {what}", path.display())
            }
            Error::Locked(path) => write!(f, "{} is open elsewhere", path.display()),
            Error::Foreign(text) => write!(f, "the directory belongs to another node: {text}"),
            Error::Busy => f.write_str("busy: try again later"),
            Error::TooLarge { len, max } => write!(f, "{len} bytes, {max} are allowed"),
            Error::TimedOut => f.write_str("timed out before the outcome was known"),
            Error::Stopped => f.write_str("the engine has stopped"),
            Error::Forked => f.write_str(
                "this is a forked child: what was opened before the fork works in its parent only",
            ),
            Error::Host { callback, code, name: Some(name) } => {
                write!(f, "{callback} of the host failed with {code} (RFT_E_{name})")
            }
            Error::Host { callback, code, name: None } => {
                write!(f, "{callback} of the host failed with {code}")
            }
            Error::Panic(text) => write!(f, "a panic was caught: {text}"),
            Error::Misuse(text) => write!(f, "calls out of order: {text}"),
            Error::Reentrant => f.write_str("this call may not be made from inside a callback"),
        }
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dropped::NoLeader => f.write_str("no leader is known"),
            Dropped::NotLeader(id) => write!(f, "node {id} is the leader"),
            Dropped::Transferring => f.write_str("leadership is being transferred"),
            Dropped::NotMember => f.write_str("the leader is not a member"),
            Dropped::UncommittedFull => f.write_str("too many uncommitted bytes"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io(io) => Some(&io.source),
            _ => None,
        }
    }
}
