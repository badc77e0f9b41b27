//! Linearizable reads without an entry in the log (thesis 6.4).

use super::heartbeat;
use super::read_queue::ReadRequest;
use super::role::Role;
use super::state::Raft;
use crate::consensus::config::ReadOnlyOption;
use crate::consensus::log::storage::Storage;
use crate::consensus::mutants::{Mutant, is_planted};
use crate::consensus::ready::ReadState;
use crate::error::Result;
use crate::raftpb::message::{Message, MessageType};

/// A leader is asked for an index to read at.
pub(super) fn handle<S: Storage>(raft: &mut Raft<S>, message: &mut Message) -> Result<()> {
    let request = ReadRequest { from: message.from, entries: std::mem::take(&mut message.entries) };
    if !raft.has_committed_in_term()? && !is_planted(Mutant::ReadBeforeFirstCommit) {
        raft.expect_leader()?.reads.postpone(request);
        return Ok(());
    }
    confirm(raft, request);
    Ok(())
}

/// The term has its first commit: reads that waited for it go on.
pub(super) fn release_postponed<S: Storage>(raft: &mut Raft<S>) -> Result<()> {
    let postponed = raft.expect_leader()?.reads.take_postponed();
    postponed.into_iter().for_each(|request| confirm(raft, request));
    Ok(())
}

fn confirm<S: Storage>(raft: &mut Raft<S>, request: ReadRequest) {
    let (id, committed) = (raft.id(), raft.log.committed());
    let is_alone = raft.membership.voters.is_singleton() && raft.membership.voters.contains(id);
    if is_alone || has_lease(raft) || is_planted(Mutant::ReadWithoutQuorum) {
        answer(raft, committed, request);
    } else if let Some(leader) = raft.leader_state_mut() {
        leader.reads.push(committed, request);
        heartbeat::broadcast(raft);
    }
}

/// Whether a quorum has lately promised not to vote for anybody else (thesis 6.4.1).
fn has_lease<S: Storage>(raft: &Raft<S>) -> bool {
    let Role::Leader(leader) = &raft.role else { return false };
    // Whom the leader told to campaign need not heed the promise, and may do so any time later in this term.
    let is_handed_over = leader.transferee != 0 || leader.has_offered;
    raft.config.read_only == ReadOnlyOption::LeaseBased
        && (!is_handed_over || is_planted(Mutant::LeaseAfterTransfer))
        && leader.reads.confirmed_at(raft.id(), &raft.membership.voters).is_some_and(|sent| {
            let age = (raft.now - sent).saturating_add(raft.late);
            age < raft.config.lease_ticks() || is_planted(Mutant::LeaseWithoutQuorum)
        })
}

/// The clock stood still for longer than a lease lasts, or may have: nothing that was promised before still counts.
pub(in crate::consensus) fn drop_lease<S: Storage>(raft: &mut Raft<S>) {
    if let Some(leader) = raft.leader_state_mut() {
        leader.reads.forget_rounds();
    }
}

/// A member answered a heartbeat that carried `context`.
pub(super) fn acknowledge<S: Storage>(raft: &mut Raft<S>, from: u64, context: &[u8]) {
    if context.is_empty() {
        return;
    }
    if let Some(leader) = raft.leader_state_mut() {
        leader.reads.acknowledge(from, context);
    }
    release_confirmed(raft);
}

/// Answers the reads that a quorum has confirmed. A change of the membership may leave fewer to wait for.
pub(super) fn release_confirmed<S: Storage>(raft: &mut Raft<S>) {
    let id = raft.id();
    let Role::Leader(leader) = &mut raft.role else { return };
    for (index, request) in leader.reads.advance(id, &raft.membership.voters) {
        answer(raft, index, request);
    }
}

fn answer<S: Storage>(raft: &mut Raft<S>, index: u64, request: ReadRequest) {
    if request.from == 0 || request.from == raft.id() {
        let context = request.entries.owned().next().unwrap_or_default().data;
        raft.read_states.push(ReadState { index, context });
        return;
    }
    let message = Message {
        index,
        entries: request.entries,
        ..Message::new(MessageType::MsgReadIndexResp, request.from)
    };
    raft.send(message);
}

/// A follower asks its leader. Without one the request is lost, as it would be on the network.
pub(super) fn forward<S: Storage>(raft: &mut Raft<S>, mut request: Message) -> Result<()> {
    let leader = raft.leader();
    if leader != 0 {
        request.to = leader;
        raft.send(request);
    }
    Ok(())
}

/// The leader has answered a follower.
pub(super) fn handle_response<S: Storage>(raft: &mut Raft<S>, response: &Message) {
    if let Some(entry) = response.entries.owned().next() {
        raft.read_states.push(ReadState { index: response.index, context: entry.data });
    }
}
