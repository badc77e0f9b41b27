//! Plots: short sequences of faults, timed to where a node has said something that it has not saved, leads and is no
//! leader any more, or applies what a snapshot has overtaken. Chance alone comes to such moments too seldom.

use raft_core::consensus::config::ReadOnlyOption;

use super::ambush::Doom;
use super::coverage::Rare;
use super::links::Links;
use super::oracle::Check;
use super::settings::TICK;
use super::world::{Event, World};

/// What a plot is after.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plot {
    LoseCandidate,
    LoseVoter,
    Depose,
    Overtake,
    FigureEight,
}

impl Plot {
    pub(crate) const ALL: &[Plot] =
        &[Plot::LoseCandidate, Plot::LoseVoter, Plot::Depose, Plot::Overtake, Plot::FigureEight];
    pub(crate) const WITHOUT_CHANGES: &[Plot] =
        &[Plot::LoseCandidate, Plot::LoseVoter, Plot::Depose, Plot::FigureEight];
    pub(crate) const OF_ELECTIONS: &[Plot] = &[Plot::LoseCandidate, Plot::LoseVoter, Plot::FigureEight];
}

/// A step of a plot.
#[derive(Debug)]
pub(crate) enum Act {
    Campaign(u64),
    ForgetLeader(u64),
    /// The one is to hand over to the other.
    Transfer(u64, u64),
    /// The power fails for so long, and nothing survives that was not synced.
    Lose(u64, u64),
    /// These are cut off from all others for so long.
    CutOff(Vec<u64>, u64),
    /// Nobody hears of it until things mend.
    Mute(u64),
    Mend,
    /// Clients begin nothing for so long, and all logs become equal.
    Calm(u64),
    /// Whoever leads takes a snapshot and drops all of the log that it covers.
    Checkpoint,
    Change,
}

impl World {
    pub(crate) fn plan(&mut self, after: u64, act: Act) {
        self.schedule(after, Event::Act(act));
    }

    /// Plans for a node to campaign, when no other holds on to a leader.
    pub(crate) fn urge(&mut self, after: u64, id: u64) {
        for other in (1..=self.settings.ids).filter(|&other| other != id) {
            self.plan(after, Act::ForgetLeader(other));
        }
        self.plan(after, Act::Campaign(id));
    }

    /// Does a step, unless everything has healed or the node does not run.
    pub(crate) fn act(&mut self, act: Act) -> Check {
        if self.is_healed {
            return Ok(());
        }
        self.trace.line(self.now, || format!("{act:?}"));
        match act {
            Act::Campaign(id) | Act::ForgetLeader(id) | Act::Transfer(id, _) => {
                if !self.running().contains(&id) {
                    return Ok(());
                }
                let raw = &mut self.up(id).raw;
                let result = match act {
                    Act::Campaign(_) => raw.campaign(),
                    Act::Transfer(_, to) => raw.transfer_leader(to),
                    _ => raw.forget_leader(),
                };
                return self.settle(id, result);
            }
            Act::Lose(id, down) => {
                self.host_mut(id).stalled_until = self.now;
                self.crash(id, false, down);
            }
            Act::CutOff(side, length) => {
                self.links.cut_off(&side);
                self.mend_at = self.now + length;
            }
            Act::Mute(id) => {
                self.links.mute(id);
                self.mend_at = u64::MAX;
            }
            Act::Mend => self.links = Links::default(),
            Act::Calm(length) => self.calm_until = self.now + length,
            Act::Checkpoint => {
                if let Some(id) = self.leader() {
                    return self.checkpoint(id, 0);
                }
            }
            Act::Change => return self.change_membership(),
        }
        Ok(())
    }

    /// Begins a plot now and then.
    pub(crate) fn conspire(&mut self) {
        let running = self.running();
        if !self.rng.permille(self.settings.plots) || !self.links.is_whole() || running.len() < 2 {
            return;
        }
        match self.rng.pick(self.settings.plots_drawn) {
            Plot::LoseCandidate => self.lose_a_candidate(&running),
            Plot::LoseVoter if running.len() > 2 => self.lose_a_voter(&running),
            Plot::FigureEight if running.len() > 2 => self.draw_figure_eight(&running),
            Plot::Overtake if self.settings.churn > 0 => self.overtake(&running),
            _ => self.depose(&running),
        }
    }

    pub(crate) fn ticks(&mut self, lo: u64, hi: u64) -> u64 {
        self.rng.within(lo * TICK, hi * TICK)
    }

    pub(crate) fn election_timeouts(&mut self, lo: u64, hi: u64) -> u64 {
        let timeout = self.settings.config.election_ticks;
        self.ticks(lo * timeout, hi * timeout)
    }

