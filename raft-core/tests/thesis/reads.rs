//! Linearizable reads: thesis 6.4, 6.4.1.

use bytes::Bytes;
use raft_core::consensus::config::{Config, ReadOnlyOption};
use raft_core::consensus::status::RoleKind;
use raft_core::raftpb::message::Message;
use raft_core::raftpb::message::MessageType::*;

use super::group::{FIRST, Group, message, plain};

fn leased(id: u64) -> Config {
    Config { check_quorum: true, read_only: ReadOnlyOption::LeaseBased, hold_back_ticks: 50, ..plain(id) }
}

/// Nodes that have been up for an election timeout: before that, each keeps what it may have promised.
fn leased_group(config: impl Fn(u64) -> Config) -> Group {
    let mut group = Group::with(3, config);
    (1..=3).for_each(|id| group.tick(id, 10));
    group
}

fn ask(group: &mut Group, id: u64, context: &'static str) {
    group.node(id).read_index(Bytes::from_static(context.as_bytes())).unwrap();
    group.work(id);
}

fn answers(group: &Group, id: u64) -> Vec<(u64, &[u8])> {
    group.reads[id as usize - 1].iter().map(|read| (read.index, read.context.as_ref())).collect()
}

#[test]
fn s6_4_a_read_waits_for_a_quorum_to_answer_a_heartbeat_sent_after_it_came() {
    let mut group = Group::new(3);
    group.elect(1);
    ask(&mut group, 1, "r");
    assert!(answers(&group, 1).is_empty());
    group.settle();
    assert_eq!(answers(&group, 1), [(FIRST, &b"r"[..])]);
}

#[test]
fn s6_4_a_leader_that_was_deposed_without_knowing_answers_no_read() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(1);
    group.elect(2);
    group.propose(2, "newer").unwrap();
    group.settle();
    ask(&mut group, 1, "stale");
    (0..5).for_each(|_| group.beat());
    assert_eq!(group.role(1), RoleKind::Leader);
    assert!(answers(&group, 1).is_empty());
}

#[test]
fn s6_4_a_read_waits_for_the_first_commit_of_the_term() {
    for size in [1, 3] {
        let mut group = Group::new(size);
        group.node(1).campaign().unwrap();
        let ticket = group.work_without_write(1);
        let vote = ticket.map(|ticket| group.node(1).appended(ticket).unwrap());
        group.mail.extend(vote.unwrap_or_default());
        if size == 3 {
            let term = group.term(1);
            group.node(1).step(message(MsgVoteResp, 2, 1, term)).unwrap();
        }
        assert_eq!(group.role(1), RoleKind::Leader);
        group.node(1).read_index(Bytes::from_static(b"early")).unwrap();
        let _unsaved = group.work_without_write(1);
        assert!(answers(&group, 1).is_empty(), "size {size}");
    }
}

#[test]
fn s6_4_a_read_that_waited_for_the_first_commit_is_answered_behind_it() {
    let mut group = Group::new(3);
    group.isolate(1);
    group.node(1).campaign().unwrap();
    group.work(1);
    let term = group.term(1);
    group.node(1).step(message(MsgVoteResp, 2, 1, term)).unwrap();
    ask(&mut group, 1, "early");
    group.heal();
    group.mail.clear();
    (0..3).for_each(|_| group.beat());
    assert_eq!(answers(&group, 1), [(FIRST, &b"early"[..])]);
}

#[test]
fn s6_4_a_follower_and_a_learner_read_through_the_leader() {
    let mut group = Group::new(3);
    group.elect(1);
    ask(&mut group, 3, "far");
    group.settle();
    assert_eq!(answers(&group, 3), [(FIRST, &b"far"[..])]);
    assert!(answers(&group, 1).is_empty());
}

#[test]
fn s6_4_one_round_confirms_all_reads_that_came_before_it() {
    let mut group = Group::new(3);
    group.elect(1);
    for context in ["a", "b", "c"] {
        group.node(1).read_index(Bytes::from_static(context.as_bytes())).unwrap();
    }
    group.settle();
    assert_eq!(answers(&group, 1).len(), 3);
}

#[test]
fn s6_4_a_read_survives_the_loss_of_its_round() {
    let mut group = Group::new(3);
    group.elect(1);
    ask(&mut group, 1, "r");
    group.mail.clear();
    group.beat();
    assert_eq!(answers(&group, 1).len(), 1);
}

#[test]
fn a_repeated_context_is_not_confirmed_by_answers_to_its_first_use() {
    let mut group = Group::new(3);
    group.elect(1);
    ask(&mut group, 1, "same");
    group.exchange();
    let late = group.take(MsgHeartbeatResp);
    assert_eq!(late.len(), 2);
    group.node(1).step(late[0].clone()).unwrap();
    group.work(1);
    assert_eq!(answers(&group, 1).len(), 1);
    ask(&mut group, 1, "same");
    group.node(1).step(late[1].clone()).unwrap();
    group.work(1);
    assert_eq!(answers(&group, 1).len(), 1);
}

#[test]
fn s6_4_1_a_leader_with_a_lease_answers_at_once() {
    let mut group = leased_group(leased);
    group.elect(1);
    group.beat();
    ask(&mut group, 1, "fast");
    assert_eq!(answers(&group, 1), [(FIRST, &b"fast"[..])]);
}

#[test]
fn s6_4_1_a_lease_ends_before_the_fastest_clock_could_elect_another() {
    // Ten ticks, less a tenth of drift, less the tick that may have been under way: eight.
    for (ticks, has_lease) in [(7, true), (8, false)] {
        let mut group = leased_group(leased);
        group.elect(1);
        group.beat();
        group.isolate(1);
        group.tick(1, ticks);
        ask(&mut group, 1, "r");
        assert_eq!(answers(&group, 1).len() == 1, has_lease, "after {ticks} ticks");
    }
}

