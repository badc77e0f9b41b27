//! [`Raft`]: the state of one node.

use super::outbox::Outbox;
use super::recovery::Recovery;
use super::role::{LeaderState, Role};
use super::stores::Stores;
use crate::consensus::confchange::restore::restore;
use crate::consensus::config::Config;
use crate::consensus::log::raft_log::RaftLog;
use crate::consensus::log::storage::Storage;
use crate::consensus::mutants::{Mutant, is_planted};
use crate::consensus::quorum::configuration::Configuration;
use crate::consensus::ready::ReadState;
use crate::consensus::rng::Rng;
use crate::error::{Error, Result};
use crate::raftpb::message::{HardState, Message, MessageType};

/// One node of one group.
#[derive(Debug)]
pub(in crate::consensus) struct Raft<S> {
    pub(in crate::consensus) config: Config,
    pub(in crate::consensus) term: u64,
    /// Whom this node voted for in `term`; 0 is nobody.
    pub(in crate::consensus) vote: u64,
    pub(in crate::consensus) role: Role,
    /// The membership as of the applied index.
    pub(in crate::consensus) membership: Configuration,
    pub(in crate::consensus) log: RaftLog<S>,
    /// Where the membership last changed, as far as is known: at the latest at the snapshot that it came with.
    pub(super) changed_at: u64,
    pub(in crate::consensus) stores: Stores,
    /// Set while the disk has lost what this node had acknowledged.
    pub(in crate::consensus) recovery: Option<Recovery>,
    pub(in crate::consensus) outbox: Outbox,
    pub(in crate::consensus) read_states: Vec<ReadState>,
    /// Ticks since the start.
    pub(super) now: u64,
    /// Ticks that have passed besides, and that the host has not called yet.
    pub(in crate::consensus) late: u64,
    /// When this node last answered a leader, which may read by a lease since. A node that has ever saved anything may
    /// have done so just before it started.
    pub(super) promised_at: Option<u64>,
    /// Ticks since the last sign of the leader, or on a leader since the last check of its quorum.
    pub(super) election_elapsed: u64,
    /// Drawn anew from [election_ticks, 2 * election_ticks) at each change of role (thesis 3.4), and put off by what
    /// this node holds back.
    pub(in crate::consensus) randomized_election_timeout: u64,
    rng: Rng,
}

impl<S: Storage> Raft<S> {
    pub(in crate::consensus) fn new(config: Config, storage: S) -> Result<Self> {
        config.validate()?;
        let (hard_state, conf_state) = storage.initial_state()?;
        let log = RaftLog::new(storage, config.apply_page());
        let (messages, bytes) = (config.inflight_messages_max, config.inflight_bytes_max);
        let (membership, _) = restore(&conf_state, log.last_index(), messages, bytes)?;
        let mut raft = Raft {
            term: 0,
            vote: 0,
            role: Role::Follower { leader: 0 },
            membership,
            log,
            changed_at: 0,
            stores: Stores::new(config.id, config.store_id),
            recovery: config.lost.map(Recovery::new),
            outbox: Outbox::new(&config, hard_state.term),
            read_states: Vec::new(),
            now: 0,
            late: 0,
            promised_at: (!hard_state.is_empty()).then_some(0),
            election_elapsed: 0,
            randomized_election_timeout: 0,
            rng: Rng::new(config.seed),
            config,
        };
        if !hard_state.is_empty() {
            raft.log.load(&hard_state)?;
            raft.term = hard_state.term;
            raft.vote = hard_state.vote;
        }
        if raft.config.applied > 0 {
            raft.log.applied_to(raft.config.applied, 0)?;
        }
        raft.changed_at = raft.log.applied();
        raft.become_follower(raft.term, 0);
        Ok(raft)
    }

    pub(in crate::consensus) fn id(&self) -> u64 {
        self.config.id
    }

    /// Who leads, as far as this node knows; 0 is unknown.
    pub(in crate::consensus) fn leader(&self) -> u64 {
        match &self.role {
            Role::Follower { leader } => *leader,
            Role::Leader(_) => self.id(),
            Role::PreCandidate { .. } | Role::Candidate { .. } => 0,
        }
    }

    pub(in crate::consensus) fn hard_state(&self) -> HardState {
        HardState { term: self.term, vote: self.vote, commit: self.log.committed() }
    }

    pub(in crate::consensus) fn leader_state(&self) -> Option<&LeaderState> {
        match &self.role {
            Role::Leader(leader) => Some(leader),
            _ => None,
        }
    }

    pub(super) fn leader_state_mut(&mut self) -> Option<&mut LeaderState> {
        match &mut self.role {
            Role::Leader(leader) => Some(leader),
            _ => None,
        }
    }

    /// For handlers that only a leader reaches.
    pub(super) fn expect_leader(&mut self) -> Result<&mut LeaderState> {
        let id = self.id();
        self.leader_state_mut().ok_or_else(|| Error::Invariant(format!("node {id} does not lead")))
    }

    /// Whether this node may campaign: a voter that has not lost its disk or a part of it, and whose log is not being
    /// replaced by a snapshot.
    pub(super) fn is_promotable(&self) -> bool {
        self.membership.voters.contains(self.id())
            && !self.log.has_unstable_snapshot()
            && self.keeps_promises()
    }

    /// Whether this node still knows what it has promised. One that does not must not help to elect anybody.
    pub(super) fn keeps_promises(&self) -> bool {
        let is_whole = self.recovery.is_none() || is_planted(Mutant::VoteWhileRecovering);
        is_whole && (!self.stores.is_replaced() || is_planted(Mutant::TrustLostDisk))
    }

    pub(super) fn send(&mut self, message: Message) {
        self.outbox.send(self.term, message);
    }

    /// Tells `to` that this log holds all of its sender's up to `index`, once that is durable.
    pub(super) fn acknowledge(&mut self, to: u64, index: u64) {
        self.outbox.put(self.term, MessageType::MsgAppResp, to, |message| message.index = index);
    }

    pub(super) fn draw_election_timeout(&mut self) {
        let Config { election_ticks, hold_back_ticks, .. } = self.config;
        self.randomized_election_timeout = election_ticks + self.rng.below(election_ticks) + hold_back_ticks;
    }

    /// Whether an entry of this term is committed: only then does a leader know how far the log is (thesis 6.4).
    pub(super) fn has_committed_in_term(&self) -> Result<bool> {
        Ok(self.log.term_or_zero(self.log.committed())? == self.term)
    }
}
