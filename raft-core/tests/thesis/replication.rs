//! Log replication and commitment: figures 2 and 3, thesis 3.5, 3.6.2, 3.7, 10.2.1.

use raft_core::consensus::config::Config;
use raft_core::consensus::log::storage::Storage;
use raft_core::consensus::ready::AppendTicket;
use raft_core::consensus::status::RoleKind;
use raft_core::error::{Dropped, Error};
use raft_core::raftpb::entry::{Entries, Entry};
use raft_core::raftpb::message::Message;
use raft_core::raftpb::message::MessageType::*;

use super::group::{FIRST, Group, message, plain};

fn entries(from: u64, terms: &[u64]) -> Entries {
    terms.iter().zip(from..).map(|(&term, index)| Entry { term, index, ..Entry::default() }).collect()
}

#[test]
fn fig2_a_leader_opens_its_term_with_heartbeats_that_carry_an_empty_entry() {
    let mut group = Group::new(3);
    group.node(1).campaign().unwrap();
    group.work(1);
    group.mail.clear();
    group.node(1).step(message(MsgVoteResp, 2, 1, 2)).unwrap();
    group.work(1);
    let appends = group.take(MsgApp);
    assert_eq!(appends.iter().map(|m| (m.to, m.entries.len())).collect::<Vec<_>>(), [(2, 1), (3, 1)]);
    assert!(appends[0].entries.first().unwrap().data.is_empty());
}

#[test]
fn fig2_a_leader_sends_heartbeats_while_nothing_happens() {
    let mut group = Group::new(3);
    group.elect(1);
    for _ in 0..30 {
        group.tick(1, 1);
        group.work(1);
        assert_eq!(group.take(MsgHeartbeat).len(), 2);
    }
}

#[test]
fn fig2_a_proposal_is_appended_replicated_committed_and_applied_everywhere() {
    let mut group = Group::new(3);
    group.elect(1);
    group.propose(1, "x").unwrap();
    group.settle();
    assert_eq!(group.applied, vec![vec!["x"]; 3]);
    assert_eq!((group.commit(1), group.commit(2), group.commit(3)), (3, 3, 3));
}

#[test]
fn s3_5_an_entry_is_committed_once_a_majority_has_saved_it() {
    for (size, acks, committed) in
        [(1, 0, true), (2, 0, false), (3, 0, false), (3, 1, true), (5, 1, false), (5, 2, true)]
    {
        let mut group = Group::new(size);
        group.elect(1);
        group.propose(1, "x").unwrap();
        group.work(1);
        group.mail.clear();
        let term = group.term(1);
        for from in 2..2 + acks {
            group.node(1).step(Message { index: FIRST + 1, ..message(MsgAppResp, from, 1, term) }).unwrap();
        }
        assert_eq!(group.commit(1) == FIRST + 1, committed, "{acks} of {size}");
    }
}

#[test]
fn s10_2_1_the_leader_sends_before_it_has_saved_and_does_not_count_itself_until_then() {
    let mut group = Group::new(3);
    group.elect(1);
    group.propose(1, "x").unwrap();
    let ticket = group.work_without_write(1).unwrap();
    assert_eq!(group.mail.iter().filter(|m| m.msg_type == MsgApp).count(), 2);
    let term = group.term(1);
    group.node(1).step(Message { index: FIRST + 1, ..message(MsgAppResp, 2, 1, term) }).unwrap();
    assert_eq!(group.commit(1), FIRST);
    group.node(1).appended(ticket).unwrap();
    assert_eq!(group.commit(1), FIRST + 1);
}

/// Leader 2 or 3 of `term` sends entries of these terms behind the first snapshot, and that entry `commit` is committed.
fn append_of(group: &mut Group, term: u64, terms: &[u64], commit: u64) -> AppendTicket {
    let append = Message {
        index: FIRST - 1,
        log_term: 1,
        commit,
        entries: entries(FIRST, terms),
        ..message(MsgApp, 2 + term % 2, 1, term)
    };
    group.node(1).step(append).unwrap();
    group.node(1).ready().unwrap().append.unwrap()
}

#[test]
pub(crate) fn s10_2_1_a_write_of_an_earlier_term_counts_for_nothing() {
    let mut group = Group::new(3);
    // An entry is written, replaced, and comes back, all before the first write is done.
    let first = append_of(&mut group, 2, &[2], FIRST - 1);
    let second = append_of(&mut group, 3, &[3], FIRST - 1);
    let third = append_of(&mut group, 4, &[2, 4], FIRST);
    group.node(1).appended(first).unwrap();
    group.node(1).appended(second).unwrap();
    // It is committed, and the disk holds what replaced it.
    let early = if group.node(1).has_ready() { group.node(1).ready().unwrap().apply } else { None };
    group.node(1).appended(third).unwrap();
    let late = if group.node(1).has_ready() { group.node(1).ready().unwrap().apply } else { None };
    let applied = early.iter().chain(&late).flat_map(|ticket| ticket.entries().iter());
    assert_eq!(applied.map(|entry| (entry.index, entry.term)).collect::<Vec<_>>(), [(FIRST, 2)]);
}

