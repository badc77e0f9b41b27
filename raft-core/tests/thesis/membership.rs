//! Membership: thesis 4.1, 4.2, 4.3.

use bytes::Bytes;
use raft_core::consensus::config::Config;
use raft_core::consensus::log::memory_storage::MemoryStorage;
use raft_core::consensus::status::RoleKind;
use raft_core::error::{Dropped, Error};
use raft_core::raftpb::conf_change::ConfChangeType::{AddLearnerNode, AddNode, RemoveNode};
use raft_core::raftpb::conf_change::{ConfChangeSingle, ConfChangeTransition, ConfChangeV2};
use raft_core::raftpb::entry::{Entries, Entry, EntryType};
use raft_core::raftpb::message::Message;
use raft_core::raftpb::message::MessageType::*;

use super::group::{FIRST, Group, message, plain};

/// Takes a snapshot on the leader, so that a node which knows nothing can join.
fn snapshot(group: &mut Group, id: u64) {
    let (index, conf_state) = (group.status(id).applied, group.node(id).conf_state());
    group.node(id).storage_mut().create_snapshot(index, conf_state, Bytes::new()).unwrap();
}

fn voters(group: &mut Group, id: u64) -> Vec<u64> {
    group.node(id).conf_state().voters
}

#[test]
fn s4_1_a_server_is_added_and_counts_once_the_change_is_applied() {
    let mut group = Group::new(3);
    group.elect(1);
    let id = group.add_blank();
    group.change(1, &[(AddNode, id)]).unwrap();
    assert_eq!(voters(&mut group, 1), [1, 2, 3]);
    group.settle();
    assert_eq!(voters(&mut group, 1), [1, 2, 3, 4]);
    snapshot(&mut group, 1);
    (0..4).for_each(|_| group.beat());
    assert_eq!(voters(&mut group, id), [1, 2, 3, 4]);
}

#[test]
fn s4_1_a_second_change_waits_until_the_first_is_applied() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(1);
    group.change(1, &[(RemoveNode, 3)]).unwrap();
    assert!(matches!(group.change(1, &[(RemoveNode, 2)]), Err(Error::ConfChange(_))));
    group.heal();
    (0..3).for_each(|_| group.beat());
    group.change(1, &[(RemoveNode, 2)]).unwrap();
}

#[test]
fn s4_1_a_new_leader_waits_for_its_predecessors_entries_before_a_change() {
    let mut group = Group::new(3);
    group.elect(1);
    // It may be a change, and has reached node 2 without word of its commit.
    group.propose(1, "x").unwrap();
    group.exchange();
    group.isolate(2);
    group.mail.clear();
    group.node(2).campaign().unwrap();
    group.work(2);
    let term = group.term(2);
    group.node(2).step(message(MsgVoteResp, 3, 2, term)).unwrap();
    assert_eq!(group.role(2), RoleKind::Leader);
    assert!(matches!(group.change(2, &[(RemoveNode, 3)]), Err(Error::ConfChange(_))));
}

#[test]
fn s4_1_a_change_that_was_refused_for_its_size_does_not_hold_up_the_next() {
    let mut group = Group::with(3, |id| Config { uncommitted_bytes_max: 8, ..plain(id) });
    group.elect(1);
    group.isolate(1);
    group.propose(1, "as much as there may be").unwrap();
    let refused = Err(Error::ProposalDropped(Dropped::UncommittedFull));
    assert_eq!(group.change(1, &[(RemoveNode, 3)]), refused);
    group.heal();
    (0..2).for_each(|_| group.beat());
    assert_eq!(group.applied[0].len(), 1);
    group.change(1, &[(RemoveNode, 3)]).unwrap();
    group.settle();
    assert_eq!(voters(&mut group, 1), [1, 2]);
}

#[test]
fn s4_1_a_forwarded_change_that_must_not_be_taken_becomes_an_empty_entry() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(1);
    group.change(1, &[(RemoveNode, 3)]).unwrap();
    let mut data = Vec::new();
    prost::Message::encode(&ConfChangeV2::new(vec![ConfChangeSingle::new(RemoveNode, 2)]), &mut data)
        .unwrap();
    let entry = Entry { entry_type: EntryType::ConfChangeV2, data: data.into(), ..Entry::default() };
    let last = group.status(1).last_index;
    group.node(1).step(Message { entries: Entries::from(entry), ..message(MsgProp, 2, 1, 0) }).unwrap();
    assert_eq!(group.status(1).last_index, last + 1);
    group.heal();
    (0..3).for_each(|_| group.beat());
    assert_eq!(voters(&mut group, 1), [1, 2]);
}

#[test]
fn s4_1_a_change_that_cannot_be_is_refused_before_it_is_in_the_log() {
    let mut group = Group::new(1);
    group.elect(1);
    let last = group.status(1).last_index;
    assert!(matches!(group.change(1, &[(RemoveNode, 1)]), Err(Error::ConfChange(_))));
    assert!(matches!(group.node(1).propose_conf_change(&ConfChangeV2::default()), Err(Error::ConfChange(_))));
    assert_eq!(group.status(1).last_index, last);
}

