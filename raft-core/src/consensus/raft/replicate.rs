//! What a leader sends to bring a member on.

use super::role::Role;
use super::state::Raft;
use crate::consensus::log::entry_id::EntryId;
use crate::consensus::log::storage::Storage;
use crate::consensus::mutants::{Mutant, is_planted};
use crate::consensus::tracker::progress::ProgressState;
use crate::error::{Error, Result};
use crate::raftpb::entry::Entries;
use crate::raftpb::message::{Message, MessageType};

/// Sends every other member what it lacks, or at least word of the commit index.
pub(super) fn broadcast<S: Storage>(raft: &mut Raft<S>) -> Result<()> {
    for_each_peer(raft, |raft, id| send_append(raft, id))
}

/// Calls `visit` for each other member, by ascending id.
pub(super) fn for_each_peer<S: Storage>(
    raft: &mut Raft<S>,
    mut visit: impl FnMut(&mut Raft<S>, u64) -> Result<()>,
) -> Result<()> {
    let mut at = 0;
    // A visit sends and does not change who is a member.
    while let Some(id) = raft.leader_state().and_then(|leader| leader.progress.id_at(at)) {
        if id != raft.id() {
            visit(raft, id)?;
        }
        at += 1;
    }
    Ok(())
}

/// Sends an append even if there are no entries for it.
pub(super) fn send_append<S: Storage>(raft: &mut Raft<S>, to: u64) -> Result<()> {
    maybe_send_append(raft, to, true).map(|_| ())
}

/// Sends entries, or a snapshot where they are gone; nothing to a member that is paused. Says whether it did.
pub(super) fn maybe_send_append<S: Storage>(
    raft: &mut Raft<S>,
    to: u64,
    send_if_empty: bool,
) -> Result<bool> {
    let Raft { role: Role::Leader(leader), log, outbox, config, term, .. } = raft else { return Ok(false) };
    let Some(progress) = leader.progress.get_mut(to) else { return Ok(false) };
    if progress.is_paused() {
        return Ok(false);
    }
    let prev_index = progress.next - 1;
    if prev_index == log.last_index() && !send_if_empty {
        return Ok(false);
    }
    let prev_term = match log.term(prev_index) {
        Ok(term) => term,
        Err(Error::Compacted | Error::Unavailable) => return send_snapshot(raft, to),
        Err(error) => return Err(error),
    };
    // A full window still lets one empty message through, to carry the commit index and to learn of loss.
    let has_room = progress.state != ProgressState::Replicate || !progress.inflights.full();
    let entries = match has_room {
        true => match log.entries_from(progress.next, config.message_bytes_max) {
            Err(Error::Compacted) => return send_snapshot(raft, to),
            other => other?,
        },
        false => Entries::new(),
    };
    if entries.is_empty() && !send_if_empty {
        return Ok(false);
    }
    let commit = log.committed();
    // What it would say is known: it holds all that it was sent.
    let quiet =
        entries.is_empty() && progress.state == ProgressState::Replicate && progress.matched == prev_index;
    progress.sent_entries(entries.len(), entries.payload_len() as u64)?;
    progress.note_sent_commit(commit);
    outbox.put(*term, MessageType::MsgApp, to, |message| {
        message.index = prev_index;
        message.log_term = prev_term;
        message.entries = entries;
        message.commit = commit;
        message.quiet = quiet;
    });
    Ok(true)
}

/// Sends a snapshot to a member whose next entry is gone, if it has been heard of and if there is one.
fn send_snapshot<S: Storage>(raft: &mut Raft<S>, to: u64) -> Result<bool> {
    let Raft { role: Role::Leader(leader), log, outbox, term, stores, .. } = raft else { return Ok(false) };
    let Some(progress) = leader.progress.get_mut(to) else { return Ok(false) };
    if !progress.recent_active {
        return Ok(false);
    }
    let snapshot = match log.snapshot(to) {
        Err(Error::SnapshotTemporarilyUnavailable) => return Ok(false),
        other => other?,
    };
    if snapshot.is_empty() {
        return Err(Error::Invariant("the storage gave an empty snapshot".to_owned()));
    }
    progress.become_snapshot(snapshot.metadata.index);
    let (snapshot, stores) = (Some(Box::new(snapshot)), stores.tell());
    outbox.send(*term, Message { snapshot, stores, ..Message::new(MessageType::MsgSnap, to) });
    Ok(true)
}

/// Moves the commit index to what a quorum holds, of this term only (thesis 3.6.2).
pub(super) fn maybe_commit<S: Storage>(raft: &mut Raft<S>) -> Result<bool> {
    let (id, last_index) = (raft.id(), raft.log.last_index());
    let Role::Leader(leader) = &mut raft.role else { return Ok(false) };
    if is_planted(Mutant::CountUnsyncedOwnEntries)
        && let Some(own) = leader.progress.get_mut(id)
    {
        own.maybe_update(last_index);
    }
    let index = leader.progress.committed(&raft.membership);
    let by_counting = is_planted(Mutant::CommitOldTermByCounting);
    let term = if by_counting { raft.log.term_or_zero(index)? } else { raft.term };
    let is_news = raft.log.maybe_commit(EntryId::new(term, index))?;
    raft.trace("Commit");
    Ok(is_news)
}

/// Whether word of the commit index would tell the member something.
pub(super) fn can_bump_commit<S: Storage>(raft: &Raft<S>, to: u64) -> bool {
    let progress = raft.leader_state().and_then(|leader| leader.progress.get(to));
    progress.is_some_and(|progress| progress.can_bump_commit(raft.log.committed()))
}

/// A message to `id` was lost: send one at a time until it answers.
pub(in crate::consensus) fn report_unreachable<S: Storage>(raft: &mut Raft<S>, id: u64) {
    let is_peer = id != raft.id();
    if let Some(progress) = raft.leader_state_mut().and_then(|leader| leader.progress.get_mut(id))
        && is_peer
        && progress.state == ProgressState::Replicate
    {
        progress.become_probe();
    }
}
