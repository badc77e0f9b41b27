//! Time passes.

use super::heartbeat;
use super::reconfigure;
use super::role::Role;
use super::state::Raft;
use super::vote::{self, Campaign};
use crate::consensus::log::storage::Storage;
use crate::error::Result;

pub(in crate::consensus) fn tick<S: Storage>(raft: &mut Raft<S>) -> Result<()> {
    raft.now += 1;
    raft.late = raft.late.saturating_sub(1);
    raft.election_elapsed = raft.election_elapsed.saturating_add(1);
    match raft.role {
        Role::Leader(_) => tick_leader(raft),
        _ if raft.is_promotable() && raft.election_elapsed >= raft.randomized_election_timeout => {
            raft.election_elapsed = 0;
            vote::hup(raft, Campaign::first(&raft.config))
        }
        _ => Ok(()),
    }
}

fn tick_leader<S: Storage>(raft: &mut Raft<S>) -> Result<()> {
    if raft.election_elapsed >= raft.config.election_ticks {
        raft.election_elapsed = 0;
        if raft.config.check_quorum {
            check_quorum(raft);
        }
        // A transfer that has not come about within an election timeout will not (thesis 3.10).
        if let Some(leader) = raft.leader_state_mut() {
            leader.transferee = 0;
        }
        reconfigure::leave_joint(raft);
    }
    let heartbeat_ticks = raft.config.heartbeat_ticks;
    let Some(leader) = raft.leader_state_mut() else { return Ok(()) };
    leader.heartbeat_elapsed += 1;
    if leader.heartbeat_elapsed >= heartbeat_ticks {
        leader.heartbeat_elapsed = 0;
        heartbeat::broadcast(raft);
    }
    Ok(())
}

/// A leader that no quorum has answered since the last check steps down (thesis 6.2).
fn check_quorum<S: Storage>(raft: &mut Raft<S>) {
    let id = raft.id();
    let Role::Leader(leader) = &mut raft.role else { return };
    if !leader.progress.quorum_active(&raft.membership) {
        raft.become_follower(raft.term, 0);
        return;
    }
    for (peer, progress) in leader.progress.iter_mut() {
        progress.recent_active = peer == id;
    }
}