#[test]
fn s4_2_1_a_learner_gets_the_log_and_neither_votes_nor_campaigns() {
    let mut group = Group::new(1);
    group.elect(1);
    let id = group.add_blank();
    group.change(1, &[(AddLearnerNode, id)]).unwrap();
    group.settle();
    snapshot(&mut group, 1);
    group.propose(1, "x").unwrap();
    (0..4).for_each(|_| group.beat());
    assert_eq!(group.applied[id as usize - 1], ["x"]);
    group.isolate(id);
    group.tick(id, 100);
    assert_eq!(group.role(id), RoleKind::Follower);
    // The leader alone is a quorum.
    group.propose(1, "y").unwrap();
    group.settle();
    assert_eq!(group.applied[0], ["x", "y"]);
}

#[test]
fn s4_2_1_a_learner_is_promoted_and_then_counts() {
    let mut group = Group::new(1);
    group.elect(1);
    let id = group.add_blank();
    group.change(1, &[(AddLearnerNode, id)]).unwrap();
    group.settle();
    snapshot(&mut group, 1);
    (0..4).for_each(|_| group.beat());
    group.change(1, &[(AddNode, id)]).unwrap();
    group.settle();
    group.isolate(id);
    group.propose(1, "needs both").unwrap();
    group.settle();
    assert!(group.applied[0].is_empty());
    group.heal();
    (0..3).for_each(|_| group.beat());
    assert_eq!(group.applied[0], ["needs both"]);
}

#[test]
fn s4_2_2_a_leader_that_is_removed_steps_down_when_that_is_applied() {
    let mut group = Group::new(3);
    group.elect(1);
    group.change(1, &[(RemoveNode, 1)]).unwrap();
    assert_eq!(group.role(1), RoleKind::Leader);
    group.settle();
    assert_eq!(group.role(1), RoleKind::Follower);
    group.elect(2);
    assert_eq!(voters(&mut group, 2), [2, 3]);
    group.tick(1, 100);
    assert_eq!(group.role(1), RoleKind::Follower);
}

#[test]
fn s4_2_2_a_leader_that_is_demoted_steps_down_and_one_told_not_to_goes_on() {
    for step_down_on_removal in [true, false] {
        let mut group = Group::with(3, |id| Config { step_down_on_removal, ..plain(id) });
        group.elect(1);
        group.change(1, &[(AddLearnerNode, 1)]).unwrap();
        group.settle();
        assert_eq!(group.role(1) == RoleKind::Leader, !step_down_on_removal);
    }
}

#[test]
fn s4_2_2_a_removal_does_not_count_the_leader_that_is_to_go() {
    let mut group = Group::new(2);
    group.elect(1);
    group.change(1, &[(RemoveNode, 2)]).unwrap();
    group.settle();
    group.isolate(1);
    group.propose(1, "alone").unwrap();
    group.settle();
    assert_eq!(group.applied[0], ["alone"]);
}

#[test]
fn s4_2_3_removed_servers_do_not_disturb_those_that_are_left() {
    let mut group = Group::with(3, |id| Config { check_quorum: true, pre_vote: true, ..plain(id) });
    group.elect(1);
    // Node 3 never learns that it was removed.
    group.isolate(3);
    group.change(1, &[(RemoveNode, 3)]).unwrap();
    group.settle();
    let term = group.term(1);
    group.heal();
    for _ in 0..60 {
        group.beat();
    }
    assert_eq!((group.role(1), group.term(1)), (RoleKind::Leader, term));
}

#[test]
fn s4_3_a_joint_change_needs_a_majority_of_both_configurations() {
    let mut group = Group::new(3);
    group.elect(1);
    let (four, five) = (group.add_blank(), group.add_blank());
    for id in [four, five] {
        group.change(1, &[(AddLearnerNode, id)]).unwrap();
        group.settle();
    }
    snapshot(&mut group, 1);
    (0..4).for_each(|_| group.beat());
    let steps = [(AddNode, four), (AddNode, five), (RemoveNode, 2), (RemoveNode, 3)];
    let steps = steps.map(|(kind, id)| ConfChangeSingle::new(kind, id)).to_vec();
    let change =
        ConfChangeV2 { transition: ConfChangeTransition::JointExplicit as i32, ..ConfChangeV2::new(steps) };
    group.node(1).propose_conf_change(&change).unwrap();
    group.settle();
    assert!(group.status(1).membership.is_joint());
    // A majority of the new one alone does not commit, one of the old alone neither.
    for (cut, data) in [([2, 3], "new"), ([four, five], "old")] {
        let before = group.commit(1);
        cut.iter().for_each(|id| group.isolate(*id));
        group.propose(1, data).unwrap();
        group.settle();
        assert_eq!(group.commit(1), before, "{data}");
        group.heal();
        (0..3).for_each(|_| group.beat());
        assert_eq!(group.commit(1), before + 1, "{data}");
    }
    group.node(1).propose_conf_change(&ConfChangeV2::default()).unwrap();
    group.settle();
    assert_eq!(voters(&mut group, 1), [1, 4, 5]);
    assert!(!group.status(1).membership.is_joint());
}

