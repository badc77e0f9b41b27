//! Snapshots from the leader (thesis 5).

use super::recovery;
use super::role::Role;
use super::state::Raft;
use crate::consensus::confchange::restore::restore;
use crate::consensus::log::entry_id::EntryId;
use crate::consensus::log::storage::Storage;
use crate::consensus::tracker::progress::ProgressState;
use crate::error::{Error, Result};
use crate::raftpb::message::{Message, MessageType, Snapshot};

/// A follower takes a snapshot in place of its log, if it is ahead of it.
pub(super) fn handle<S: Storage>(raft: &mut Raft<S>, message: &mut Message) -> Result<()> {
    let Some(snapshot) = message.snapshot.take() else { return Ok(()) };
    let stores = message.stores.take();
    let index = match install(raft, *snapshot)? {
        true => {
            // A member may have been removed and added again, with another disk, in what the snapshot covers.
            raft.stores.learn(stores.as_deref().unwrap_or_default());
            raft.log.last_index()
        }
        false => raft.log.committed(),
    };
    recovery::matches_up_to(raft, index);
    raft.send(Message { index, ..Message::new(MessageType::MsgAppResp, message.from) });
    Ok(())
}

fn install<S: Storage>(raft: &mut Raft<S>, snapshot: Snapshot) -> Result<bool> {
    let metadata = &snapshot.metadata;
    if metadata.index <= raft.log.committed() {
        raft.log.check_committed(EntryId::from(metadata))?;
        return Ok(false);
    }
    if !matches!(raft.role, Role::Follower { .. }) {
        return Ok(false);
    }
    // A membership without this node is from before it was added, or from after it was removed.
    if !metadata.conf_state.contains(raft.id()) {
        return Ok(false);
    }
    if raft.log.contains(EntryId::from(metadata)) {
        // The log holds all that the snapshot covers, which is committed then.
        raft.log.commit_to(metadata.index)?;
        return Ok(false);
    }
    let (messages, bytes) = (raft.config.inflight_messages_max, raft.config.inflight_bytes_max);
    let (membership, _) = restore(&metadata.conf_state, metadata.index, messages, bytes)
        .map_err(|error| Error::Decode(format!("a snapshot of an impossible membership: {error}")))?;
    raft.trace_membership(&membership);
    raft.membership = membership;
    raft.changed_at = metadata.index;
    raft.stores.retain(|id| raft.membership.contains(id));
    raft.log.restore(snapshot);
    Ok(true)
}

/// The host says how sending a snapshot to `id` went.
pub(in crate::consensus) fn report<S: Storage>(raft: &mut Raft<S>, id: u64, ok: bool) {
    let Some(progress) = raft.leader_state_mut().and_then(|leader| leader.progress.get_mut(id)) else {
        return;
    };
    if !matches!(progress.state, ProgressState::Snapshot { .. }) {
        return;
    }
    if !ok {
        progress.forget_pending_snapshot();
    }
    progress.become_probe();
    // Not before it is heard of again: the report says that the bytes left, not that they are in place.
    progress.msg_app_flow_paused = true;
}