#[test]
fn s5_3_word_of_a_commit_index_alone_is_answered_only_where_it_does_not_fit() {
    let mut group = Group::new(3);
    group.elect(1);
    group.propose(1, "x").unwrap();
    let term = group.term(1);
    group.work(1);
    group.mail.clear();
    // Both hold it. Whoever has said so is told that it is committed, and has nothing to add.
    for to in 2..=3 {
        let append = Message {
            index: FIRST,
            log_term: term,
            commit: FIRST,
            entries: entries(FIRST + 1, &[term]),
            ..message(MsgApp, 1, to, term)
        };
        group.node(to).step(append).unwrap();
        group.work(to);
    }
    group.mail.clear();
    group.node(1).step(Message { index: FIRST + 1, ..message(MsgAppResp, 2, 1, term) }).unwrap();
    group.work(1);
    let word = |group: &Group, to| group.mail.iter().find(|m| m.msg_type == MsgApp && m.to == to).cloned();
    let (heard, unheard) = (word(&group, 2).unwrap(), word(&group, 3).unwrap());
    assert_eq!((heard.entries.len(), heard.commit, heard.quiet), (0, FIRST + 1, true));
    // The third has said nothing yet: what it answers is news.
    assert!(!unheard.quiet);
    let answer = |group: &mut Group, word: &Message| {
        group.mail.clear();
        group.node(word.to).step(word.clone()).unwrap();
        group.work(word.to);
        group.mail.iter().find(|m| m.msg_type == MsgAppResp).cloned()
    };
    assert_eq!((answer(&mut group, &heard), group.commit(2)), (None, FIRST + 1));
    assert!(answer(&mut group, &unheard).is_some_and(|answer| !answer.reject));
    // Nodes of etcd do not know the mark.
    assert!(answer(&mut group, &Message { quiet: false, ..heard.clone() }).is_some());
    let beyond = Message { index: FIRST + 9, ..heard };
    assert!(answer(&mut group, &beyond).is_some_and(|answer| answer.reject));
}

#[test]
fn s10_2_1_a_majority_without_the_leader_commits() {
    let mut group = Group::new(3);
    group.elect(1);
    group.propose(1, "x").unwrap();
    let _never_written = group.work_without_write(1).unwrap();
    let term = group.term(1);
    for from in 2..=3 {
        group.node(1).step(Message { index: FIRST + 1, ..message(MsgAppResp, from, 1, term) }).unwrap();
    }
    assert_eq!(group.commit(1), FIRST + 1);
    // What is not saved here is not applied here.
    group.work_without_write(1);
    assert!(group.applied[0].is_empty());
}

#[test]
fn fig2_a_follower_acknowledges_only_what_it_has_saved() {
    let mut group = Group::new(3);
    let append =
        Message { index: FIRST - 1, log_term: 1, entries: entries(FIRST, &[2]), ..message(MsgApp, 2, 1, 2) };
    group.node(1).step(append).unwrap();
    let ticket = group.work_without_write(1).unwrap();
    assert!(ticket.must_sync() && group.mail.is_empty());
    let released = group.node(1).appended(ticket).unwrap();
    assert_eq!((released[0].msg_type, released[0].index), (MsgAppResp, FIRST));
}

#[test]
fn fig2_a_follower_refuses_entries_that_do_not_follow_what_it_has() {
    // Ours: terms 1, 2 at indices 2, 3.
    for (log_term, index, rejected) in
        [(1, 2, false), (2, 3, false), (1, 3, true), (3, 3, true), (3, 4, true)]
    {
        let mut group = Group::with_logs(&[(3, &[1, 2]), (3, &[]), (3, &[])]);
        group.node(1).step(Message { log_term, index, ..message(MsgApp, 2, 1, 3) }).unwrap();
        group.work(1);
        assert_eq!(group.take(MsgAppResp)[0].reject, rejected, "{log_term} {index}");
    }
}

