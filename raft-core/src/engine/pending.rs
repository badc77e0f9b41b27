//! [`Pending`]: every request that has no outcome yet. Taking one out and answering it is one step, so there is exactly
//! one outcome, whoever is first: applier, driver or the end of the engine.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::code::Code;
use super::forward::Forwarded;
use super::metrics::{Counter, Metrics, Timer};
use super::mutants::{Mutant, is_planted};
use super::outcome::{Outcome, Outcomes, Reply, Waiter};
use super::uptime::Uptime;
use crate::raftpb::entry::{EntryRef, EntryType};

/// The requests of one engine, behind one lock.
#[derive(Debug, Default)]
pub(super) struct Pending {
    // Of the current term of leadership: rising indices without overlap.
    batches: VecDeque<Batch>,
    // Of earlier terms: their entries may still be committed by another leader.
    orphans: Vec<Orphan>,
    reads: VecDeque<Read>,
    snapshots: Snapshots,
    /// Those that the leader is to answer.
    pub(super) forwarded: Forwarded,
    // Changes that are decided at this index; they are answered when the membership there is in force.
    settled: Vec<(u64, Reply, Outcome)>,
    applied: u64,
    // What the state machine holds is at least as new as what was acknowledged anywhere at this time.
    fresh: Option<Uptime>,
    metrics: Arc<Metrics>,
}

/// Consecutive entries that this engine appended as a leader.
#[derive(Debug)]
struct Batch {
    first: u64,
    term: u64,
    change: bool,
    since: Instant,
    replies: VecDeque<Reply>,
}

#[derive(Debug)]
struct Orphan {
    index: u64,
    term: u64,
    change: bool,
    reply: Reply,
    deadline: Instant,
}

#[derive(Debug)]
struct Read {
    stage: Stage,
    asked: Uptime,
    deadline: Instant,
    replies: Vec<Reply>,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// Sent to the leader under this number.
    Asked { context: u64, again: bool },
    /// To be answered once this index is applied here.
    Confirmed { index: u64 },
}

impl Stage {
    fn is_met(&self, applied: u64) -> bool {
        let is_early = is_planted(Mutant::ReadBeforeItsIndex);
        matches!(self, Stage::Confirmed { index } if *index <= applied || is_early)
    }
}

#[derive(Debug, Default)]
struct Snapshots {
    waiting: Vec<Reply>,
    under_way: Vec<Reply>,
}

/// What the state of the node says to the reads that have waited too long.
#[derive(Clone, Copy)]
pub(super) struct Situation {
    pub(super) now: Instant,
    pub(super) committed: u64,
    pub(super) leader: u64,
}

impl Pending {
    /// A table for a node whose state machine is at `applied`. `nonce` must differ from run to run.
    pub(super) fn new(applied: u64, nonce: u64, metrics: Arc<Metrics>) -> Self {
        Pending { applied, metrics, forwarded: Forwarded::new(nonce), ..Pending::default() }
    }

    /// How many requests have no outcome yet.
    pub(super) fn len(&self) -> usize {
        let batches: usize = self.batches.iter().map(|batch| batch.replies.len()).sum();
        let snapshots = self.snapshots.waiting.len() + self.snapshots.under_way.len();
        batches + self.orphans.len() + self.settled.len() + self.forwarded.len() + self.reads() + snapshots
    }

    /// How many reads wait.
    pub(super) fn reads(&self) -> usize {
        self.reads.iter().map(|read| read.replies.len()).sum()
    }

    /// Proposals or one change that got the consecutive indices from `first` on, in `term`.
    pub(super) fn proposed(
        &mut self,
        first: u64,
        term: u64,
        change: bool,
        since: Instant,
        replies: VecDeque<Reply>,
    ) {
        debug_assert!(self.batches.back().is_none_or(|last| last.term == term && last.first < first));
        self.metrics.add(Counter::Proposals, replies.len() as u64);
        self.batches.push_back(Batch { first, term, change, since, replies });
    }

    /// Leadership is lost: what is pending waits until `deadline` for another leader to decide it.
    pub(super) fn orphan(&mut self, deadline: Instant) {
        if is_planted(Mutant::LostCompletion) {
            self.batches.clear();
        }
        for batch in self.batches.drain(..) {
            let Batch { first, term, change, replies, since: _ } = batch;
            let orphans = (first..).zip(replies).filter(|(_, reply)| !matches!(reply, Reply::Silent));
            self.orphans.extend(orphans.map(|(index, reply)| Orphan {
                index,
                term,
                change,
                reply,
                deadline,
            }));
        }
    }

