//! One node, and whatever peers, host and time may do to it.

use std::collections::VecDeque;

use bytes::Bytes;
use raft_core::consensus::config::{Config, ReadOnlyOption};
use raft_core::consensus::log::memory_storage::MemoryStorage;
use raft_core::consensus::raw_node::RawNode;
use raft_core::consensus::ready::{AppendTicket, ApplyTicket};
use raft_core::consensus::status::Status;
use raft_core::error::Error;
use raft_core::raftpb::conf_change::{ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState};
use raft_core::raftpb::entry::{Entries, Entry, EntryType};
use raft_core::raftpb::message::{HardState, Message, MessageType, Snapshot, SnapshotMetadata};

use super::acts::{Act, is_refusal, perform, work};
use super::source::Source;

/// Settings, then acts: a byte that chooses, and what that one needs. The node may refuse them, and never stops.
pub fn step(data: &[u8]) -> bool {
    let mut source = Source::new(data);
    let Some(mut world) = World::new(&mut source) else { return false };
    let begin = world.seen.0.commit;
    while !source.is_empty() {
        let (told, outcome) = world.act(&mut source);
        if let Err(error) = outcome {
            assert!(is_refusal(&error), "{error} after {told}");
        }
        world.check(&told);
    }
    world.hand_back_all();
    work(&mut world.node);
    world.check("all");
    world.seen.0.commit > begin
}

/// A node, and what it has handed out to be saved and applied.
struct World {
    node: RawNode<MemoryStorage>,
    appends: VecDeque<AppendTicket>,
    applies: VecDeque<ApplyTicket>,
    // The last state seen and how far it was applied: neither term nor these two indices ever fall.
    seen: (HardState, u64),
}

impl World {
    fn new(source: &mut Source) -> Option<Self> {
        let (switches, sizes) = (source.byte(), source.byte());
        let is_on = |bit: u8| switches >> bit & 1 == 1;
        let config = Config {
            pre_vote: is_on(0),
            check_quorum: is_on(1),
            read_only: if is_on(1) && is_on(2) { ReadOnlyOption::LeaseBased } else { ReadOnlyOption::Safe },
            validate_conf_changes: is_on(3),
            step_down_on_removal: is_on(4),
            forward_proposals: !is_on(5),
            apply_unstable: is_on(6),
            message_bytes_max: if is_on(7) { 1 << 20 } else { 20 },
            inflight_bytes_max: if is_on(7) { 0 } else { 40 },
            inflight_messages_max: 1 + usize::from(sizes >> 2 & 3),
            uncommitted_bytes_max: u64::from(sizes >> 4) * 4,
            ..Config::new(1)
        };
        let voters = 1 + u64::from(sizes & 3);
        let storage = MemoryStorage::bootstrapped(ConfState::of_voters(1..=voters));
        let node = RawNode::new(config, storage).ok()?;
        let status = node.status();
        let seen = (status.hard_state, status.applied);
        Some(World { node, appends: VecDeque::new(), applies: VecDeque::new(), seen })
    }

    /// One act; says which, and what came of it.
    fn act(&mut self, source: &mut Source) -> (String, Result<(), Error>) {
        let act = match source.byte() % 20 {
            0..6 => Act::Step(message(source, &self.node.status())),
            6 => Act::Tick(source.byte() % 25),
            7 => Act::Campaign,
            8 => Act::Propose,
            9 => Act::Change(change(source)),
            10 => Act::Read,
            11 => Act::Transfer(id(source)),
            12 => Act::ForgetLeader,
            13 => Act::Unreachable(id(source)),
            14 => Act::SnapshotSent(id(source), source.byte() & 1 == 0),
            15 => Act::DropLease,
            16 => Act::Snapshot,
            17 => return ("taking a ready".into(), self.take()),
            18 => return ("handing one back".into(), self.hand_back()),
            _ => {
                self.hand_back_all();
                Act::Work
            }
        };
        (format!("{act:?}"), perform(&mut self.node, act))
    }

    fn take(&mut self) -> Result<(), Error> {
        if self.node.has_ready() {
            let ready = self.node.ready()?;
            self.appends.extend(ready.append);
            self.applies.extend(ready.apply);
        }
        Ok(())
    }

    fn hand_back(&mut self) -> Result<(), Error> {
        if let Some(ticket) = self.appends.pop_front() {
            self.node.appended(ticket)?;
        } else if let Some(ticket) = self.applies.pop_front() {
            self.node.applied(ticket)?;
        }
        Ok(())
    }

