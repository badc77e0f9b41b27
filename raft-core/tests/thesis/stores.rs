//! What raft takes for granted: that nobody forgets (figure 2, "persistent state on all servers").

use bytes::Bytes;
use raft_core::consensus::config::Config;
use raft_core::consensus::raw_node::RawNode;
use raft_core::consensus::status::RoleKind;
use raft_core::error::Error;
use raft_core::raftpb::conf_change::ConfChangeType::{AddLearnerNode, AddNode, RemoveNode};
use raft_core::raftpb::message::Message;
use raft_core::raftpb::message::MessageType::*;
use raft_core::raftpb::store_number::next_run;

use super::group::{Group, log_of, message, plain};

fn stored(id: u64, store_id: u64) -> Config {
    Config { store_id: disk(store_id), ..plain(id) }
}

/// The number of a disk before its first run.
fn disk(number: u64) -> u64 {
    number << 32
}

/// The number of disk 102 in one of its runs.
fn run(count: u64) -> u64 {
    (1..=count).fold(disk(102), |number, _| next_run(number, 0))
}

fn disks<const N: usize>(numbers: [(u64, u64); N]) -> [(u64, u64); N] {
    numbers.map(|(id, number)| (id, disk(number)))
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
    let founders: Vec<u64> = (1..=group.nodes.len() as u64).collect();
    let storage = log_of(&founders, 1, &[]);
    group.nodes[id as usize - 1] = RawNode::new(stored(id, 900 + id), storage).unwrap();
}

