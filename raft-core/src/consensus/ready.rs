//! [`Ready`]: what a node wants done, with a ticket for each part that takes time.

use bytes::Bytes;

use super::log::entry_id::EntryId;
use super::status::RoleKind;
use crate::raftpb::entry::Entries;
use crate::raftpb::message::{HardState, Message, Snapshot};

/// Who leads, and what this node is. Need not be saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SoftState {
    /// 0 is unknown.
    pub leader: u64,
    /// This node's role.
    pub role: RoleKind,
}

/// A read may be answered once the state machine holds `index`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadState {
    /// All that was acknowledged when the read was asked for lies at or before it.
    pub index: u64,
    /// What the read was asked for with.
    pub context: Bytes,
}

/// What a node wants done.
#[derive(Debug, Default)]
pub struct Ready {
    /// Set when it changed.
    pub soft_state: Option<SoftState>,
    /// Reads that were confirmed.
    pub read_states: Vec<ReadState>,
    /// To be sent, at once: a leader's appends leave beside its own write (thesis 10.2.1).
    pub messages: Vec<Message>,
    /// To be saved.
    pub append: Option<AppendTicket>,
    /// To be applied.
    pub apply: Option<ApplyTicket>,
}

/// Something to make durable. Goes back to [`appended`](super::raw_node::RawNode::appended) once it is.
///
/// Several may be outstanding; they are saved, and handed back, in order. Saving entry i discards every entry saved
/// before at i or behind. The messages that promise what is saved here live inside, and come out of `appended`: to send
/// one too early does not compile.
#[derive(Debug)]
pub struct AppendTicket {
    // The term at which it was handed out. In a newer term the entries may have been replaced and come back with the
    // same index: without the term their old write would be taken for the new one.
    pub(super) term: u64,
    pub(super) hard_state: Option<HardState>,
    // Rare, and large: out of line, so that moving a ticket stays cheap.
    pub(super) snapshot: Option<Box<Snapshot>>,
    pub(super) entries: Entries,
    // For the sake of the hard state and the entries.
    pub(super) must_sync: bool,
    // The end of the log when it was handed out: once this is durable, so is all before.
    pub(super) stable: Option<EntryId>,
    pub(super) messages: Vec<Message>,
}

impl AppendTicket {
    /// Term, vote and commit to save, if they changed.
    pub fn hard_state(&self) -> Option<&HardState> {
        self.hard_state.as_ref()
    }

    /// A snapshot to save, before the entries; the state machine is to be restored from it.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_deref()
    }

    /// Entries to save.
    pub fn entries(&self) -> &Entries {
        &self.entries
    }

    /// Whether the write must be synced before the ticket goes back. A snapshot always must.
    pub fn must_sync(&self) -> bool {
        self.must_sync || self.snapshot.is_some()
    }

    /// What `appended` will release or count, for display.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The end of the log that becomes stable with this ticket, and the term it was handed out in; for display.
    pub fn stable(&self) -> (Option<EntryId>, u64) {
        (self.stable, self.term)
    }
}

/// Committed entries to apply. Goes back to [`applied`](super::raw_node::RawNode::applied) once they are.
///
/// Several may be outstanding; they are applied, and handed back, in order.
#[derive(Debug)]
pub struct ApplyTicket {
    pub(super) entries: Entries,
    pub(super) bytes: u64,
}

impl ApplyTicket {
    /// The entries, none of which was handed out for applying before.
    pub fn entries(&self) -> &Entries {
        &self.entries
    }

    /// What they take in the log, in bytes, about.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}
