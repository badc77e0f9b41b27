//! [`Unstable`]: what is not durable yet.

use super::entry_id::EntryId;
use super::entry_queue::EntryQueue;
use crate::error::{Error, Result};
use crate::raftpb::entry::Entries;
use crate::raftpb::message::Snapshot;

/// The end of the log that the storage does not hold yet: perhaps a snapshot, and the entries behind it.
///
/// Part of it may be on its way to disk. That part stays here until the host hands the ticket back, since a write
/// under way may still be overtaken by one that replaces it.
#[derive(Debug)]
pub(crate) struct Unstable {
    // Covers the log from `entries.offset()` on, hiding what the storage holds there.
    entries: EntryQueue,
    // Entries before it are on their way to disk; offset <= in_progress <= next.
    in_progress: u64,
    snapshot: Option<Snapshot>,
    snapshot_in_progress: bool,
}

impl Unstable {
    pub(super) fn new(offset: u64) -> Self {
        Unstable {
            entries: EntryQueue::new(offset),
            in_progress: offset,
            snapshot: None,
            snapshot_in_progress: false,
        }
    }

    pub(super) fn offset(&self) -> u64 {
        self.entries.offset()
    }

    pub(super) fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    pub(super) fn has_entries(&self) -> bool {
        !self.entries.is_empty()
    }

    /// The last index here, if anything is.
    pub(super) fn last_index(&self) -> Option<u64> {
        if self.has_entries() {
            return Some(self.entries.next() - 1);
        }
        self.snapshot.as_ref().map(|snapshot| snapshot.metadata.index)
    }

    /// The last entry here, if there is one.
    pub(super) fn last_id(&self) -> Option<EntryId> {
        let index = self.entries.next() - 1;
        self.entries.term(index).map(|term| EntryId::new(term, index))
    }

    pub(super) fn term(&self, index: u64) -> Option<u64> {
        match &self.snapshot {
            Some(snapshot) if snapshot.metadata.index == index => Some(snapshot.metadata.term),
            _ => self.entries.term(index),
        }
    }

    pub(super) fn slice(&self, lo: u64, hi: u64, bytes_max: u64) -> Entries {
        self.entries.slice(lo, hi, bytes_max)
    }

    pub(super) fn has_next_entries(&self) -> bool {
        self.in_progress < self.entries.next()
    }

    pub(super) fn has_next_snapshot(&self) -> bool {
        self.snapshot.is_some() && !self.snapshot_in_progress
    }

    /// Takes the snapshot that is to be saved and not on its way yet.
    pub(super) fn accept_snapshot(&mut self) -> Option<Box<Snapshot>> {
        if !self.has_next_snapshot() {
            return None;
        }
        self.snapshot_in_progress = true;
        self.snapshot.clone().map(Box::new)
    }

    /// Takes the entries that are to be saved and not on their way yet.
    pub(super) fn accept_entries(&mut self) -> Entries {
        let next = self.entries.next();
        let from = std::mem::replace(&mut self.in_progress, next);
        self.entries.slice(from, next, u64::MAX)
    }

    /// The log up to `id` is durable. Ignored if it has been replaced in the meantime.
    pub(super) fn stable_to(&mut self, id: EntryId) {
        if self.entries.term(id.index) == Some(id.term) {
            self.entries.drop_before(id.index + 1);
            self.in_progress = self.in_progress.max(self.entries.offset());
        }
    }

    /// The snapshot at `index` is durable.
    pub(super) fn stable_snapshot_to(&mut self, index: u64) {
        if self.snapshot.as_ref().is_some_and(|snapshot| snapshot.metadata.index == index) {
            self.snapshot = None;
            self.snapshot_in_progress = false;
        }
    }

    /// Forgets all for a snapshot received.
    pub(super) fn restore(&mut self, snapshot: Snapshot) {
        *self = Unstable::new(snapshot.metadata.index + 1);
        self.snapshot = Some(snapshot);
    }

    /// Puts `entries` in, in place of whatever is there from their first index on.
    pub(super) fn truncate_and_append(&mut self, entries: Entries) -> Result<()> {
        let Some(from) = entries.first().map(|entry| entry.index) else { return Ok(()) };
        if from > self.entries.next() {
            return Err(Error::Invariant(format!(
                "entry {from} appended where {} is due",
                self.entries.next()
            )));
        }
        // At the end nothing is replaced.
        if from < self.entries.next() {
            match from <= self.entries.offset() {
                true => self.entries = EntryQueue::new(from),
                false => self.entries.truncate(from),
            }
        }
        self.in_progress = self.in_progress.min(from);
        self.entries.extend(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raftpb::entry::Entry;

    fn entries(term: u64, indices: std::ops::Range<u64>) -> Entries {
        indices.map(|index| Entry { term, index, ..Entry::default() }).collect()
    }

    #[test]
    fn what_is_on_its_way_is_not_handed_out_twice() {
        let mut unstable = Unstable::new(5);
        unstable.truncate_and_append(entries(1, 5..7)).unwrap();
        assert_eq!(unstable.accept_entries().len(), 2);
        assert!(!unstable.has_next_entries());
        unstable.truncate_and_append(entries(1, 7..8)).unwrap();
        assert_eq!(unstable.accept_entries(), entries(1, 7..8));
    }

    #[test]
    fn a_replaced_write_does_not_count_as_stable() {
        let mut unstable = Unstable::new(5);
        unstable.truncate_and_append(entries(1, 5..8)).unwrap();
        unstable.accept_entries();
        unstable.truncate_and_append(entries(2, 6..7)).unwrap();
        unstable.stable_to(EntryId::new(1, 7));
        unstable.stable_to(EntryId::new(1, 6));
        assert_eq!(unstable.offset(), 5);
        assert_eq!(unstable.accept_entries(), entries(2, 6..7));
        unstable.stable_to(EntryId::new(2, 6));
        assert_eq!((unstable.offset(), unstable.has_entries()), (7, false));
    }

    #[test]
    fn replacing_below_the_offset_hides_what_is_stable() {
        let mut unstable = Unstable::new(5);
        unstable.truncate_and_append(entries(2, 3..5)).unwrap();
        assert_eq!((unstable.offset(), unstable.last_index(), unstable.term(3)), (3, Some(4), Some(2)));
        assert!(unstable.truncate_and_append(entries(2, 9..10)).is_err());
    }
}