#[test]
fn s4_3_a_joint_configuration_is_left_by_the_leader_itself_also_by_the_next_one() {
    let mut group = Group::new(3);
    group.elect(1);
    group.change(1, &[(RemoveNode, 3), (AddLearnerNode, 2)]).unwrap();
    group.exchange();
    group.exchange();
    group.settle();
    assert_eq!((voters(&mut group, 1), group.status(1).membership.is_joint()), (vec![1], false));

    let mut group = Group::new(3);
    group.elect(1);
    group.change(1, &[(RemoveNode, 1), (AddLearnerNode, 3)]).unwrap();
    // Until it is in force on the leader, which then is cut off.
    while !group.status(1).membership.is_joint() {
        group.exchange();
    }
    group.isolate(1);
    group.mail.clear();
    group.node(2).campaign().unwrap();
    group.settle();
    assert_eq!(group.role(2), RoleKind::Leader);
    assert_eq!((voters(&mut group, 2), group.status(2).membership.is_joint()), (vec![2], false));
}

#[test]
fn s4_3_a_node_does_not_campaign_while_a_committed_change_is_not_applied() {
    let mut group = Group::new(3);
    group.elect(1);
    group.change(1, &[(RemoveNode, 3)]).unwrap();
    group.work(1);
    for _ in 0..10 {
        // Node 2 saves and does not apply.
        let mail = std::mem::take(&mut group.mail);
        for message in mail.into_iter().filter(|m| m.to != 3) {
            let to = message.to;
            group.node(to).step(message).unwrap();
        }
        group.work(1);
        let ready = group.node(2).ready().unwrap();
        group.mail.extend(ready.messages);
        if let Some(ticket) = ready.append {
            let messages = group.node(2).appended(ticket).unwrap();
            group.mail.extend(messages);
        }
        if ready.apply.is_some_and(|t| t.entries().iter().any(|e| e.entry_type != EntryType::Normal)) {
            break;
        }
    }
    group.node(2).campaign().unwrap();
    assert_eq!(group.role(2), RoleKind::Follower);
}

#[test]
fn a_group_may_begin_with_a_log_of_its_members() {
    let members: Vec<(u64, Bytes)> = (1..=3).map(|id| (id, Bytes::from(format!("address {id}")))).collect();
    let nodes = (1..=3).map(|id| (plain(id), MemoryStorage::bootstrapped_by_entries(&members))).collect();
    let mut group = Group::of(nodes);
    assert_eq!(voters(&mut group, 1), []);
    group.settle();
    assert_eq!(voters(&mut group, 1), [1, 2, 3]);
    group.elect(2);
    group.propose(2, "x").unwrap();
    group.settle();
    assert_eq!(group.applied, vec![vec!["x"]; 3]);
    // A node that knows nothing can be brought up from such a log alone.
    let id = group.add_blank();
    group.change(2, &[(AddNode, id)]).unwrap();
    (0..4).for_each(|_| group.beat());
    assert_eq!(voters(&mut group, id), [1, 2, 3, 4]);
}

#[test]
fn s4_2_a_candidate_that_hears_of_its_removal_in_a_refusal_does_not_win() {
    let mut group = Group::new(4);
    let removal = ConfChangeV2::new(vec![ConfChangeSingle::new(RemoveNode, 4)]).to_entry();
    let entries = Entries::from(Entry { term: 2, index: FIRST, ..removal });
    let append =
        Message { index: FIRST - 1, log_term: 1, entries, commit: FIRST - 1, ..message(MsgApp, 1, 4, 2) };
    group.node(4).step(append).unwrap();
    group.work(4);
    group.node(4).campaign().unwrap();
    group.work(4);
    assert_eq!(group.role(4), RoleKind::Candidate);
    // Node 1 holds more, and knows that the removal is committed.
    let word = [&b"Committed"[..], &2_u64.to_le_bytes(), &FIRST.to_le_bytes()].concat();
    let refusal = Message { reject: true, context: word.into(), ..message(MsgVoteResp, 1, 4, 3) };
    group.node(4).step(refusal).unwrap();
    group.work(4);
    assert_eq!(voters(&mut group, 4), [1, 2, 3]);
    // The others have not heard of it.
    for id in [2, 3] {
        let _ = group.node(4).step(message(MsgVoteResp, id, 4, 3));
        group.work(4);
    }
    assert_eq!(group.role(4), RoleKind::Follower);
}
