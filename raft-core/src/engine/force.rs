//! The last resort for a lost quorum: one survivor becomes the only voter of a new group, by entries that it commits alone.
//!
//! The new group has a number, and every message of its members carries it (field 103, which etcd's nodes pass over).
//! A node takes no message that carries another number than its own. So the members of old, which know nothing of
//! the new group and may hold what it does not, can neither lead it nor vote in it, nor be led by it: each has to begin
//! with an empty directory. Who has none of a membership yet takes the number of the leader that it hears of first.
//! etcd's nodes send no number, so a group that was made like this takes none of them.
//!
//! The number stands in the log, in the context of the change that ends the transition, and from there in the table of
//! the members and so in snapshots:
//!
//! ```text
//! 0        8
//! rftforc1 | group |       the number, little-endian
//! ```

use std::sync::atomic::Ordering;

use bytes::{BufMut, Bytes, BytesMut};

use super::driver::Driver;
use super::event::Level;
use crate::consensus::confchange::restore::conf_state_after;
use crate::disk::recovered::Recovered;
use crate::disk::store::Store;
use crate::error::{Error, Result};
use crate::raftpb::conf_change::{ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState};
use crate::raftpb::entry::{Entries, EntryRef, EntryType};
use crate::raftpb::message::{HardState, Message, MessageType};

const MAGIC: &[u8; 8] = b"rftforc1";

/// The number of the group that begins with this change, if one does.
pub(super) fn group_of(change: &ConfChangeV2) -> Option<u64> {
    let number = change.context.strip_prefix(MAGIC)?;
    <[u8; 8]>::try_from(number).ok().map(u64::from_le_bytes)
}

/// The number of the group that a node belongs to: by what it has committed, or by `snapshot`.
pub(super) fn group_at_start(snapshot: u64, recovered: &Recovered) -> u64 {
    groups_committed(recovered).last().unwrap_or(snapshot)
}

fn groups_committed(recovered: &Recovered) -> impl Iterator<Item = u64> {
    let commit = recovered.hard_state.commit;
    let committed = recovered.entries.iter().take_while(move |entry| entry.index <= commit);
    changes(committed).filter_map(|change| group_of(&change))
}

fn changes<'a>(entries: impl Iterator<Item = EntryRef<'a>>) -> impl Iterator<Item = ConfChangeV2> {
    let changes = entries.filter(|entry| entry.entry_type != EntryType::Normal);
    changes.filter_map(|entry| ConfChangeV2::of(&entry).ok())
}

/// Makes node `id` the only voter of the group `group`, durably. All entries that it holds count as committed, and it
/// begins a new term. Nothing is done where that group has been made here before.
pub(super) fn force(store: &mut Store, recovered: &mut Recovered, id: u64, group: u64) -> Result<()> {
    let refuse = |why: &str| Err(Error::Config(format!("force_new_cluster: {why}")));
    if recovered.snapshot.index == 0 {
        return refuse("this node has no membership that could be cut down to it");
    }
    if recovered.lost.is_some() {
        return refuse(
            "this node's disk has lost a part of the log: give that up first, with rft log repair",
        );
    }
    // A crash may have left its entries without the word that they are committed.
    if groups_committed(recovered).any(|known| known == group) {
        return Ok(());
    }
    let mut at = recovered.snapshot.conf_state.clone();
    for change in changes(recovered.entries.iter()) {
        // One that is not possible has no effect anywhere.
        at = conf_state_after(&at, &change).unwrap_or(at);
    }
    let others =
        [&at.voters, &at.learners, &at.voters_outgoing].into_iter().flatten().filter(|other| **other != id);
    let others: Vec<u64> = others.copied().collect();
    let last = recovered
        .entries
        .last()
        .map_or((recovered.snapshot.term, recovered.snapshot.index), |entry| (entry.term, entry.index));
    // Another term than any of the old members can have seen entries of at these places from this node.
    let term = recovered.hard_state.term.max(last.0).saturating_add(1);
    let new: Entries = transition(&at, id, group).iter().map(ConfChangeV2::to_entry).collect();
    let commit = last.1.saturating_add(new.len() as u64);
    let new = new.number(term, last.1.saturating_add(1));
    let hard_state = HardState { term, vote: id, commit };
    store.append(Some(&hard_state), &new, true)?;
    recovered.notes.push(format!(
        "By force this node is the only voter of the new group {group}, from entry {commit} of term {term} on; \
         entries up to {} were taken as committed; nodes {others:?} have to begin anew with empty directories.",
        last.1
    ));
    recovered.entries.extend(new);
    recovered.hard_state = hard_state;
    Ok(())
}

/// The changes that lead from the membership `at` to node `id` alone.
fn transition(at: &ConfState, id: u64, group: u64) -> Vec<ConfChangeV2> {
    let single = |kind, id| ConfChangeV2::new(vec![ConfChangeSingle::new(kind, id)]);
    let mut steps = Vec::new();
    let mut at = at.clone();
    if !at.voters_outgoing.is_empty() {
        let leave = ConfChangeV2::default();
        at = conf_state_after(&at, &leave).unwrap_or(at);
        steps.push(leave);
    }
    if !at.voters.contains(&id) {
        steps.push(single(ConfChangeType::AddNode, id));
    }
    let others = at.voters.iter().chain(&at.learners).filter(|other| **other != id);
    steps.extend(others.map(|other| single(ConfChangeType::RemoveNode, *other)));
    let mut context = BytesMut::with_capacity(16);
    context.put_slice(MAGIC);
    context.put_u64_le(group);
    steps.push(ConfChangeV2 { context: context.freeze(), ..single(ConfChangeType::UpdateNode, id) });
    steps
}

