//! What raft takes for granted: that nobody forgets (figure 2, "persistent state on all servers").

use raft_core::consensus::config::Config;
use raft_core::consensus::raw_node::RawNode;
use raft_core::consensus::status::RoleKind;
use raft_core::error::Error;
use raft_core::raftpb::conf_change::ConfChangeType::{AddLearnerNode, RemoveNode};
use raft_core::raftpb::message::Message;
use raft_core::raftpb::message::MessageType::*;

use super::group::{Group, log_of, message, plain};

fn stored(id: u64, store_id: u64) -> Config {
    Config { store_id, ..plain(id) }
}

/// Three nodes that have heard of each other, the first of which leads.
fn group() -> Group {
    let mut group = Group::with(3, |id| stored(id, 100 + id));
    group.elect(1);
    (0..3).for_each(|_| group.beat());
    group
}

/// Node `id` starts again without anything that it had.
fn wipe(group: &mut Group, id: u64) {
    let storage = log_of(&[1, 2, 3], 1, &[]);
    group.nodes[id as usize - 1] = RawNode::new(stored(id, 900 + id), storage).unwrap();
}

#[test]
fn everybody_hears_from_the_leader_which_disk_each_member_stands_on() {
    let mut group = group();
    for id in 1..=3 {
        assert_eq!(group.node(id).known_stores(), [(1, 101), (2, 102), (3, 103)], "node {id}");
    }
}

#[test]
fn a_node_that_lost_its_disk_does_not_help_to_elect_a_leader_without_what_is_committed() {
    let mut group = group();
    group.isolate(3);
    group.propose(1, "acknowledged").unwrap();
    group.settle();
    assert_eq!(group.applied[0], ["acknowledged"]);
    group.heal();
    group.isolate(1);
    wipe(&mut group, 2);
    for id in [3, 2, 3] {
        group.node(id).campaign().unwrap();
        group.settle();
        assert_ne!(group.role(id), RoleKind::Leader, "node {id}");
    }
}

#[test]
fn its_answers_do_not_count_and_the_error_names_it() {
    let mut group = group();
    wipe(&mut group, 2);
    let term = group.term(1);
    let mut answer = message(MsgAppResp, 2, 1, term);
    (answer.index, answer.store) = (2, 902);
    assert_eq!(group.node(1).step(answer), Err(Error::ReplacedStore(2)));
}

#[test]
fn once_it_hears_what_the_group_knows_it_neither_votes_nor_campaigns() {
    let mut group = group();
    wipe(&mut group, 2);
    group.beat();
    group.tick(2, 50);
    assert_eq!(group.role(2), RoleKind::Follower);
    group.isolate(1);
    group.node(3).campaign().unwrap();
    group.work(3);
    let requests = group.take(MsgVote);
    assert!(!requests.is_empty());
    for request in requests.into_iter().filter(|request| request.to == 2) {
        group.node(2).step(request).unwrap();
    }
    group.work(2);
    assert!(group.take(MsgVoteResp).iter().all(|answer| answer.reject));
}

#[test]
fn removed_and_added_again_it_is_a_member_like_any_other() {
    let mut group = group();
    wipe(&mut group, 2);
    group.change(1, &[(RemoveNode, 2)]).unwrap();
    (0..3).for_each(|_| group.beat());
    group.change(1, &[(AddLearnerNode, 2)]).unwrap();
    group.settle();
    let (index, conf_state) = (group.status(1).applied, group.node(1).conf_state());
    group.node(1).storage_mut().create_snapshot(index, conf_state, "state".into()).unwrap();
    group.propose(1, "later").unwrap();
    (0..6).for_each(|_| group.beat());
    assert_eq!(group.applied[1].last().map(|data| &data[..]), Some(&b"later"[..]));
    assert_eq!(group.node(3).known_stores(), [(1, 101), (2, 902), (3, 103)]);
}

#[test]
fn a_late_heartbeat_does_not_bring_back_the_disk_that_a_removed_member_had() {
    let mut group = group();
    group.tick(1, 1);
    group.work(1);
    let late = group.take(MsgHeartbeat).into_iter().find(|heartbeat| heartbeat.to == 3).unwrap();
    group.change(1, &[(RemoveNode, 2)]).unwrap();
    (0..3).for_each(|_| group.beat());
    assert_eq!(group.node(3).known_stores(), [(1, 101), (3, 103)]);
    group.node(3).step(late).unwrap();
    assert_eq!(group.node(3).known_stores(), [(1, 101), (3, 103)]);
}

#[test]
fn a_message_of_an_earlier_term_does_not_say_which_disk_its_sender_stands_on() {
    let mut group = group();
    let late = Message { store: 102, ..message(MsgHeartbeatResp, 2, 1, group.term(1)) };
    wipe(&mut group, 2);
    group.change(1, &[(RemoveNode, 2)]).unwrap();
    group.settle();
    group.elect(3);
    group.elect(1);
    group.isolate(2);
    group.change(1, &[(AddLearnerNode, 2)]).unwrap();
    group.settle();
    group.node(1).step(late).unwrap();
    assert_eq!(group.node(1).known_stores(), [(1, 101), (3, 103)]);
}

#[test]
fn what_was_heard_is_known_after_a_restart() {
    let mut group = group();
    let heard = group.node(3).known_stores().to_vec();
    wipe(&mut group, 2);
    let storage = log_of(&[1, 2, 3], 2, &[2]);
    group.nodes[2] = RawNode::new(stored(3, 103), storage).unwrap();
    group.node(3).learn_stores(&heard);
    group.isolate(1);
    group.node(3).campaign().unwrap();
    group.settle();
    assert_ne!(group.role(3), RoleKind::Leader);
}

#[test]
fn nodes_that_tell_no_disk_get_along_with_those_that_do() {
    let mut group = Group::with(3, |id| stored(id, if id == 1 { 101 } else { 0 }));
    group.elect(2);
    group.propose(2, "x").unwrap();
    group.settle();
    group.elect(1);
    (0..2).for_each(|_| group.beat());
    assert_eq!(group.applied, vec![vec!["x"]; 3]);
}
