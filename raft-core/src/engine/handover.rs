//! Leadership handed over by request: whoever asked hears once what came of it.

use std::time::Instant;

use super::code::Code;
use super::driver::Driver;
use super::outcome::{Outcome, Reply};
use crate::error::Result;

/// The most requests of this kind that an engine has under way.
const HANDOVERS_MAX: usize = 16;

/// A leader gives up after one election timeout; the election that it has called may take another.
const TIMEOUTS: u32 = 2;

/// A request under way.
#[derive(Debug)]
pub(super) struct Handover {
    to: u64,
    // The term in which it was asked for: whoever leads in a later one was elected since.
    term: u64,
    deadline: Instant,
    pub(super) reply: Reply,
}

impl Handover {
    /// What came of it, once something did.
    fn outcome(&self, now: Instant, leader: u64, term: u64, applied: u64) -> Option<Outcome> {
        if leader != 0 && term > self.term {
            return Some(match leader == self.to {
                true => Outcome { leader, ..Outcome::done(applied, term) },
                false => Outcome { leader, ..Outcome::not(Code::Dropped) },
            });
        }
        (self.deadline <= now).then(|| Outcome { leader, ..Outcome::not(Code::TimedOut) })
    }
}

impl Driver {
    /// Asks the leader, this node or another, to hand over to node `to`.
    pub(super) fn hand_over(&mut self, to: u64, reply: Reply) -> Result<()> {
        // One to the leader itself ends another that is under way.
        let result = self.node.transfer_leader(to);
        self.tolerate(result, "transfer of leadership")?;
        let (leader, term) = (self.node.leader(), self.node.term());
        let at = self.node.conf_state();
        let outcome = if !at.voters.contains(&to) && !at.voters_outgoing.contains(&to) {
            let answer = format!("node {to} is no voter, so it cannot lead").into();
            Outcome { answer, ..Outcome::not(Code::InvalidArg) }
        } else if leader == to {
            Outcome { leader, ..Outcome::done(self.node.cursors().0, term) }
        } else if leader == 0 {
            Outcome::not(Code::NotLeader)
        } else if self.in_hand.handovers.len() >= HANDOVERS_MAX {
            Outcome::not(Code::Busy)
        } else {
            let deadline = self.now + self.election_timeout * TIMEOUTS;
            self.in_hand.handovers.push(Handover { to, term, deadline, reply });
            return Ok(());
        };
        self.refuse([reply].into(), &outcome)
    }

    /// Answers the requests of which is known what came of them.
    pub(super) fn watch_handovers(&mut self) -> Result<()> {
        if self.in_hand.handovers.is_empty() {
            return Ok(());
        }
        let (leader, term, applied) = (self.node.leader(), self.node.term(), self.node.cursors().0);
        let mut at = 0;
        while let Some(handover) = self.in_hand.handovers.get(at) {
            match handover.outcome(self.now, leader, term, applied) {
                None => at += 1,
                Some(outcome) => {
                    let reply = self.in_hand.handovers.swap_remove(at).reply;
                    self.refuse([reply].into(), &outcome)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_later_term_or_the_end_of_the_time_decides() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let handover = Handover { to: 2, term: 5, deadline: later, reply: Reply::Silent };
        let code = |now, leader, term| handover.outcome(now, leader, term, 9).map(|outcome| outcome.code);
        assert_eq!(code(now, 1, 5), None, "the old leader still leads");
        assert_eq!(code(now, 0, 6), None, "nobody is elected yet");
        assert_eq!(code(now, 2, 6), Some(Code::Ok));
        assert_eq!(code(now, 3, 6), Some(Code::Dropped));
        assert_eq!(code(later, 1, 5), Some(Code::TimedOut));
        assert_eq!(handover.outcome(now, 2, 6, 9), Some(Outcome { leader: 2, ..Outcome::done(9, 6) }));
    }
}
