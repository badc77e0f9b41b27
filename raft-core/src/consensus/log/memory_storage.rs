//! [`MemoryStorage`]: the stable part of the log, held in memory beside a copy on disk.

use bytes::Bytes;
use prost::Message as _;

use super::entry_id::EntryId;
use super::entry_queue::EntryQueue;
use super::storage::Storage;
use crate::error::{Error, Result};
use crate::raftpb::conf_change::{ConfChange, ConfChangeType, ConfState};
use crate::raftpb::entry::{Entries, Entry, EntryType};
use crate::raftpb::message::{HardState, Snapshot, SnapshotMetadata};

/// The index of the snapshot that every node of a new cluster starts from. It holds the first membership and no
/// state, so a node that joins later cannot be helped with it.
pub const BOOTSTRAP_INDEX: u64 = 1;

/// The durable entries since the last compaction, and the newest snapshot.
#[derive(Clone, Debug)]
pub struct MemoryStorage {
    hard_state: HardState,
    snapshot: Snapshot,
    // The entry before the queue, of which only the id is left.
    compacted: EntryId,
    entries: EntryQueue,
    wanted: Option<u64>,
}

impl Default for MemoryStorage {
    fn default() -> Self {
        MemoryStorage::new()
    }
}

impl MemoryStorage {
    /// A node that knows nothing: not even who is a member.
    pub fn new() -> Self {
        MemoryStorage::recovered(HardState::default(), SnapshotMetadata::default(), Entries::new())
    }

    /// The first node of a new cluster of these voters, or any other of them.
    pub fn bootstrapped(conf_state: ConfState) -> Self {
        let metadata = SnapshotMetadata { conf_state, index: BOOTSTRAP_INDEX, term: 1 };
        let hard_state = HardState { term: 1, vote: 0, commit: BOOTSTRAP_INDEX };
        MemoryStorage::recovered(hard_state, metadata, Entries::new())
    }

    /// The same as a log, which is how etcd begins one: an entry for each member of the first membership, with the bytes
    /// of the host about it, all of them committed. The membership is in force once they are applied.
    pub fn bootstrapped_by_entries(members: &[(u64, Bytes)]) -> Self {
        let entry = |(index, (node_id, context)): (u64, &(u64, Bytes))| {
            let change_type = ConfChangeType::AddNode as i32;
            let change = ConfChange { id: 0, change_type, node_id: *node_id, context: context.clone() };
            let data = change.encode_to_vec().into();
            Entry { entry_type: EntryType::ConfChange, term: 1, index, data }
        };
        let entries: Entries = (1..).zip(members).map(entry).collect();
        let hard_state = HardState { term: 1, vote: 0, commit: members.len() as u64 };
        MemoryStorage::recovered(hard_state, SnapshotMetadata::default(), entries)
    }

    /// What was read back from disk: `entries` follow the snapshot. Entries that do not are left out.
    pub fn recovered(hard_state: HardState, snapshot: SnapshotMetadata, entries: Entries) -> Self {
        let compacted = EntryId::from(&snapshot);
        let mut queue = EntryQueue::new(compacted.index + 1);
        // An error means a gap: what follows it cannot be reached, and RawNode::new refuses the hard state.
        let _ = queue.extend(entries);
        let snapshot = Snapshot { data: Bytes::new(), metadata: snapshot };
        MemoryStorage { hard_state, snapshot, compacted, entries: queue, wanted: None }
    }

    /// Keeps the state machine at `index`, where `conf_state` is the membership, as the newest snapshot.
    /// `SnapshotOutOfDate` if there is a newer one, `Unavailable` if the log does not reach so far.
    pub fn create_snapshot(&mut self, index: u64, conf_state: ConfState, data: Bytes) -> Result<()> {
        if index <= self.snapshot.metadata.index {
            return Err(Error::SnapshotOutOfDate);
        }
        let term = self.term(index)?;
        self.snapshot = Snapshot { data, metadata: SnapshotMetadata { conf_state, index, term } };
        Ok(())
    }

    /// Drops the entries up to `index`, which the newest snapshot must cover. `Compacted` if they are gone already.
    pub fn compact(&mut self, index: u64) -> Result<()> {
        if index <= self.compacted.index {
            return Err(Error::Compacted);
        }
        if index > self.snapshot.metadata.index {
            return Err(Error::Unavailable);
        }
        self.compacted = EntryId::new(self.term(index)?, index);
        self.entries.drop_before(index + 1);
        Ok(())
    }

    /// Where the newest snapshot stands.
    pub fn snapshot_metadata(&self) -> &SnapshotMetadata {
        &self.snapshot.metadata
    }

    /// A node that a snapshot was asked for and not had since the last call: time to take one.
    pub fn take_wanted(&mut self) -> Option<u64> {
        self.wanted.take()
    }
}

impl Storage for MemoryStorage {
    fn initial_state(&self) -> Result<(HardState, ConfState)> {
        Ok((self.hard_state, self.snapshot.metadata.conf_state.clone()))
    }

