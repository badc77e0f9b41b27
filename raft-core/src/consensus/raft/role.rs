//! [`Role`]: what a node is, and what it owns while it is that.

use super::read_queue::ReadQueue;
use super::state::Raft;
use crate::consensus::log::storage::Storage;
use crate::consensus::status::RoleKind;
use crate::consensus::tracker::inflights::Inflights;
use crate::consensus::tracker::progress::Progress;
use crate::consensus::tracker::progress_map::ProgressMap;
use crate::consensus::tracker::votes::Votes;
use crate::error::{Error, Result};
use crate::raftpb::entry::{Entries, Entry};

/// The role, with its data: to take a role is to make its data anew, so nothing is left over from an earlier term.
#[derive(Debug)]
pub(in crate::consensus) enum Role {
    Follower {
        /// 0 is unknown.
        leader: u64,
    },
    PreCandidate {
        votes: Votes,
    },
    Candidate {
        votes: Votes,
    },
    Leader(Box<LeaderState>),
}

/// What only a leader has.
#[derive(Debug)]
pub(in crate::consensus) struct LeaderState {
    /// How far each member is, this node included.
    pub(in crate::consensus) progress: ProgressMap,
    pub(super) reads: ReadQueue,
    /// No membership change may be appended until the one here is applied. At the start of a term it is the end of
    /// the log, where an earlier leader's change may lie.
    pub(super) pending_conf_index: u64,
    /// Whom leadership is being handed to; 0 is nobody.
    pub(in crate::consensus) transferee: u64,
    /// Whether any node was told to campaign in this term, whatever became of it.
    pub(super) has_offered: bool,
    /// Payload bytes appended in this term and not applied yet. Too low after an election, never too high.
    pub(super) uncommitted_bytes: u64,
    pub(super) heartbeat_elapsed: u64,
}

impl Role {
    pub(in crate::consensus) fn kind(&self) -> RoleKind {
        match self {
            Role::Follower { .. } => RoleKind::Follower,
            Role::PreCandidate { .. } => RoleKind::PreCandidate,
            Role::Candidate { .. } => RoleKind::Candidate,
            Role::Leader(_) => RoleKind::Leader,
        }
    }
}

impl<S: Storage> Raft<S> {
    pub(super) fn become_follower(&mut self, term: u64, leader: u64) {
        self.enter(term);
        self.role = Role::Follower { leader };
        self.trace("BecomeFollower");
    }

    /// Changes neither term nor vote: a node that is cut off must not come back with a term that unseats the leader
    /// (thesis 9.6).
    pub(super) fn become_pre_candidate(&mut self) {
        self.role = Role::PreCandidate { votes: Votes::default() };
    }

    pub(super) fn become_candidate(&mut self) -> Result<()> {
        let term =
            self.term.checked_add(1).ok_or_else(|| Error::Invariant("the terms are used up".to_owned()))?;
        self.enter(term);
        self.vote = self.id();
        self.role = Role::Candidate { votes: Votes::default() };
        self.trace("BecomeCandidate");
        Ok(())
    }

    pub(super) fn become_leader(&mut self) -> Result<()> {
        self.enter(self.term);
        let last_index = self.log.last_index();
        let mut progress = self.fresh_progress();
        if let Some(own) = progress.get_mut(self.id()) {
            own.matched = last_index;
            own.become_replicate();
            own.recent_active = true;
        }
        self.role = Role::Leader(Box::new(LeaderState {
            progress,
            reads: ReadQueue::default(),
            pending_conf_index: last_index,
            transferee: 0,
            has_offered: false,
            uncommitted_bytes: 0,
            heartbeat_elapsed: 0,
        }));
        self.trace("BecomeLeader");
        // Entries of earlier terms are committed only through one of this term (thesis 3.6.2): open it with an
        // empty one instead of waiting for a proposal.
        self.append_as_leader(Entries::from(Entry::default())).map(|_| ())
    }

    /// Progress of every member as a new leader assumes it: nothing known, next at the end of the log.
    pub(super) fn fresh_progress(&self) -> ProgressMap {
        let next = self.log.last_index() + 1;
        let mut map = ProgressMap::default();
        let voters = self.membership.voters.ids().into_iter().map(|id| (id, false));
        let learners = self.membership.learners.iter().map(|&id| (id, true));
        for (id, is_learner) in voters.chain(learners) {
            let inflights = Inflights::new(self.config.inflight_messages_max, self.config.inflight_bytes_max);
            map.insert(id, Progress::new(next, inflights, is_learner));
        }
        map
    }

    /// What every change of role begins with, except that to pre-candidate.
    fn enter(&mut self, term: u64) {
        self.trace_queued();
        if self.term != term {
            self.term = term;
            self.vote = 0;
        }
        self.election_elapsed = 0;
        self.draw_election_timeout();
    }
}
