//! Leadership transfer: thesis 3.10.

use raft_core::consensus::config::Config;
use raft_core::consensus::status::RoleKind;
use raft_core::error::{Dropped, Error};
use raft_core::raftpb::conf_change::ConfChangeType::AddLearnerNode;
use raft_core::raftpb::message::MessageType::*;

use super::group::{Group, plain};

#[test]
fn s3_10_leadership_passes_at_once_to_a_node_that_is_up_to_date() {
    let mut group = Group::with(3, |id| Config { check_quorum: true, pre_vote: true, ..plain(id) });
    group.elect(1);
    group.node(1).transfer_leader(2).unwrap();
    group.settle();
    assert_eq!((group.role(2), group.role(1)), (RoleKind::Leader, RoleKind::Follower));
}

#[test]
fn s3_10_the_target_is_brought_up_to_date_first() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(3);
    group.propose(1, "x").unwrap();
    group.settle();
    group.heal();
    group.node(1).transfer_leader(3).unwrap();
    group.work(1);
    assert!(group.take(MsgTimeoutNow).is_empty());
    group.settle();
    assert_eq!((group.role(3), &group.applied[2]), (RoleKind::Leader, &vec!["x".into()]));
}

#[test]
fn s3_10_the_leader_takes_no_proposals_during_a_transfer() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(3);
    group.node(1).transfer_leader(3).unwrap();
    assert_eq!(group.propose(1, "x"), Err(Error::ProposalDropped(Dropped::Transferring)));
}

#[test]
fn s3_10_a_transfer_that_does_not_come_about_within_an_election_timeout_is_given_up() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(3);
    group.node(1).transfer_leader(3).unwrap();
    group.tick(1, 10);
    assert_eq!((group.role(1), group.status(1).transferee), (RoleKind::Leader, 0));
    group.propose(1, "x").unwrap();
    group.settle();
    assert_eq!(group.applied[1], ["x"]);
}

#[test]
fn s3_10_a_follower_passes_the_request_to_the_leader() {
    let mut group = Group::new(3);
    group.elect(1);
    group.node(2).transfer_leader(3).unwrap();
    group.settle();
    assert_eq!(group.role(3), RoleKind::Leader);
}

#[test]
fn s3_10_a_second_target_takes_the_place_of_the_first_and_oneself_ends_it() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(1);
    group.node(1).transfer_leader(2).unwrap();
    group.node(1).transfer_leader(3).unwrap();
    assert_eq!(group.status(1).transferee, 3);
    group.node(1).transfer_leader(1).unwrap();
    assert_eq!(group.status(1).transferee, 0);
}

#[test]
fn s3_10_nobody_hands_over_to_a_learner_or_a_stranger() {
    let mut group = Group::new(3);
    group.elect(1);
    let learner = group.add_blank();
    group.change(1, &[(AddLearnerNode, learner)]).unwrap();
    group.settle();
    for target in [learner, 77] {
        group.node(1).transfer_leader(target).unwrap();
        assert_eq!(group.status(1).transferee, 0);
    }
}

#[test]
fn s4_2_3_the_lease_does_not_stand_in_the_way_of_a_transfer() {
    let mut group = Group::with(3, |id| Config { check_quorum: true, ..plain(id) });
    group.elect(1);
    group.beat();
    group.node(1).transfer_leader(2).unwrap();
    group.work(1);
    group.exchange();
    assert_eq!(&group.mail.iter().find(|m| m.msg_type == MsgVote).unwrap().context[..], b"CampaignTransfer");
    group.settle();
    assert_eq!(group.role(2), RoleKind::Leader);
}

#[test]
fn a_follower_that_forgets_its_leader_votes_at_once() {
    let mut group = Group::with(3, |id| Config { check_quorum: true, pre_vote: true, ..plain(id) });
    group.elect(1);
    group.isolate(1);
    group.node(2).campaign().unwrap();
    group.settle();
    assert_ne!(group.role(2), RoleKind::Leader);
    group.node(3).forget_leader().unwrap();
    group.node(2).campaign().unwrap();
    group.settle();
    assert_eq!(group.role(2), RoleKind::Leader);
}

#[test]
fn a_leader_that_steps_down_leaves_its_term_to_nobody() {
    let mut group = Group::with(3, |id| Config { check_quorum: true, ..plain(id) });
    group.elect(1);
    let term = group.term(1);
    group.node(2).step_down().unwrap();
    group.node(1).step_down().unwrap();
    group.settle();
    assert_eq!((group.role(1), group.status(1).leader, group.term(1)), (RoleKind::Follower, 0, term));
    assert_eq!((group.role(2), group.status(2).leader), (RoleKind::Follower, 1));
    group.tick(3, 10);
    group.elect(3);
    assert_eq!(group.status(1).leader, 3);
}
