//! [`Fault`]: what went wrong, on its way to an exception.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::TryLockError;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use raft_core::engine::code::Code;
use raft_core::engine::outcome::Outcome;
use raft_core::error::{Dropped, Error};

/// The result of what a method does.
pub(crate) type Checked<T> = Result<T, Fault>;

/// Why a method does not return what it should.
pub(crate) enum Fault {
    /// The core refuses or has failed.
    Core(Error),
    /// An argument cannot be right; the text says which.
    Invalid(String),
    /// The request has an outcome that is not `Ok`, this leader is known, and why, if that is told.
    Outcome(Code, u64, String),
    /// The interpreter's own exception.
    Python(PyErr),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Core(error)
    }
}

impl From<PyErr> for Fault {
    fn from(error: PyErr) -> Self {
        Fault::Python(error)
    }
}

impl<T> From<TryLockError<T>> for Fault {
    fn from(error: TryLockError<T>) -> Self {
        match error {
            TryLockError::WouldBlock => Fault::Core(Error::Busy),
            TryLockError::Poisoned(_) => Fault::Core(Error::Panic("an earlier call panicked".to_owned())),
        }
    }
}

impl Fault {
    /// Its code, unless it is the interpreter's.
    pub(crate) fn code(&self) -> Option<Code> {
        match self {
            Fault::Core(error) => Some(Code::from(error)),
            Fault::Invalid(_) => Some(Code::InvalidArg),
            Fault::Outcome(code, ..) => Some(*code),
            Fault::Python(_) => None,
        }
    }

    /// The exception.
    pub(crate) fn into_err(self, py: Python<'_>) -> PyErr {
        let Some(code) = self.code() else {
            let Fault::Python(error) = self else { return PyErr::fetch(py) };
            return error;
        };
        let (text, leader) = match &self {
            Fault::Core(error @ Error::ProposalDropped(Dropped::NotLeader(id))) => (error.to_string(), *id),
            Fault::Core(error) => (error.to_string(), 0),
            Fault::Invalid(text) => (text.clone(), 0),
            Fault::Outcome(code, leader, why) if why.is_empty() => (sentence(*code).to_owned(), *leader),
            Fault::Outcome(_, leader, why) => (why.clone(), *leader),
            Fault::Python(_) => (String::new(), 0),
        };
        static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let made = MAKE
            .import(py, "rft.errors", "error_of")
            .and_then(|make| make.call1((code as i32, text, leader)));
        match made {
            Ok(error) => PyErr::from_value(error),
            Err(error) => error,
        }
    }
}

/// Does a method's work. A panic becomes an `InternalError`, which `except Exception` sees.
pub(crate) fn call<T>(py: Python<'_>, body: impl FnOnce() -> Checked<T>) -> PyResult<T> {
    let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        let text = panic_text(payload.as_ref());
        // What was thrown may panic again when it is dropped.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
        Err(Fault::Core(Error::Panic(text)))
    });
    result.map_err(|fault| fault.into_err(py))
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "no text".to_owned(),
    }
}

/// The outcome, if it is `Ok`.
pub(crate) fn settled(outcome: Outcome) -> Checked<Outcome> {
    match outcome.code {
        Code::Ok => Ok(outcome),
        // What was refused says why in the place of an answer.
        code => {
            let why = String::from_utf8_lossy(&outcome.answer).into_owned();
            Err(Fault::Outcome(code, outcome.leader, why))
        }
    }
}

/// A `TypeError` that names what was given instead.
pub(crate) fn wrong_type(expected: &str, given: &Bound<'_, PyType>) -> PyErr {
    let name = given.name().map_or_else(|_| "?".to_owned(), |name| name.to_string());
    pyo3::exceptions::PyTypeError::new_err(format!("{expected} is required, not {name}"))
}

/// What an outcome's code means. No arm for all others, so that a new code is noticed here.
fn sentence(code: Code) -> &'static str {
    match code {
        Code::Ok => "done",
        Code::InvalidArg => "an argument is out of range or unknown",
        Code::Config => "a setting is out of range, or settings contradict each other",
        Code::Busy => "a queue is full: try again later",
        Code::Panic => "a panic was contained; the engine refuses all further work",
        Code::Decode => "malformed bytes",
        Code::LocalMessage => "a message of this kind may not come from a peer",
        Code::UnknownPeer => "the message is from a node that is not a member, or has lost its directory",
        Code::WrongReceiver => "the message is for another node",
        Code::NotLeader => "this node does not lead; nothing was applied",
        Code::Dropped => "not taken, or superseded by another leader's entry; nothing was applied",
        Code::ConfChange => "another change is pending, or this one does not fit; nothing was applied",
        Code::TooLarge => "more bytes than the limit allows; nothing was applied",
        Code::TimedOut => "the wait ended before the outcome was known",
        Code::Unknown => "leadership was lost in flight: it may or may not be applied",
        Code::Stopped => "the engine has stopped: it may or may not be applied",
        Code::Compacted => "the entries have been compacted away",
        Code::Unavailable => "the entries are not there yet",
        Code::SnapshotOld => "the snapshot is older than what there is",
        Code::SnapshotUnavailable => "there is no snapshot to be had right now",
        Code::Io => "the operating system refused",
        Code::Corrupt => "a file holds what cannot have been written",
        Code::Locked => "the directory is open elsewhere",
        Code::Foreign => "the directory belongs to another node or cluster",
        Code::Host => "a callback raised an exception",
        Code::Invariant => "a broken invariant; the node has stopped, for good",
        Code::Reentrant => "this call may not be made from inside a callback",
        Code::Misuse => "calls came out of order",
        Code::DiskFull => "the disk has less room than is kept for the log; nothing was applied",
        Code::Session => "the session is closed or has gone on; this try was not applied",
        Code::QuorumAtRisk => "the voters heard of lately would be no quorum; nothing was applied",
        Code::LearnerBehind => "the learner has not caught up yet; it does not vote",
        Code::WrongSender => "the message names another sender than the peer that brought it",
    }
}

/// Whether the error speaks of one message, and says nothing about those behind it.
pub(crate) fn is_of_the_message(error: &Error) -> bool {
    matches!(
        Code::from(error),
        Code::Decode | Code::LocalMessage | Code::UnknownPeer | Code::WrongReceiver | Code::WrongSender
    )
}
