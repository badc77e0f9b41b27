//! [`Seen`]: what one node has shown of itself since it started, kept to compare with what it shows next.

use std::collections::VecDeque;

use raft_core::consensus::status::RoleKind;
use raft_core::raftpb::entry::{Entry, EntryType};
use raft_core::raftpb::message::Snapshot;

use super::disk::Durable;
use super::trace::{hash_bytes, mix};

/// An entry, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) term: u64,
    pub(crate) hash: u64,
    pub(crate) bytes: u64,
    pub(crate) is_change: bool,
}

impl From<&Entry> for Mark {
    fn from(entry: &Entry) -> Self {
        Mark {
            term: entry.term,
            hash: mix(hash_bytes(&entry.data), entry.entry_type as u64),
            bytes: entry.data.len() as u64,
            is_change: entry.entry_type != EntryType::Normal,
        }
    }
}

/// What is watched while a node leads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Leading {
    pub(crate) term: u64,
    /// Payload of its own entries that it has not applied.
    pub(crate) own_bytes: u64,
    /// Payload that it found unapplied when it was elected. Its account starts without it, and so may be too low.
    pub(crate) found_bytes: u64,
    /// The newest membership change of its own making.
    pub(crate) change: u64,
}

#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) id: u64,
    pub(crate) life: u64,
    pub(crate) term: u64,
    pub(crate) commit: u64,
    /// What was handed back as applied.
    pub(crate) applied: u64,
    pub(crate) leader: u64,
    pub(crate) role: RoleKind,
    pub(crate) leading: Option<Leading>,
    /// The last entry of the log it came back with.
    pub(crate) recovered: u64,
    // The id of the entry before `marks`.
    offset: u64,
    offset_term: u64,
    marks: VecDeque<Mark>,
}

impl Seen {
    pub(crate) fn new(id: u64, life: u64, durable: &Durable, applied: u64) -> Self {
        let metadata = &durable.snapshot.metadata;
        let marks: VecDeque<Mark> = durable.entries.iter().map(Mark::from).collect();
        Seen {
            id,
            life,
            term: durable.hard_state.term,
            commit: durable.hard_state.commit.max(metadata.index),
            applied,
            leader: 0,
            role: RoleKind::Follower,
            leading: None,
            recovered: metadata.index + marks.len() as u64,
            offset: metadata.index,
            offset_term: metadata.term,
            marks,
        }
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn last(&self) -> u64 {
        self.offset + self.marks.len() as u64
    }

    /// The entry at `index`, if it is behind the snapshot.
    pub(crate) fn mark(&self, index: u64) -> Option<Mark> {
        let at = index.checked_sub(self.offset + 1)?;
        self.marks.get(at as usize).copied()
    }

    pub(crate) fn term_at(&self, index: u64) -> u64 {
        if index == self.offset { self.offset_term } else { self.mark(index).map_or(0, |mark| mark.term) }
    }

    /// Drops the entries from `index` on.
    pub(crate) fn truncate(&mut self, index: u64) {
        self.marks.truncate((index - self.offset - 1) as usize);
    }

    pub(crate) fn push(&mut self, mark: Mark) {
        self.marks.push_back(mark);
    }

    /// The log is replaced by a snapshot.
    pub(crate) fn restore(&mut self, snapshot: &Snapshot) {
        self.offset = snapshot.metadata.index;
        self.offset_term = snapshot.metadata.term;
        self.marks.clear();
        self.recovered = 0;
    }

    /// The node has taken a snapshot of its own at `index`.
    pub(crate) fn compact(&mut self, index: u64) {
        // One from the leader, which is not in place yet, may be ahead of it.
        if index <= self.offset {
            return;
        }
        self.offset_term = self.term_at(index);
        self.marks.drain(..(index - self.offset) as usize);
        self.offset = index;
    }

    /// The host has handed back everything up to `index` as applied.
    pub(crate) fn applied_to(&mut self, index: u64) {
        if let Some(leading) = self.leading {
            let done = (self.applied + 1..=index).filter_map(|at| self.mark(at));
            let own: u64 = done.filter(|mark| mark.term == leading.term).map(|mark| mark.bytes).sum();
            self.leading = Some(Leading { own_bytes: leading.own_bytes - own, ..leading });
        }
        self.applied = self.applied.max(index);
    }

    pub(crate) fn has_unapplied_change(&self) -> bool {
        (self.applied + 1..=self.last()).filter_map(|at| self.mark(at)).any(|mark| mark.is_change)
    }

    pub(crate) fn unapplied_bytes(&self) -> u64 {
        (self.applied + 1..=self.last()).filter_map(|at| self.mark(at)).map(|mark| mark.bytes).sum()
    }
}
