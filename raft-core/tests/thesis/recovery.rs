//! A node whose disk lost a part of what it had acknowledged. What raft takes for granted on stable storage (figure 2)
//! is no longer so: until the node holds it again, it must not help to elect anybody.

use raft_core::consensus::config::Config;
use raft_core::consensus::lost::Lost;
use raft_core::consensus::raw_node::RawNode;
use raft_core::consensus::status::RoleKind;
use raft_core::raftpb::message::Message;
use raft_core::raftpb::message::MessageType::*;

use super::group::{FIRST, Group, log_of, message, plain};

/// Node `id` starts again in `term`, with entries of these terms and without what is behind them up to index `last`.
fn rot(group: &mut Group, id: u64, term: u64, entry_terms: &[u64], last: u64) {
    let config = Config { lost: Some(Lost { last, term }), ..plain(id) };
    group.nodes[id as usize - 1] = RawNode::new(config, log_of(&[1, 2, 3], term, entry_terms)).unwrap();
    group.applied[id as usize - 1].clear();
    group.mail.retain(|message| message.from != id && message.to != id);
}

fn is_recovering(group: &Group, id: u64) -> bool {
    group.status(id).lost.is_some()
}

/// Three nodes in term 2; with entry 2, which node 1 opened the term with, and "x" as entry 3, both committed and held
/// by nodes 1 and 2 only.
fn acknowledged() -> Group {
    let mut group = Group::new(3);
    group.isolate(3);
    group.elect(1);
    group.propose(1, "x").unwrap();
    group.settle();
    assert_eq!((group.term(1), group.commit(1), group.terms(3)), (2, 3, vec![]));
    group.heal();
    group
}

#[test]
fn it_does_not_help_to_elect_a_leader_without_what_it_acknowledged() {
    let mut group = acknowledged();
    rot(&mut group, 2, 2, &[], 3);
    group.isolate(1);
    for _ in 0..3 {
        group.node(3).campaign().unwrap();
        group.settle();
    }
    assert_ne!(group.role(3), RoleKind::Leader);
}

#[test]
fn it_grants_neither_vote_nor_pre_vote_and_says_so() {
    let mut group = acknowledged();
    rot(&mut group, 2, 2, &[2, 2], 3);
    for kind in [MsgPreVote, MsgVote] {
        let request = Message { log_term: 9, index: 99, ..message(kind, 3, 2, 9) };
        group.node(2).step(request).unwrap();
        group.work(2);
        let answers: Vec<_> = std::mem::take(&mut group.mail);
        assert!(answers.iter().all(|answer| answer.reject), "{answers:?}");
        assert_eq!(answers.len(), 1);
    }
}

#[test]
fn it_does_not_campaign_and_does_not_take_leadership_over() {
    let mut group = acknowledged();
    rot(&mut group, 2, 2, &[2, 2], 4);
    group.tick(2, 100);
    group.node(2).campaign().unwrap();
    group.node(2).step(message(MsgTimeoutNow, 1, 2, 2)).unwrap();
    group.work(2);
    assert_eq!((group.role(2), group.term(2)), (RoleKind::Follower, 2));
    assert!(group.take(MsgVote).is_empty() && group.take(MsgPreVote).is_empty());
}

#[test]
fn what_it_lost_does_not_count_for_it_any_more_and_is_sent_again() {
    let mut group = acknowledged();
    group.isolate(3);
    rot(&mut group, 2, 2, &[], 3);
    group.propose(1, "y").unwrap();
    group.beat();
    group.beat();
    assert!(!is_recovering(&group, 2));
    assert_eq!((group.terms(2), group.commit(2)), (vec![2, 2, 2], 4));
    assert_eq!(group.applied[1], ["x", "y"]);
}

