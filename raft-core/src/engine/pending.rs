//! [`Pending`]: every request that has no outcome yet. Taking one out and answering it is one step, so there is exactly
//! one outcome, whoever is first: applier, driver or the end of the engine.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::code::Code;
use super::outcome::{Outcome, Reply, Waiter};
use crate::raftpb::entry::{Entry, EntryType};

/// The requests of one engine, behind one lock.
#[derive(Debug, Default)]
pub(super) struct Pending {
    // Of the current term of leadership: rising indices without overlap.
    batches: VecDeque<Batch>,
    // Of earlier terms: their entries may still be committed by another leader.
    orphans: Vec<Orphan>,
    reads: VecDeque<Read>,
    snapshots: Snapshots,
    // Changes that are applied; they are answered when the membership is in force.
    settled: Vec<(Reply, Outcome)>,
    applied: u64,
}

/// Consecutive entries that this engine appended as a leader.
#[derive(Debug)]
struct Batch {
    first: u64,
    term: u64,
    change: bool,
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
    /// A table for a node whose state machine is at `applied`.
    pub(super) fn new(applied: u64) -> Self {
        Pending { applied, ..Pending::default() }
    }

    /// Proposals or one change that got the consecutive indices from `first` on, in `term`.
    pub(super) fn proposed(&mut self, first: u64, term: u64, change: bool, replies: VecDeque<Reply>) {
        debug_assert!(self.batches.back().is_none_or(|last| last.term == term && last.first < first));
        self.batches.push_back(Batch { first, term, change, replies });
    }

