//! [`Applier`]: the thread that calls the state machine, so that a slow one never delays a heartbeat.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};

use super::courier::files::{FileDone, Files};
use super::event::{Event, Level};
use super::host::{AnswerSlot, Applied, Host, SnapshotRead};
use super::outcome::{Outcome, Outcomes};
use super::shared::{Shared, guarded};
use super::work::{ApplierJob, Completion, Saved};
use crate::consensus::confchange::restore::conf_state_after;
use crate::consensus::ready::ApplyTicket;
use crate::disk::snap::dir::SnapDir;
use crate::disk::snap::reader::SnapReader;
use crate::error::{Error, Result};
use crate::raftpb::conf_change::{ConfChange, ConfChangeV2};
use crate::raftpb::entry::{Entry, EntryType};
use crate::raftpb::message::SnapshotMetadata;

pub(super) struct Applier {
    pub(super) shared: Arc<Shared>,
    pub(super) jobs: Receiver<ApplierJob>,
    pub(super) completions: Sender<Completion>,
    pub(super) snapshots: SnapDir,
    pub(super) files: Files,
    /// How far the state machine is, and the membership there: what a snapshot taken now would carry.
    pub(super) at: SnapshotMetadata,
    /// Where the newest snapshot stands.
    pub(super) saved_index: u64,
}

impl SnapshotRead for SnapReader {
    fn len(&self) -> u64 {
        SnapReader::len(self)
    }
}

impl Applier {
    /// Works until the driver is gone. Whatever ends the work early, outcomes are still delivered.
    pub(super) fn run(mut self) {
        self.shared.enter();
        if let Err(error) = guarded(|| self.work()).and_then(|result| result) {
            self.fail(error);
        }
        // A file that is half received is of no use to anybody, and must not wait for the last callback.
        self.files.clear();
        while let Ok(job) = self.jobs.recv() {
            if let Err(error) = self.deliver(job) {
                self.fail(error);
            }
        }
    }

    fn fail(&self, error: Error) {
        self.shared.fail(error.clone());
        let _ = self.completions.send(Completion::Failed(error));
    }

