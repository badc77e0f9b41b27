//! Membership churn, and notes of the rare things that nodes show.

use raft_core::consensus::ready::Ready;
use raft_core::consensus::status::RoleKind;
use raft_core::consensus::tracker::progress::ProgressState;
use raft_core::raftpb::conf_change::ConfChangeType::{AddLearnerNode, AddNode, RemoveNode};
use raft_core::raftpb::conf_change::{ConfChangeSingle, ConfChangeTransition, ConfChangeV2};
use raft_core::raftpb::entry::Entry;
use raft_core::raftpb::message::{Message, MessageType};

use super::coverage::Rare;
use super::machine::ENTRY_BYTES;
use super::oracle::{Check, ensure, read_change};
use super::world::World;

impl World {
    /// Proposes some change to some node, mostly to the leader.
    pub(crate) fn change_membership(&mut self) -> Check {
        let running = self.running();
        if running.is_empty() {
            return Ok(());
        }
        let id = match self.leader() {
            Some(leader) if !self.rng.permille(200) => leader,
            _ => self.rng.pick(&running),
        };
        if !self.may_change(id) {
            return Ok(());
        }
        let steps = self.rng.pick(&[1, 1, 1, 2, 3, 4]);
        let changes: Vec<_> = match self.rng.permille(self.settings.swap) {
            true => self.swap(id),
            false => (0..steps).map(|_| self.step()).collect(),
        };
        let transition = match self.rng.below(4) {
            0 => ConfChangeTransition::JointExplicit,
            1 => ConfChangeTransition::JointImplicit,
            _ => ConfChangeTransition::Auto,
        };
        // A newcomer has to run before it can be reached.
        for change in changes.iter().filter(|change| change.change_type != RemoveNode as i32) {
            if self.host(change.node_id).life == 0 {
                self.start(change.node_id)?;
            }
        }
        let change = ConfChangeV2 { transition: transition as i32, ..ConfChangeV2::new(changes) };
        self.trace.line(self.now, || format!("{id} is asked for {change:?}"));
        let result = self.up(id).raw.propose_conf_change(&change);
        if result.is_err() {
            self.coverage.hit(Rare::ChangeRefused);
        }
        self.settle(id, result)
    }

    /// A host that has the node check nothing checks for itself that there is one change at a time. That one may be
    /// impossible; it has no effect then.
    pub(crate) fn may_change(&self, id: u64) -> bool {
        let Some(up) = &self.host(id).up else { return false };
        self.settings.config.validate_conf_changes
            || (self.host(id).leads() && !up.seen.has_unapplied_change())
    }

    /// All others for all voters but `id`: the two halves of the joint configuration have only it in common.
    fn swap(&mut self, id: u64) -> Vec<ConfChangeSingle> {
        let voters = self.up(id).raw.conf_state().voters;
        let others = (1..=self.settings.ids).filter(|&other| other != id);
        let kind = |other| if voters.contains(&other) { RemoveNode } else { AddNode };
        others.map(|other| ConfChangeSingle::new(kind(other), other)).collect()
    }

    fn step(&mut self) -> ConfChangeSingle {
        let kind = self.rng.pick(&[
            AddNode,
            AddNode,
            AddNode,
            AddLearnerNode,
            AddLearnerNode,
            RemoveNode,
            RemoveNode,
        ]);
        ConfChangeSingle::new(kind, self.rng.within(1, self.settings.ids))
    }

    pub(crate) fn cover_sent(&mut self, id: u64, message: &Message) {
        use MessageType::*;
        let what = match message.msg_type {
            MsgPreVoteResp if message.reject => Rare::PreVoteRejected,
            MsgVoteResp if message.reject => Rare::VoteRejected,
            MsgAppResp if message.reject => Rare::AppendRejected,
            MsgReadIndex if message.from == id => Rare::ReadForwarded,
            _ => return,
        };
        self.coverage.hit(what);
    }