    /// Leadership is lost: what is pending waits until `deadline` for another leader to decide it.
    pub(super) fn orphan(&mut self, deadline: Instant) {
        for batch in self.batches.drain(..) {
            let Batch { first, term, change, replies } = batch;
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

    /// The numbers of the requests behind `entries`, which are consecutive; 0 where there is none.
    pub(super) fn requests(&self, entries: &[&Entry], requests: &mut Vec<u64>) {
        requests.clear();
        requests.resize(entries.len(), 0);
        let Some(lo) = entries.first().map(|entry| entry.index) else { return };
        let at = |index: u64| index.checked_sub(lo).and_then(|at| usize::try_from(at).ok());
        for batch in &self.batches {
            if batch.first >= lo.saturating_add(entries.len() as u64) {
                break;
            }
            for (index, reply) in (batch.first..).zip(&batch.replies) {
                let Some(at) = at(index) else { continue };
                let Some(entry) = entries.get(at) else { break };
                if entry.term == batch.term {
                    requests[at] = reply.request();
                }
            }
        }
        for orphan in &self.orphans {
            if let Some(at) = at(orphan.index)
                && entries.get(at).is_some_and(|entry| entry.term == orphan.term)
            {
                requests[at] = orphan.reply.request();
            }
        }
    }

    /// The consecutive `entries` are applied: what was proposed at their indices is decided, and reads up to there.
    pub(super) fn applied(&mut self, entries: &[&Entry], outcomes: &mut Vec<Outcome>) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
        let entry_at = |index: u64| {
            index.checked_sub(first.index).and_then(|at| entries.get(usize::try_from(at).ok()?)).copied()
        };
        let settled = &mut self.settled;
        let mut settle = |reply: Reply, outcome: Outcome, change: bool| {
            if change { settled.push((reply, outcome)) } else { reply.answer(outcome, outcomes) }
        };
        while let Some(batch) = self.batches.front_mut()
            && batch.first <= last.index
        {
            while batch.first <= last.index
                && let Some(reply) = batch.replies.pop_front()
            {
                let outcome = judge(entry_at(batch.first), batch.term, batch.change);
                settle(reply, outcome, batch.change);
                batch.first += 1;
            }
            if batch.replies.is_empty() {
                self.batches.pop_front();
            }
        }
        for orphan in self.orphans.extract_if(.., |orphan| orphan.index <= last.index) {
            settle(orphan.reply, judge(entry_at(orphan.index), orphan.term, orphan.change), orphan.change);
        }
        self.read_up_to(last.index, outcomes);
    }

    /// A snapshot has taken the place of the entries up to `index`: nobody can say any more what they were.
    pub(super) fn restored(&mut self, index: u64, outcomes: &mut Vec<Outcome>) {
        let unknown = Outcome::not(Code::Unknown);
        while let Some(batch) = self.batches.front_mut()
            && batch.first <= index
        {
            while batch.first <= index
                && let Some(reply) = batch.replies.pop_front()
            {
                reply.answer(unknown, outcomes);
                batch.first += 1;
            }
            if batch.replies.is_empty() {
                self.batches.pop_front();
            }
        }
        for orphan in self.orphans.extract_if(.., |orphan| orphan.index <= index) {
            orphan.reply.answer(unknown, outcomes);
        }
        self.read_up_to(index, outcomes);
    }

    fn read_up_to(&mut self, applied: u64, outcomes: &mut Vec<Outcome>) {
        self.applied = self.applied.max(applied);
        let applied = self.applied;
        self.reads.retain_mut(|read| match read.stage {
            Stage::Confirmed { index } if index <= applied => {
                answer_all(&mut read.replies, Outcome::done(index, 0), outcomes);
                false
            }
            _ => true,
        });
    }

    /// Membership changes whose outcome is known and now holds.
    pub(super) fn settle_changes(&mut self, outcomes: &mut Vec<Outcome>) {
        self.settled.drain(..).for_each(|(reply, outcome)| reply.answer(outcome, outcomes));
    }

    /// Reads for which the leader is asked under the number `context`; `again` if that is the second time.
    pub(super) fn asked(&mut self, context: u64, again: bool, deadline: Instant, replies: Vec<Reply>) {
        self.reads.push_back(Read { stage: Stage::Asked { context, again }, deadline, replies });
    }

    /// The leader's answer: what is applied at `index` holds all that was acknowledged before the question.
    pub(super) fn confirmed(&mut self, context: u64, index: u64, outcomes: &mut Vec<Outcome>) {
        let asked = |read: &Read| matches!(read.stage, Stage::Asked { context: own, .. } if own == context);
        let Some(at) = self.reads.iter().position(asked) else { return };
        if index > self.applied {
            self.reads[at].stage = Stage::Confirmed { index };
        } else if let Some(mut read) = self.reads.remove(at) {
            answer_all(&mut read.replies, Outcome::done(index, 0), outcomes);
        }
    }

    /// Answers what has waited too long. Returns the reads that are to be asked a second time.
    pub(super) fn expire(&mut self, situation: Situation, outcomes: &mut Vec<Outcome>) -> Vec<Reply> {
        let Situation { now, committed, leader } = situation;
        for orphan in self.orphans.extract_if(.., |orphan| orphan.deadline <= now) {
            orphan.reply.answer(Outcome::not(Code::Unknown), outcomes);
        }
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
                    answer_all(&mut read.replies, late, outcomes);
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
    pub(super) fn snapshot_ended(&mut self, outcome: Outcome, outcomes: &mut Vec<Outcome>) {
        answer_all(&mut self.snapshots.under_way, outcome, outcomes);
    }

    /// The waiter has given up: nothing of it is to stay.
    pub(super) fn forget(&mut self, waiter: &Arc<Waiter>) {
        for reply in self.batches.iter_mut().flat_map(|batch| &mut batch.replies) {
            if reply.is_for(waiter) {
                *reply = Reply::Silent;
            }
        }
        self.orphans.retain(|orphan| !orphan.reply.is_for(waiter));
        self.settled.retain(|(reply, _)| !reply.is_for(waiter));
        self.reads.iter_mut().for_each(|read| read.replies.retain(|reply| !reply.is_for(waiter)));
        self.snapshots.waiting.retain(|reply| !reply.is_for(waiter));
        self.snapshots.under_way.retain(|reply| !reply.is_for(waiter));
    }

    /// The engine ends: answers all that is left with `outcome`, except what is known already.
    pub(super) fn close(&mut self, outcome: Outcome, outcomes: &mut Vec<Outcome>) {
        self.settle_changes(outcomes);
        let Pending { batches, orphans, reads, snapshots, .. } = self;
        let replies = batches.drain(..).flat_map(|batch| batch.replies);
        let replies = replies.chain(orphans.drain(..).map(|orphan| orphan.reply));
        let replies = replies.chain(reads.drain(..).flat_map(|read| read.replies));
        let replies = replies.chain(snapshots.waiting.drain(..)).chain(snapshots.under_way.drain(..));
        replies.for_each(|reply| reply.answer(outcome, outcomes));
    }
}

/// What became of a proposal of `term`, now that `entry` is applied at the index it had.
fn judge(entry: Option<&Entry>, term: u64, change: bool) -> Outcome {
    match entry {
        None => Outcome::not(Code::Unknown),
        // Only one leader appends in a term, and only one entry at an index: it is another one.
        Some(entry) if entry.term != term => Outcome::not(Code::Dropped),
        // Consensus put an empty entry in the place of a change that it could not take.
        Some(entry) if change && entry.entry_type == EntryType::Normal => Outcome::not(Code::ConfChange),
        Some(entry) => Outcome::done(entry.index, entry.term),
    }
}

fn answer_all(replies: &mut Vec<Reply>, outcome: Outcome, outcomes: &mut Vec<Outcome>) {
    replies.drain(..).for_each(|reply| reply.answer(outcome, outcomes));
}