    fn work(&mut self) -> Result<()> {
        while let Ok(job) = self.jobs.recv() {
            match job {
                job @ (ApplierJob::Outcomes(_) | ApplierJob::Event(_)) => self.deliver(job)?,
                _ if self.shared.is_stopping() => {}
                ApplierJob::Apply(ticket) => self.apply(ticket)?,
                ApplierJob::Restore(metadata) => self.restore(metadata)?,
                ApplierJob::Save => self.save()?,
                ApplierJob::File(job) => {
                    if let Some(done) = self.files.work(job) {
                        if let FileDone::Written { result: Err(error), .. } = &done
                            && error.is_failed_write()
                        {
                            return Err(error.clone());
                        }
                        let _ = self.completions.send(Completion::File(done));
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells the host, if that is what the job is about.
    fn deliver(&self, job: ApplierJob) -> Result<()> {
        match job {
            ApplierJob::Outcomes(outcomes) => self.tell(&outcomes),
            ApplierJob::Event(event) => self.shared.call(|host| host.event(&event)),
            ApplierJob::Apply(_) | ApplierJob::Restore(_) | ApplierJob::Save | ApplierJob::File(_) => Ok(()),
        }
    }

    fn tell(&self, outcomes: &[Outcome]) -> Result<()> {
        if outcomes.is_empty() {
            return Ok(());
        }
        self.shared.call(|host| host.outcome(outcomes))
    }

    /// Brings outcomes to the host, and by the driver to peers.
    fn settle(&self, outcomes: Outcomes) -> Result<()> {
        if !outcomes.peers.is_empty() {
            let _ = self.completions.send(Completion::Decided(outcomes.peers));
        }
        self.tell(&outcomes.own)
    }

    fn apply(&mut self, ticket: ApplyTicket) -> Result<()> {
        let entries: Vec<&Entry> = ticket.entries().iter().collect();
        let changes = read_changes(&entries)?;
        let mut requests = Vec::new();
        self.shared.pending.lock().requests(&entries, &mut requests);
        let slots: Vec<AnswerSlot> = entries.iter().map(|_| AnswerSlot::default()).collect();
        let mut changed = changes.iter();
        let batch: Vec<Applied<'_>> = entries
            .iter()
            .zip(&requests)
            .zip(&slots)
            .filter_map(|((&entry, &request), slot)| {
                let context: &[u8] = match entry.entry_type {
                    EntryType::Normal if entry.data.is_empty() => return None,
                    EntryType::Normal => &entry.data,
                    EntryType::ConfChange | EntryType::ConfChangeV2 => {
                        changed.next().map_or(&[], |(_, change)| &change.context)
                    }
                };
                Some(Applied { entry, request, context, slot })
            })
            .collect();
        if !batch.is_empty() {
            self.shared.call(|host| host.apply(&batch))?.map_err(Error::Host)?;
        }
        drop(batch);
        let memberships = self.follow(&changes);
        if let Some(last) = entries.last() {
            (self.at.index, self.at.term) = (last.index, last.term);
            self.shared.applied.store(last.index, Ordering::Release);
        }
        let mut answers: Vec<Bytes> = slots.into_iter().map(AnswerSlot::into_answer).collect();
        let mut outcomes = Outcomes::default();
        self.shared.pending.lock().applied(&entries, &mut answers, &mut outcomes);
        drop(entries);
        let _ = self.completions.send(Completion::Applied(ticket));
        self.settle(outcomes)?;
        memberships.iter().try_for_each(|event| self.shared.call(|host| host.event(event)))
    }

    /// Keeps the membership in step with the state machine.
    fn follow(&mut self, changes: &[(u64, ConfChangeV2)]) -> Vec<Event> {
        let mut events = Vec::new();
        for (index, change) in changes {
            // A change that is not possible has no effect, here as in consensus.
            if let Ok(conf_state) = conf_state_after(&self.at.conf_state, change) {
                self.at.conf_state = conf_state;
                events.push(Event::Membership { index: *index, conf_state: self.at.conf_state.clone() });
            }
        }
        events
    }

    fn restore(&mut self, metadata: SnapshotMetadata) -> Result<()> {
        let reader = self.snapshots.open(metadata.term, metadata.index)?;
        let bytes = self.shared.call(|host| restore(host, reader))??;
        let (index, term) = (metadata.index, metadata.term);
        self.at = metadata;
        self.saved_index = index;
        self.shared.applied.store(index, Ordering::Release);
        let mut outcomes = Outcomes::default();
        self.shared.pending.lock().restored(index, &mut outcomes);
        self.settle(outcomes)?;
        self.shared.call(|host| host.event(&Event::SnapshotRestored { index, term, bytes }))
    }

    /// Takes a snapshot. That it fails is no reason to stop, because the log still has everything; a panic is, and a disk
    /// that failed.
    fn save(&mut self) -> Result<()> {
        let result = match self.at.index {
            index if index == self.saved_index => Ok(None),
            _ => self.shared.call(|host| save(host, &self.snapshots, &self.at))?.map(Some),
        };
        match &result {
            Ok(Some(saved)) => self.saved_index = saved.metadata.index,
            Ok(None) => {}
            Err(error) if error.is_failed_write() => return Err(error.clone()),
            Err(error) => self.shared.log(Level::Error, &format!("no snapshot: {error}")),
        }
        let _ = self.completions.send(Completion::Saved(result));
        Ok(())
    }
}

/// Gives the host a snapshot; returns its length.
pub(super) fn restore(host: &dyn Host, mut reader: SnapReader) -> Result<u64> {
    let bytes = reader.len();
    host.snapshot_restore(&mut reader).map_err(Error::Host)?;
    Ok(bytes)
}

fn save(host: &dyn Host, snapshots: &SnapDir, at: &SnapshotMetadata) -> Result<Saved> {
    let mut writer = snapshots.create(at.clone())?;
    if let Err(code) = host.snapshot_save(&mut writer) {
        // A host that gave up because the disk did has nothing to add.
        return Err(writer.failure().cloned().unwrap_or(Error::Host(code)));
    }
    let info = writer.finish()?;
    Ok(Saved { metadata: info.metadata, bytes: info.data_len })
}

/// The membership changes among `entries`, with their indices.
fn read_changes(entries: &[&Entry]) -> Result<Vec<(u64, ConfChangeV2)>> {
    let read = |entry: &Entry, data: Bytes| match entry.entry_type {
        EntryType::Normal => Ok(None),
        EntryType::ConfChange => Ok(Some((entry.index, ConfChange::read(data)?.into()))),
        EntryType::ConfChangeV2 => Ok(Some((entry.index, ConfChangeV2::read(data)?))),
    };
    entries.iter().filter_map(|entry| read(entry, entry.data.clone()).transpose()).collect()
}
