//! Leadership goes to another node by request (thesis 3.10), or is forgotten.

use super::replicate;
use super::role::Role;
use super::state::Raft;
use crate::consensus::config::ReadOnlyOption;
use crate::consensus::log::storage::Storage;
use crate::error::Result;
use crate::raftpb::message::{Message, MessageType};

/// A leader is asked to hand over to `target`.
pub(super) fn handle<S: Storage>(raft: &mut Raft<S>, target: u64) -> Result<()> {
    let (id, last_index) = (raft.id(), raft.log.last_index());
    let leader = raft.expect_leader()?;
    let is_candidate = leader.progress.get(target).is_some_and(|progress| !progress.is_learner);
    if !is_candidate || leader.transferee == target {
        return Ok(());
    }
    // A second request takes the place of the first; one to this node only ends it.
    leader.transferee = 0;
    if target == id {
        return Ok(());
    }
    leader.transferee = target;
    let is_up_to_date = leader.progress.get(target).is_some_and(|progress| progress.matched == last_index);
    // It has one election timeout from now.
    raft.election_elapsed = 0;
    if is_up_to_date {
        offer(raft, target);
        return Ok(());
    }
    replicate::send_append(raft, target)
}

/// The target has caught up: it is told to campaign.
pub(super) fn complete<S: Storage>(raft: &mut Raft<S>, from: u64) -> Result<()> {
    let last_index = raft.log.last_index();
    let Some(leader) = raft.leader_state() else { return Ok(()) };
    if leader.transferee == from && leader.progress.get(from).is_some_and(|p| p.matched == last_index) {
        offer(raft, from);
    }
    Ok(())
}

/// A leader that cannot go on has the voter campaign that is furthest, whether or not it holds everything: whoever holds
/// what is committed wins.
pub(in crate::consensus) fn abdicate<S: Storage>(raft: &mut Raft<S>) {
    let id = raft.id();
    let Some(leader) = raft.leader_state() else { return };
    let others = leader
        .progress
        .iter()
        .filter(|(other, progress)| *other != id && progress.recent_active && !progress.is_learner);
    let heir = others.max_by_key(|(_, progress)| progress.matched).map(|(heir, _)| heir);
    if let Some(heir) = heir {
        offer(raft, heir);
    }
}

/// A leader becomes a follower of nobody.
pub(in crate::consensus) fn step_down<S: Storage>(raft: &mut Raft<S>) {
    if raft.leader_state().is_some() {
        raft.become_follower(raft.term, 0);
    }
}

fn offer<S: Storage>(raft: &mut Raft<S>, target: u64) {
    if let Some(leader) = raft.leader_state_mut() {
        leader.has_offered = true;
    }
    raft.send(Message::new(MessageType::MsgTimeoutNow, target));
}

/// A follower passes the request on. Its sender is the target, also for the leader.
pub(super) fn forward<S: Storage>(raft: &mut Raft<S>, mut request: Message) {
    let leader = raft.leader();
    if leader != 0 {
        request.to = leader;
        raft.send(request);
    }
}

/// A follower gives its leader up, and may vote at once. With lease reads its word not to is somebody's lease.
pub(super) fn forget_leader<S: Storage>(raft: &mut Raft<S>) {
    if raft.config.read_only != ReadOnlyOption::LeaseBased
        && let Role::Follower { leader } = &mut raft.role
    {
        *leader = 0;
    }
}