#[test]
fn everybody_hears_from_the_leader_which_disk_each_member_stands_on() {
    let mut group = group();
    for id in 1..=3 {
        assert_eq!(group.node(id).known_stores(), disks([(1, 101), (2, 102), (3, 103)]), "node {id}");
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
    (answer.index, answer.store) = (2, disk(902));
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
    assert_eq!(group.node(3).known_stores(), disks([(1, 101), (2, 902), (3, 103)]));
}

#[test]
fn whoever_missed_that_a_member_was_added_again_follows_it_when_it_leads() {
    let mut group = Group::with(5, |id| stored(id, 100 + id));
    group.elect(5);
    (0..3).for_each(|_| group.beat());
    group.isolate(5);
    group.elect(1);
    wipe(&mut group, 2);
    group.change(1, &[(RemoveNode, 2)]).unwrap();
    (0..3).for_each(|_| group.beat());
    group.change(1, &[(AddNode, 2)]).unwrap();
    (0..6).for_each(|_| group.beat());
    group.elect(2);
    // Node 5 still leads an old term, where node 2 stood on another disk. Nobody but node 2 tells it.
    assert_eq!(group.role(5), RoleKind::Leader);
    group.heal();
    (0..6).for_each(|_| group.beat());
    assert_eq!((group.status(5).leader, group.commit(5)), (2, group.commit(2)));
    assert_eq!(group.node(5).known_stores(), disks([(1, 101), (2, 902), (3, 103), (4, 104), (5, 105)]));
}

#[test]
fn a_snapshot_over_what_was_removed_and_added_again_tells_the_new_disk() {
    let mut group = Group::with(5, |id| stored(id, 100 + id));
    group.elect(1);
    (0..3).for_each(|_| group.beat());
    group.isolate(5);
    wipe(&mut group, 2);
    group.change(1, &[(RemoveNode, 2)]).unwrap();
    (0..3).for_each(|_| group.beat());
    group.change(1, &[(AddNode, 2)]).unwrap();
    (0..6).for_each(|_| group.beat());
    let (index, conf_state) = (group.status(1).applied, group.node(1).conf_state());
    group.node(1).storage_mut().create_snapshot(index, conf_state, Bytes::new()).unwrap();
    group.node(1).storage_mut().compact(index).unwrap();
    group.heal();
    // The heartbeats that reach it tell nothing, as those of before.
    for _ in 0..6 {
        group.tick(1, 1);
        group.work(1);
        let beats = group.mail.iter_mut().filter(|m| m.to == 5 && m.msg_type == MsgHeartbeat);
        beats.for_each(|beat| (beat.stores, beat.index) = (None, 0));
        group.settle();
    }
    assert_eq!(group.commit(5), group.commit(1));
    assert!(group.node(5).known_stores().contains(&(2, disk(902))));
}

#[test]
fn a_late_heartbeat_does_not_bring_back_the_disk_that_a_removed_member_had() {
    let mut group = group();
    group.tick(1, 1);
    group.work(1);
    let late = group.take(MsgHeartbeat).into_iter().find(|heartbeat| heartbeat.to == 3).unwrap();
    group.change(1, &[(RemoveNode, 2)]).unwrap();
    (0..3).for_each(|_| group.beat());
    assert_eq!(group.node(3).known_stores(), disks([(1, 101), (3, 103)]));
    group.node(3).step(late).unwrap();
    assert_eq!(group.node(3).known_stores(), disks([(1, 101), (3, 103)]));
}

#[test]
fn a_message_of_an_earlier_term_does_not_say_which_disk_its_sender_stands_on() {
    let mut group = group();
    let late = Message { store: disk(102), ..message(MsgHeartbeatResp, 2, 1, group.term(1)) };
    wipe(&mut group, 2);
    group.change(1, &[(RemoveNode, 2)]).unwrap();
    group.settle();
    group.elect(3);
    group.elect(1);
    group.isolate(2);
    group.change(1, &[(AddLearnerNode, 2)]).unwrap();
    group.settle();
    group.node(1).step(late).unwrap();
    assert_eq!(group.node(1).known_stores(), disks([(1, 101), (3, 103)]));
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

/// Node 2 starts again in the `count`-th run of its disk, which holds what it did at the start.
fn bring_back(group: &mut Group, count: u64) {
    let id = 2;
    let config = Config { store_id: run(count), ..plain(id) };
    let founders: Vec<u64> = (1..=group.nodes.len() as u64).collect();
    group.nodes[id as usize - 1] = RawNode::new(config, log_of(&founders, 1, &[])).unwrap();
}

#[test]
fn a_member_that_stops_to_tell_its_disk_is_known_by_it_all_the_same() {
    let mut group = group();
    let term = group.term(1);
    let answer = |store| Message { store, ..message(MsgHeartbeatResp, 2, 1, term) };
    assert!(group.node(1).tells_store(2) && !group.node(1).tells_store(4));
    for (store, is_taken, tells) in
        [(0, true, false), (0, true, false), (run(1), true, true), (0, true, false), (disk(7), false, true)]
    {
        let result = group.node(1).step(answer(store));
        assert_eq!(result, if is_taken { Ok(()) } else { Err(Error::ReplacedStore(2)) }, "{store:x}");
        assert_eq!(group.node(1).tells_store(2), tells, "{store:x}");
    }
}

#[test]
fn a_later_run_of_a_disk_is_taken_and_an_earlier_one_is_not() {
    let mut group = group();
    let term = group.term(1);
    let answer = |store| Message { store, ..message(MsgHeartbeatResp, 2, 1, term) };
    for (store, is_taken) in [
        (run(3), true),
        (run(3), true),
        (run(1), false),
        (run(5), true),
        (run(3), false),
        (next_run(run(4), 9), false), // as old as what is known, and not the same
        (run(5), true),
    ] {
        let result = group.node(1).step(answer(store));
        assert_eq!(result, if is_taken { Ok(()) } else { Err(Error::ReplacedStore(2)) }, "{store:x}");
    }
    (0..2).for_each(|_| group.beat());
    assert!(group.node(3).known_stores().contains(&(2, run(5))));
}

#[test]
fn a_disk_that_is_brought_back_from_an_older_copy_does_not_help_to_elect() {
    let mut group = group();
    bring_back(&mut group, 2);
    (0..4).for_each(|_| group.beat());
    group.isolate(3);
    group.propose(1, "acknowledged").unwrap();
    group.settle();
    assert_eq!(group.applied[0].last().map(|data| &data[..]), Some(&b"acknowledged"[..]));
    group.heal();
    group.isolate(1);
    bring_back(&mut group, 1);
    for id in [3, 2, 3] {
        group.node(id).campaign().unwrap();
        group.settle();
        assert_ne!(group.role(id), RoleKind::Leader, "node {id}");
    }
}

#[test]
fn a_disk_that_is_brought_back_hears_from_the_leader_that_it_is_none_any_more() {
    let mut group = group();
    bring_back(&mut group, 2);
    (0..4).for_each(|_| group.beat());
    bring_back(&mut group, 1);
    group.beat();
    assert!(group.node(2).known_stores().contains(&(2, run(2))));
    group.tick(2, 50);
    assert_eq!(group.role(2), RoleKind::Follower);
}

/// A copy of a disk that is made while it is in use has the number of that run, and cannot be told by it.
pub(crate) fn who_holds_less_than_the_leader_knows_does_not_elect() {
    let mut group = group();
    bring_back(&mut group, 2);
    (0..4).for_each(|_| group.beat());
    group.isolate(3);
    group.propose(1, "acknowledged").unwrap();
    (0..2).for_each(|_| group.beat());
    bring_back(&mut group, 3);
    // It hears of what it no longer holds, and answers; what it gets then is lost.
    group.tick(1, 1);
    group.work(1);
    let heartbeat = group.take(MsgHeartbeat).into_iter().find(|heartbeat| heartbeat.to == 2).unwrap();
    group.node(2).step(heartbeat).unwrap();
    group.work(2);
    assert!(group.node(2).lost().is_some());
    group.heal();
    group.isolate(1);
    for id in [3, 2, 3] {
        group.node(id).campaign().unwrap();
        group.settle();
        assert_ne!(group.role(id), RoleKind::Leader, "node {id}");
    }
    // Refilled by a leader of a later term, it votes again.
    group.heal();
    group.beat();
    group.elect(1);
    (0..4).for_each(|_| group.beat());
    assert_eq!(group.node(2).lost(), None);
    assert_eq!(group.applied[1].last().map(|data| &data[..]), Some(&b"acknowledged"[..]));
}

#[test]
fn a_node_that_holds_less_than_its_leader_knows_does_not_help_to_elect() {
    who_holds_less_than_the_leader_knows_does_not_elect();
}
