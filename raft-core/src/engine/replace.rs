//! To replace a member, or to add one, in one request: the newcomer learns, catches up, and takes the place of the old
//! one by a joint change.
//!
//! The request is the driver's of the node that was asked. It wants one step after the other from the leader, whoever
//! that is, and each time the leader decides by the membership that it has applied which step is next. So nothing has
//! to be remembered anywhere but the membership itself: after a change of leaders, or by the same request to
//! another node, it goes on from where it stands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::code::Code;
use super::driver::Driver;
use super::forward::Kind;
use super::outcome::{Outcome, Reply, Waiter};
use crate::consensus::log::storage::Storage as _;
use crate::error::{Error, Result};
use crate::raftpb::conf_change::{ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState};

/// The most requests of this kind that an engine has under way.
pub(super) const REPLACEMENTS_MAX: usize = 16;

/// What is wanted of a membership: `new` votes and `old`, unless it is 0, is no member. It travels as the change that
/// does both.
#[derive(Clone, Debug)]
pub(super) struct Wish(ConfChangeV2);

/// What is to be done for a wish.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Nothing: it is as it should be.
    Done,
    /// This change.
    Change(ConfChangeV2),
    /// Nothing yet: a joint configuration has to be left.
    Wait,
    /// Nothing but that: behind the joint configuration it is as it should be.
    Leave,
    /// Nothing at all: who is to be replaced is no member.
    Refuse(u64),
}

impl Wish {
    pub(super) fn new(old: u64, new: u64, context: bytes::Bytes) -> Self {
        let mut steps = vec![ConfChangeSingle::new(ConfChangeType::AddNode, new)];
        if old != 0 {
            steps.push(ConfChangeSingle::new(ConfChangeType::RemoveNode, old));
        }
        Wish(ConfChangeV2 { context, ..ConfChangeV2::new(steps) })
    }

    /// Bytes of the host that it carries.
    pub(super) fn len(&self) -> usize {
        self.0.context.len()
    }

    fn old(&self) -> u64 {
        self.0.changes.get(1).map_or(0, |step| step.node_id)
    }

    fn new_member(&self) -> u64 {
        self.0.changes.first().map_or(0, |step| step.node_id)
    }