    fn hand_back_all(&mut self) {
        while !self.appends.is_empty() || !self.applies.is_empty() {
            self.hand_back().unwrap();
        }
    }

    fn check(&mut self, told: &str) {
        assert_eq!(self.node.failure(), None, "after {told}");
        let Status { hard_state, applied, last_index, .. } = self.node.status();
        let (before, applied_before) = self.seen;
        assert!(hard_state.term >= before.term, "the term fell after {told}");
        assert!(
            hard_state.term > before.term || before.vote == 0 || hard_state.vote == before.vote,
            "a second vote in term {} after {told}",
            hard_state.term
        );
        assert!(
            hard_state.commit >= before.commit && applied >= applied_before,
            "an index fell after {told}"
        );
        assert!(
            applied <= hard_state.commit && hard_state.commit <= last_index,
            "indices cross after {told}"
        );
        self.seen = (hard_state, applied);
    }
}

fn id(source: &mut Source) -> u64 {
    match source.byte() {
        0xff => source.number(),
        byte => u64::from(byte % 8),
    }
}

fn change(source: &mut Source) -> ConfChangeV2 {
    let head = source.byte();
    let single = |_| {
        let byte = source.byte();
        let kind = ConfChangeType::try_from(i32::from(byte & 3)).unwrap_or(ConfChangeType::AddNode);
        ConfChangeSingle::new(kind, u64::from(byte >> 2 & 7))
    };
    let changes = (0..head >> 2 & 3).map(single).collect();
    ConfChangeV2 { transition: i32::from(head & 3), ..ConfChangeV2::new(changes) }
}

/// A message for this node. What the bits of its second byte leave out is as a peer would have it.
fn message(source: &mut Source, status: &Status) -> Message {
    let state = status.hard_state;
    let known = [state.term, status.last_index, state.commit, status.first_index];
    let msg_type = MessageType::ALL[usize::from(source.byte()) % MessageType::ALL.len()];
    let given = source.byte();
    let from = id(source);
    let number = |bit: u8, otherwise: u64, source: &mut Source| {
        if given >> bit & 1 == 1 { source.number_near(&known) } else { otherwise }
    };
    let term = number(0, state.term, source);
    let log_term = number(1, term, source);
    let index = number(2, status.last_index, source);
    let commit = number(3, state.commit, source);
    let reject_hint = number(4, 0, source);
    let context = if given >> 5 & 1 == 1 { Bytes::copy_from_slice(source.string()) } else { Bytes::new() };
    let entries = if given >> 7 == 1 { entries(source, index, term.max(log_term)) } else { Entries::new() };
    let snapshot = (msg_type == MessageType::MsgSnap).then(|| {
        let voters = source.byte();
        let voters = (1..=8).filter(|id| voters >> (id - 1) & 1 == 1);
        let metadata = SnapshotMetadata { conf_state: ConfState::of_voters(voters), index, term: log_term };
        Box::new(Snapshot { metadata, data: Bytes::new() })
    });
    let reject = given >> 6 & 1 == 1;
    let to = status.id;
    Message {
        msg_type,
        to,
        from,
        term,
        log_term,
        index,
        entries,
        commit,
        vote: 0,
        snapshot,
        reject,
        reject_hint,
        context,
        // Two disks, so that a member now and then comes with another one.
        store: u64::from(given & 3 == 3),
        stores: (given & 0x30 == 0x30).then(|| Box::from([(from, commit), (to, term)])),
        group: term,
        quiet: given & 5 == 5,
    }
}

/// Entries as they should be, unless a bit says otherwise.
fn entries(source: &mut Source, index: u64, term: u64) -> Entries {
    let count = source.byte() & 3;
    let entry = |at: u64| {
        let head = source.byte();
        let (term, index) = match head >> 7 {
            0 => (term, index.wrapping_add(at)),
            _ => (source.number_near(&[term]), source.number_near(&[index])),
        };
        let (entry_type, data) = match head & 7 {
            0 => (EntryType::ConfChange, Bytes::copy_from_slice(source.string())),
            1 => (EntryType::ConfChangeV2, Bytes::copy_from_slice(source.string())),
            2 | 3 => (EntryType::ConfChangeV2, prost::Message::encode_to_vec(&change(source)).into()),
            _ => (EntryType::Normal, Bytes::copy_from_slice(source.string())),
        };
        Entry { entry_type, term, index, data }
    };
    (1..=u64::from(count)).map(entry).collect()
}
