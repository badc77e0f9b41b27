//! Ambushes: what befalls a node at the very moment when it says or learns something.

use raft_core::consensus::confchange::restore::conf_state_after;
use raft_core::consensus::ready::Ready;
use raft_core::consensus::status::RoleKind;
use raft_core::raftpb::message::{Message, MessageType};

use super::coverage::Rare;
use super::oracle::read_change;
use super::plots::Act;
use super::settings::TICK;
use super::world::{Event, World};

/// What waits for a node.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Doom {
    /// When it asks for votes, its disk stands still until it loses what it has not saved. Then it asks again: and the
    /// answers to its first request come late, or nobody has heard what it did with them.
    Candidate { comes_late: bool },
    /// When it has voted, it loses what it has not saved, and `next` asks it for a vote in the same term.
    Voter { next: u64 },
    /// When it tells another to take over, it is cut off for so long.
    Giver { length: u64 },
    /// When it wins, it is cut off before anybody hears of it, and `next` is to win. The third time, it is cut off when
    /// something is committed (figure 8 of the Raft paper).
    Winner { round: u8, next: u64 },
}

impl World {
    fn take_doom(&mut self, id: u64) {
        self.host_mut(id).doom = None;
    }

    /// Called when node `id` sends something. What it has said must hold, whatever happens to it now.
    pub(crate) fn has_said(&mut self, id: u64, message: &Message) {
        use MessageType::*;
        if self.is_healed {
            return;
        }
        let kind = message.msg_type;
        match (self.host(id).doom, kind) {
            (Some(Doom::Candidate { comes_late }), MsgVote) => self.doom_candidate(id, comes_late),
            (Some(Doom::Voter { next }), MsgVoteResp) if !message.reject => {
                self.take_doom(id);
                let down = self.rng.within(1, self.settings.delay);
                let again = (down + 2).saturating_sub(self.rng.within(0, self.settings.delay));
                self.plan(0, Act::Lose(id, down));
                self.plan(again, Act::Campaign(next));
            }
            (Some(Doom::Giver { length }), MsgTimeoutNow) => {
                self.take_doom(id);
                self.coverage.hit(Rare::LeaderCutOffInTransfer);
                self.plan(0, Act::CutOff(vec![id], length));
            }
            _ => {}
        }
        let is_of_consequence =
            matches!(kind, MsgApp | MsgAppResp | MsgVote | MsgVoteResp | MsgTimeoutNow | MsgSnap);
        let chance = if matches!(kind, MsgVote | MsgVoteResp) { 4 } else { 1 } * self.settings.ambush;
        if is_of_consequence && self.rng.permille(chance) {
            let (after, life) = (self.rng.within(0, TICK), self.host(id).life);
            self.schedule(after, Event::Crash(id, life));
        }
    }

    fn doom_candidate(&mut self, id: u64, comes_late: bool) {
        self.take_doom(id);
        let round_trip = 2 * self.settings.delay + self.settings.write;
        let fall = if comes_late { self.rng.within(1, round_trip) } else { round_trip + 2 };
        let down = self.rng.within(1, self.settings.delay);
        let again = fall + down + 1;
        self.host_mut(id).stalled_until = self.now + 100 * TICK;
        if comes_late {
            let others = self.running().into_iter().filter(|&other| other != id);
            let leader = self.leader();
            let others: Vec<u64> = others.filter(|&other| Some(other) != leader).collect();
            if !others.is_empty() {
                let (late, after) = (self.rng.pick(&others), self.rng.within(2, TICK));
                self.links.late = Some((late, id, self.now + again + after));
            }
        } else {
            self.plan(0, Act::Mute(id));
        }
        self.plan(fall, Act::Lose(id, down));
        self.plan(again, Act::Mend);
        self.plan(again, Act::Campaign(id));
    }

    /// Called when a node shows what it wants done, before anything of that leaves it. `old` is what it was, and what it
    /// knew to be committed.
    pub(crate) fn has_shown(&mut self, id: u64, ready: &Ready, old: (RoleKind, u64)) {
        let Some(up) = self.host(id).up.as_ref() else { return };
        let (role, commit) = (up.seen.role, up.seen.commit);
        if self.is_healed || role != RoleKind::Leader {
            return;
        }
        let (wins, commits) = (old.0 != RoleKind::Leader, commit > old.1);
        if let Some(Doom::Winner { round, next }) = self.host(id).doom
            && if round < 2 { wins } else { commits }
        {
            self.doom_winner(id, round, next);
        } else if commits && self.rng.permille(self.settings.ambush) {
            self.plan(0, Act::Lose(id, TICK));
        }
        self.rift(id, ready);
    }

    fn doom_winner(&mut self, id: u64, round: u8, next: u64) {
        self.take_doom(id);
        self.links.cut_off(&[id]);
        self.mend_at = u64::MAX;
        // What it appended is to be saved.
        let after = self.settings.write + self.rng.within(1, 3 * TICK);
        if round < 2 {
            self.coverage.hit(Rare::LeaderOfOneEntry);
            self.plan(after, Act::Mend);
            self.host_mut(next).doom = Some(Doom::Winner { round: round + 1, next: id });
            self.urge(after, next);
        } else {
            self.mend_at = self.now + 20 * TICK;
            self.urge(self.settings.delay, next);
            self.urge(after + self.settings.delay, next);
        }
    }

    /// If a leader has just learnt that a joint configuration is committed, those that are to go may be cut off: at once,
    /// and nobody else knows; or in a while, and they know and have not got to applying it.
    fn rift(&mut self, id: u64, ready: &Ready) {
        let Some(ticket) = &ready.apply else { return };
        let Some(change) = ticket.entries().owned().find_map(|entry| read_change(&entry)) else { return };
        let Ok(after) = conf_state_after(&self.up(id).membership, &change) else { return };
        let stays = |other: &u64| *other == id || after.voters.contains(other);
        let side: Vec<u64> = after.voters_outgoing.iter().copied().filter(|other| !stays(other)).collect();
        if side.is_empty() || !self.links.is_whole() || !self.rng.permille(self.settings.rift) {
            return;
        }
        self.coverage.hit(Rare::JointCutInHalves);
        let length = self.election_timeouts(3, 8);
        if self.rng.coin() {
            self.links.cut_off(&side);
            self.mend_at = self.now + length;
            return;
        }
        for &other in &side {
            self.host_mut(other).lags_until = self.now + length;
        }
        let next = self.rng.pick(&side);
        let (cut, patience) = (self.ticks(1, 15), self.election_timeouts(1, 2));
        self.plan(cut, Act::CutOff(side, length));
        self.plan(cut + patience, Act::Campaign(next));
        self.plan(cut + 2 * patience, Act::Campaign(next));
    }
}