    /// One of these that does not lead.
    fn pick_follower(&mut self, running: &[u64]) -> u64 {
        let leader = self.leader();
        let others: Vec<u64> = running.iter().copied().filter(|&id| Some(id) != leader).collect();
        self.rng.pick(if others.is_empty() { running } else { &others })
    }

    /// A node campaigns, with entries or in a term that it has not saved, and loses them.
    fn lose_a_candidate(&mut self, running: &[u64]) {
        self.coverage.hit(Rare::CandidateLost);
        let id = self.pick_follower(running);
        let comes_late = self.rng.coin();
        let ask = self.ticks(2, 6);
        if comes_late {
            self.host_mut(id).stalled_until = self.now + 100 * TICK;
        }
        self.plan(ask - 2 * TICK, Act::Calm(2 * TICK));
        self.host_mut(id).doom = Some(Doom::Candidate { comes_late });
        self.urge(ask, id);
    }

    /// Two nodes that do not hear of each other ask for votes in one term. Whoever both need votes, forgets it, and is
    /// asked by the other.
    fn lose_a_voter(&mut self, running: &[u64]) {
        self.coverage.hit(Rare::VoterLost);
        let voter = self.rng.pick(running);
        let others: Vec<u64> = running.iter().copied().filter(|&id| id != voter).collect();
        let at = self.rng.below(others.len() as u64) as usize;
        let (first, next) = (others[at], others[(at + 1) % others.len()]);
        // The first one's side.
        let side: Vec<u64> =
            others.iter().copied().cycle().skip(at).step_by(2).take(others.len() / 2).collect();
        self.links.cut_apart(&side, voter);
        self.mend_at = self.now + self.election_timeouts(1, 2);
        let ask = self.ticks(1, 3);
        self.calm_until = self.now + ask;
        self.host_mut(voter).doom = Some(Doom::Voter { next });
        self.urge(ask, first);
    }

    /// Two nodes win in turn, and each time only the winner has the entry that opens its term.
    fn draw_figure_eight(&mut self, running: &[u64]) {
        let first = self.pick_follower(running);
        let others: Vec<u64> = running.iter().copied().filter(|&id| id != first).collect();
        let next = self.rng.pick(&others);
        let ask = self.ticks(1, 3);
        self.calm_until = self.now + ask;
        self.host_mut(first).doom = Some(Doom::Winner { round: 0, next });
        self.urge(ask, first);
    }

    /// A leader is cut off and another elected as soon as may be, while answers to the old one are still on their way.
    fn depose(&mut self, running: &[u64]) {
        let Some(leader) = self.leader() else { return };
        let others: Vec<u64> = running.iter().copied().filter(|&id| id != leader).collect();
        if others.is_empty() {
            return;
        }
        self.coverage.hit(Rare::LeaderDeposed);
        let (late, next) = (self.rng.pick(&others), self.rng.pick(&others));
        let cut = self.ticks(1, 3);
        let patience = self.settings.config.election_ticks * TICK;
        let length = self.election_timeouts(2, 4);
        if self.rng.coin() {
            self.calm_until = self.now + cut;
            self.host_mut(leader).doom = Some(Doom::Giver { length });
            self.plan(cut, Act::Transfer(leader, next));
        } else {
            let until = self.now + cut + patience + self.ticks(2, 10);
            self.links.late = Some((late, leader, until));
            self.plan(cut, Act::CutOff(vec![leader], length));
        }
        for round in 1..=3 {
            let after = self.rng.within(TICK / 2, 3 * TICK);
            self.plan(cut + round * patience + after, Act::Campaign(next));
        }
        if self.settings.config.read_only == ReadOnlyOption::LeaseBased {
            let (shortest, longest) = self.settings.tick_bounds();
            for id in 1..=self.settings.ids {
                self.host_mut(id).tick_every = if id == leader { longest } else { shortest };
            }
        }
    }

    /// A node has changes to apply and is slow about it; a snapshot of what came after them is faster.
    fn overtake(&mut self, running: &[u64]) {
        self.coverage.hit(Rare::ApplierHeld);
        let id = self.rng.pick(running);
        self.host_mut(id).lags_until = self.now + self.election_timeouts(4, 8);
        let cut = self.ticks(2, 8);
        let length = self.election_timeouts(1, 2);
        for _ in 0..2 {
            let (before, after) = (self.rng.below(cut), cut + self.rng.below(length));
            self.plan(before, Act::Change);
            self.plan(after, Act::Change);
        }
        self.plan(cut, Act::CutOff(vec![id], length));
        self.plan(cut + length, Act::Checkpoint);
    }
}
