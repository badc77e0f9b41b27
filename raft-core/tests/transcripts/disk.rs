//! What a node of a transcript has on disk: its log, its hard state, and the past of its state machine.

use bytes::Bytes;
use raft_core::consensus::confchange::restore::conf_state_after;
use raft_core::consensus::log::memory_storage::MemoryStorage;
use raft_core::consensus::log::storage::Storage;
use raft_core::error::{Error, Result};
use raft_core::raftpb::conf_change::{ConfChange, ConfChangeV2, ConfState};
use raft_core::raftpb::entry::{Entries, Entry, EntryType};
use raft_core::raftpb::message::{HardState, Snapshot, SnapshotMetadata};

/// The disk and the state machine, which appends the payload of each entry to its state.
pub(crate) struct Disk {
    log: MemoryStorage,
    hard_state: HardState,
    // The state after each entry applied, oldest first. The newest is the one that is sent as a snapshot.
    history: Vec<Snapshot>,
}

impl Disk {
    /// A node that starts from `snapshot`, which is empty for one that knows nothing.
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        let log = log_behind(&snapshot.metadata, Entries::new());
        Disk { log, hard_state: HardState::default(), history: vec![snapshot] }
    }

    /// A founding member whose log begins with an entry for each of them.
    pub(crate) fn bootstrapped_by_entries(members: &[u64]) -> Self {
        let members: Vec<_> = members.iter().map(|&id| (id, format!("address {id}").into())).collect();
        let log = MemoryStorage::bootstrapped_by_entries(&members);
        let hard_state = log.initial_state().map(|(state, _)| state).unwrap_or_default();
        Disk { log, hard_state, history: vec![Snapshot::default()] }
    }

    /// What the host saves of an append ticket.
    pub(crate) fn save(
        &mut self,
        hard_state: Option<&HardState>,
        snapshot: Option<&Snapshot>,
        entries: &Entries,
    ) -> Result<()> {
        self.hard_state = hard_state.copied().unwrap_or(self.hard_state);
        self.history.extend(snapshot.cloned());
        self.log.append(snapshot, entries.clone())
    }

    /// Runs the state machine on committed entries.
    pub(crate) fn apply(&mut self, entries: Entries) -> Result<()> {
        for entry in entries.owned() {
            let old = self.state();
            // A snapshot may have come in between that holds it already.
            if entry.index <= old.metadata.index {
                continue;
            }
            let (addition, conf_state) = effect(&entry, &old.metadata.conf_state)?;
            let data = [old.data.as_ref(), addition.as_ref()].concat().into();
            let metadata = SnapshotMetadata { conf_state, index: entry.index, term: entry.term };
            self.history.push(Snapshot { data, metadata });
        }
        Ok(())
    }

    /// The newest state.
    pub(crate) fn state(&self) -> &Snapshot {
        // It starts with one and never shrinks to none.
        &self.history[self.history.len() - 1]
    }

    /// Drops the log up to `index`.
    pub(crate) fn compact(&mut self, index: u64) -> Result<()> {
        let Snapshot { data, metadata } = self.state().clone();
        match self.log.create_snapshot(metadata.index, metadata.conf_state, data) {
            Ok(()) | Err(Error::SnapshotOutOfDate) => self.log.compact(index),
            Err(error) => Err(error),
        }
    }

    /// All entries there are.
    pub(crate) fn all_entries(&self) -> Result<Entries> {
        self.log.entries(self.first_index(), self.last_index() + 1, u64::MAX)
    }

    /// This disk after a crash that took everything behind `last` with it, though it had been reported as saved.
    pub(crate) fn without_tail(mut self, last: u64) -> Result<Self> {
        let first = self.first_index();
        if last + 1 < first {
            return Err(Error::Compacted);
        }
        let end = last.min(self.last_index()) + 1;
        let entries = if first < end { self.log.entries(first, end, u64::MAX)? } else { Entries::new() };
        // The membership comes from the state machine, see `initial_state`.
        let conf_state = ConfState::default();
        let before = SnapshotMetadata { conf_state, index: first - 1, term: self.log.term(first - 1)? };
        self.log = log_behind(&before, entries);
        self.history.retain(|state| state.metadata.index <= last);
        // What has been applied is committed, also where the commit index was still on its way to the disk.
        let commit = self.hard_state.commit.max(self.state().metadata.index);
        self.hard_state.commit = commit.min(last);
        Ok(self)
    }
}

fn log_behind(metadata: &SnapshotMetadata, entries: Entries) -> MemoryStorage {
    MemoryStorage::recovered(HardState::default(), metadata.clone(), entries)
}

/// What an entry adds to the state, and the membership after it.
fn effect(entry: &Entry, conf_state: &ConfState) -> Result<(Bytes, ConfState)> {
    let change = match entry.entry_type {
        EntryType::Normal => return Ok((entry.data.clone(), conf_state.clone())),
        EntryType::ConfChange => ConfChange::read(&entry.data)?.into(),
        EntryType::ConfChangeV2 => ConfChangeV2::read(&entry.data)?,
    };
    match conf_state_after(conf_state, &change) {
        Ok(after) => Ok((change.context, after)),
        // As in the node itself: where the check is turned off, a change that does not fit has no effect.
        Err(Error::ConfChange(_)) => Ok((change.context, conf_state.clone())),
        Err(error) => Err(error),
    }
}

impl Storage for Disk {
    fn initial_state(&self) -> Result<(HardState, ConfState)> {
        Ok((self.hard_state, self.state().metadata.conf_state.clone()))
    }

    fn entries(&self, lo: u64, hi: u64, bytes_max: u64) -> Result<Entries> {
        self.log.entries(lo, hi, bytes_max)
    }

    fn term(&self, index: u64) -> Result<u64> {
        self.log.term(index)
    }

    fn first_index(&self) -> u64 {
        self.log.first_index()
    }

    fn last_index(&self) -> u64 {
        self.log.last_index()
    }

    fn snapshot(&mut self, _to: u64) -> Result<Snapshot> {
        Ok(self.state().clone())
    }

    /// The host has saved it before it hands the ticket back.
    fn append(&mut self, _snapshot: Option<&Snapshot>, _entries: Entries) -> Result<()> {
        Ok(())
    }
}
