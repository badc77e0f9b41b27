//! [`Recovery`]: a node whose disk has lost a part of what it had acknowledged.
//!
//! An acknowledgement is a promise not to help elect anybody who lacks the entry. A node that no longer knows what it
//! acknowledged can keep the promise in one way only: by helping nobody. So it grants no vote and no pre-vote, and does
//! not campaign, also when a leader asks it to. Everything else it does: it takes entries and snapshots and acknowledges
//! what it really holds, so a leader needs no other member to commit. That it cannot vote twice does not depend on the
//! log: term and vote have a second copy on its disk.
//!
//! The promises are void as soon as the node holds what they were about. Let T be the term it had seen when the loss was
//! found. Whatever was committed with its help was acknowledged by it in some term t, not above T, to the leader of t.
//!
//! * A leader of a term above t holds it: it was elected by a majority without this node, or before the loss with its
//!   vote, when that still spoke for its whole log. The leader of t holds it because a leader never drops an entry.
//! * So if the log agrees with that of a leader, in the node's own term or above, as far as the node may ever have
//!   acknowledged, then nothing is missing from it any more.
//! * And if it agrees with a leader's up to an entry of a term above T, then that entry's leader held all of it at a
//!   lower index, and so does every log with that entry.
//!
//! A log that was cut off may hold what had been overwritten behind the cut, and a leader still believes that it
//! matches as far as it once did. So a recovering node believes no commit index beyond what it has itself compared with
//! this leader, and answers one with where it stands, which takes back what that leader counts.

use bytes::Bytes;

use super::heartbeat::LOST_TAIL;
use super::state::Raft;
use crate::consensus::log::storage::Storage;
use crate::consensus::lost::Lost;
use crate::consensus::mutants::{Mutant, is_planted};
use crate::error::Result;
use crate::raftpb::message::{Message, MessageType};

/// What was lost, and how far the log is compared.
#[derive(Clone, Copy, Debug)]
pub(in crate::consensus) struct Recovery {
    pub(in crate::consensus) lost: Lost,
    // The term of the leader, and the last index up to which the log is its log.
    matched: (u64, u64),
}

impl Recovery {
    pub(super) fn new(lost: Lost) -> Self {
        Recovery { lost, matched: (0, 0) }
    }
}

/// The log is that of this term's leader up to `index`.
pub(super) fn matches_up_to<S>(raft: &mut Raft<S>, index: u64) {
    let term = raft.term;
    if let Some(recovery) = &mut raft.recovery {
        recovery.matched = recovery.matched.max((term, index));
    }
}

/// A leader knows this node to hold what it does not hold. Nobody can tell what else it has acknowledged, in this term
/// too, so only an entry of a later one ends the recovery. One whose disk the group counts as gone has promised nothing
/// that counts, once it is added again.
pub(super) fn begin<S>(raft: &mut Raft<S>) {
    let is_member = raft.recovery.is_none() && !raft.stores.is_replaced();
    if is_member && !is_planted(Mutant::TrustRolledBackDisk) {
        raft.recovery = Some(Recovery::new(Lost { last: u64::MAX, term: raft.term }));
    }
}

/// How far the log is known to be that of this term's leader; without a loss, as far as it says itself.
pub(super) fn certain_index<S: Storage>(raft: &Raft<S>) -> u64 {
    match &raft.recovery {
        Some(Recovery { matched: (term, index), .. }) if *term == raft.term => {
            (*index).max(raft.log.committed())
        }
        Some(_) if !is_planted(Mutant::BelieveUncomparedCommit) => raft.log.committed(),
        _ => raft.log.last_index(),
    }
}

/// Tells the leader that this node holds less than that one believes, from `index` on.
pub(super) fn tell_lost_tail<S: Storage>(raft: &mut Raft<S>, to: u64, index: u64) -> Result<()> {
    let certain = certain_index(raft);
    let log_term = raft.log.term_or_zero(certain)?;
    raft.send(Message {
        index,
        reject: true,
        reject_hint: certain,
        log_term,
        context: Bytes::from_static(LOST_TAIL),
        ..Message::new(MessageType::MsgAppResp, to)
    });
    Ok(())
}

/// Something became durable: ends the recovery if nothing is missing any more.
pub(super) fn check<S: Storage>(raft: &mut Raft<S>) -> Result<()> {
    let Some(Recovery { lost, matched: (term, matched) }) = raft.recovery else { return Ok(()) };
    if term != raft.term || term < lost.term || raft.log.has_unstable_snapshot() {
        return Ok(());
    }
    let durable = match is_planted(Mutant::RecoverBeforeDurable) {
        true => raft.log.last_index(),
        false => raft.log.last_durable_id()?.index,
    };
    let index = matched.min(durable);
    if index >= lost.last || raft.log.term_or_zero(index)? > lost.term {
        raft.recovery = None;
    }
    Ok(())
}