#[test]
fn fig2_entries_that_conflict_and_all_behind_them_are_replaced() {
    for (prev, new, left) in [
        (FIRST - 1, &[2, 2][..], &[2, 2][..]),
        (FIRST, &[2, 2], &[1, 2, 2]),
        (FIRST + 1, &[2], &[1, 1, 2]),
        (FIRST - 1, &[1], &[1, 1, 1]),
        (FIRST - 1, &[1, 1, 1, 2], &[1, 1, 1, 2]),
    ] {
        let mut group = Group::with_logs(&[(2, &[1, 1, 1]), (2, &[]), (2, &[])]);
        let append =
            Message { index: prev, log_term: 1, entries: entries(prev + 1, new), ..message(MsgApp, 2, 1, 2) };
        group.node(1).step(append).unwrap();
        group.work(1);
        assert_eq!(group.terms(1), left, "{prev} {new:?}");
    }
}

#[test]
fn fig2_an_older_append_does_not_shorten_the_log() {
    let mut group = Group::with_logs(&[(2, &[1, 1, 1]), (2, &[]), (2, &[])]);
    let append =
        Message { index: FIRST - 1, log_term: 1, entries: entries(FIRST, &[1]), ..message(MsgApp, 2, 1, 2) };
    group.node(1).step(append).unwrap();
    group.work(1);
    assert_eq!(group.terms(1), [1, 1, 1]);
}

#[test]
pub(crate) fn fig2_a_follower_commits_up_to_what_the_append_covers_and_no_further() {
    for (len, commit, expected) in [(2, 2, 2), (2, 99, 3), (0, 99, 1), (1, 2, 2)] {
        let mut group = Group::with_logs(&[(2, &[1, 1, 1]), (2, &[]), (2, &[])]);
        let append = Message {
            index: FIRST - 1,
            log_term: 1,
            commit,
            entries: entries(FIRST, &[1, 1][..len]),
            ..message(MsgApp, 2, 1, 2)
        };
        group.node(1).step(append).unwrap();
        assert_eq!(group.commit(1), expected, "{len} {commit}");
    }
}

#[test]
fn s3_6_2_an_entry_of_an_older_term_is_not_committed_by_counting() {
    let mut group = Group::with_logs(&[(2, &[2]), (2, &[2]), (2, &[])]);
    group.isolate(3);
    group.node(1).campaign().unwrap();
    group.work(1);
    let term = group.term(1);
    group.node(1).step(message(MsgVoteResp, 2, 1, term)).unwrap();
    group.work(1);
    // Two of three hold the entry of term 2, and the leader knows it.
    group.node(1).step(Message { index: FIRST, ..message(MsgAppResp, 2, 1, term) }).unwrap();
    assert_eq!(group.commit(1), FIRST - 1);
    // One of its own term commits both.
    group.node(1).step(Message { index: FIRST + 1, ..message(MsgAppResp, 2, 1, term) }).unwrap();
    assert_eq!(group.commit(1), FIRST + 1);
}

#[test]
fn fig7_a_leader_brings_every_kind_of_log_to_equal_its_own() {
    let lead: &[u64] = &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    for log in [
        &[][..],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6],
        &[1, 1, 1, 4],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
        &[1, 1, 1, 4, 4, 4, 4],
        &[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    ] {
        let mut group = Group::with_logs(&[(8, lead), (7, log), (8, &[])]);
        group.elect(1);
        group.propose(1, "x").unwrap();
        group.settle();
        group.beat();
        assert_eq!(group.terms(2), group.terms(1), "{log:?}");
        assert_eq!(group.terms(1)[..lead.len()], *lead);
    }
}

#[test]
fn s3_5_a_rejection_skips_a_whole_term_at_a_time() {
    let lead: Vec<u64> = [vec![1; 20], vec![5; 20]].concat();
    let lagging: Vec<u64> = [vec![1; 20], vec![2; 10], vec![3; 10]].concat();
    let mut group = Group::with_logs(&[(6, &lead), (6, &lagging), (6, &[])]);
    group.isolate(3);
    group.node(1).campaign().unwrap();
    let mut rejections = 0;
    for _ in 0..100 {
        group.work_all();
        rejections += group.mail.iter().filter(|m| m.msg_type == MsgAppResp && m.reject).count();
        group.exchange();
    }
    // Node 2 does not vote for node 1 here: its own log ends in a term that is not newer.
    assert_eq!((group.terms(2), rejections), (group.terms(1), 1));
}

#[test]
fn fig3_leader_append_only_a_leader_never_changes_what_it_has() {
    let mut group = Group::with_logs(&[(3, &[2, 3]), (3, &[2]), (3, &[])]);
    group.elect(1);
    assert_eq!(group.terms(1), [2, 3, 4]);
    // Whoever claims to lead, in its own term or in an earlier one.
    for term in [3, 4] {
        let append = Message {
            index: FIRST - 1,
            log_term: 1,
            entries: entries(FIRST, &[term, term]),
            ..message(MsgApp, 2, 1, term)
        };
        let _ = group.node(1).step(append);
        group.settle();
        assert_eq!(group.terms(1), [2, 3, 4]);
    }
}

