//! Tickets come back: a write is durable, entries are applied.

use std::mem::take;

use super::reconfigure;
use super::recovery;
use super::state::Raft;
use super::step;
use crate::consensus::log::storage::Storage;
use crate::consensus::mutants::{Mutant, is_planted};
use crate::consensus::ready::{AppendTicket, ApplyTicket};
use crate::error::Result;
use crate::raftpb::conf_change::ConfChangeV2;

/// The ticket's write is durable: counts this node's own acknowledgement and vote, and leaves in it what may be said now.
pub(in crate::consensus) fn appended<S: Storage>(
    raft: &mut Raft<S>,
    ticket: &mut AppendTicket,
) -> Result<()> {
    let AppendTicket { term, hard_state, snapshot, entries, stable, messages, .. } = ticket;
    if let Some(hard_state) = hard_state {
        raft.outbox.durable_term = hard_state.term;
    }
    raft.log.publish(snapshot.as_deref(), take(entries))?;
    let id = raft.id();
    let mut failure = None;
    // Where they lie: to take a message out would move all of it.
    messages.retain_mut(|message| {
        let is_own = message.to == id;
        if is_own && failure.is_none() {
            failure = step::step(raft, message).err();
        }
        !is_own
    });
    if let Some(error) = failure {
        return Err(error);
    }
    // In a newer term the unstable log may hold other entries at the same indices, and then again the same: only a
    // write of this term counts (the ABA problem).
    if let Some(stable) = stable.filter(|_| *term == raft.term || is_planted(Mutant::IgnoreAba)) {
        raft.log.stable_to(stable);
    }
    if let Some(snapshot) = snapshot {
        let index = snapshot.metadata.index;
        raft.log.stable_snapshot_to(index);
        applied_to(raft, index.max(raft.log.applied()), 0)?;
    }
    recovery::check(raft)
}

/// Membership changes among applied entries take effect. Comes before `applied` for the same ticket.
pub(in crate::consensus) fn reconfigure<S: Storage>(raft: &mut Raft<S>, ticket: &ApplyTicket) -> Result<()> {
    // A snapshot received since the ticket was handed out has brought the membership behind its entries: done again,
    // a change would be done to what came after it.
    let covered = raft.log.applied().max(raft.log.first_index().saturating_sub(1));
    let repeats = is_planted(Mutant::RepeatOvertakenChange);
    for entry in ticket.entries().changes().filter(|entry| entry.index > covered || repeats) {
        let change = ConfChangeV2::of(&entry)?;
        raft.changed_at = raft.changed_at.max(entry.index);
        reconfigure::apply(raft, &change)?;
    }
    Ok(())
}

/// The ticket's entries are in the state machine.
pub(in crate::consensus) fn applied<S: Storage>(raft: &mut Raft<S>, ticket: &ApplyTicket) -> Result<()> {
    let Some(last) = ticket.entries().last() else { return Ok(()) };
    applied_to(raft, last.index.max(raft.log.applied()), ticket.bytes)?;
    raft.reduce_uncommitted(ticket.entries().payload_len() as u64);
    Ok(())
}

fn applied_to<S: Storage>(raft: &mut Raft<S>, index: u64, bytes: u64) -> Result<()> {
    raft.log.applied_to(index, bytes)?;
    reconfigure::leave_joint(raft);
    Ok(())
}
