//! [`Applier`]: the thread that calls the state machine, so that a slow one never delays a heartbeat.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use smallvec::SmallVec;

use super::calls::Thread;
use super::code::{Code, failed};
use super::courier::files::{FileDone, Files};
use super::event::Event;
use super::force;
use super::host::{AnswerSlot, Applied, Host, SnapshotRead};
use super::metrics::{Counter, Timer};
use super::mutants::{Mutant, is_planted};
use super::outcome::{Outcome, Outcomes};
use super::queue::Receiver;
use super::replicated::{self, Replicated};
use super::saver::Saver;
use super::session::frame::Frame;
use super::session::table::{Done, Sessions, Verdict};
use super::shared::{Shared, guarded};
use super::work::{ApplierJob, Completion};
use crate::consensus::confchange::restore::conf_state_after;
use crate::consensus::ready::ApplyTicket;
use crate::disk::snap::reader::SnapReader;
use crate::error::{Error, Result};
use crate::raftpb::conf_change::ConfChangeV2;
use crate::raftpb::entry::{EntryRef, EntryType};
use crate::raftpb::message::SnapshotMetadata;

pub(super) struct Applier {
    shared: Arc<Shared>,
    jobs: Receiver<ApplierJob>,
    saver: Saver,
    files: Files,
    /// How far the state machine is, and the membership there: what a snapshot taken now would carry.
    at: SnapshotMetadata,
    /// What the engine itself keeps, as of there.
    own: Replicated,
}

/// One for each entry of a page. An entry that comes alone, as from a client that waits for each answer, takes no memory
/// for it.
type Page<T> = SmallVec<[T; 2]>;

/// What an entry means for the state machine.
enum Deed<'a> {
    /// It gets these bytes.
    Apply(&'a [u8]),
    /// It gets these bytes, for the first time.
    Command { session: u64, sequence: u64, data: &'a [u8] },
    /// It has had them, as this command.
    Repeat(Done),
    /// It gets nothing.
    Pass,
    /// It gets nothing, because the session is not as the client believes.
    Refuse,
}

impl<'a> Deed<'a> {
    fn of(entry: EntryRef<'a>, sessions: &mut Sessions) -> Self {
        let (index, term) = (entry.index, entry.term);
        match Frame::read(entry.data) {
            Frame::Plain([]) => Deed::Pass,
            Frame::Plain(data) => Deed::Apply(data),
            Frame::Open => {
                sessions.open(index);
                Deed::Pass
            }
            Frame::Close { session } if sessions.close(session) => Deed::Pass,
            Frame::Close { .. } => Deed::Refuse,
            Frame::Command { session, sequence, data } => {
                match sessions.begin(session, sequence, index, term) {
                    Verdict::Apply => Deed::Command { session, sequence, data },
                    Verdict::Repeat(done) => Deed::Repeat(done),
                    Verdict::Refuse => Deed::Refuse,
                }
            }
        }
    }

    /// What the state machine gets.
    fn data(&self) -> Option<&'a [u8]> {
        match self {
            Deed::Apply(data) | Deed::Command { data, .. } => Some(data),
            Deed::Repeat(_) | Deed::Pass | Deed::Refuse => None,
        }
    }

    /// What becomes of the proposal of `entry`, now that the state machine has said `answer`. `before` are the results
    /// of the entries right in front of it.
    fn result(
        self,
        entry: EntryRef<'_>,
        answer: Bytes,
        before: &[Outcome],
        sessions: &mut Sessions,
    ) -> Outcome {
        match self {
            Deed::Command { session, sequence, .. } => sessions.answered(session, sequence, &answer),
            Deed::Repeat(mut done) => {
                // The command may stand in the same page: then it had no answer yet when the session was looked at, and
                // by now the session may have gone on.
                let distance = usize::try_from(entry.index.saturating_sub(done.index));
                let at = distance.ok().and_then(|distance| before.len().checked_sub(distance));
                if let Some(command) = at.and_then(|at| before.get(at)) {
                    done.keep(&command.answer);
                }
                return Outcome { answer: done.answer, ..Outcome::done(done.index, done.term) };
            }
            Deed::Refuse => return Outcome::not(Code::Session),
            Deed::Apply(_) | Deed::Pass => {}
        }
        Outcome { answer, ..Outcome::done(entry.index, entry.term) }
    }
}

