//! [`Checkpoint`]: when the driver has a snapshot taken, and what it does with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;

use super::driver::Driver;
use super::event::{Event, Level};
use super::metrics::Counter;
use super::options::Options;
use super::outcome::{Outcome, Outcomes};
use super::work::{ApplierJob, Saved, WriterJob};
use crate::consensus::log::storage::Storage as _;
use crate::error::{Error, Result};

/// What the driver knows of this node's own snapshots.
pub(super) struct Checkpoint {
    /// Taken after so many applied entries; 0 is never.
    pub(super) entries: u64,
    /// Taken after so many bytes of applied entries; 0 is never.
    pub(super) bytes: u64,
    /// Entries kept in memory behind one.
    pub(super) trailing: u64,
    /// The newest one that the log names, or is about to: of this node or from a leader.
    pub(super) index: u64,
    // Where the last try began, so that one that fails is not repeated at once.
    tried: u64,
    // Bytes of the entries that were applied since then.
    grown: u64,
    under_way: bool,
    asked: bool,
    // For a peer that cannot be helped with the newest one, and not before this time.
    wanted: bool,
    not_before: Option<Instant>,
    // What the saver takes for the newest one, and does not take again.
    saved_index: Arc<AtomicU64>,
}

impl Checkpoint {
    /// For a node whose newest snapshot stands at `index`, as the saver knows by `saved_index`.
    pub(super) fn new(options: &Options, index: u64, saved_index: Arc<AtomicU64>) -> Self {
        Checkpoint {
            entries: options.snapshot_entries,
            bytes: options.snapshot_bytes,
            trailing: options.snapshot_trailing,
            index,
            tried: index,
            grown: 0,
            under_way: false,
            asked: false,
            wanted: false,
            not_before: None,
            saved_index,
        }
    }

    /// A request waits for one.
    pub(super) fn ask(&mut self) {
        self.asked = true;
    }

    /// Entries of so many bytes are applied.
    pub(super) fn grow(&mut self, bytes: u64) {
        self.grown = self.grown.saturating_add(bytes);
    }

    /// A leader's snapshot takes the place of what is there.
    pub(super) fn overtaken(&mut self, index: u64) {
        self.index = index;
        self.grown = 0;
    }

    /// The file of the snapshot at `index` could not be read. If that is the newest one, and no other is being taken, one
    /// is wanted in its place, of the same state if there is no newer.
    pub(super) fn unreadable(&mut self, index: u64, not_before: Option<Instant>) {
        if index < self.index || self.under_way {
            return;
        }
        self.saved_index.store(0, Ordering::Release);
        if !self.wanted {
            self.wanted = true;
            self.not_before = not_before;
        }
    }

    /// Whether one is to be begun once all up to `applied` is. Bytes count when the driver hears that they are applied.
    pub(super) fn is_due(&self, applied: u64, now: Instant) -> bool {
        let many = self.entries != 0 && applied.saturating_sub(self.index.max(self.tried)) >= self.entries;
        let much = self.bytes != 0 && self.grown >= self.bytes;
        let wanted = self.wanted && self.not_before.is_none_or(|time| time <= now);
        !self.under_way && (many || much || wanted || self.asked)
    }
}

impl Driver {
    /// Begins a snapshot if it is time for one.
    pub(super) fn checkpoint(&mut self) {
        if self.node.storage_mut().take_wanted().is_some() {
            self.checkpoint.wanted = true;
        }
        let applied = self.applied();
        if !self.checkpoint.is_due(applied, self.now) {
            return;
        }
        self.checkpoint.under_way = true;
        self.checkpoint.wanted = false;
        self.checkpoint.asked = false;
        self.checkpoint.tried = applied;
        self.checkpoint.grown = 0;
        self.shared.pending.lock().snapshot_begun();
        self.hand_to_applier(ApplierJob::Save);
    }

    /// The applier has taken a snapshot, or has not.
    pub(super) fn saved(&mut self, result: Result<Option<Saved>>) -> Result<()> {
        match result {
            // A leader's snapshot may have overtaken it. The log must not name an older one behind a newer one.
            Ok(Some(saved)) if saved.metadata.index > self.checkpoint.index => {
                self.checkpoint.index = saved.metadata.index;
                // The disk takes a snapshot for one of this log only as far as it knows the log to be committed: it would
                // start again from an older one, and keep that for it.
                self.write_commit();
                self.hand_to_writer(WriterJob::Record(saved));
                Ok(())
            }
            Ok(_) => {
                let newest = self.node.storage().snapshot_metadata();
                let outcome = match newest.index {
                    0 => Outcome::from(&Error::SnapshotTemporarilyUnavailable),
                    index => Outcome::done(index, newest.term),
                };
                self.snapshot_ended(outcome)
            }
            Err(error) => {
                self.checkpoint.not_before = self.now.checked_add(self.election_timeout);
                self.snapshot_ended(Outcome::from(&error))
            }
        }
    }

    /// The log names the snapshot: entries it covers can go, and peers can have it.
    pub(super) fn recorded(&mut self, saved: Saved) -> Result<()> {
        let Saved { metadata, bytes } = saved;
        let (index, term) = (metadata.index, metadata.term);
        let storage = self.node.storage_mut();
        match storage.create_snapshot(index, metadata.conf_state, Bytes::new()) {
            Ok(()) | Err(Error::SnapshotOutOfDate) => {}
            Err(error) => return Err(error),
        }
        let keep_from = index.saturating_sub(self.checkpoint.trailing);
        if keep_from >= storage.first_index() && keep_from <= storage.snapshot_metadata().index {
            storage.compact(keep_from)?;
        }
        self.shared.metrics.add(Counter::SnapshotsSaved, 1);
        self.shared.log(Level::Info, &format!("snapshot {index} of {bytes} bytes is durable"));
        self.hand_to_applier(ApplierJob::Event(Event::SnapshotSaved { index, term, bytes }));
        self.snapshot_ended(Outcome::done(index, term))
    }

    fn snapshot_ended(&mut self, outcome: Outcome) -> Result<()> {
        self.checkpoint.under_way = false;
        let mut outcomes = Outcomes::default();
        {
            let mut pending = self.shared.pending.lock();
            pending.snapshot_ended(outcome, &mut outcomes);
            self.checkpoint.asked = pending.wants_snapshot();
        }
        self.tell(outcomes)
    }
}