#[test]
fn s6_4_1_without_a_lease_a_read_falls_back_to_a_round_of_heartbeats() {
    let mut group = leased_group(leased);
    group.elect(1);
    group.node(1).drop_lease().unwrap();
    ask(&mut group, 1, "slow");
    assert!(answers(&group, 1).is_empty());
    group.settle();
    assert_eq!(answers(&group, 1).len(), 1);
}

#[test]
fn s6_4_1_a_drift_that_leaves_no_lease_gives_none() {
    let mut group = leased_group(|id| Config { clock_drift_percent: 90, ..leased(id) });
    group.elect(1);
    group.beat();
    ask(&mut group, 1, "r");
    assert!(answers(&group, 1).is_empty());
}

#[test]
fn s6_4_1_whoever_told_another_to_campaign_has_no_lease_for_the_rest_of_the_term() {
    let mut group = leased_group(leased);
    group.elect(1);
    group.beat();
    group.node(1).transfer_leader(2).unwrap();
    group.work(1);
    let offer = group.take(MsgTimeoutNow);
    assert_eq!(offer.len(), 1);
    group.tick(1, 10);
    group.settle();
    assert_eq!((group.role(1), group.status(1).transferee), (RoleKind::Leader, 0));
    group.beat();
    // The word to campaign is still on its way.
    ask(&mut group, 1, "r");
    assert!(answers(&group, 1).is_empty());
}

#[test]
pub(crate) fn s6_4_1_a_lease_read_falls_back_while_a_transfer_is_under_way() {
    let mut group = leased_group(leased);
    group.elect(1);
    group.beat();
    ask(&mut group, 1, "leased");
    assert_eq!(answers(&group, 1).len(), 1);
    group.node(1).transfer_leader(2).unwrap();
    group.work(1);
    let offer = group.take(MsgTimeoutNow).remove(0);
    group.isolate(1);
    group.node(2).step(offer).unwrap();
    group.settle();
    group.propose(2, "newer").unwrap();
    group.settle();
    // No tick has passed: by the clock the old leader's lease would still last.
    assert_eq!((group.role(1), group.applied[2].len()), (RoleKind::Leader, 1));
    ask(&mut group, 1, "stale");
    group.beat();
    assert_eq!(answers(&group, 1).len(), 1);
}

#[test]
fn s6_4_1_a_follower_keeps_its_word_to_the_leader_over_a_restart() {
    let mut group = leased_group(leased);
    group.elect(1);
    group.beat();
    let hard_state = group.status(2).hard_state;
    let snapshot = super::group::log_of(&[1, 2, 3], 1, &[]).snapshot_metadata().clone();
    let entries = raft_core::consensus::log::storage::Storage::entries(
        group.node(2).storage(),
        FIRST,
        FIRST + 1,
        u64::MAX,
    )
    .unwrap();
    let storage =
        raft_core::consensus::log::memory_storage::MemoryStorage::recovered(hard_state, snapshot, entries);
    group.nodes[1] = raft_core::consensus::raw_node::RawNode::new(leased(2), storage).unwrap();
    group.isolate(1);
    // Node 3 has not heard of the leader for long; node 2 has just started.
    group.tick(3, 10);
    for (ticks, elected) in [(0, false), (9, false), (1, true)] {
        group.tick(2, ticks);
        group.node(3).campaign().unwrap();
        group.settle();
        assert_eq!(group.role(3) == RoleKind::Leader, elected);
    }
}

#[test]
fn s6_4_1_a_lease_has_run_on_for_the_ticks_that_are_still_to_come() {
    for (late, has_lease) in [(7, true), (8, false)] {
        let mut group = leased_group(leased);
        group.elect(1);
        group.beat();
        group.isolate(1);
        group.node(1).set_late_ticks(late);
        ask(&mut group, 1, "r");
        assert_eq!(answers(&group, 1).len() == 1, has_lease, "{late} late");
    }
}

#[test]
fn s6_4_1_a_promise_counts_from_behind_the_ticks_that_are_still_to_come() {
    let mut group = leased_group(leased);
    group.elect(1);
    group.node(2).set_late_ticks(4);
    // One of the four, and then the heartbeat.
    group.beat();
    group.isolate(1);
    group.tick(3, 10);
    // Three of the twelve had passed before node 2 gave its word.
    for (ticks, elected) in [(3, false), (9, false), (1, true)] {
        group.tick(2, ticks);
        group.node(3).campaign().unwrap();
        group.settle();
        assert_eq!(group.role(3) == RoleKind::Leader, elected);
    }
}

#[test]
fn s6_4_1_a_promise_holds_in_a_term_that_another_message_has_brought() {
    let mut group = leased_group(leased);
    group.node(2).step(message(MsgHeartbeat, 1, 2, 5)).unwrap();
    group.work(2);
    let request = || Message { log_term: 5, index: FIRST, ..message(MsgVote, 3, 2, 6) };
    group.node(2).step(request()).unwrap();
    assert_eq!(group.term(2), 5, "term and all");
    // A refusal of what it asked for long ago, from a node that is in term 6 by now.
    group.node(2).step(Message { reject: true, ..message(MsgVoteResp, 1, 2, 6) }).unwrap();
    group.node(2).step(request()).unwrap();
    group.work(2);
    assert_eq!((group.term(2), group.status(2).hard_state.vote), (6, 0));
    // Unless the leader has asked for it.
    group.node(2).step(Message { context: Bytes::from_static(b"CampaignTransfer"), ..request() }).unwrap();
    group.work(2);
    assert_eq!(group.status(2).hard_state.vote, 3);
}
