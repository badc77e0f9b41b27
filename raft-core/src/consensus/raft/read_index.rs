//! Linearizable reads without an entry in the log (thesis 6.4).

use super::heartbeat;
use super::read_queue::ReadRequest;
use super::role::Role;
use super::state::Raft;
use crate::consensus::config::ReadOnlyOption;
use crate::consensus::log::storage::Storage;
use crate::consensus::ready::ReadState;
use crate::error::Result;
use crate::raftpb::message::{Message, MessageType};

/// A leader is asked for an index to read at.
pub(super) fn handle<S: Storage>(raft: &mut Raft<S>, message: Message) -> Result<()> {
    let request = ReadRequest { from: message.from, entries: message.entries };
    if !raft.has_committed_in_term()? {
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
    let by_lease = raft.config.read_only == ReadOnlyOption::LeaseBased;
    let Some(leader) = raft.leader_state_mut() else { return };
    // Who hands leadership over no longer has a lease: the target ignores it.
    if is_alone || (by_lease && leader.transferee == 0) {
        answer(raft, committed, request);
        return;
    }
    leader.reads.push(id, committed, request);
    heartbeat::broadcast(raft);
}

/// A member answered a heartbeat that carried `context`.
pub(super) fn acknowledge<S: Storage>(raft: &mut Raft<S>, from: u64, context: &[u8]) {
    if context.is_empty() {
        return;
    }
    let Role::Leader(leader) = &mut raft.role else { return };
    leader.reads.acknowledge_context(from, context);
    for (index, request) in leader.reads.advance(&raft.membership.voters) {
        answer(raft, index, request);
    }
}

fn answer<S: Storage>(raft: &mut Raft<S>, index: u64, request: ReadRequest) {
    if request.from == 0 || request.from == raft.id() {
        let context = request.entries.first().map(|entry| entry.data.clone()).unwrap_or_default();
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
pub(super) fn handle_response<S: Storage>(raft: &mut Raft<S>, response: Message) {
    if let Some(entry) = response.entries.first() {
        raft.read_states.push(ReadState { index: response.index, context: entry.data.clone() });
    }
}
