//! Membership changes take effect (thesis 4).

use super::propose;
use super::read_index;
use super::replicate;
use super::role::Role;
use super::state::Raft;
use crate::consensus::confchange::changer::Changer;
use crate::consensus::log::storage::Storage;
use crate::error::Result;
use crate::raftpb::conf_change::ConfChangeV2;
use crate::raftpb::entry::{Entries, Entry, EntryType};

/// Switches to the configuration that `change` makes of the present one. A change that is not possible has no effect,
/// the same on every node: a leader lets none into the log, so only a host that turned the check off sees one.
pub(in crate::consensus) fn apply<S: Storage>(raft: &mut Raft<S>, change: &ConfChangeV2) -> Result<()> {
    let fresh;
    let progress = match &raft.role {
        Role::Leader(leader) => &leader.progress,
        _ => {
            fresh = raft.fresh_progress();
            &fresh
        }
    };
    let changer = Changer {
        config: &raft.membership,
        progress,
        last_index: raft.log.last_index(),
        inflight_messages_max: raft.config.inflight_messages_max,
        inflight_bytes_max: raft.config.inflight_bytes_max,
    };
    let Ok((membership, progress)) = changer.apply(change) else { return Ok(()) };
    raft.trace_membership(&membership);
    raft.membership = membership;
    raft.stores.retain(|id| raft.membership.contains(id));
    match &mut raft.role {
        Role::Leader(leader) => leader.progress = progress,
        Role::Follower { .. } => return Ok(()),
        // What it is refused with can tell a candidate that it has been removed or demoted: it is not to win any more.
        Role::PreCandidate { .. } | Role::Candidate { .. } => {
            if !raft.membership.voters.contains(raft.id()) {
                raft.become_follower(raft.term, 0);
            }
            return Ok(());
        }
    }
    lead_on(raft)
}

/// A leader proposes to leave a joint configuration that is to be left by itself, once it is in force. Called whenever
/// an entry is applied, and once in an election timeout: a transfer may have stood in the way, and no entry may follow.
pub(super) fn leave_joint<S: Storage>(raft: &mut Raft<S>) {
    let Role::Leader(leader) = &raft.role else { return };
    if raft.membership.auto_leave && raft.log.applied() >= leader.pending_conf_index {
        // A change with no data is the one that leaves.
        let leave = Entry { entry_type: EntryType::ConfChangeV2, ..Entry::default() };
        let _ = propose::append(raft, Entries::from(leave));
    }
}

/// What a leader does under a new configuration.
fn lead_on<S: Storage>(raft: &mut Raft<S>) -> Result<()> {
    let id = raft.id();
    let is_voter = raft.membership.voters.contains(id);
    if !is_voter {
        // Removed or demoted, it has no business to lead; the others elect one of theirs.
        if raft.config.step_down_on_removal {
            raft.become_follower(raft.term, 0);
        }
        return Ok(());
    }
    if replicate::maybe_commit(raft)? {
        // A smaller quorum may have committed more.
        read_index::release_postponed(raft)?;
        replicate::broadcast(raft)?;
    } else {
        // New members are probed now instead of at the next heartbeat.
        replicate::for_each_peer(raft, |raft, id| replicate::maybe_send_append(raft, id, false).map(|_| ()))?;
    }
    if let Role::Leader(leader) = &mut raft.role
        && !raft.membership.voters.contains(leader.transferee)
    {
        leader.transferee = 0;
    }
    read_index::release_confirmed(raft);
    Ok(())
}
