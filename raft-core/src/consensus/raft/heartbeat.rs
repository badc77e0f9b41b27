//! Heartbeats: the leader is there, and its followers say that they are.

use super::read_index;
use super::recovery;
use super::replicate;
use super::role::Role;
use super::state::Raft;
use crate::consensus::config::ReadOnlyOption;
use crate::consensus::log::storage::Storage;
use crate::consensus::mutants::{Mutant, is_planted};
use crate::consensus::tracker::progress::ProgressState;
use crate::error::Result;
use crate::raftpb::message::{Message, MessageType};

/// Marks a rejection by a node that holds less than its leader knows it to have held. Other implementations read no
/// context on a `MsgAppResp`.
pub(super) const LOST_TAIL: &[u8] = b"LostTail";

/// Sends a heartbeat to every other member. Reads that wait for a quorum ride along.
pub(super) fn broadcast<S: Storage>(raft: &mut Raft<S>) {
    let id = raft.id();
    let Raft { role: Role::Leader(leader), log, outbox, term, config, now, stores, .. } = raft else {
        return;
    };
    let context = leader.reads.begin_round(*now, config.read_only == ReadOnlyOption::LeaseBased);
    for (to, progress) in leader.progress.iter_mut() {
        if to == id {
            continue;
        }
        // A follower may hold entries that conflict with the log behind what it is known to match.
        let is_careless = is_planted(Mutant::CommitUnmatchedByHeartbeat);
        let commit = if is_careless { log.committed() } else { progress.matched.min(log.committed()) };
        progress.note_sent_commit(commit);
        let (context, stores) = (context.clone(), stores.tell());
        // What is known of disks is as of here; without it the field stays empty, as others leave it.
        let index = if stores.is_some() { log.applied() } else { 0 };
        let message =
            Message { commit, index, context, stores, ..Message::new(MessageType::MsgHeartbeat, to) };
        outbox.send(*term, message);
    }
}

pub(super) fn handle<S: Storage>(raft: &mut Raft<S>, heartbeat: &mut Message) -> Result<()> {
    // A late one would bring back the number of a disk that went with a member's removal.
    if heartbeat.index >= raft.changed_at {
        raft.stores.learn(heartbeat.stores.as_deref().unwrap_or_default());
    }
    if heartbeat.commit > recovery::certain_index(raft) {
        // The leader knows this node to hold entries that it does not: its disk was lost or rolled back. It asks for
        // them again instead of trusting, or dying on, a log it no longer has.
        recovery::begin(raft);
        recovery::tell_lost_tail(raft, heartbeat.from, heartbeat.commit)?;
    } else {
        raft.log.commit_to(heartbeat.commit)?;
    }
    let context = std::mem::take(&mut heartbeat.context);
    raft.send(Message { context, ..Message::new(MessageType::MsgHeartbeatResp, heartbeat.from) });
    Ok(())
}

pub(super) fn handle_response<S: Storage>(raft: &mut Raft<S>, response: &Message) -> Result<()> {
    let last_index = raft.log.last_index();
    let Some(progress) = raft.expect_leader()?.progress.get_mut(response.from) else { return Ok(()) };
    progress.recent_active = true;
    progress.msg_app_flow_paused = false;
    // It may have missed an append. An empty one finds out, and costs little.
    if progress.matched < last_index || progress.state == ProgressState::Probe {
        replicate::send_append(raft, response.from)?;
    }
    read_index::acknowledge(raft, response.from, &response.context);
    Ok(())
}