    /// The step that leads from the membership `at` towards what is wanted.
    fn next(&self, at: &ConfState) -> Next {
        let (old, new) = (self.old(), self.new_member());
        let has_old = old != 0 && at.contains(old);
        let votes = at.voters.contains(&new);
        if !at.voters_outgoing.is_empty() {
            let keeps_old =
                [&at.voters, &at.learners, &at.learners_next].iter().any(|ids| ids.contains(&old));
            return if votes && !keeps_old { Next::Leave } else { Next::Wait };
        }
        if votes && !has_old {
            return Next::Done;
        }
        if votes || at.learners.contains(&new) {
            return Next::Change(self.0.clone());
        }
        if old != 0 && !has_old {
            return Next::Refuse(old);
        }
        let learn = ConfChangeSingle::new(ConfChangeType::AddLearnerNode, new);
        Next::Change(ConfChangeV2 { context: self.0.context.clone(), ..ConfChangeV2::new(vec![learn]) })
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Replacement {
    wish: Wish,
    deadline: Instant,
    pub(super) reply: Reply,
    // The step that the leader has been asked for.
    asked: Option<Arc<Waiter>>,
    not_before: Instant,
    // What became of the last step, and the term of the last one that was made; 0 is none.
    last: Outcome,
    made: u64,
    // A step was made, and no leader has said since then that there are more to make.
    may_be_last: bool,
    // What became of a step is not known: it may be made yet.
    is_unsure: bool,
}

impl Driver {
    /// Takes a request that is to end by `deadline`.
    pub(super) fn replace(&mut self, wish: Wish, deadline: Instant, reply: Reply) -> Result<()> {
        if self.in_hand.replacements.len() >= REPLACEMENTS_MAX {
            return self.refuse([reply].into(), &Outcome::not(Code::Busy));
        }
        self.in_hand.replacements.push(Replacement::new(wish, deadline, reply, self.now));
        Ok(())
    }

    /// Goes on with the requests under way: takes the outcome of a step, asks for the next.
    pub(super) fn pursue(&mut self) -> Result<()> {
        let mut at = 0;
        while at < self.in_hand.replacements.len() {
            match self.pursue_one(at)? {
                None => at += 1,
                Some(outcome) => {
                    let Replacement { reply, asked, .. } = self.in_hand.replacements.swap_remove(at);
                    if let Some(waiter) = asked {
                        self.shared.pending.lock().forget(&waiter);
                    }
                    self.refuse([reply].into(), &outcome)?;
                }
            }
        }
        Ok(())
    }

    /// The outcome of request number `at`, if it has come to its end.
    fn pursue_one(&mut self, at: usize) -> Result<Option<Outcome>> {
        let has_left = self.has_left_for(&self.in_hand.replacements[at].wish);
        let (now, pause) = (self.now, self.retry_pause());
        let request = &mut self.in_hand.replacements[at];
        if let Some(outcome) = request.asked.as_ref().and_then(|waiter| waiter.take()) {
            request.asked = None;
            // A step was made: the next one can be asked for at once.
            request.not_before = if outcome.code == Code::Ok { now } else { now + pause };
            if let Some(end) = request.hear(outcome) {
                return Ok(Some(end));
            }
        }
        if has_left {
            return Ok(Some(Outcome::done(self.node.status().applied, request.made)));
        }
        if request.deadline <= now {
            return Ok(Some(request.late()));
        }
        if request.asked.is_some() || request.not_before > now {
            return Ok(None);
        }
        let waiter = Arc::new(Waiter::default());
        request.asked = Some(Arc::clone(&waiter));
        let wish = request.wish.0.clone();
        self.change(&wish, Kind::Replace, Reply::Waiter(waiter))?;
        Ok(None)
    }

    /// A leader makes the next step for a wish, or says that there is none to make.
    pub(super) fn make_step(&mut self, wish: &ConfChangeV2, reply: Reply) -> Result<()> {
        // One that was elected just now may not have applied what its log says of the membership.
        let applied = self.node.status().applied;
        let is_current = self.node.storage().term(applied) == Ok(self.node.term());
        let next = if is_current { Wish(wish.clone()).next(&self.node.conf_state()) } else { Next::Wait };
        let outcome = match next {
            Next::Change(change) => return self.change(&change, Kind::Plain, reply),
            Next::Done => Outcome::done(applied, 0),
            Next::Wait => Outcome::from(&Error::ConfChange("another change is under way".to_owned())),
            // Whoever made the joint change, it is no refusal: the old one is about to be gone.
            Next::Leave => {
                Outcome { answer: "the joint change is under way".into(), ..Outcome::not(Code::Unknown) }
            }
            Next::Refuse(id) => {
                let answer = format!("node {id} is no member, so it cannot be replaced").into();
                Outcome { answer, ..Outcome::not(Code::InvalidArg) }
            }
        };
        self.refuse([reply].into(), &outcome)
    }

    /// Whether this node is the one that was to go, and has seen the change that takes it out: of what comes after,
    /// nobody may tell it any more.
    fn has_left_for(&self, wish: &Wish) -> bool {
        if wish.old() != self.id {
            return false;
        }
        let at = self.node.conf_state();
        let is_decided = at.voters.contains(&wish.new_member()) && !at.voters.contains(&self.id);
        is_decided && (at.voters_outgoing.is_empty() || self.node.leader() != self.id)
    }

    fn retry_pause(&self) -> Duration {
        self.election_timeout / 10
    }
}

impl Replacement {
    fn new(wish: Wish, deadline: Instant, reply: Reply, now: Instant) -> Self {
        Replacement {
            wish,
            deadline,
            reply,
            asked: None,
            not_before: now,
            last: Outcome::not(Code::TimedOut),
            made: 0,
            may_be_last: false,
            is_unsure: false,
        }
    }

    /// Takes what became of the step that was asked for. Returns the outcome of it all, if that is its end.
    fn hear(&mut self, outcome: Outcome) -> Option<Outcome> {
        self.last = outcome.clone();
        match outcome.code {
            // The leader has made no entry: the membership was as it should be.
            Code::Ok if outcome.term == 0 => return Some(Outcome { term: self.made, ..outcome }),
            Code::InvalidArg | Code::TooLarge => return Some(Outcome { term: self.made, ..outcome }),
            Code::Ok => {
                self.made = outcome.term;
                self.may_be_last = true;
            }
            // A leader that weighs the risk of a step has not applied the last one.
            Code::LearnerBehind | Code::QuorumAtRisk => self.may_be_last = false,
            Code::Unknown => self.is_unsure = true,
            _ => {}
        }
        None
    }

    /// What is to be said at the deadline: why the last step was refused, if it is certain that the old one is a member
    /// and stays one.
    fn late(&self) -> Outcome {
        let is_certain = self.asked.is_none() && !self.may_be_last && !self.is_unsure;
        let code = if is_certain { self.last.code } else { Code::TimedOut };
        let answer = if self.last.code == Code::Ok { Default::default() } else { self.last.answer.clone() };
        Outcome { leader: self.last.leader, answer, ..Outcome::not(code) }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::consensus::confchange::restore::conf_state_after;

    /// The memberships on the way, until there is nothing more to do.
    fn way(old: u64, new: u64, mut at: ConfState) -> (Vec<ConfState>, Next) {
        let wish = Wish::new(old, new, Bytes::from_static(b"there"));
        let mut seen = Vec::new();
        loop {
            let change = match wish.next(&at) {
                Next::Change(change) => change,
                Next::Wait | Next::Leave => ConfChangeV2::default(),
                end => return (seen, end),
            };
            at = conf_state_after(&at, &change).unwrap();
            seen.push(at.clone());
        }
    }

    #[test]
    fn the_newcomer_learns_and_takes_the_others_place_in_a_joint_change() {
        let three = ConfState::of_voters([1, 2, 3]);
        let learning = ConfState { learners: vec![4], ..three.clone() };
        let after = ConfState::of_voters([1, 2, 4]);
        let joint = ConfState { voters_outgoing: vec![1, 2, 3], auto_leave: true, ..after.clone() };
        let all = vec![learning.clone(), joint.clone(), after.clone()];
        assert_eq!(way(3, 4, three), (all.clone(), Next::Done));
        // It goes on from wherever it stands.
        assert_eq!(way(3, 4, learning), (all[1..].to_vec(), Next::Done));
        assert_eq!(way(3, 4, joint.clone()), (all[2..].to_vec(), Next::Done));
        assert_eq!(way(3, 4, after), (Vec::new(), Next::Done));
        // Another joint change than this one has no part in it.
        let wish = |old, new| Wish::new(old, new, Bytes::new());
        assert_eq!(wish(3, 4).next(&joint), Next::Leave);
        assert_eq!(wish(0, 4).next(&joint), Next::Leave);
        assert_eq!(wish(2, 4).next(&joint), Next::Wait);
        assert_eq!(wish(3, 5).next(&joint), Next::Wait);
        // A voter already: only the other one has to go.
        let four = ConfState::of_voters([1, 2, 3, 4]);
        assert_eq!(way(3, 4, four).0.last(), Some(&ConfState::of_voters([1, 2, 4])));
    }

    #[test]
    fn without_an_old_one_the_newcomer_is_added() {
        let one = ConfState::of_voters([1]);
        let learning = ConfState { learners: vec![2], ..one.clone() };
        assert_eq!(way(0, 2, one), (vec![learning, ConfState::of_voters([1, 2])], Next::Done));
    }

    #[test]
    fn who_is_to_go_has_to_be_a_member_unless_the_newcomer_is_one() {
        assert_eq!(way(9, 4, ConfState::of_voters([1, 2])), (Vec::new(), Next::Refuse(9)));
        let learning = ConfState { learners: vec![4], ..ConfState::of_voters([1, 2]) };
        assert_eq!(way(9, 4, learning).0.last(), Some(&ConfState::of_voters([1, 2, 4])));
        // A learner can be replaced, too.
        let with_learner = ConfState { learners: vec![3], ..ConfState::of_voters([1, 2]) };
        assert_eq!(way(3, 4, with_learner).0.last(), Some(&ConfState::of_voters([1, 2, 4])));
    }

    /// What is said at the deadline when these have become of the steps.
    fn late_after(steps: &[Code]) -> Code {
        let wish = Wish::new(3, 4, Bytes::new());
        let now = Instant::now();
        let mut replacement = Replacement::new(wish, now, Reply::Silent, now);
        for &code in steps {
            assert_eq!(replacement.hear(Outcome { term: 7, ..Outcome::not(code) }), None, "{steps:?}");
        }
        replacement.late().code
    }

    #[test]
    fn a_refusal_at_the_deadline_means_that_the_old_one_stays() {
        use Code::{ConfChange, Dropped, LearnerBehind, NotLeader, Ok, QuorumAtRisk, TimedOut, Unknown};
        let sure: [&[Code]; 6] = [
            &[NotLeader],
            &[Dropped, ConfChange],
            &[Ok, LearnerBehind],
            &[Ok, LearnerBehind, NotLeader],
            &[Ok, QuorumAtRisk, ConfChange],
            &[ConfChange, Ok, LearnerBehind, Dropped],
        ];
        let unsure: [&[Code]; 9] = [
            &[],
            &[Ok],
            // The joint change was made, or may be, and has not been left.
            &[Ok, ConfChange],
            &[Ok, ConfChange, NotLeader],
            &[Ok, LearnerBehind, Ok, NotLeader],
            &[Unknown],
            &[Unknown, NotLeader],
            &[Unknown, LearnerBehind],
            &[Ok, Unknown, QuorumAtRisk],
        ];
        for codes in sure {
            assert_eq!(Some(&late_after(codes)), codes.last(), "{codes:?}");
        }
        for codes in unsure {
            assert_eq!(late_after(codes), TimedOut, "{codes:?}");
        }
    }
}
