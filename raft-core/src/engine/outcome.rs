//! [`Outcome`]: the one answer to a request, and the way it takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::code::{Code, leader_in};
use super::lock::{Condvar, Mutex};
use crate::error::Error;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The number that the host gave it; 0 for a call that waits.
    pub request: u64,
    /// `Ok`, or why not. The code tells whether a proposal certainly was not applied.
    pub code: Code,
    /// Where a proposal or change was applied, what a read may rely on, or what a snapshot covers; 0 if it is not `Ok`.
    /// One that was forwarded is applied at the leader, and here once this index is.
    pub index: u64,
    /// The term of a proposal or change or snapshot that is `Ok`; else 0.
    pub term: u64,
    /// With `NotLeader`, and where leadership was to be handed over: who leads; 0 if nobody is known to.
    pub leader: u64,
    /// How old the state may be that a read sees, at the most; zero for a linearizable one.
    pub age: Duration,
    /// What `apply` answered, see [`Applied::answer`](super::host::Applied::answer); empty if it did not. Of a membership
    /// change that was refused: why, as a sentence in UTF-8.
    pub answer: Bytes,
}

/// Whose request it is, if a peer forwarded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asker {
    /// The peer.
    pub(super) node: u64,
    /// Tells one run of it from another.
    pub(super) nonce: u64,
    /// Its number for the request.
    pub(super) number: u64,
}

/// Outcomes on their way.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    /// For the host.
    pub(super) own: Vec<Outcome>,
    /// For peers.
    pub(super) peers: Vec<(Asker, Outcome)>,
}

impl Outcome {
    /// Done, at `index` of `term`.
    pub(super) fn done(index: u64, term: u64) -> Self {
        Outcome { index, term, ..Outcome::not(Code::Ok) }
    }

    /// Not done, or not known to be.
    pub(super) fn not(code: Code) -> Self {
        Outcome { request: 0, code, index: 0, term: 0, leader: 0, age: Duration::ZERO, answer: Bytes::new() }
    }
}

impl From<&Error> for Outcome {
    fn from(error: &Error) -> Self {
        let answer = match error {
            Error::ConfChange(_) | Error::QuorumAtRisk(_) | Error::LearnerBehind(_) => {
                error.to_string().into()
            }
            _ => Bytes::new(),
        };
        Outcome { leader: leader_in(error), answer, ..Outcome::not(Code::from(error)) }
    }
}

/// Where the outcome of a request goes. Answering uses it up, so that there is one at most.
#[derive(Debug, Default)]
pub(super) enum Reply {
    /// Nobody asked.
    #[default]
    Silent,
    /// To the host, under this number.
    Request(u64),
    /// To the thread that waits.
    Waiter(Arc<Waiter>),
    /// To the node that forwarded the request.
    Peer(Asker),
}

impl Reply {
    /// The reply to a request numbered by the host.
    pub(super) fn to(request: u64) -> Self {
        if request == 0 { Reply::Silent } else { Reply::Request(request) }
    }

    /// The number by which `apply` knows it.
    pub(super) fn request(&self) -> u64 {
        match self {
            Reply::Request(request) => *request,
            Reply::Silent | Reply::Waiter(_) | Reply::Peer(_) => 0,
        }
    }

    /// Wakes the waiter, or puts the outcome with those for the host or for peers.
    pub(super) fn answer(self, outcome: Outcome, outcomes: &mut Outcomes) {
        match self {
            Reply::Silent => {}
            Reply::Request(request) => outcomes.own.push(Outcome { request, ..outcome }),
            Reply::Peer(asker) => outcomes.peers.push((asker, outcome)),
            Reply::Waiter(waiter) => waiter.answer(outcome),
        }
    }

    /// Whether it goes to `waiter`.
    pub(super) fn is_for(&self, waiter: &Arc<Waiter>) -> bool {
        matches!(self, Reply::Waiter(own) if Arc::ptr_eq(own, waiter))
    }
}

/// A thread that waits for one outcome.
#[derive(Debug, Default)]
pub(super) struct Waiter {
    outcome: Mutex<Option<Outcome>>,
    answered: Condvar,
}

impl Waiter {
    /// Waits until `deadline`. None: there is no outcome yet.
    pub(super) fn wait_until(&self, deadline: Instant) -> Option<Outcome> {
        self.answered.wait_while(self.outcome.lock(), deadline, |outcome| outcome.is_none()).take()
    }

    /// The outcome, if it is there already.
    pub(super) fn take(&self) -> Option<Outcome> {
        self.outcome.lock().take()
    }

    fn answer(&self, outcome: Outcome) {
        *self.outcome.lock() = Some(outcome);
        self.answered.notify_all();
    }
}
