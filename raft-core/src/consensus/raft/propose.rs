//! Proposals.

use super::replicate;
use super::role::Role;
use super::state::Raft;
use crate::consensus::confchange::changer::Changer;
use crate::consensus::log::entry_id::EntryId;
use crate::consensus::log::storage::Storage;
use crate::consensus::mutants::{Mutant, is_planted};
use crate::error::{Dropped, Error, Result};
use crate::raftpb::conf_change::ConfChangeV2;
use crate::raftpb::entry::{Entries, Entry, EntryType};
use crate::raftpb::message::Message;

/// A leader appends a proposal to its log and sends it on.
pub(super) fn handle<S: Storage>(raft: &mut Raft<S>, entries: Entries) -> Result<()> {
    append(raft, entries).map(|_| ())
}

/// Like `handle`, and tells the id of the first entry.
pub(in crate::consensus) fn append<S: Storage>(raft: &mut Raft<S>, entries: Entries) -> Result<EntryId> {
    let is_member = raft.membership.contains(raft.id());
    let leader = raft.expect_leader()?;
    if !is_member {
        return Err(Error::ProposalDropped(Dropped::NotMember));
    }
    // The target of a transfer must be able to catch up.
    if leader.transferee != 0 {
        return Err(Error::ProposalDropped(Dropped::Transferring));
    }
    let pending = leader.pending_conf_index;
    let appended = admit_conf_changes(raft, entries).and_then(|entries| raft.append_as_leader(entries));
    if appended.is_err() {
        // What was refused is not in the log: nothing has to wait until it is applied.
        raft.expect_leader()?.pending_conf_index = pending;
    }
    let first = appended?;
    replicate::broadcast(raft)?;
    Ok(first)
}

/// Lets at most one membership change pass, and only if the log holds no other that is not applied. The rest becomes
/// empty entries: a forwarding node cannot be told, and the log must go on.
fn admit_conf_changes<S: Storage>(raft: &mut Raft<S>, entries: Entries) -> Result<Entries> {
    if entries.changes().next().is_none() {
        return Ok(entries);
    }
    let last_index = raft.log.last_index();
    let mut admitted: Vec<Entry> = entries.owned().collect();
    for (at, entry) in admitted.iter_mut().enumerate() {
        if entry.entry_type == EntryType::Normal {
            continue;
        }
        let change = ConfChangeV2::of(entry)?;
        match check(raft, &change) {
            Err(_) if raft.config.validate_conf_changes => *entry = Entry::default(),
            _ => {
                raft.expect_leader()?.pending_conf_index = last_index + 1 + at as u64;
                raft.trace_change(&change);
            }
        }
    }
    Ok(Entries::from(admitted))
}

/// Whether a leader may append `change` now.
pub(in crate::consensus) fn check<S: Storage>(raft: &Raft<S>, change: &ConfChangeV2) -> Result<()> {
    let Role::Leader(leader) = &raft.role else { return Ok(()) };
    let refused = |text: String| Err(Error::ConfChange(text));
    let is_joint = raft.membership.is_joint();
    let wants_leave = change.changes.is_empty();
    if leader.pending_conf_index > raft.log.applied() && !is_planted(Mutant::SecondUnappliedChange) {
        return refused(format!("the one at index {} is not applied yet", leader.pending_conf_index));
    }
    if is_joint && !wants_leave {
        return refused("the joint configuration has to be left first".to_owned());
    }
    if !is_joint && wants_leave {
        return refused("there is no joint configuration to leave".to_owned());
    }
    let changer = Changer {
        config: &raft.membership,
        progress: &leader.progress,
        last_index: raft.log.last_index(),
        inflight_messages_max: raft.config.inflight_messages_max,
        inflight_bytes_max: raft.config.inflight_bytes_max,
    };
    changer.apply(change).map(|_| ())
}

/// A follower passes a proposal on.
pub(super) fn forward<S: Storage>(raft: &mut Raft<S>, mut proposal: Message) -> Result<()> {
    let leader = raft.leader();
    if leader == 0 || !raft.config.forward_proposals {
        return refuse(raft);
    }
    proposal.to = leader;
    raft.send(proposal);
    Ok(())
}

/// There is nobody to give a proposal to, or this node is not to do it.
pub(super) fn refuse<S: Storage>(raft: &Raft<S>) -> Result<()> {
    Err(Error::ProposalDropped(match raft.leader() {
        0 => Dropped::NoLeader,
        leader => Dropped::NotLeader(leader),
    }))
}

impl<S: Storage> Raft<S> {
    /// Numbers entries and puts them at the end of the log. The own acknowledgement follows once they are durable.
    pub(super) fn append_as_leader(&mut self, entries: Entries) -> Result<EntryId> {
        let first = EntryId::new(self.term, self.log.last_index() + 1);
        let bytes = entries.payload_len() as u64;
        let limit = self.config.uncommitted_limit();
        let leader = self.expect_leader()?;
        // The first may be larger than the limit, else it could never pass; empty ones always pass, since a leader
        // needs them to open its term and to leave a joint configuration.
        if leader.uncommitted_bytes > 0 && bytes > 0 && leader.uncommitted_bytes.saturating_add(bytes) > limit
        {
            return Err(Error::ProposalDropped(Dropped::UncommittedFull));
        }
        leader.uncommitted_bytes = leader.uncommitted_bytes.saturating_add(bytes);
        for _ in 0..entries.len() - entries.changes().count() {
            self.trace("Replicate");
        }
        self.log.append(entries.number(first.term, first.index))?;
        self.acknowledge(self.id(), self.log.last_index());
        Ok(first)
    }

    /// Payload that was applied is not uncommitted any more.
    pub(super) fn reduce_uncommitted(&mut self, bytes: u64) {
        if let Some(leader) = self.leader_state_mut() {
            leader.uncommitted_bytes = leader.uncommitted_bytes.saturating_sub(bytes);
        }
    }
}