/// What becomes of the proposals of `entries`, now that the state machine has given these answers.
fn results(
    entries: &[EntryRef<'_>],
    deeds: Page<Deed<'_>>,
    answers: impl Iterator<Item = Bytes>,
    sessions: &mut Sessions,
) -> Page<Outcome> {
    let mut results = Page::with_capacity(entries.len());
    for ((&entry, deed), answer) in entries.iter().zip(deeds).zip(answers) {
        let result = deed.result(entry, answer, &results, sessions);
        results.push(result);
    }
    results
}

impl SnapshotRead for SnapReader {
    fn len(&self) -> u64 {
        SnapReader::len(self)
    }
}

impl Applier {
    /// For a state machine that holds what the snapshot at `at` does, and what the engine itself keeps there.
    pub(super) fn new(
        shared: Arc<Shared>,
        jobs: Receiver<ApplierJob>,
        saver: Saver,
        at: SnapshotMetadata,
        own: Replicated,
    ) -> Self {
        let files = Files::new(saver.snapshots.clone());
        Applier { shared, jobs, saver, files, at, own }
    }

    /// Works until the driver is gone. Whatever ends the work early, outcomes are still delivered.
    pub(super) fn run(mut self) {
        self.shared.enter(Thread::Applier);
        if let Err(error) = guarded(|| self.work()).and_then(|result| result) {
            self.fail(error);
        }
        // A file that is half received is of no use to anybody, and must not wait for the last callback.
        self.files.clear();
        while let Some(job) = self.jobs.recv() {
            if let Err(error) = self.deliver(job) {
                self.fail(error);
            }
        }
    }

    fn fail(&self, error: Error) {
        self.shared.fail(error.clone());
        self.shared.inbox.complete(Completion::Failed(error));
    }

    fn work(&mut self) -> Result<()> {
        while let Some(job) = self.jobs.recv() {
            match job {
                job @ (ApplierJob::Outcomes(_) | ApplierJob::Event(_)) => self.deliver(job)?,
                _ if self.shared.is_stopping() => {}
                ApplierJob::Apply(ticket) => self.apply(ticket)?,
                ApplierJob::Restore(metadata) => self.restore(metadata)?,
                ApplierJob::Save => self.saver.save(&self.at, &self.own)?,
                ApplierJob::File(job) => {
                    if let Some(done) = self.files.work(job) {
                        if let FileDone::Written { result: Err(error), .. } = &done
                            && error.is_failed_write()
                        {
                            return Err(error.clone());
                        }
                        self.shared.inbox.complete(Completion::File(done));
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells the host, if that is what the job is about.
    fn deliver(&self, job: ApplierJob) -> Result<()> {
        match job {
            ApplierJob::Outcomes(outcomes) => {
                self.shared.untold.fetch_sub(outcomes.len(), Ordering::AcqRel);
                self.tell(&outcomes)
            }
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
            self.shared.inbox.complete(Completion::Decided(outcomes.peers));
        }
        if is_planted(Mutant::DoubleCompletion) {
            self.tell(&outcomes.own)?;
        }
        self.tell(&outcomes.own)
    }

    fn apply(&mut self, ticket: ApplyTicket) -> Result<()> {
        let entries: Page<EntryRef<'_>> = ticket.entries().iter().collect();
        let changes = read_changes(&entries)?;
        let mut requests: Page<u64> = SmallVec::from_elem(0, entries.len());
        self.shared.pending.lock().requests(&entries, &mut requests);
        let contexts: Vec<Bytes> = changes.iter().map(|(_, change)| force::host_context(change)).collect();
        let mut contexts = contexts.iter().map(Bytes::as_ref);
        let deeds: Page<Deed<'_>> = entries
            .iter()
            .map(|&entry| match entry.entry_type {
                EntryType::Normal => Deed::of(entry, &mut self.own.sessions),
                EntryType::ConfChange | EntryType::ConfChangeV2 => {
                    Deed::Apply(contexts.next().unwrap_or_default())
                }
            })
            .collect();
        let slots: Page<AnswerSlot> = entries.iter().map(|_| AnswerSlot::default()).collect();
        let batch: Page<Applied<'_>> = entries
            .iter()
            .zip(&requests)
            .zip(deeds.iter().zip(&slots))
            .filter_map(|((&entry, &request), (deed, slot))| {
                deed.data().map(|context| Applied { entry, request, context, slot })
            })
            .collect();
        if !batch.is_empty() {
            let begun = Instant::now();
            self.shared.call(|host| host.apply(&batch))?.map_err(failed("apply"))?;
            let metrics = &self.shared.metrics;
            metrics.time(Timer::Apply, begun.elapsed(), 1);
            metrics.add(Counter::Applied, batch.len() as u64);
            metrics
                .add(Counter::AppliedBytes, batch.iter().map(|applied| applied.context.len() as u64).sum());
        }
        drop(batch);
        let memberships = self.follow(&changes);
        if let Some(last) = entries.last() {
            (self.at.index, self.at.term) = (last.index, last.term);
            self.shared.applied.store(last.index, Ordering::Release);
        }
        let answers = slots.into_iter().map(AnswerSlot::into_answer);
        let results = results(&entries, deeds, answers, &mut self.own.sessions);
        let mut outcomes = Outcomes::default();
        self.shared.pending.lock().applied(&entries, &results, &mut outcomes);
        drop(entries);
        // Consensus acts on a membership as soon as it is applied. Of anything else the driver has said whether it waits.
        match changes.is_empty() {
            true => self.shared.inbox.complete_quietly(Completion::Applied(ticket)),
            false => self.shared.inbox.complete(Completion::Applied(ticket)),
        }
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
                self.own.members.follow(change, &self.at.conf_state);
                events.push(Event::Membership { index: *index, conf_state: self.at.conf_state.clone() });
            }
        }
        if !events.is_empty() {
            self.shared.show_members(&self.own.members);
        }
        events
    }

    fn restore(&mut self, metadata: SnapshotMetadata) -> Result<()> {
        let reader = self.saver.snapshots.open(metadata.term, metadata.index)?;
        let (bytes, own) = self.shared.call(|host| restore(host, reader))??;
        self.shared.show_members(&own.members);
        self.own = own;
        let (index, term) = (metadata.index, metadata.term);
        self.at = metadata;
        self.saver.is_saved(index);
        self.shared.metrics.add(Counter::SnapshotsRestored, 1);
        self.shared.applied.store(index, Ordering::Release);
        let mut outcomes = Outcomes::default();
        self.shared.pending.lock().restored(index, &mut outcomes);
        self.settle(outcomes)?;
        self.shared.call(|host| host.event(&Event::SnapshotRestored { index, term, bytes }))
    }
}

/// Gives the host a snapshot; returns its length, and what is the engine's own in it.
pub(super) fn restore(host: &dyn Host, mut file: SnapReader) -> Result<(u64, Replicated)> {
    let (mut reader, own) = replicated::Reader::new(&mut file)?;
    let bytes = reader.len();
    host.snapshot_restore(&mut reader).map_err(failed("snapshot_restore"))?;
    Ok((bytes, own))
}

/// The membership changes among `entries`, with their indices.
fn read_changes(entries: &[EntryRef<'_>]) -> Result<Vec<(u64, ConfChangeV2)>> {
    let changes = entries.iter().filter(|entry| entry.entry_type != EntryType::Normal);
    changes.map(|entry| Ok((entry.index, ConfChangeV2::of(entry)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raftpb::entry::Entry;

    /// The outcomes of these payloads from index 1 on, applied in pages that end where `ends` has a one.
    fn outcomes(payloads: &[Bytes], ends: u32) -> (Vec<Outcome>, Sessions) {
        let log = (1..).zip(payloads);
        let log: Vec<Entry> = log
            .map(|(index, data)| Entry { term: 1, index, data: data.clone(), ..Entry::default() })
            .collect();
        let entries: Vec<EntryRef<'_>> = log.iter().map(Entry::view).collect();
        let mut sessions = Sessions::default();
        let mut outcomes = Vec::new();
        for page in entries.chunk_by(|before, _| ends >> (before.index - 1) & 1 == 0) {
            let deeds: Page<Deed<'_>> = page.iter().map(|&entry| Deed::of(entry, &mut sessions)).collect();
            let answer = |entry: &EntryRef<'_>| match entry.data.ends_with(b"long") {
                true => Bytes::from(vec![0; 1 << 20]),
                false => Bytes::from(format!("answer {}", entry.index)),
            };
            let answers: Vec<Bytes> = page
                .iter()
                .zip(&deeds)
                .map(|(entry, deed)| deed.data().map_or(Bytes::new(), |_| answer(entry)))
                .collect();
            outcomes.extend(results(page, deeds, answers.into_iter(), &mut sessions));
        }
        (outcomes, sessions)
    }

    #[test]
    fn a_command_that_comes_again_has_its_own_outcome_whatever_stands_beside_it() {
        let command = |sequence, data| Frame::Command { session: 1, sequence, data }.to_payload();
        let (one, two, long) = (command(1, b"one"), command(2, b"two"), command(3, b"long"));
        let close = Frame::Close { session: 1 }.to_payload();
        let plain = Bytes::from_static(b"plain");
        let payloads = [
            Frame::Open.to_payload(),
            one.clone(),
            plain,
            one.clone(),
            two.clone(),
            one,
            two.clone(),
            two,
            long.clone(),
            long.clone(),
            close,
            long,
        ];
        let (apart, left) = outcomes(&payloads, u32::MAX);
        let seen: Vec<_> = apart.iter().map(|outcome| (outcome.index, outcome.answer.len())).collect();
        let expected = [
            (1, 0),
            (2, 8),
            (3, 8),
            (2, 8),
            (5, 8),
            (0, 0),
            (5, 8),
            (5, 8),
            (9, 1 << 20),
            (9, 0),
            (11, 0),
            (0, 0),
        ];
        assert_eq!(seen, expected);
        assert!(left.is_empty());
        // Wherever pages end, and there are other nodes where they end elsewhere.
        for ends in 0..1 << (payloads.len() - 1) {
            assert_eq!(outcomes(&payloads, ends), (apart.clone(), left.clone()), "{ends:b}");
        }
    }
}
