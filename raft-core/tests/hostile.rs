//! Whatever a peer sends, in whatever state it arrives: a node answers or refuses, and lives.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/acts.rs"]
mod acts;

use acts::{Act, is_refusal, perform, work};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use raft_core::consensus::config::{Config, ReadOnlyOption};
use raft_core::consensus::log::memory_storage::MemoryStorage;
use raft_core::consensus::raw_node::RawNode;
use raft_core::consensus::status::RoleKind;
use raft_core::error::Error;
use raft_core::raftpb::conf_change::{ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState};
use raft_core::raftpb::entry::{Entries, Entry, EntryType};
use raft_core::raftpb::message::{Message, MessageType, Snapshot, SnapshotMetadata};

/// Numbers that matter: around what a short log holds, and at the ends of the range.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0u64..8, 1 => Just(u64::MAX), 1 => Just(u64::MAX / 2), 1 => any::<u64>()]
}

fn id() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 1u64..4, 1 => Just(0), 1 => Just(9), 1 => any::<u64>()]
}

fn change() -> impl Strategy<Value = ConfChangeV2> {
    let step = (0i32..4, id())
        .prop_map(|(kind, id)| ConfChangeSingle::new(ConfChangeType::try_from(kind).unwrap(), id));
    (0i32..3, vec(step, 0..3))
        .prop_map(|(transition, changes)| ConfChangeV2 { transition, ..ConfChangeV2::new(changes) })
}

fn payload() -> impl Strategy<Value = (EntryType, Bytes)> {
    prop_oneof![
        4 => vec(any::<u8>(), 0..4).prop_map(|data| (EntryType::Normal, data.into())),
        1 => change().prop_map(|c| (EntryType::ConfChangeV2, prost::Message::encode_to_vec(&c).into())),
        1 => vec(any::<u8>(), 0..6).prop_map(|data| (EntryType::ConfChange, data.into())),
        1 => vec(any::<u8>(), 0..6).prop_map(|data| (EntryType::ConfChangeV2, data.into())),
    ]
}

/// Entries mostly as they should be: consecutive, of terms that do not fall.
fn entries(index: u64, log_term: u64, term: u64) -> impl Strategy<Value = Entries> {
    vec((payload(), any::<bool>(), number()), 0..4).prop_map(move |entries| {
        let mut at = index;
        entries
            .into_iter()
            .map(|((entry_type, data), wild, number)| {
                at = at.wrapping_add(1);
                let (term, index) =
                    if wild && number > 6 { (number, number) } else { (term.max(log_term), at) };
                Entry { entry_type, term, index, data }
            })
            .collect()
    })
}

