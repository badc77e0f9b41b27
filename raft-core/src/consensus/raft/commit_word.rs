//! Word of what is committed, carried by requests for votes and by refusals.
//!
//! Membership changes take effect when they are applied, so two nodes may go by different memberships: a voter that has
//! not heard of its promotion does not campaign, one that has been removed and has more entries does not vote for
//! those that still ask it. Without a leader neither would ever hear. So they tell each other in an election. The word
//! rides in the context, which other implementations read only to find the mark of a transfer.

use bytes::{BufMut, Bytes, BytesMut};

use super::state::Raft;
use crate::consensus::log::entry_id::EntryId;
use crate::consensus::log::storage::Storage;
use crate::error::Result;

const MARK: &[u8] = b"Committed";

/// The last entry that is known here to be committed: the mark, and its term and index in eight bytes each.
pub(super) fn say<S: Storage>(raft: &Raft<S>) -> Result<Bytes> {
    let index = raft.log.committed();
    let mut word = BytesMut::with_capacity(MARK.len() + 16);
    word.put_slice(MARK);
    word.put_u64_le(raft.log.term_or_zero(index)?);
    word.put_u64_le(index);
    Ok(word.freeze())
}

/// Commits what another node has said is committed, if this log holds it: that entry is then the same in both, and so
/// is all before it. A leader knows better.
pub(super) fn hear<S: Storage>(raft: &mut Raft<S>, context: &[u8]) -> Result<()> {
    let Some((term, index)) = context.strip_prefix(MARK).and_then(|rest| rest.split_first_chunk::<8>())
    else {
        return Ok(());
    };
    let Ok(index) = <[u8; 8]>::try_from(index) else { return Ok(()) };
    let id = EntryId::new(u64::from_le_bytes(*term), u64::from_le_bytes(index));
    if raft.leader_state().is_none() && id.index <= raft.log.last_index() {
        raft.log.maybe_commit(id)?;
    }
    Ok(())
}
