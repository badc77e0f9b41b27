//! [`Host`]: what an engine needs of the program around it.

use std::cell::Cell;
use std::fmt;
use std::io;

use bytes::Bytes;

use super::event::{Event, Level};
use super::outcome::Outcome;
use crate::raftpb::entry::EntryRef;
use crate::raftpb::message::Message;

/// The transport and the state machine of the program around an engine.
///
/// A callback may call the engine's methods that do not wait. Those that wait, and `stop`, answer
/// [`Error::Reentrant`](crate::error::Error::Reentrant) there. A panic in a callback is caught and stops the engine.
pub trait Host: Send + Sync + 'static {
    /// Takes messages to their receivers. Called on the driver thread, so it must not block: a slow one holds up
    /// heartbeats. Messages may be lost, repeated and reordered on the way.
    fn send(&self, messages: &[Message]);

    /// Applies entries to the state machine, in order, each one exactly once between two restores. Entries without
    /// payload are raft's own business and are left out, so an empty proposal has an outcome and is not seen here.
    /// Called on the applier thread. An error stops the engine.
    fn apply(&self, entries: &[Applied<'_>]) -> Result<(), i32>;

    /// Writes the state machine as of the last `apply`. Called on the applier thread. An error means no snapshot this
    /// time.
    fn snapshot_save(&self, writer: &mut dyn io::Write) -> Result<(), i32>;

    /// Hands out the state machine as of the last `apply`, to be written beside further ones: a copy, or a view that later
    /// changes do not touch. Called on the applier thread, so it should be quick. None, the default, has `snapshot_save`
    /// called at once instead. An error means no snapshot this time.
    fn snapshot_view(&self) -> Result<Option<Box<dyn SnapshotView>>, i32> {
        Ok(None)
    }

    /// Replaces the whole state machine by what `snapshot_save` wrote, here or on another node. Called on the applier
    /// thread, and while the engine opens on the thread that opens it. An error stops the engine.
    fn snapshot_restore(&self, reader: &mut dyn SnapshotRead) -> Result<(), i32>;

    /// Requests that are decided, each of them once. Called on the applier thread, behind the `apply` that decided.
    fn outcome(&self, outcomes: &[Outcome]) {
        let _ = outcomes;
    }

    /// Something happened that the host may want to know. Called on the applier thread.
    fn event(&self, event: &Event) {
        let _ = event;
    }

    /// A line for the log, `node=1 term=7 msg="a sentence"`, in which quotes, backslashes and control characters of the
    /// sentence are escaped by a backslash. Called on any thread of the engine, so it must not block. A line of
    /// [`Level::Trace`] is one of the trace, as [`Options::trace`](super::options::Options::trace) asks for it.
    fn log(&self, level: Level, text: &str) {
        let _ = (level, text);
    }
}

/// An entry to apply.
#[derive(Clone, Copy, Debug)]
pub struct Applied<'a> {
    /// The committed entry. Its type tells a membership change from a proposal.
    pub entry: EntryRef<'a>,
    /// The number under which it was proposed at this engine; 0 when it was proposed elsewhere, or by a call that waits.
    pub request: u64,
    /// The payload of a proposal, the context of a membership change.
    pub context: &'a [u8],
    /// Takes the answer.
    pub slot: &'a AnswerSlot,
}

impl Applied<'_> {
    /// What the one who proposed it gets with the outcome: here, or at the node that forwarded it to this leader. Elsewhere
    /// it is of no use, and every node answers all the same: in a session the answer is kept, so it has to depend on nothing but
    /// the state machine and the entry. The last answer counts.
    pub fn answer(&self, answer: Bytes) {
        self.slot.set(answer);
    }
}

/// The place for the answer to one entry.
#[derive(Default)]
pub struct AnswerSlot(Cell<Bytes>);

impl AnswerSlot {
    /// See [`Applied::answer`].
    pub fn set(&self, answer: Bytes) {
        self.0.set(answer);
    }

    pub(super) fn into_answer(self) -> Bytes {
        self.0.into_inner()
    }
}

impl fmt::Debug for AnswerSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerSlot").finish_non_exhaustive()
    }
}

/// A state machine as it was.
pub trait SnapshotView: Send {
    /// Writes what [`Host::snapshot_save`] would have written. Called once, on a thread of its own, and dropped there. An
    /// error means no snapshot this time.
    fn save(&mut self, writer: &mut dyn io::Write) -> Result<(), i32>;
}

/// The bytes of a snapshot.
pub trait SnapshotRead: io::Read {
    /// How many there are in all.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
