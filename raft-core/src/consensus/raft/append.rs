//! `MsgApp` and its answer: the log of a follower is brought to equal the leader's.

use super::heartbeat::LOST_TAIL;
use super::read_index;
use super::recovery;
use super::replicate;
use super::state::Raft;
use super::transfer;
use crate::consensus::log::entry_id::EntryId;
use crate::consensus::log::storage::Storage;
use crate::consensus::tracker::progress::ProgressState;
use crate::error::{Error, Result};
use crate::raftpb::message::{Message, MessageType};

/// A follower takes entries in, or says where the leader had better try. Word of a new commit index alone is answered only
/// where it does not fit: a quarter of all messages of a proposal that comes alone would be such answers.
pub(super) fn handle<S: Storage>(raft: &mut Raft<S>, append: &mut Message) -> Result<()> {
    let prev = EntryId::new(append.log_term, append.index);
    if let Some(last) = raft.log.maybe_append(prev, std::mem::take(&mut append.entries), append.commit)? {
        recovery::matches_up_to(raft, last);
        if !append.quiet {
            raft.acknowledge(append.from, last);
        }
        return Ok(());
    }
    // Everything this log holds behind a term above the leader's cannot match, so one answer may skip a whole term of
    // it (thesis 3.5, the optimisation at its end, and a term with it).
    let hint = raft.log.find_conflict_by_term(prev.index.min(raft.log.last_index()), prev.term)?;
    raft.send(Message {
        index: prev.index,
        reject: true,
        reject_hint: hint.index,
        log_term: hint.term,
        ..Message::new(MessageType::MsgAppResp, append.from)
    });
    Ok(())
}

/// A leader learns how far a member is; its own answer comes here too, once its write is durable.
pub(super) fn handle_response<S: Storage>(raft: &mut Raft<S>, response: &Message) -> Result<()> {
    if response.index > raft.log.last_index() && !response.reject {
        return Err(Error::Contradiction(format!(
            "node {} acknowledges entry {} of a log that ends at {}",
            response.from,
            response.index,
            raft.log.last_index()
        )));
    }
    let Some(progress) = raft.expect_leader()?.progress.get_mut(response.from) else { return Ok(()) };
    progress.recent_active = true;
    if !response.reject {
        return accepted(raft, response.from, response.index);
    }
    if response.context.as_ref() == LOST_TAIL {
        // It has fewer entries than it once acknowledged. What it lost no longer counts for it.
        progress.matched = progress.matched.min(response.reject_hint);
        progress.next = progress.matched + 1;
        progress.become_probe();
        return replicate::send_append(raft, response.from);
    }
    rejected(raft, response)
}

fn rejected<S: Storage>(raft: &mut Raft<S>, response: &Message) -> Result<()> {
    // The follower's term at its hint bounds where the logs can agree: skip what this log holds of higher terms.
    let hint = match response.log_term {
        0 => response.reject_hint,
        term => raft.log.find_conflict_by_term(response.reject_hint, term)?.index,
    };
    let Some(progress) = raft.expect_leader()?.progress.get_mut(response.from) else { return Ok(()) };
    if progress.maybe_decr_to(response.index, hint) {
        if progress.state == ProgressState::Replicate {
            progress.become_probe();
        }
        replicate::send_append(raft, response.from)?;
    }
    Ok(())
}

fn accepted<S: Storage>(raft: &mut Raft<S>, from: u64, index: u64) -> Result<()> {
    let first_index = raft.log.first_index();
    let Some(progress) = raft.expect_leader()?.progress.get_mut(from) else { return Ok(()) };
    let is_news = progress.maybe_update(index);
    let confirms_probe = progress.matched == index && progress.state == ProgressState::Probe;
    if !is_news && !confirms_probe {
        return Ok(());
    }
    match progress.state {
        ProgressState::Probe => progress.become_replicate(),
        // Whatever snapshot it took: from here on the log suffices.
        ProgressState::Snapshot { .. } if progress.matched + 1 >= first_index => {
            progress.become_probe();
            progress.become_replicate();
        }
        ProgressState::Snapshot { .. } => {}
        ProgressState::Replicate => progress.inflights.free_le(index),
    }
    let is_peer = from != raft.id();
    if replicate::maybe_commit(raft)? {
        read_index::release_postponed(raft)?;
        replicate::broadcast(raft)?;
    } else if is_peer && replicate::can_bump_commit(raft, from) {
        // It holds entries that it does not know to be committed.
        replicate::send_append(raft, from)?;
    }
    // Room in its window may have been freed: fill it, without empty messages.
    while is_peer && replicate::maybe_send_append(raft, from, false)? {}
    transfer::complete(raft, from)
}
