//! Log compaction: thesis 5.

use bytes::Bytes;
use raft_core::consensus::log::storage::Storage;
use raft_core::consensus::status::RoleKind;
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::message::MessageType::*;
use raft_core::raftpb::message::{Message, Snapshot, SnapshotMetadata};

use super::group::{FIRST, Group, message};

fn compact(group: &mut Group, id: u64) -> u64 {
    let (index, conf_state) = (group.status(id).applied, group.node(id).conf_state());
    let storage = group.node(id).storage_mut();
    storage.create_snapshot(index, conf_state, Bytes::from_static(b"state")).unwrap();
    storage.compact(index).unwrap();
    index
}

fn offer(index: u64, term: u64, voters: &[u64]) -> Message {
    let conf_state = ConfState::of_voters(voters.iter().copied());
    let snapshot = Snapshot { data: Bytes::new(), metadata: SnapshotMetadata { conf_state, index, term } };
    Message { snapshot: Some(Box::new(snapshot)), ..message(MsgSnap, 2, 1, 9) }
}

#[test]
fn s5_1_a_follower_whose_next_entry_is_gone_gets_a_snapshot_and_goes_on_behind_it() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(3);
    for data in ["a", "b"] {
        group.propose(1, data).unwrap();
        group.settle();
    }
    let index = compact(&mut group, 1);
    group.heal();
    (0..3).for_each(|_| group.beat());
    group.propose(1, "c").unwrap();
    group.settle();
    // The state of "a" and "b" came with the snapshot.
    assert_eq!(group.applied[2], ["c"]);
    assert_eq!(group.node(3).storage().first_index(), index + 1);
}

#[test]
fn s5_1_nothing_is_sent_to_a_follower_while_its_snapshot_is_on_its_way() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(3);
    group.propose(1, "a").unwrap();
    group.settle();
    compact(&mut group, 1);
    group.heal();
    group.tick(1, 1);
    let mut snapshots = Vec::new();
    for _ in 0..10 {
        group.exchange();
        snapshots.append(&mut group.take(MsgSnap));
    }
    assert_eq!(snapshots.len(), 1);
    group.propose(1, "b").unwrap();
    group.work(1);
    assert!(group.mail.iter().all(|m| m.to != 3 || m.msg_type != MsgApp));
    // It was lost: told so, the leader tries again at the next sign of life.
    group.node(1).report_snapshot(3, false).unwrap();
    (0..3).for_each(|_| group.beat());
    assert_eq!(group.applied[2], ["b"]);
}

#[test]
fn s5_1_a_snapshot_that_is_older_than_what_is_committed_is_ignored() {
    let mut group = Group::with_logs(&[(3, &[2, 3]), (3, &[]), (3, &[])]);
    let commit = Message { index: FIRST, log_term: 2, commit: FIRST, ..message(MsgApp, 2, 1, 9) };
    group.node(1).step(commit).unwrap();
    group.node(1).step(offer(FIRST, 2, &[1, 2, 3])).unwrap();
    group.work(1);
    assert_eq!(group.terms(1), [2, 3]);
}

#[test]
fn s5_1_a_snapshot_that_the_log_agrees_with_only_moves_the_commit_index() {
    let mut group = Group::with_logs(&[(3, &[2, 3]), (3, &[]), (3, &[])]);
    group.node(1).step(offer(FIRST, 2, &[1, 2, 3])).unwrap();
    group.work(1);
    assert_eq!((group.terms(1), group.commit(1)), (vec![2, 3], FIRST));
}

#[test]
fn s5_1_a_snapshot_that_the_log_contradicts_replaces_all_of_it() {
    let mut group = Group::with_logs(&[(3, &[2, 3, 3]), (3, &[]), (3, &[])]);
    group.node(1).step(offer(FIRST + 1, 5, &[1, 2, 3])).unwrap();
    group.work(1);
    assert_eq!(group.terms(1), []);
    assert_eq!((group.commit(1), group.status(1).last_index), (FIRST + 1, FIRST + 1));
}

#[test]
fn s5_1_a_snapshot_brings_its_membership() {
    let mut group = Group::new(3);
    group.node(1).step(offer(20, 5, &[1, 2, 9])).unwrap();
    group.work(1);
    assert_eq!(group.node(1).conf_state().voters, [1, 2, 9]);
}

#[test]
fn a_snapshot_of_a_membership_without_the_receiver_is_ignored() {
    let mut group = Group::new(3);
    group.node(1).step(offer(20, 5, &[2, 3])).unwrap();
    assert_eq!(group.commit(1), FIRST - 1);
}

#[test]
fn a_node_does_not_campaign_before_its_snapshot_is_saved() {
    let mut group = Group::new(3);
    group.node(1).step(offer(20, 5, &[1, 2, 3])).unwrap();
    let ticket = group.work_without_write(1).unwrap();
    group.node(1).campaign().unwrap();
    assert_eq!(group.role(1), RoleKind::Follower);
    group.node(1).appended(ticket).unwrap();
    group.node(1).campaign().unwrap();
    assert_eq!(group.role(1), RoleKind::Candidate);
}