/// What the host sees of a change's context: the number of a group is none of its bytes.
pub(super) fn host_context(change: &ConfChangeV2) -> Bytes {
    if group_of(change).is_some() { Bytes::new() } else { change.context.clone() }
}

impl Driver {
    /// Whether a message is of this node's group, or of the leader that it waits to be added by.
    pub(super) fn is_of_group(&mut self, message: &Message) -> bool {
        let own = self.shared.group.load(Ordering::Acquire);
        if message.group == own {
            return true;
        }
        if self.node.conf_state().is_empty() {
            if matches!(
                message.msg_type,
                MessageType::MsgApp | MessageType::MsgHeartbeat | MessageType::MsgSnap
            ) {
                self.shared.group.store(message.group, Ordering::Release);
            }
            return true;
        }
        false
    }

    /// Refuses a message of another group, says so once in a while, and lets the sender know, which then says so, too.
    pub(super) fn turn_away(&mut self, message: &Message) -> Result<()> {
        let (from, group) = (message.from, message.group);
        let own = self.shared.group.load(Ordering::Acquire);
        if self.turned_away.is_none_or(|at| self.now.duration_since(at) >= self.election_timeout) {
            self.turned_away = Some(self.now);
            let text = format!(
                "node {from} is of group {group}, and this node of group {own}: one of them was there before a new \
                 group was made by force, and has to begin anew with an empty directory"
            );
            self.shared.log(Level::Warn, &text);
        }
        if message.msg_type.is_response() {
            return Ok(());
        }
        let notice = Message { from: self.id, ..Message::new(MessageType::MsgHeartbeatResp, from) };
        self.send(vec![notice])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::disk::os::OsVolume;
    use crate::disk::recovered::Identity;
    use crate::disk::store::StoreOptions;

    /// The memberships on the way.
    fn way(at: &ConfState, id: u64) -> Vec<ConfState> {
        let mut at = at.clone();
        let steps = transition(&at, id, 7);
        steps
            .iter()
            .map(|step| {
                at = conf_state_after(&at, step).unwrap();
                at.clone()
            })
            .collect()
    }

    #[test]
    fn every_membership_comes_down_to_the_survivor() {
        let joint = ConfState {
            learners: vec![9],
            voters_outgoing: vec![1, 2, 3],
            learners_next: vec![3],
            auto_leave: true,
            ..ConfState::of_voters([2, 4])
        };
        let learner = ConfState { learners: vec![1], ..ConfState::of_voters([2, 3]) };
        for at in [ConfState::of_voters([1]), ConfState::of_voters([1, 2, 3]), joint, learner] {
            assert_eq!(way(&at, 1).last(), Some(&ConfState::of_voters([1])), "{at:?}");
        }
    }

    #[test]
    fn the_number_comes_back_and_is_none_of_the_hosts_bytes() {
        let steps = transition(&ConfState::of_voters([1, 2]), 1, u64::MAX - 5);
        let last = steps.last().unwrap();
        assert_eq!(group_of(last), Some(u64::MAX - 5));
        assert!(host_context(last).is_empty());
        let mut own = ConfChangeV2 { context: Bytes::from_static(b"rftforc1"), ..ConfChangeV2::default() };
        assert_eq!((group_of(&own), host_context(&own)), (None, own.context.clone()));
        own.context = Bytes::from_static(b"rftforc1 and more than eight");
        assert_eq!(group_of(&own), None);
    }

    #[test]
    fn a_crash_in_the_middle_of_it_is_made_good_by_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let open = || {
            let identity = Identity { cluster_id: 7, node_id: 1 };
            let options = StoreOptions { zeroed_bytes: 0, ..StoreOptions::new(identity) };
            Store::open_member(Arc::new(OsVolume), dir.path(), options, &[1, 2, 3]).unwrap()
        };
        let (mut store, recovered) = open();
        let steps = transition(&recovered.snapshot.conf_state, 1, 7);
        let entries: Entries = steps.iter().map(ConfChangeV2::to_entry).collect();
        store.append(None, &entries.number(2, 2), true).unwrap();
        drop(store);

        let (mut store, mut recovered) = open();
        assert_eq!((recovered.hard_state.commit, group_at_start(0, &recovered)), (1, 0));
        force(&mut store, &mut recovered, 1, 7).unwrap();
        drop(store);
        let (mut store, mut again) = open();
        assert_eq!((&again.hard_state, &again.entries), (&recovered.hard_state, &recovered.entries));
        assert_eq!((again.hard_state.vote, again.entries.len(), group_at_start(0, &again)), (1, 4, 7));
        assert_eq!(again.hard_state.commit, 5);
        // And once more changes nothing, another number does.
        force(&mut store, &mut again, 1, 7).unwrap();
        assert_eq!(again.entries, recovered.entries);
        force(&mut store, &mut again, 1, 8).unwrap();
        assert_eq!((again.hard_state.commit, group_at_start(0, &again)), (6, 8));
        assert!(again.hard_state.term > recovered.hard_state.term);
    }
}