#[test]
fn what_it_lost_is_sent_again_also_when_nobody_had_committed_it() {
    // The leader believes node 2 to hold entry 4, which is not committed because node 1 has not saved it itself.
    let mut group = acknowledged();
    group.isolate(3);
    group.propose(1, "y").unwrap();
    let ready = group.node(1).ready().unwrap();
    for message in ready.messages {
        if message.to == 2 {
            group.node(2).step(message).unwrap();
        }
    }
    group.work(2);
    for answer in std::mem::take(&mut group.mail) {
        let _ = group.node(1).step(answer);
    }
    let matched = |group: &Group| group.status(1).progress.iter().find(|(id, _)| *id == 2).unwrap().1.matched;
    assert_eq!((matched(&group), group.commit(1)), (4, 3));
    rot(&mut group, 2, 2, &[2, 2], 4);
    group.node(1).appended(ready.append.unwrap()).unwrap();
    group.beat();
    group.propose(1, "z").unwrap();
    (0..3).for_each(|_| group.beat());
    assert_eq!((matched(&group), group.commit(2), is_recovering(&group, 2)), (5, 5, false));
}

#[test]
fn it_believes_no_commit_for_entries_that_it_has_not_compared() {
    // Node 2 once held entries 2 to 4 of term 1; then it took others of term 2 in their place, and rot took those back.
    let mut group = Group::with_logs(&[(2, &[2, 2]), (2, &[2, 2]), (2, &[2, 2])]);
    group.elect(1);
    group.propose(1, "x").unwrap();
    group.settle();
    let term = group.term(1);
    rot(&mut group, 2, term, &[1, 1, 1], 5);
    let commit = group.commit(1);
    group.node(2).step(Message { commit, ..message(MsgHeartbeat, 1, 2, term) }).unwrap();
    group.work(2);
    assert_eq!((group.commit(2), group.applied[1].len()), (FIRST - 1, 0));
    group.settle();
    (0..2).for_each(|_| group.beat());
    assert_eq!(group.terms(2), group.terms(1));
    assert_eq!(group.applied[1], ["2.2", "2.3", "x"]);
    assert!(!is_recovering(&group, 2));
}

#[test]
fn it_recovers_when_all_is_durable_and_not_before() {
    // One entry a message, so that each is a write of its own.
    let mut group = Group::with(3, |id| Config { message_bytes_max: 0, ..plain(id) });
    group.isolate(3);
    group.elect(1);
    group.propose(1, "x").unwrap();
    group.propose(1, "y").unwrap();
    group.settle();
    rot(&mut group, 2, 2, &[], 4);
    group.tick(1, 1);
    let mut held = Vec::new();
    for _ in 0..10 {
        group.work(1);
        for message in std::mem::take(&mut group.mail).into_iter().filter(|message| message.to != 3) {
            let to = message.to;
            let _ = group.node(to).step(message);
            while let Some(ticket) = group.work_without_write(2) {
                // Of entries 3 and 4 both are received, and neither is written.
                if !held.is_empty() || ticket.entries().first().is_some_and(|entry| entry.index > 2) {
                    held.push(ticket);
                    continue;
                }
                let messages = group.node(2).appended(ticket).unwrap();
                group.mail.extend(messages);
            }
        }
    }
    let indices: Vec<_> = held.iter().flat_map(|ticket| ticket.entries().iter().map(|e| e.index)).collect();
    assert_eq!((indices, group.status(2).last_index), (vec![3, 4], 4));
    for ticket in held {
        let is_last = ticket.entries().last().is_some_and(|entry| entry.index == 4);
        assert!(is_recovering(&group, 2));
        group.node(2).appended(ticket).unwrap();
        if is_last {
            break;
        }
    }
    assert!(!is_recovering(&group, 2));
}

#[test]
fn less_than_it_may_have_acknowledged_is_not_enough() {
    let mut group = acknowledged();
    rot(&mut group, 2, 2, &[2], 5);
    (0..3).for_each(|_| group.beat());
    assert_eq!((group.commit(2), is_recovering(&group, 2)), (3, true));
    group.propose(1, "y").unwrap();
    (0..2).for_each(|_| group.beat());
    assert_eq!((group.commit(2), is_recovering(&group, 2)), (4, true));
    group.propose(1, "z").unwrap();
    (0..2).for_each(|_| group.beat());
    assert_eq!((group.commit(2), is_recovering(&group, 2)), (5, false));
}