#[test]
fn fig3_leader_completeness_what_is_committed_is_in_the_log_of_every_later_leader() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(3);
    group.propose(1, "kept").unwrap();
    group.settle();
    assert_eq!(group.commit(1), FIRST + 1);
    group.heal();
    group.isolate(1);
    group.node(3).campaign().unwrap();
    group.settle();
    assert_ne!(group.role(3), RoleKind::Leader);
    group.elect(2);
    assert_eq!(group.applied[1], ["kept"]);
}

#[test]
fn fig3_state_machine_safety_nodes_apply_the_same_entries_in_the_same_order() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(1);
    group.propose(1, "lost").unwrap();
    group.settle();
    group.elect(2);
    group.propose(2, "won").unwrap();
    group.settle();
    group.heal();
    (0..3).for_each(|_| group.beat());
    assert_eq!(group.applied, vec![vec!["won"]; 3]);
}

#[test]
fn s3_7_a_follower_that_missed_messages_is_caught_up_by_retries() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(3);
    for data in ["a", "b", "c"] {
        group.propose(1, data).unwrap();
        group.settle();
    }
    assert!(group.applied[2].is_empty());
    group.heal();
    (0..3).for_each(|_| group.beat());
    assert_eq!(group.applied[2], ["a", "b", "c"]);
}

#[test]
fn s3_7_a_message_that_arrives_twice_has_the_effect_of_one() {
    let mut group = Group::new(3);
    group.elect(1);
    group.propose(1, "x").unwrap();
    for _ in 0..20 {
        group.work_all();
        let doubled = group.mail.clone();
        group.mail.extend(doubled);
        group.exchange();
        if group.mail.len() > 4000 {
            break;
        }
    }
    group.settle();
    assert_eq!(group.applied, vec![vec!["x"]; 3]);
}

#[test]
fn in_flight_appends_are_bounded_by_count_and_by_bytes() {
    for (config, expected) in [
        (Config { inflight_messages_max: 3, ..plain(1) }, 3),
        (Config { message_bytes_max: 16, inflight_bytes_max: 20, ..plain(1) }, 2),
    ] {
        let mut group = Group::with(3, |id| if id == 1 { config.clone() } else { plain(id) });
        group.elect(1);
        group.isolate(2);
        group.mail.clear();
        for _ in 0..10 {
            group.propose(1, "ten bytes!").unwrap();
        }
        group.work(1);
        let sent = group.take(MsgApp).iter().filter(|m| m.to == 2 && !m.entries.is_empty()).count();
        assert_eq!(sent, expected);
    }
}

#[test]
fn uncommitted_proposals_are_bounded_by_bytes_and_one_always_passes() {
    let mut group = Group::with(3, |id| Config { uncommitted_bytes_max: 15, ..plain(id) });
    group.elect(1);
    group.isolate(1);
    group.propose(1, "more than fifteen bytes").unwrap();
    assert_eq!(group.propose(1, "x"), Err(Error::ProposalDropped(Dropped::UncommittedFull)));
    group.heal();
    group.beat();
    group.beat();
    group.propose(1, "x").unwrap();
}

#[test]
fn a_proposal_to_a_follower_is_forwarded_unless_that_is_off() {
    let mut group = Group::with(3, |id| Config { forward_proposals: id != 3, ..plain(id) });
    group.elect(1);
    group.propose(2, "forwarded").unwrap();
    assert_eq!(group.propose(3, "x"), Err(Error::ProposalDropped(Dropped::NotLeader(1))));
    group.settle();
    assert_eq!(group.applied[2], ["forwarded"]);
}

#[test]
fn a_follower_that_lost_its_tail_is_filled_again_instead_of_dying() {
    let mut group = Group::new(3);
    group.elect(1);
    for data in ["a", "b", "c"] {
        group.propose(1, data).unwrap();
    }
    group.settle();
    let voters = [1, 2, 3];
    let term = group.term(2);
    let storage = super::group::log_of(&voters, term, &[]);
    group.nodes[1] = raft_core::consensus::raw_node::RawNode::new(plain(2), storage).unwrap();
    group.applied[1].clear();
    (0..4).for_each(|_| group.beat());
    assert_eq!(group.applied[1], ["a", "b", "c"]);
    assert_eq!(group.node(2).storage().last_index(), group.node(1).storage().last_index());
}
