//! What a node says of itself.

use std::fmt;

use super::lost::Lost;
use super::quorum::configuration::Configuration;
use super::tracker::progress::Progress;
use crate::raftpb::message::HardState;

/// A node's role, without what the role owns. The numbers are etcd's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RoleKind {
    /// Follows a leader, or waits for one.
    #[default]
    Follower = 0,
    /// Asks for votes.
    Candidate = 1,
    /// Leads its term.
    Leader = 2,
    /// Asks whether it would get votes.
    PreCandidate = 3,
}

impl fmt::Display for RoleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RoleKind::Follower => "StateFollower",
            RoleKind::Candidate => "StateCandidate",
            RoleKind::Leader => "StateLeader",
            RoleKind::PreCandidate => "StatePreCandidate",
        })
    }
}

/// A copy of a node's state, for display.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// The node.
    pub id: u64,
    /// Term, vote and commit.
    pub hard_state: HardState,
    /// Who leads, as far as this node knows; 0 is unknown.
    pub leader: u64,
    /// Its own role.
    pub role: RoleKind,
    /// How far its state machine is.
    pub applied: u64,
    /// The first index of its log.
    pub first_index: u64,
    /// The last index of its log.
    pub last_index: u64,
    /// Whom a leader is handing its leadership to; 0 is nobody.
    pub transferee: u64,
    /// What this node's disk has lost of what it had acknowledged: until it has that again, it does not vote.
    pub lost: Option<Lost>,
    /// The membership in force.
    pub membership: Configuration,
    /// What a leader knows of each member, itself included, by ascending id; empty on all others.
    pub progress: Vec<(u64, Progress)>,
}
