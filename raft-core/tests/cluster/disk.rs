//! [`Disk`]: what a node has written, and what of it a crash leaves.

use std::collections::VecDeque;

use raft_core::consensus::log::memory_storage::{BOOTSTRAP_INDEX, MemoryStorage};
use raft_core::consensus::log::storage::Storage;
use raft_core::consensus::ready::AppendTicket;
use raft_core::error::Result;
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::entry::{Entries, Entry};
use raft_core::raftpb::message::{HardState, Snapshot, SnapshotMetadata};

use super::rng::Rng;

#[derive(Clone, Debug)]
enum Record {
    /// From a leader: replaces the log.
    Received(Snapshot),
    /// The node's own: the log goes on behind it.
    Taken(Snapshot),
    Entry(Entry),
    State(HardState),
}

/// What survives: the result of reading the records back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durable {
    pub(crate) hard_state: HardState,
    pub(crate) snapshot: Snapshot,
    /// They follow the snapshot.
    pub(crate) entries: VecDeque<Entry>,
}

/// What a crash has cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lost {
    pub(crate) entries: u64,
    pub(crate) states: u64,
    pub(crate) kept: u64,
}

/// A log of records in one order. A crash leaves a prefix, which holds at the least what was synced.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) durable: Durable,
    unsynced: VecDeque<Record>,
    written: u64,
}

impl Disk {
    /// That of a founding member.
    pub(crate) fn bootstrapped(conf_state: ConfState) -> Self {
        let metadata = SnapshotMetadata { conf_state, index: BOOTSTRAP_INDEX, term: 1 };
        let durable = Durable {
            hard_state: HardState { term: 1, vote: 0, commit: BOOTSTRAP_INDEX },
            snapshot: Snapshot { metadata, ..Snapshot::default() },
            entries: VecDeque::new(),
        };
        Disk { durable, ..Disk::default() }
    }

    fn push(&mut self, record: Record) {
        self.unsynced.push_back(record);
        self.written += 1;
    }

    /// Writes a ticket, and tells the position up to which it has to be synced.
    pub(crate) fn write(&mut self, ticket: &AppendTicket) -> u64 {
        if let Some(snapshot) = ticket.snapshot() {
            self.push(Record::Received(snapshot.clone()));
        }
        ticket.entries().owned().for_each(|entry| self.push(Record::Entry(entry)));
        if let Some(state) = ticket.hard_state() {
            self.push(Record::State(*state));
        }
        self.written
    }

    /// Saves the node's own snapshot, and all written before.
    pub(crate) fn checkpoint(&mut self, snapshot: Snapshot) {
        self.push(Record::Taken(snapshot));
        self.sync_to(self.written);
    }

    pub(crate) fn sync_to(&mut self, position: u64) {
        while self.written - (self.unsynced.len() as u64) < position {
            let Some(record) = self.unsynced.pop_front() else { break };
            self.durable.read(record);
        }
    }

    /// The power fails. `keeps` says whether some of what was not synced may have made it.
    pub(crate) fn crash(&mut self, rng: &mut Rng, keeps: bool) -> Lost {
        let kept = if keeps { rng.below(self.unsynced.len() as u64 + 1) } else { 0 };
        self.sync_to(self.written - self.unsynced.len() as u64 + kept);
        let mut lost = Lost { kept, ..Lost::default() };
        for record in self.unsynced.drain(..) {
            match record {
                Record::Entry(_) => lost.entries += 1,
                Record::State(_) => lost.states += 1,
                Record::Received(_) | Record::Taken(_) => {}
            }
        }
        lost
    }

    /// What a node starts from; `conf_state` is the membership where its state machine stands.
    pub(crate) fn recover(&self, conf_state: ConfState) -> Shelf {
        let Durable { hard_state, snapshot, entries } = &self.durable;
        let entries = entries.iter().cloned().collect();
        let memory = MemoryStorage::recovered(*hard_state, snapshot.metadata.clone(), entries);
        Shelf { memory, conf_state }
    }
}

/// The storage of a node whose state machine may be ahead of the snapshot when it starts.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) memory: MemoryStorage,
    conf_state: ConfState,
}

impl Storage for Shelf {
    fn initial_state(&self) -> Result<(HardState, ConfState)> {
        Ok((self.memory.initial_state()?.0, self.conf_state.clone()))
    }

    fn entries(&self, lo: u64, hi: u64, bytes_max: u64) -> Result<Entries> {
        self.memory.entries(lo, hi, bytes_max)
    }

    fn term(&self, index: u64) -> Result<u64> {
        self.memory.term(index)
    }

    fn first_index(&self) -> u64 {
        self.memory.first_index()
    }

    fn last_index(&self) -> u64 {
        self.memory.last_index()
    }

    fn snapshot(&mut self, to: u64) -> Result<Snapshot> {
        self.memory.snapshot(to)
    }

    fn append(&mut self, snapshot: Option<&Snapshot>, entries: Entries) -> Result<()> {
        self.memory.append(snapshot, entries)
    }
}

impl Durable {
    /// The last index that is there.
    pub(crate) fn last(&self) -> u64 {
        self.snapshot.metadata.index + self.entries.len() as u64
    }

    fn read(&mut self, record: Record) {
        match record {
            Record::Received(snapshot) => {
                self.entries.clear();
                self.take(snapshot);
            }
            // One that was received meanwhile is newer.
            Record::Taken(snapshot) if snapshot.metadata.index <= self.snapshot.metadata.index => {}
            Record::Taken(snapshot) => {
                let covered = snapshot.metadata.index - self.snapshot.metadata.index;
                self.entries.drain(..(covered as usize).min(self.entries.len()));
                self.take(snapshot);
            }
            Record::Entry(entry) => {
                let at = entry.index - self.snapshot.metadata.index - 1;
                self.entries.truncate(at as usize);
                self.entries.push_back(entry);
            }
            Record::State(state) => self.hard_state = state,
        }
    }

    /// The snapshot says as well that what it covers is committed.
    fn take(&mut self, snapshot: Snapshot) {
        self.hard_state.commit = self.hard_state.commit.max(snapshot.metadata.index);
        self.snapshot = snapshot;
    }
}
