//! What a message from outside must fulfil before anything looks at it.
//!
//! Behind this gate a message is well formed. It may still be late, doubled or from a node that has since been
//! removed: the handlers expect that.

use super::state::Raft;
use crate::consensus::log::storage::Storage;
use crate::error::{Error, Result};
use crate::raftpb::conf_change::{ConfChange, ConfChangeV2};
use crate::raftpb::entry::{EntryRef, EntryType};
use crate::raftpb::message::{Message, MessageType};

/// Indices and terms beyond it are not reached in the life of a cluster; they would overflow what is added to them.
const NUMBER_MAX: u64 = u64::MAX / 2;

/// Refuses a message that no correct peer sends.
pub(in crate::consensus) fn check<S: Storage>(raft: &mut Raft<S>, message: &Message) -> Result<()> {
    use MessageType::*;
    let kind = message.msg_type;
    if kind.is_local() {
        return Err(Error::StepLocalMessage(format!("{kind:?}")));
    }
    if message.to != raft.id() {
        return Err(Error::WrongReceiver(message.to));
    }
    // A request of a host may carry no sender or this node, and a transfer carries its target as the sender.
    let is_request = matches!(kind, MsgProp | MsgReadIndex | MsgTransferLeader | MsgForgetLeader);
    if !is_request && (message.from == 0 || message.from == raft.id()) {
        return Err(malformed(message, "names no peer as its sender"));
    }
    if !is_request && message.term == 0 {
        return Err(malformed(message, "names no term"));
    }
    if kind.is_response() && kind != MsgReadIndexResp && !raft.membership.contains(message.from) {
        return Err(Error::StepPeerNotFound(message.from));
    }
    let numbers = [message.term, message.log_term, message.index, message.commit, message.reject_hint];
    if numbers.into_iter().any(|number| number > NUMBER_MAX) {
        return Err(malformed(message, "holds a number out of range"));
    }
    // Who leads was elected by those who knew its disk. Whoever missed that it was removed and added again learns of it
    // from what it sends as a leader, and only from that.
    let is_of_leader = matches!(kind, MsgApp | MsgHeartbeat | MsgSnap | MsgTimeoutNow | MsgReadIndexResp);
    if !is_request && !is_of_leader && raft.membership.contains(message.from) {
        // What is left over from an earlier term may be from before the sender was removed and added again.
        raft.stores.check(message.from, message.store, message.term >= raft.term)?;
    }
    match kind {
        MsgApp => check_append(message),
        MsgProp if message.entries.is_empty() => Err(malformed(message, "holds no entry")),
        MsgProp => message.entries.iter().try_for_each(check_payload),
        MsgSnap => check_snapshot(message),
        MsgReadIndex | MsgReadIndexResp if message.entries.len() != 1 => {
            Err(malformed(message, "does not hold one entry"))
        }
        _ => Ok(()),
    }
}

/// Entries follow `index` without gap, in terms that do not fall and are not ahead of their leader's.
fn check_append(message: &Message) -> Result<()> {
    if message.log_term > message.term {
        return Err(malformed(message, "follows an entry of an impossible term"));
    }
    let (mut index, mut term) = (message.index, message.log_term);
    let (mut is_ordered, mut is_possible) = (true, true);
    message.entries.iter().for_each(|entry| {
        index += 1;
        is_ordered &= entry.index == index;
        is_possible &= term <= entry.term && entry.term <= message.term;
        term = entry.term;
    });
    if !is_ordered {
        return Err(malformed(message, "holds entries out of order"));
    }
    if !is_possible {
        return Err(malformed(message, "holds an entry of an impossible term"));
    }
    message.entries.changes().try_for_each(check_payload)
}

/// A membership change that nobody can read must not get into the log, where everybody has to apply it.
fn check_payload(entry: EntryRef<'_>) -> Result<()> {
    match entry.entry_type {
        EntryType::Normal => Ok(()),
        EntryType::ConfChange => ConfChange::read(entry.data).map(|_| ()),
        EntryType::ConfChangeV2 => ConfChangeV2::read(entry.data)?.enter_joint().map(|_| ()),
    }
}

fn check_snapshot(message: &Message) -> Result<()> {
    let Some(snapshot) = message.snapshot.as_deref().filter(|snapshot| !snapshot.is_empty()) else {
        return Err(malformed(message, "holds no snapshot"));
    };
    let metadata = &snapshot.metadata;
    if metadata.index > NUMBER_MAX || metadata.term == 0 || metadata.term > message.term {
        return Err(malformed(message, "holds a snapshot of an impossible index or term"));
    }
    Ok(())
}

fn malformed(message: &Message, what: &str) -> Error {
    Error::Decode(format!("{:?} from {} {what}", message.msg_type, message.from))
}
