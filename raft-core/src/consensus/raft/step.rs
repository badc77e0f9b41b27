//! The branching: which handler a message goes to.

use std::mem::take;

use super::role::Role;
use super::state::Raft;
use super::{append, heartbeat, propose, read_index, snapshot, transfer, vote};
use crate::consensus::log::storage::Storage;
use crate::consensus::mutants::{Mutant, is_planted};
use crate::error::Result;
use crate::raftpb::message::{Message, MessageType};

/// Takes one message, of a peer or of this node to itself.
pub(in crate::consensus) fn step<S: Storage>(raft: &mut Raft<S>, message: &mut Message) -> Result<()> {
    raft.trace_received(message);
    if !enter_term(raft, message)? {
        return Ok(());
    }
    use MessageType::*;
    match message.msg_type {
        MsgVote | MsgPreVote => vote::handle_request(raft, message),
        MsgVoteResp | MsgPreVoteResp => vote::handle_response(raft, message),
        MsgForgetLeader => {
            transfer::forget_leader(raft);
            Ok(())
        }
        _ => match raft.role {
            Role::Leader(_) => step_leader(raft, message),
            Role::Follower { .. } => step_follower(raft, message),
            Role::PreCandidate { .. } | Role::Candidate { .. } => step_candidate(raft, message),
        },
    }
}

/// The term rules (thesis 3.3): a newer term makes a follower, an older one is refused. Says whether to go on.
fn enter_term<S: Storage>(raft: &mut Raft<S>, message: &Message) -> Result<bool> {
    use MessageType::*;
    let kind = message.msg_type;
    // No term: a request of the host, or one that was forwarded.
    if message.term == 0 || message.term == raft.term {
        return Ok(true);
    }
    if message.term < raft.term {
        if is_planted(Mutant::IgnoreTerm) {
            return Ok(true);
        }
        refuse_old_term(raft, message)?;
        return Ok(false);
    }
    match kind {
        MsgVote | MsgPreVote if vote::is_in_lease(raft, message) => return Ok(false),
        // Asking, or being told yes, does not change the term: the election that follows does.
        MsgPreVote => {}
        MsgPreVoteResp if !message.reject => {}
        MsgApp | MsgHeartbeat | MsgSnap => raft.become_follower(message.term, message.from),
        _ => raft.become_follower(message.term, 0),
    }
    Ok(true)
}

fn refuse_old_term<S: Storage>(raft: &mut Raft<S>, message: &Message) -> Result<()> {
    use MessageType::*;
    match message.msg_type {
        // With the lease or PreVote this node's newer term never reaches an old leader by an election, nor does that of
        // a node that must not campaign. So the leader is told here; else such a node could never be led again.
        MsgHeartbeat | MsgApp
            if raft.config.check_quorum || raft.config.pre_vote || !raft.is_promotable() =>
        {
            raft.send(Message::new(MsgAppResp, message.from));
        }
        // A candidate behind in term must learn the newer one, or its terms may trail the others' forever.
        MsgVote | MsgPreVote => vote::refuse(raft, message)?,
        _ => {}
    }
    Ok(())
}

fn step_leader<S: Storage>(raft: &mut Raft<S>, message: &mut Message) -> Result<()> {
    use MessageType::*;
    match message.msg_type {
        MsgProp => propose::handle(raft, take(&mut message.entries)),
        MsgReadIndex => read_index::handle(raft, message),
        MsgAppResp => append::handle_response(raft, message),
        MsgHeartbeatResp => heartbeat::handle_response(raft, message),
        MsgTransferLeader => transfer::handle(raft, message.from),
        // Late answers of the election, and what only a second leader of this term could send.
        _ => Ok(()),
    }
}

fn step_candidate<S: Storage>(raft: &mut Raft<S>, message: &mut Message) -> Result<()> {
    use MessageType::*;
    match message.msg_type {
        MsgProp => propose::refuse(raft),
        // Somebody else has won this term.
        MsgApp | MsgHeartbeat | MsgSnap => {
            raft.become_follower(message.term, message.from);
            follow(raft, message)
        }
        _ => Ok(()),
    }
}

fn step_follower<S: Storage>(raft: &mut Raft<S>, message: &mut Message) -> Result<()> {
    use MessageType::*;
    match message.msg_type {
        MsgProp => propose::forward(raft, take(message)),
        MsgReadIndex => read_index::forward(raft, take(message)),
        MsgReadIndexResp => {
            read_index::handle_response(raft, message);
            Ok(())
        }
        MsgTransferLeader => {
            transfer::forward(raft, take(message));
            Ok(())
        }
        MsgTimeoutNow => vote::hup(raft, vote::Campaign::Transfer),
        MsgApp | MsgHeartbeat | MsgSnap => {
            raft.election_elapsed = 0;
            raft.role = Role::Follower { leader: message.from };
            follow(raft, message)
        }
        _ => Ok(()),
    }
}

fn follow<S: Storage>(raft: &mut Raft<S>, message: &mut Message) -> Result<()> {
    raft.promised_at = Some(raft.now.saturating_add(raft.late));
    match message.msg_type {
        MessageType::MsgApp => append::handle(raft, message),
        MessageType::MsgHeartbeat => heartbeat::handle(raft, message),
        MessageType::MsgSnap => snapshot::handle(raft, message),
        _ => Ok(()),
    }
}