fn message() -> impl Strategy<Value = Message> {
    let head = (0u64..24, id(), id(), number(), number(), number());
    let tail = (
        number(),
        any::<bool>(),
        number(),
        prop_oneof![Just(vec![]), vec(any::<u8>(), 0..10)],
        vec(id(), 0..4),
    );
    (head, tail).prop_flat_map(
        |((kind, to, from, term, log_term, index), (commit, reject, hint, context, ids))| {
            entries(index, log_term, term).prop_map(move |entries| {
                let metadata =
                    SnapshotMetadata { conf_state: ConfState::of_voters(ids.clone()), index, term: log_term };
                let msg_type = MessageType::try_from(kind).unwrap();
                let snapshot = (msg_type == MessageType::MsgSnap)
                    .then(|| Box::new(Snapshot { metadata, data: Bytes::new() }));
                Message {
                    msg_type,
                    to: if to > 3 { to } else { 1 },
                    from,
                    term,
                    log_term,
                    index,
                    entries,
                    commit,
                    snapshot,
                    reject,
                    reject_hint: hint,
                    context: context.clone().into(),
                    vote: 0,
                    store: ids.len() as u64,
                    stores: (ids.len() == 3).then(|| ids.iter().map(|id| (*id, index)).collect()),
                    group: ids.len() as u64,
                    quiet: !reject,
                }
            })
        },
    )
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => message().prop_map(Act::Step),
        2 => (1u8..25).prop_map(Act::Tick),
        1 => Just(Act::Campaign),
        1 => Just(Act::Propose),
        1 => change().prop_map(Act::Change),
        1 => Just(Act::Read),
        1 => id().prop_map(Act::Transfer),
        1 => Just(Act::ForgetLeader),
        1 => id().prop_map(Act::Unreachable),
        1 => (id(), any::<bool>()).prop_map(|(id, ok)| Act::SnapshotSent(id, ok)),
        1 => Just(Act::DropLease),
        3 => Just(Act::Work),
        1 => Just(Act::Snapshot),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn a_node_outlives_any_messages(
        acts in vec(act(), 1..60), voters in 1u64..4, pre_vote: bool, check_quorum: bool, lease: bool, validate: bool,
    ) {
        let read_only = if lease && check_quorum { ReadOnlyOption::LeaseBased } else { ReadOnlyOption::Safe };
        let config = Config {
            pre_vote, check_quorum, read_only, validate_conf_changes: validate,
            message_bytes_max: 20, inflight_bytes_max: 40, inflight_messages_max: 2, ..Config::new(1)
        };
        let storage = MemoryStorage::bootstrapped(ConfState::of_voters(1..=voters));
        let mut node = RawNode::new(config, storage).unwrap();
        for act in acts {
            let told = format!("{act:?}");
            if let Err(error) = perform(&mut node, act) {
                prop_assert!(is_refusal(&error), "{error} after {told}");
            }
            prop_assert_eq!(node.failure(), None, "after {}", told);
        }
        work(&mut node);
    }
}

/// A node that leads three, having committed one entry of its term.
fn leader() -> RawNode<MemoryStorage> {
    let config = Config { pre_vote: false, ..Config::new(1) };
    let mut node =
        RawNode::new(config, MemoryStorage::bootstrapped(ConfState::of_voters([1, 2, 3]))).unwrap();
    node.campaign().unwrap();
    work(&mut node);
    node.step(Message { from: 2, term: 2, ..Message::new(MessageType::MsgVoteResp, 1) }).unwrap();
    work(&mut node);
    node.step(Message { from: 2, term: 2, index: 2, ..Message::new(MessageType::MsgAppResp, 1) }).unwrap();
    work(&mut node);
    assert_eq!((node.status().role, node.status().hard_state.commit), (RoleKind::Leader, 2));
    node
}

/// A follower with entries of term 1 at indices 2 and 3, the first of them committed.
fn follower() -> RawNode<MemoryStorage> {
    let config = Config { pre_vote: false, ..Config::new(1) };
    let mut node =
        RawNode::new(config, MemoryStorage::bootstrapped(ConfState::of_voters([1, 2, 3]))).unwrap();
    let entries: Entries = (2..4).map(|index| Entry { term: 1, index, ..Entry::default() }).collect();
    let append = Message {
        from: 2,
        term: 1,
        log_term: 1,
        index: 1,
        commit: 2,
        entries,
        ..Message::new(MessageType::MsgApp, 1)
    };
    node.step(append).unwrap();
    work(&mut node);
    node
}

#[test]
fn a_heartbeat_that_commits_more_than_the_log_holds_is_answered_with_what_is_certain() {
    let mut node = follower();
    node.step(Message { from: 2, term: 1, commit: 9, ..Message::new(MessageType::MsgHeartbeat, 1) }).unwrap();
    let ready = node.ready().unwrap();
    let messages = node.appended(ready.append.unwrap()).unwrap();
    // Entry 3 may be another than the leader's, as if the log were an older copy. What is committed is not.
    assert_eq!((messages[0].reject, messages[0].reject_hint), (true, 2));
    assert_eq!((node.failure(), node.lost().map(|lost| lost.term)), (None, Some(1)));
}