    pub(crate) fn cover_received(&mut self, to: u64, message: &Message) {
        if message.term != 0 && message.term < self.up(to).seen.term {
            self.coverage.hit(Rare::MessageOfOldTerm);
        } else if message.msg_type == MessageType::MsgTimeoutNow {
            self.up(to).told = message.term;
        }
    }

    pub(crate) fn cover_ready(&mut self, id: u64, ready: &Ready) {
        let Some(soft_state) = ready.soft_state else { return };
        let was_leader = self.up(id).seen.role == RoleKind::Leader;
        if soft_state.role == RoleKind::Leader && !was_leader {
            let told = self.up(id).told;
            if told != 0 && self.up(id).seen.term <= told + 1 {
                let cut = !self.links.is_whole();
                self.coverage.hit(if cut { Rare::TransferUnderPartition } else { Rare::TransferDone });
            }
            if self.hosts.iter().any(|host| host.leads() && host.id != id) {
                self.coverage.hit(Rare::TwoLeadersAtOnce);
            }
            if !self.links.is_whole() {
                self.coverage.hit(Rare::ElectionWithinPartition);
            }
        }
        if was_leader
            && soft_state.role != RoleKind::Leader
            && ["mute", "deaf", "one-way"].contains(&self.links.shape)
        {
            self.coverage.hit(Rare::LeaderLostToOneWayCut);
        }
    }

    /// Notes what an applied membership change does, seen on the node that leads.
    pub(crate) fn cover_change(&mut self, id: u64, entry: &Entry) {
        if !self.host(id).leads() || read_change(entry).is_none() {
            return;
        }
        let before = self.oracle.membership(entry.index - 1).clone();
        let after = self.oracle.membership(entry.index).clone();
        let was_joint = !before.voters_outgoing.is_empty();
        let is_joint = !after.voters_outgoing.is_empty();
        let returns = |&member: &u64| !before.contains(member) && self.hosts[member as usize - 1].life > 1;
        for (happened, what) in [
            (!after.contains(id), Rare::LeaderRemoved),
            (before.learners.iter().any(|member| after.voters.contains(member)), Rare::LearnerPromoted),
            (before.voters.iter().any(|member| after.learners.contains(member)), Rare::VoterDemoted),
            (before.learners_next.iter().any(|member| after.learners.contains(member)), Rare::VoterDemoted),
            (!was_joint && is_joint, Rare::JointEntered),
            (was_joint && !is_joint && before.auto_leave, Rare::JointLeftByItself),
            (was_joint && !is_joint && !before.auto_leave, Rare::JointLeftByRequest),
            (after.voters.iter().chain(&after.learners).any(returns), Rare::RemovedNodeReturns),
        ] {
            if happened {
                self.coverage.hit(what);
            }
        }
    }

    /// What a leader knows of its followers: the bounds on what is on its way.
    pub(crate) fn check_window(&mut self, id: u64) -> Check {
        let World { hosts, settings, coverage, .. } = self;
        let Some(up) = &hosts[id as usize - 1].up else { return Ok(()) };
        let (messages_max, bytes_max) =
            (settings.config.inflight_messages_max, settings.config.inflight_bytes_max);
        // The message that crosses the limit still goes.
        let message = settings.config.message_bytes_max.max(ENTRY_BYTES);
        for (peer, progress) in up.raw.progress() {
            let (count, bytes) = (progress.inflights.count(), progress.inflights.bytes());
            ensure!(
                count <= messages_max && (bytes_max == 0 || bytes < bytes_max + message),
                "leader {id} has {count} appends of {bytes} bytes on their way to {peer}"
            );
            let last = up.seen.last();
            ensure!(
                progress.matched < progress.next && progress.next <= last + 1,
                "leader {id} with last entry {last} has {progress} of {peer}"
            );
            if progress.state == ProgressState::Replicate && progress.inflights.full() {
                coverage.hit(Rare::WindowFull);
            }
        }
        Ok(())
    }
}
