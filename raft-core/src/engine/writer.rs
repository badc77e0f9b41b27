//! [`Writer`]: the thread that owns the store.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};

use super::shared::{Shared, guarded};
use super::work::{Completion, Saved, WriterJob};
use crate::consensus::ready::AppendTicket;
use crate::disk::store::Store;
use crate::error::Result;

/// The most tickets under one sync. A driver that runs ahead of the disk has this many heartbeats at the most to wait.
const GROUP_MAX: usize = 64;

pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) store: Store,
    pub(super) jobs: Receiver<WriterJob>,
    pub(super) completions: Sender<Completion>,
}

impl Writer {
    /// Works until the driver is gone. What is queued then is still written: it costs a stop little, and saves a
    /// restart from fetching it again.
    pub(super) fn run(mut self) {
        self.shared.enter();
        if let Err(error) = guarded(|| self.work()).and_then(|result| result) {
            self.shared.fail(error.clone());
            let _ = self.completions.send(Completion::Failed(error));
        }
    }

    fn work(&mut self) -> Result<()> {
        let mut group = Vec::new();
        while let Ok(job) = self.jobs.recv() {
            let mut next = Some(job);
            while let Some(job) = next {
                match job {
                    WriterJob::Append(ticket) => group.push(ticket),
                    WriterJob::Record(saved) => {
                        self.append(&mut group)?;
                        self.record(saved)?;
                    }
                    WriterJob::KnownStores(stores) => self.store.keep_known_stores(&stores)?,
                    WriterJob::ForgetLoss => self.store.forget_loss()?,
                }
                next = if group.len() < GROUP_MAX { self.jobs.try_recv().ok() } else { None };
            }
            self.append(&mut group)?;
        }
        Ok(())
    }

    /// Writes the tickets of a group under one sync and hands them back.
    fn append(&mut self, group: &mut Vec<AppendTicket>) -> Result<()> {
        if group.is_empty() {
            return Ok(());
        }
        let must_sync = group.iter().any(|ticket| ticket.must_sync() || ticket.snapshot().is_some());
        // Some tickets only carry messages, and writing nothing syncs nothing.
        let last =
            group.iter().rposition(|ticket| ticket.hard_state().is_some() || !ticket.entries().is_empty());
        let mut restored = None;
        for (at, ticket) in group.iter().enumerate() {
            if let Some(snapshot) = ticket.snapshot() {
                self.store.record_snapshot(&snapshot.metadata)?;
                restored = Some(snapshot.metadata.index);
            }
            self.store.append(ticket.hard_state(), ticket.entries(), must_sync && Some(at) == last)?;
        }
        let _ = self.completions.send(Completion::Appended(std::mem::take(group)));
        restored.map_or(Ok(()), |index| self.store.release(index))
    }

    fn record(&mut self, saved: Saved) -> Result<()> {
        let index = saved.metadata.index;
        self.store.record_snapshot(&saved.metadata)?;
        let _ = self.completions.send(Completion::Recorded(saved));
        self.store.release(index)
    }
}