#[test]
fn an_append_or_a_snapshot_that_conflicts_with_a_committed_entry_is_refused() {
    for (prev, terms) in [(1, &[2][..]), (1, &[1, 2]), (2, &[2])] {
        let mut node = follower();
        let commit = Message { from: 2, term: 1, commit: 3, ..Message::new(MessageType::MsgHeartbeat, 1) };
        node.step(commit).unwrap();
        let entries =
            terms.iter().zip(prev + 1..).map(|(&term, index)| Entry { term, index, ..Entry::default() });
        let entries: Entries = entries.collect();
        let append = Message {
            from: 3,
            term: 2,
            log_term: 1,
            index: prev,
            entries,
            ..Message::new(MessageType::MsgApp, 1)
        };
        assert!(matches!(node.step(append), Err(Error::Contradiction(_))), "{prev} {terms:?}");
        assert_eq!((node.failure(), node.status().last_index), (None, 3));
    }
    let mut node = follower();
    let metadata = SnapshotMetadata { conf_state: ConfState::of_voters([1, 2, 3]), index: 2, term: 2 };
    let snapshot = Some(Box::new(Snapshot { metadata, data: Bytes::new() }));
    let message = Message { from: 3, term: 2, snapshot, ..Message::new(MessageType::MsgSnap, 1) };
    assert!(matches!(node.step(message), Err(Error::Contradiction(_))));
    assert_eq!(node.failure(), None);
}

#[test]
fn a_proposal_without_entries_is_refused() {
    assert!(matches!(
        leader().step(Message { from: 2, ..Message::new(MessageType::MsgProp, 1) }),
        Err(Error::Decode(_))
    ));
}

#[test]
fn a_membership_change_that_nobody_can_read_does_not_get_into_the_log() {
    for entry_type in [EntryType::ConfChange, EntryType::ConfChangeV2] {
        let mut node = leader();
        let entries =
            Entries::from(Entry { entry_type, data: Bytes::from_static(b"\xff\xff"), ..Entry::default() });
        let proposal = Message { from: 2, entries, ..Message::new(MessageType::MsgProp, 1) };
        assert!(matches!(node.step(proposal), Err(Error::Decode(_))));
        assert_eq!(node.status().last_index, 2);
    }
}

#[test]
fn a_read_without_a_context_entry_is_refused() {
    for from in [0, 1, 2] {
        let read = Message { from, ..Message::new(MessageType::MsgReadIndex, 1) };
        assert!(matches!(leader().step(read), Err(Error::Decode(_))));
    }
}

#[test]
fn contexts_of_heartbeats_that_were_never_sent_are_ignored() {
    for context in [&b"short"[..], &u64::MAX.to_le_bytes(), &7u64.to_le_bytes()] {
        let mut node = leader();
        node.read_index(Bytes::from_static(b"r")).unwrap();
        for from in [2, 3] {
            let context = Bytes::copy_from_slice(context);
            node.step(Message { from, term: 2, context, ..Message::new(MessageType::MsgHeartbeatResp, 1) })
                .unwrap();
        }
        assert!(node.ready().unwrap().read_states.is_empty());
    }
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_is_refused() {
    let mut node = leader();
    let forged = Message { from: 2, term: 2, index: 99, ..Message::new(MessageType::MsgAppResp, 1) };
    assert!(matches!(node.step(forged), Err(Error::Contradiction(_))));
    assert_eq!(node.status().hard_state.commit, 2);
}

#[test]
fn kinds_that_only_the_node_itself_may_step_are_refused() {
    for kind in MessageType::ALL.into_iter().filter(|kind| kind.is_local()) {
        let result = leader().step(Message { from: 2, term: 2, ..Message::new(kind, 1) });
        assert_eq!(result, Err(Error::StepLocalMessage(format!("{kind:?}"))));
    }
}

#[test]
fn the_same_calls_give_the_same_bytes() {
    let run = || {
        let mut node = leader();
        let mut bytes = Vec::new();
        for round in 0..50u8 {
            node.tick().unwrap();
            let _ = node.propose(vec![Bytes::from(vec![round; 9])]);
            let ready = node.ready().unwrap();
            ready.messages.iter().for_each(|message| message.encode(&mut bytes));
            if let Some(ticket) = ready.append {
                node.appended(ticket).unwrap().iter().for_each(|message| message.encode(&mut bytes));
            }
        }
        bytes
    };
    assert_eq!(run(), run());
}