    /// Writes the numbers of the requests behind `entries`, which are consecutive, over the zeros in `requests`.
    pub(super) fn requests(&self, entries: &[EntryRef<'_>], requests: &mut [u64]) {
        let Some(lo) = entries.first().map(|entry| entry.index) else { return };
        let at = |index: u64| index.checked_sub(lo).and_then(|at| usize::try_from(at).ok());
        for batch in &self.batches {
            if batch.first >= lo.saturating_add(entries.len() as u64) {
                break;
            }
            for (index, reply) in (batch.first..).zip(&batch.replies) {
                let Some(at) = at(index) else { continue };
                let Some(entry) = entries.get(at) else { break };
                if entry.term == batch.term
                    && let Some(request) = requests.get_mut(at)
                {
                    *request = reply.request();
                }
            }
        }
        for orphan in &self.orphans {
            if let Some(at) = at(orphan.index)
                && entries.get(at).is_some_and(|entry| entry.term == orphan.term)
                && let Some(request) = requests.get_mut(at)
            {
                *request = orphan.reply.request();
            }
        }
    }

    /// The consecutive `entries` are applied, each with this result: what was proposed at their indices is decided, and
    /// reads up to there.
    pub(super) fn applied(&mut self, entries: &[EntryRef<'_>], results: &[Outcome], outcomes: &mut Outcomes) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
        let now = Instant::now();
        let settled = &mut self.settled;
        let mut settle = |index: u64, term: u64, change: bool, reply: Reply| {
            let at = index.checked_sub(first.index).and_then(|at| usize::try_from(at).ok());
            let applied = at.and_then(|at| entries.get(at).copied().zip(results.get(at)));
            let outcome = judge(applied, term, change);
            if change && !is_planted(Mutant::ChangeBeforeInForce) {
                settled.push((index, reply, outcome));
            } else {
                reply.answer(outcome, outcomes);
            }
        };
        while let Some(batch) = self.batches.front_mut()
            && batch.first <= last.index
        {
            let before = batch.first;
            while batch.first <= last.index
                && let Some(reply) = batch.replies.pop_front()
            {
                settle(batch.first, batch.term, batch.change, reply);
                batch.first += 1;
            }
            let took = now.saturating_duration_since(batch.since);
            self.metrics.time(Timer::Commit, took, batch.first - before);
            if batch.replies.is_empty() {
                self.batches.pop_front();
            }
        }
        for orphan in self.orphans.extract_if(.., |orphan| orphan.index <= last.index) {
            settle(orphan.index, orphan.term, orphan.change, orphan.reply);
        }
        self.read_up_to(last.index, outcomes);
    }

    /// A snapshot has taken the place of the entries up to `index`: nobody can say any more what they were.
    pub(super) fn restored(&mut self, index: u64, outcomes: &mut Outcomes) {
        let unknown = Outcome::not(Code::Unknown);
        while let Some(batch) = self.batches.front_mut()
            && batch.first <= index
        {
            while batch.first <= index
                && let Some(reply) = batch.replies.pop_front()
            {
                reply.answer(unknown.clone(), outcomes);
                batch.first += 1;
            }
            if batch.replies.is_empty() {
                self.batches.pop_front();
            }
        }
        for orphan in self.orphans.extract_if(.., |orphan| orphan.index <= index) {
            orphan.reply.answer(unknown.clone(), outcomes);
        }
        self.read_up_to(index, outcomes);
    }

    fn read_up_to(&mut self, applied: u64, outcomes: &mut Outcomes) {
        self.applied = self.applied.max(applied);
        let applied = self.applied;
        let Pending { reads, fresh, metrics, .. } = self;
        reads.retain_mut(|read| {
            let is_met = read.stage.is_met(applied);
            if is_met {
                answer_read(read, applied, fresh, metrics, outcomes);
            }
            !is_met
        });
    }

    /// How old what the state machine holds may be, at the most; none if no read has shown it yet.
    pub(super) fn age(&self, now: Uptime) -> Option<Duration> {
        self.fresh.map(|fresh| now.since(fresh))
    }

    /// How far the state machine is.
    pub(super) fn applied_index(&self) -> u64 {
        self.applied
    }

    /// Whether changes wait for their membership to be in force.
    pub(super) fn has_settled(&self) -> bool {
        !self.settled.is_empty()
    }

    /// The membership as of `applied` is in force: changes up to there are done.
    pub(super) fn settle_changes(&mut self, applied: u64, outcomes: &mut Outcomes) {
        for (_, reply, outcome) in self.settled.extract_if(.., |(index, ..)| *index <= applied) {
            reply.answer(outcome, outcomes);
        }
    }

    /// Reads for which the leader is asked under the number `context`; `again` if that is the second time.
    pub(super) fn asked(
        &mut self,
        context: u64,
        again: bool,
        asked: Uptime,
        deadline: Instant,
        replies: Vec<Reply>,
    ) {
        self.reads.push_back(Read { stage: Stage::Asked { context, again }, asked, deadline, replies });
    }

    /// The leader's answer: what is applied at `index` holds all that was acknowledged before the question.
    pub(super) fn confirmed(&mut self, context: u64, index: u64, outcomes: &mut Outcomes) {
        let asked = |read: &Read| matches!(read.stage, Stage::Asked { context: own, .. } if own == context);
        let Some(at) = self.reads.iter().position(asked) else { return };
        self.reads[at].stage = Stage::Confirmed { index };
        if self.reads[at].stage.is_met(self.applied)
            && let Some(mut read) = self.reads.remove(at)
        {
            answer_read(&mut read, self.applied, &mut self.fresh, &self.metrics, outcomes);
        }
    }

    /// Answers what has waited too long. Returns the reads that are to be asked a second time.
    pub(super) fn expire(&mut self, situation: Situation, outcomes: &mut Outcomes) -> Vec<Reply> {
        let Situation { now, committed, leader } = situation;
        let is_rash = is_planted(Mutant::CertainTooSoon);
        let lost = Outcome::not(if is_rash { Code::Dropped } else { Code::Unknown });
        for orphan in self.orphans.extract_if(.., |orphan| orphan.deadline <= now) {
            orphan.reply.answer(lost.clone(), outcomes);
        }
        self.forwarded.expire(now, outcomes);
        let late = match leader {
            0 => Outcome::not(Code::NotLeader),
            _ => Outcome::not(Code::TimedOut),
        };
        let mut again = Vec::new();
        self.reads.retain_mut(|read| {
            match read.stage {
                _ if read.deadline > now => return true,
                // Committed entries are sure to be applied: the wait is the state machine's own.
                Stage::Confirmed { index } if index <= committed => return true,
                Stage::Asked { again: false, .. } => again.append(&mut read.replies),
                Stage::Confirmed { .. } | Stage::Asked { .. } => {
                    answer_all(&mut read.replies, &late, outcomes);
                }
            }
            false
        });
        again
    }

    /// A request for a snapshot. Those that come while one is being taken are for the next.
    pub(super) fn snapshot_asked(&mut self, reply: Reply) {
        self.snapshots.waiting.push(reply);
    }

    /// Whether somebody waits for a snapshot that has not been begun.
    pub(super) fn wants_snapshot(&self) -> bool {
        !self.snapshots.waiting.is_empty()
    }

    /// A snapshot is begun.
    pub(super) fn snapshot_begun(&mut self) {
        let Snapshots { waiting, under_way } = &mut self.snapshots;
        under_way.append(waiting);
    }

    /// The snapshot under way has ended like this.
    pub(super) fn snapshot_ended(&mut self, outcome: Outcome, outcomes: &mut Outcomes) {
        answer_all(&mut self.snapshots.under_way, &outcome, outcomes);
    }

    /// The waiter has given up: nothing of it is to stay.
    pub(super) fn forget(&mut self, waiter: &Arc<Waiter>) {
        for reply in self.batches.iter_mut().flat_map(|batch| &mut batch.replies) {
            if reply.is_for(waiter) {
                *reply = Reply::Silent;
            }
        }
        self.forwarded.forget(waiter);
        self.orphans.retain(|orphan| !orphan.reply.is_for(waiter));
        self.settled.retain(|(_, reply, _)| !reply.is_for(waiter));
        self.reads.iter_mut().for_each(|read| read.replies.retain(|reply| !reply.is_for(waiter)));
        self.snapshots.waiting.retain(|reply| !reply.is_for(waiter));
        self.snapshots.under_way.retain(|reply| !reply.is_for(waiter));
    }

    /// The engine ends: answers all that is left with `outcome`, except what is known already.
    pub(super) fn close(&mut self, outcome: Outcome, outcomes: &mut Outcomes) {
        self.settle_changes(u64::MAX, outcomes);
        let Pending { batches, orphans, reads, snapshots, forwarded, .. } = self;
        let replies = batches.drain(..).flat_map(|batch| batch.replies);
        let replies = replies.chain(orphans.drain(..).map(|orphan| orphan.reply));
        let replies = replies.chain(reads.drain(..).flat_map(|read| read.replies));
        let replies = replies.chain(forwarded.drain());
        let replies = replies.chain(snapshots.waiting.drain(..)).chain(snapshots.under_way.drain(..));
        replies.for_each(|reply| reply.answer(outcome.clone(), outcomes));
    }
}

/// What became of a proposal of `term`, now that an entry is applied, with its result, at the index it had.
fn judge(applied: Option<(EntryRef<'_>, &Outcome)>, term: u64, change: bool) -> Outcome {
    match applied {
        None => Outcome::not(Code::Unknown),
        // Only one leader appends in a term, and only one entry at an index: it is another one.
        Some((entry, _)) if entry.term != term && !is_planted(Mutant::AnswerFromOldTerm) => {
            Outcome::not(Code::Dropped)
        }
        // Consensus put an empty entry in the place of a change that it could not take.
        Some((entry, _)) if change && entry.entry_type == EntryType::Normal => Outcome::not(Code::ConfChange),
        Some((_, result)) => result.clone(),
    }
}

/// The state machine holds all that was acknowledged before these reads were asked.
fn answer_read(
    read: &mut Read,
    applied: u64,
    fresh: &mut Option<Uptime>,
    metrics: &Metrics,
    outcomes: &mut Outcomes,
) {
    let n = read.replies.len() as u64;
    metrics.add(Counter::Reads, n);
    metrics.time(Timer::Read, Uptime::now().since(read.asked), n);
    let since = if is_planted(Mutant::FreshSinceAnswer) { Uptime::now() } else { read.asked };
    *fresh = (*fresh).max(Some(since));
    let index = match read.stage {
        Stage::Confirmed { index } => index,
        Stage::Asked { .. } => applied,
    };
    answer_all(&mut read.replies, &Outcome::done(index, 0), outcomes);
}

fn answer_all(replies: &mut Vec<Reply>, outcome: &Outcome, outcomes: &mut Outcomes) {
    replies.drain(..).for_each(|reply| reply.answer(outcome.clone(), outcomes));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raftpb::entry::Entry;

    fn replies(requests: impl IntoIterator<Item = u64>) -> VecDeque<Reply> {
        requests.into_iter().map(Reply::to).collect()
    }

    fn log(term: u64, indices: std::ops::RangeInclusive<u64>) -> Vec<Entry> {
        indices.map(|index| Entry { term, index, ..Entry::default() }).collect()
    }

    fn apply(pending: &mut Pending, entries: &[Entry]) -> (Vec<u64>, Vec<(u64, Code)>) {
        let entries: Vec<EntryRef<'_>> = entries.iter().map(Entry::view).collect();
        let mut requests = vec![0; entries.len()];
        pending.requests(&entries, &mut requests);
        let mut outcomes = Outcomes::default();
        let results: Vec<Outcome> =
            entries.iter().map(|entry| Outcome::done(entry.index, entry.term)).collect();
        pending.applied(&entries, &results, &mut outcomes);
        (requests, codes(&outcomes))
    }

    fn codes(outcomes: &Outcomes) -> Vec<(u64, Code)> {
        outcomes.own.iter().map(|outcome| (outcome.request, outcome.code)).collect()
    }

    #[test]
    fn requests_are_found_at_their_indices_across_batches_and_pages() {
        let mut pending = Pending::new(1, 0, Arc::default());
        pending.proposed(5, 2, false, Instant::now(), replies([11, 0, 13]));
        pending.proposed(8, 2, false, Instant::now(), replies([14]));
        assert_eq!(apply(&mut pending, &log(2, 2..=5)), (vec![0, 0, 0, 11], vec![(11, Code::Ok)]));
        let expected = (vec![0, 13, 14, 0], vec![(13, Code::Ok), (14, Code::Ok)]);
        assert_eq!(apply(&mut pending, &log(2, 6..=9)), expected);
        assert!(pending.batches.is_empty());
    }

    #[test]
    fn an_entry_of_another_term_at_its_index_is_another_one() {
        let mut pending = Pending::new(1, 0, Arc::default());
        let now = Instant::now();
        pending.proposed(5, 2, false, Instant::now(), replies([11, 12]));
        pending.orphan(now + Duration::from_secs(1));
        pending.proposed(5, 4, false, Instant::now(), replies([21]));
        // Two that had index 5 in different terms: one of them is it.
        let (requests, mut outcomes) = apply(&mut pending, &log(2, 5..=5));
        outcomes.sort_by_key(|(request, _)| *request);
        assert_eq!((requests, outcomes), (vec![11], vec![(11, Code::Ok), (21, Code::Dropped)]));
        assert_eq!(apply(&mut pending, &log(4, 6..=6)), (vec![0], vec![(12, Code::Dropped)]));
    }

    #[test]
    fn orphans_and_what_a_snapshot_covers_end_as_unknown() {
        let mut pending = Pending::new(1, 0, Arc::default());
        let now = Instant::now();
        pending.proposed(5, 2, false, Instant::now(), replies([11, 12]));
        pending.orphan(now);
        pending.proposed(7, 3, false, Instant::now(), replies([13, 14]));
        let mut outcomes = Outcomes::default();
        pending.restored(7, &mut outcomes);
        assert_eq!(codes(&outcomes), [(13, Code::Unknown), (11, Code::Unknown), (12, Code::Unknown)]);
        pending.orphan(now);
        outcomes.own.clear();
        pending.expire(Situation { now, committed: 7, leader: 0 }, &mut outcomes);
        assert_eq!(codes(&outcomes), [(14, Code::Unknown)]);
    }

    #[test]
    fn a_change_is_answered_when_its_membership_is_in_force() {
        let mut pending = Pending::new(1, 0, Arc::default());
        pending.proposed(5, 2, true, Instant::now(), replies([11]));
        pending.proposed(6, 2, true, Instant::now(), replies([12]));
        let mut entries = log(2, 5..=6);
        entries[0].entry_type = EntryType::ConfChangeV2;
        assert_eq!(apply(&mut pending, &entries), (vec![11, 12], vec![]));
        let mut outcomes = Outcomes::default();
        pending.settle_changes(4, &mut outcomes);
        assert!(outcomes.own.is_empty());
        pending.settle_changes(5, &mut outcomes);
        pending.settle_changes(6, &mut outcomes);
        // Consensus made the second one empty.
        assert_eq!(codes(&outcomes), [(11, Code::Ok), (12, Code::ConfChange)]);
    }

    #[test]
    fn reads_wait_for_their_index_and_not_for_ever() {
        let mut pending = Pending::new(10, 0, Arc::default());
        let now = Instant::now();
        let late = |committed, leader| Situation { now: now + Duration::from_secs(9), committed, leader };
        let mut outcomes = Outcomes::default();
        for context in 0..4 {
            pending.asked(context, false, Uptime::now(), now, vec![Reply::Request(context + 100)]);
        }
        pending.confirmed(0, 10, &mut outcomes);
        pending.confirmed(1, 12, &mut outcomes);
        pending.confirmed(2, 14, &mut outcomes);
        pending.confirmed(77, 1, &mut outcomes);
        assert_eq!(codes(&outcomes), [(100, Code::Ok)]);
        outcomes.own.clear();
        // 12 is committed, so it is only a matter of applying it; 14 may never come; 3 was never answered.
        let again = pending.expire(late(12, 5), &mut outcomes);
        assert_eq!(codes(&outcomes), [(102, Code::TimedOut)]);
        outcomes.own.clear();
        pending.asked(9, true, Uptime::now(), now, again);
        assert!(pending.expire(late(12, 0), &mut outcomes).is_empty());
        assert_eq!(codes(&outcomes), [(103, Code::NotLeader)]);
        assert_eq!(apply(&mut pending, &log(2, 11..=13)).1, [(101, Code::Ok)]);
        assert!(pending.reads.is_empty());
    }

    #[test]
    fn closing_answers_everything_once_and_forgetting_leaves_nothing() {
        let mut pending = Pending::new(1, 0, Arc::default());
        let now = Instant::now();
        let waiter = Arc::new(Waiter::default());
        let gone = || Reply::Waiter(Arc::clone(&waiter));
        pending.proposed(5, 2, false, Instant::now(), replies([1]));
        pending.proposed(6, 2, false, Instant::now(), [gone()].into());
        pending.orphan(now);
        pending.proposed(8, 3, false, Instant::now(), [Reply::Request(2), gone()].into());
        pending.asked(1, false, Uptime::now(), now, vec![Reply::Request(3), gone()]);
        pending.snapshot_asked(Reply::Request(4));
        pending.snapshot_asked(gone());
        pending.snapshot_begun();
        pending.snapshot_asked(Reply::Request(5));
        pending.snapshot_asked(gone());
        pending.forget(&waiter);
        assert_eq!(Arc::strong_count(&waiter), 1);
        let mut outcomes = Outcomes::default();
        pending.close(Outcome::not(Code::Stopped), &mut outcomes);
        let mut requests: Vec<u64> = outcomes.own.iter().map(|outcome| outcome.request).collect();
        requests.sort_unstable();
        assert_eq!(requests, [1, 2, 3, 4, 5]);
        pending.close(Outcome::not(Code::Stopped), &mut outcomes);
        assert_eq!(outcomes.own.len(), 5);
    }
}
