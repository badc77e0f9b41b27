//! [`Writer`]: the thread that owns the store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::calls::Thread;
use super::metrics::{Counter, Timer};
use super::mutants::{Mutant, is_planted};
use super::queue::{NoJob, Receiver};
use super::shared::{Shared, guarded};
use super::work::{Completion, Saved, WriterJob};
use crate::consensus::ready::AppendTicket;
use crate::disk::store::Store;
use crate::error::Result;
use crate::raftpb::entry::Entries;
use crate::raftpb::message::HardState;

/// The most tickets under one sync. A driver that runs ahead of the disk has this many heartbeats at the most to wait.
const GROUP_MAX: usize = 64;

/// How often a full disk is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long one that is not full is not looked at again, unless more is written meanwhile than this part of the reserve.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
const RESERVE_PART: u64 = 16;
/// What an entry takes beside its payload, about.
const ENTRY_LEN: u64 = 64;

pub(super) struct Writer {
    shared: Arc<Shared>,
    store: Store,
    jobs: Receiver<WriterJob>,
    watch: Watch,
}

/// Whether there is as much room on the disk as is to be kept for the log.
pub(super) struct Watch {
    reserve: u64,
    is_full: bool,
    looked: Option<Instant>,
    /// Bytes written since, about.
    written: u64,
}

impl Watch {
    /// A reserve of 0 is none.
    pub(super) fn new(reserve: u64) -> Self {
        Watch { reserve, is_full: false, looked: None, written: 0 }
    }

    /// How long until it is time to look again.
    fn wait(&self) -> Duration {
        let pause = if self.is_full { LOOK_EVERY } else { LOOK_PAUSE };
        match self.looked {
            _ if self.reserve == 0 => Duration::MAX,
            Some(_) if self.written == 0 && !self.is_full => Duration::MAX,
            Some(looked) if self.written < self.reserve / RESERVE_PART => {
                pause.saturating_sub(looked.elapsed())
            }
            _ => Duration::ZERO,
        }
    }

    /// Looks at what is left; says when it has become another matter. A little more than the reserve must be free before
    /// the disk counts as healed, so that it does not go to and fro.
    fn look(&mut self, store: &Store) -> Option<Completion> {
        (self.looked, self.written) = (Some(Instant::now()), 0);
        // A disk that cannot be asked says so when it is written to.
        let free = store.free_bytes().unwrap_or(u64::MAX);
        let needed = if self.is_full { self.reserve.saturating_add(self.reserve / 8) } else { self.reserve };
        let is_full = free < needed;
        if is_full == self.is_full {
            return None;
        }
        self.is_full = is_full;
        Some(Completion::Room { full: is_full, free })
    }
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, store: Store, jobs: Receiver<WriterJob>, watch: Watch) -> Self {
        Writer { shared, store, jobs, watch }
    }

    /// Works until the driver is gone. What is queued then is still written: it costs a stop little, and saves a
    /// restart from fetching it again.
    pub(super) fn run(mut self) {
        self.shared.enter(Thread::Writer);
        if let Err(error) = guarded(|| self.work()).and_then(|result| result) {
            self.shared.fail(error.clone());
            self.shared.inbox.complete(Completion::Failed(error));
        }
    }

    fn work(&mut self) -> Result<()> {
        let mut group = Vec::new();
        loop {
            let wait = self.look();
            let job = match self.jobs.recv_timeout(wait) {
                Ok(job) => job,
                Err(NoJob::TimedOut) => continue,
                Err(NoJob::Closed) => return Ok(()),
            };
            let mut next = Some(job);
            while let Some(job) = next {
                match job {
                    WriterJob::Append(ticket) => group.push(ticket),
                    WriterJob::Commit(hard_state) => {
                        self.append(&mut group)?;
                        self.commit(&hard_state)?;
                    }
                    WriterJob::Record(saved) => {
                        self.append(&mut group)?;
                        self.record(saved)?;
                    }
                    WriterJob::KnownStores(stores) => self.store.keep_known_stores(&stores)?,
                    WriterJob::KeepLoss(loss) => self.store.keep_loss(loss)?,
                    WriterJob::ForgetLoss => self.store.forget_loss()?,
                }
                next = if group.len() < GROUP_MAX { self.jobs.try_recv() } else { None };
            }
            self.append(&mut group)?;
        }
    }

    /// Asks the system what is left, if it is time; says how long until the next time.
    fn look(&mut self) -> Duration {
        if self.watch.wait().is_zero()
            && let Some(change) = self.watch.look(&self.store)
        {
            self.shared.inbox.complete(change);
        }
        self.watch.wait()
    }

    /// Writes the tickets of a group under one sync and hands them back.
    fn append(&mut self, group: &mut Vec<AppendTicket>) -> Result<()> {
        if group.is_empty() {
            return Ok(());
        }
        let must_sync = !is_planted(Mutant::AckBeforeFsync) && group.iter().any(AppendTicket::must_sync);
        // Some tickets only carry messages, and writing nothing syncs nothing.
        let last =
            group.iter().rposition(|ticket| ticket.hard_state().is_some() || !ticket.entries().is_empty());
        let _inside = self.shared.calls.disk();
        let begun = Instant::now();
        let mut restored = None;
        for (at, ticket) in group.iter().enumerate() {
            let entries = ticket.entries();
            self.watch.written += entries.payload_len() as u64 + ENTRY_LEN * (entries.len() as u64 + 1);
            if let Some(snapshot) = ticket.snapshot() {
                self.store.record_snapshot(&snapshot.metadata)?;
                restored = Some(snapshot.metadata.index);
            }
            // Nothing is acknowledged before the last of them is written: they go in one piece.
            if Some(at) == last {
                self.store.append(ticket.hard_state(), ticket.entries(), must_sync)?;
            } else {
                self.store.append_later(ticket.hard_state(), ticket.entries())?;
            }
        }
        if last.is_some() || restored.is_some() {
            self.shared.metrics.add(Counter::Writes, 1);
            self.shared.metrics.time(Timer::Write, begun.elapsed(), 1);
        }
        self.shared.inbox.complete(Completion::Appended(std::mem::take(group)));
        restored.map_or(Ok(()), |index| self.store.release(index))
    }

    /// Writes how far the log is committed. No sync: what comes next brings it, and a machine that stops before has only
    /// to be told again.
    fn commit(&mut self, hard_state: &HardState) -> Result<()> {
        let _inside = self.shared.calls.disk();
        self.store.append(Some(hard_state), &Entries::new(), false)
    }

    fn record(&mut self, saved: Saved) -> Result<()> {
        let _inside = self.shared.calls.disk();
        let index = saved.metadata.index;
        self.store.record_snapshot(&saved.metadata)?;
        self.shared.inbox.complete(Completion::Recorded(saved));
        self.store.release(index)
    }
}