#[test]
fn an_entry_of_a_newer_term_is_enough_where_nobody_knows_what_was_lost() {
    let mut group = acknowledged();
    rot(&mut group, 2, 2, &[], u64::MAX);
    group.propose(1, "y").unwrap();
    (0..3).for_each(|_| group.beat());
    assert_eq!((group.commit(2), is_recovering(&group, 2)), (4, true));
    // Node 3 has been brought up to date meanwhile, and is elected without node 2.
    group.elect(3);
    (0..2).for_each(|_| group.beat());
    assert!(!is_recovering(&group, 2));
    group.elect(2);
}

#[test]
fn a_snapshot_of_a_newer_term_is_enough_too() {
    let mut group = acknowledged();
    rot(&mut group, 2, 2, &[], u64::MAX);
    group.isolate(2);
    (0..2).for_each(|_| group.beat());
    group.elect(3);
    group.propose(3, "y").unwrap();
    (0..2).for_each(|_| group.beat());
    let (index, conf_state) = (group.status(3).applied, group.node(3).conf_state());
    let storage = group.node(3).storage_mut();
    storage.create_snapshot(index, conf_state, "state".into()).unwrap();
    storage.compact(index).unwrap();
    group.heal();
    (0..8).for_each(|_| group.beat());
    assert_eq!((group.status(2).last_index, is_recovering(&group, 2)), (index, false));
}

#[test]
fn a_node_that_lost_all_and_does_not_know_the_members_is_refilled() {
    let mut group = acknowledged();
    let config = Config { lost: Some(Lost { last: 3, term: 2 }), ..plain(2) };
    let storage = raft_core::consensus::log::memory_storage::MemoryStorage::recovered(
        raft_core::raftpb::message::HardState { term: 2, vote: 1, commit: 0 },
        Default::default(),
        Default::default(),
    );
    group.nodes[1] = RawNode::new(config, storage).unwrap();
    let (index, conf_state) = (group.status(1).applied, group.node(1).conf_state());
    group.node(1).storage_mut().create_snapshot(index, conf_state, "state".into()).unwrap();
    (0..8).for_each(|_| group.beat());
    assert_eq!((group.status(2).last_index, group.commit(2), is_recovering(&group, 2)), (3, 3, false));
}

#[test]
fn two_that_lost_different_entries_recover_from_the_third_that_leads() {
    let mut group = Group::new(3);
    group.elect(1);
    for data in ["a", "b", "c", "d"] {
        group.propose(1, data).unwrap();
    }
    group.settle();
    rot(&mut group, 2, 2, &[2], 6);
    rot(&mut group, 3, 2, &[2, 2, 2], 6);
    (0..4).for_each(|_| group.beat());
    for id in [2, 3] {
        assert!(!is_recovering(&group, id));
        assert_eq!((group.terms(id), group.commit(id)), (group.terms(1), 6));
    }
    group.isolate(1);
    group.elect(2);
}

#[test]
fn a_group_that_cannot_elect_without_them_stands_still_and_loses_nothing() {
    let mut group = acknowledged();
    rot(&mut group, 2, 2, &[2], 3);
    rot(&mut group, 3, 2, &[], 3);
    let storage = log_of(&[1, 2, 3], 2, &[2, 2]);
    group.nodes[0] = RawNode::new(plain(1), storage).unwrap();
    for _ in 0..5 {
        (1..=3).for_each(|id| group.tick(id, 20));
        group.settle();
    }
    assert!((1..=3).all(|id| group.role(id) != RoleKind::Leader));
}

/// Each rule turned off, and a scenario above that notices.
#[cfg(feature = "mutants")]
#[test]
fn no_rule_of_the_recovery_can_be_left_out() {
    use raft_core::consensus::mutants::{Mutant, plant};
    let rules: [(Mutant, fn()); 4] = [
        (Mutant::VoteWhileRecovering, it_does_not_help_to_elect_a_leader_without_what_it_acknowledged),
        (Mutant::VoteWhileRecovering, it_does_not_campaign_and_does_not_take_leadership_over),
        (Mutant::BelieveUncomparedCommit, it_believes_no_commit_for_entries_that_it_has_not_compared),
        (Mutant::RecoverBeforeDurable, it_recovers_when_all_is_durable_and_not_before),
    ];
    for (mutant, scenario) in rules {
        plant(Some(mutant));
        let noticed = std::panic::catch_unwind(scenario).is_err();
        plant(None);
        assert!(noticed, "nothing notices {mutant:?}");
    }
}