    fn entries(&self, lo: u64, hi: u64, bytes_max: u64) -> Result<Entries> {
        if lo < self.entries.offset() {
            return Err(Error::Compacted);
        }
        if hi > self.entries.next() {
            return Err(Error::Unavailable);
        }
        Ok(self.entries.slice(lo, hi, bytes_max))
    }

    fn term(&self, index: u64) -> Result<u64> {
        match self.entries.term(index) {
            Some(term) => Ok(term),
            None if index == self.compacted.index => Ok(self.compacted.term),
            None if index < self.compacted.index => Err(Error::Compacted),
            None => Err(Error::Unavailable),
        }
    }

    fn first_index(&self) -> u64 {
        self.entries.offset()
    }

    fn last_index(&self) -> u64 {
        self.entries.next() - 1
    }

    fn snapshot(&mut self, to: u64) -> Result<Snapshot> {
        let metadata = &self.snapshot.metadata;
        // A follower ignores a snapshot of a membership it is not part of, so one from before it was added is of no use.
        if metadata.index <= BOOTSTRAP_INDEX || !metadata.conf_state.contains(to) {
            self.wanted = Some(to);
            return Err(Error::SnapshotTemporarilyUnavailable);
        }
        Ok(self.snapshot.clone())
    }

    fn append(&mut self, snapshot: Option<&Snapshot>, entries: Entries) -> Result<()> {
        if let Some(snapshot) = snapshot {
            self.compacted = EntryId::from(&snapshot.metadata);
            self.entries = EntryQueue::new(self.compacted.index + 1);
            self.snapshot = snapshot.clone();
        }
        let Some(first) = entries.first() else { return Ok(()) };
        if first.index <= self.compacted.index {
            return Err(Error::Invariant(format!(
                "entry {} saved below the compacted {}",
                first.index, self.compacted.index
            )));
        }
        self.entries.truncate(first.index);
        self.entries.extend(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(ids: &[(u64, u64)]) -> Entries {
        ids.iter().map(|&(term, index)| Entry { term, index, ..Entry::default() }).collect()
    }

    fn storage() -> MemoryStorage {
        let mut storage = MemoryStorage::bootstrapped(ConfState::of_voters([1, 2, 3]));
        storage.append(None, entries(&[(1, 2), (1, 3), (2, 4), (2, 5)])).unwrap();
        storage
    }

    #[test]
    fn terms_are_known_from_the_compacted_entry_to_the_last() {
        let storage = storage();
        assert_eq!(storage.term(0), Err(Error::Compacted));
        assert_eq!((1..=5).map(|i| storage.term(i).unwrap()).collect::<Vec<_>>(), [1, 1, 1, 2, 2]);
        assert_eq!(storage.term(6), Err(Error::Unavailable));
    }

    #[test]
    fn appending_replaces_from_the_first_new_index_on() {
        let mut storage = storage();
        storage.append(None, entries(&[(3, 4)])).unwrap();
        assert_eq!((storage.last_index(), storage.term(4)), (4, Ok(3)));
        assert!(storage.append(None, entries(&[(3, 9)])).is_err());
    }

    #[test]
    fn compaction_needs_a_snapshot_and_keeps_the_last_id() {
        let mut storage = storage();
        assert_eq!(storage.compact(3), Err(Error::Unavailable));
        storage.create_snapshot(4, ConfState::of_voters([1, 2, 3]), Bytes::new()).unwrap();
        storage.compact(3).unwrap();
        assert_eq!(
            (storage.first_index(), storage.term(3), storage.term(2)),
            (4, Ok(1), Err(Error::Compacted))
        );
        assert_eq!(storage.entries(3, 5, 99), Err(Error::Compacted));
        assert_eq!(storage.compact(3), Err(Error::Compacted));
        assert_eq!(
            storage.create_snapshot(4, ConfState::default(), Bytes::new()),
            Err(Error::SnapshotOutOfDate)
        );
    }

    #[test]
    fn a_snapshot_is_only_given_to_a_node_that_it_names() {
        let mut storage = storage();
        assert_eq!(storage.snapshot(2), Err(Error::SnapshotTemporarilyUnavailable));
        storage.create_snapshot(4, ConfState::of_voters([1, 2, 3]), Bytes::from_static(b"s")).unwrap();
        assert_eq!(storage.snapshot(2).unwrap().metadata.index, 4);
        assert_eq!(storage.take_wanted(), Some(2));
        assert_eq!(storage.snapshot(4), Err(Error::SnapshotTemporarilyUnavailable));
        assert_eq!((storage.take_wanted(), storage.take_wanted()), (Some(4), None));
    }

    #[test]
    fn a_received_snapshot_replaces_everything() {
        let mut storage = storage();
        let metadata = SnapshotMetadata { conf_state: ConfState::of_voters([1]), index: 9, term: 4 };
        let snapshot = Snapshot { data: Bytes::new(), metadata };
        storage.append(Some(&snapshot), entries(&[(4, 10)])).unwrap();
        assert_eq!((storage.first_index(), storage.last_index(), storage.term(9)), (10, 10, Ok(4)));
    }
}
