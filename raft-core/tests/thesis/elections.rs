//! Leader election: figure 2, thesis 3.3, 3.4, 3.6.1, 4.2.3, 6.2, 9.6.

use raft_core::consensus::config::Config;
use raft_core::consensus::status::RoleKind;
use raft_core::raftpb::message::Message;
use raft_core::raftpb::message::MessageType::{self, *};

use super::group::{FIRST, Group, log_of, message, plain};

fn answer(group: &mut Group, id: u64, kind: MessageType) -> Message {
    group.work(id);
    let mut answers = group.take(kind);
    assert_eq!(answers.len(), 1, "{kind:?}");
    answers.remove(0)
}

#[test]
fn fig2_a_node_starts_as_a_follower() {
    assert_eq!(Group::new(1).role(1), RoleKind::Follower);
}

#[test]
fn fig2_a_follower_becomes_a_candidate_when_its_election_timeout_passes() {
    let mut group = Group::new(3);
    group.tick(1, 20);
    assert_eq!((group.role(1), group.term(1)), (RoleKind::Candidate, 2));
}

#[test]
fn fig2_a_candidate_votes_for_itself_and_asks_all_others() {
    let mut group = Group::new(5);
    group.node(1).campaign().unwrap();
    group.work(1);
    assert_eq!(group.status(1).hard_state.vote, 1);
    let requests = group.take(MsgVote);
    assert_eq!(requests.iter().map(|m| (m.to, m.term)).collect::<Vec<_>>(), [(2, 2), (3, 2), (4, 2), (5, 2)]);
}

#[test]
fn fig2_a_candidate_with_votes_of_a_majority_becomes_leader() {
    for (size, grants, wins) in [(1, 0, true), (3, 0, false), (3, 1, true), (5, 1, false), (5, 2, true)] {
        let mut group = Group::new(size);
        group.node(1).campaign().unwrap();
        group.work(1);
        for from in 2..2 + grants {
            group.node(1).step(message(MsgVoteResp, from, 1, 2)).unwrap();
        }
        assert_eq!(group.role(1) == RoleKind::Leader, wins, "{grants} grants of {size}");
    }
}

#[test]
fn fig2_a_candidate_refused_by_a_majority_falls_back() {
    let mut group = Group::new(3);
    group.node(1).campaign().unwrap();
    group.work(1);
    for from in 2..=3 {
        group.node(1).step(Message { reject: true, ..message(MsgVoteResp, from, 1, 2) }).unwrap();
    }
    assert_eq!((group.role(1), group.term(1)), (RoleKind::Follower, 2));
}

#[test]
fn fig2_a_candidate_that_hears_of_the_leader_of_its_term_follows_it() {
    for kind in [MsgApp, MsgHeartbeat] {
        let mut group = Group::new(3);
        group.node(1).campaign().unwrap();
        group.node(1).step(Message { index: FIRST - 1, log_term: 1, ..message(kind, 2, 1, 2) }).unwrap();
        assert_eq!((group.role(1), group.status(1).leader), (RoleKind::Follower, 2));
    }
}

#[test]
fn fig2_a_candidate_whose_election_timeout_passes_starts_another_election() {
    let mut group = Group::new(3);
    group.tick(1, 20);
    group.tick(1, 20);
    assert_eq!((group.role(1), group.term(1)), (RoleKind::Candidate, 3));
}

#[test]
fn fig2_whoever_sees_a_newer_term_becomes_a_follower_of_it() {
    for role in [RoleKind::Follower, RoleKind::Candidate, RoleKind::Leader] {
        let mut group = Group::new(3);
        match role {
            RoleKind::Leader => group.elect(1),
            RoleKind::Candidate => group.node(1).campaign().unwrap(),
            _ => {}
        }
        group.node(1).step(Message { index: FIRST - 1, log_term: 1, ..message(MsgApp, 2, 1, 9) }).unwrap();
        assert_eq!((group.role(1), group.term(1)), (RoleKind::Follower, 9));
    }
}

#[test]
fn fig2_a_request_of_an_older_term_is_refused() {
    let mut group = Group::with_logs(&[(5, &[]), (5, &[]), (5, &[])]);
    let old = Message { index: FIRST - 1, log_term: 1, ..message(MsgApp, 2, 1, 4) };
    group.node(1).step(old).unwrap();
    group.node(1).step(Message { index: 99, log_term: 4, ..message(MsgVote, 2, 1, 4) }).unwrap();
    group.work(1);
    assert_eq!((group.term(1), group.status(1).hard_state.vote), (5, 0));
    // The candidate is told of the newer term.
    assert_eq!(
        group.mail.iter().map(|m| (m.msg_type, m.reject, m.term)).collect::<Vec<_>>(),
        [(MsgVoteResp, true, 5)]
    );
}

#[test]
fn fig2_a_vote_is_given_once_a_term_first_come_first_served() {
    let mut group = Group::new(3);
    let request = |from| Message { index: FIRST - 1, log_term: 1, ..message(MsgVote, from, 1, 2) };
    group.node(1).step(request(2)).unwrap();
    assert!(!answer(&mut group, 1, MsgVoteResp).reject);
    group.node(1).step(request(3)).unwrap();
    assert!(answer(&mut group, 1, MsgVoteResp).reject);
    group.node(1).step(request(2)).unwrap();
    assert!(!answer(&mut group, 1, MsgVoteResp).reject);
}

#[test]
fn s3_6_1_a_vote_is_refused_to_a_log_that_is_less_up_to_date() {
    // Ours ends in an entry of term 3 at index 3.
    for (log_term, index, granted) in
        [(2, 9, false), (3, 2, false), (3, 3, true), (3, 4, true), (4, 2, true), (4, 1, true)]
    {
        let mut group = Group::with_logs(&[(4, &[2, 3]), (4, &[]), (4, &[])]);
        group.node(1).step(Message { log_term, index, ..message(MsgVote, 2, 1, 5) }).unwrap();
        assert_eq!(!answer(&mut group, 1, MsgVoteResp).reject, granted, "{log_term} {index}");
    }
}

#[test]
fn fig2_term_and_vote_outlive_a_restart() {
    let mut group = Group::new(3);
    group.node(1).step(Message { index: FIRST - 1, log_term: 1, ..message(MsgVote, 2, 1, 7) }).unwrap();
    let ticket = group.work_without_write(1).unwrap();
    let saved = *ticket.hard_state().unwrap();
    assert!(ticket.must_sync());
    let storage = log_of(&[1, 2, 3], 1, &[]);
    let snapshot = storage.snapshot_metadata().clone();
    let storage = raft_core::consensus::log::memory_storage::MemoryStorage::recovered(
        saved,
        snapshot,
        Default::default(),
    );
    let mut group = Group::of(vec![(plain(1), storage)]);
    group.node(1).step(Message { index: FIRST - 1, log_term: 1, ..message(MsgVote, 3, 1, 7) }).unwrap();
    assert!(answer(&mut group, 1, MsgVoteResp).reject);
}

#[test]
pub(crate) fn fig2_a_candidate_leads_only_once_its_own_vote_is_saved() {
    let mut group = Group::new(3);
    group.node(1).campaign().unwrap();
    let ticket = group.work_without_write(1).unwrap();
    let requests = group.take(MsgVote);
    for request in requests {
        let to = request.to;
        group.node(to).step(request).unwrap();
        group.work(to);
    }
    for answer in group.take(MsgVoteResp) {
        group.node(1).step(answer).unwrap();
    }
    // Both others have voted for it. After a crash it could lead this very term again, with other entries.
    assert_eq!(group.role(1), RoleKind::Candidate);
    let released = group.node(1).appended(ticket).unwrap();
    assert_eq!((group.role(1), released.len()), (RoleKind::Leader, 0));
}

#[test]
pub(crate) fn fig2_a_candidate_asks_for_votes_only_with_what_it_has_saved() {
    let mut group = Group::new(3);
    group.elect(1);
    let saved = group.status(2).hard_state;
    group.propose(1, "acknowledged").unwrap();
    group.work(1);
    for append in group.take(MsgApp) {
        let to = append.to;
        group.node(to).step(append).unwrap();
    }
    // Node 3 saves the entry, and with it the leader has a majority. Node 2 has it in memory.
    let unsaved_entry = group.work_without_write(2).unwrap();
    assert_eq!(unsaved_entry.entries().len(), 1);
    group.isolate(2);
    group.settle();
    assert_eq!(group.applied[0], ["acknowledged"]);
    group.heal();
    group.isolate(1);
    group.node(2).campaign().unwrap();
    let unsaved_term = group.work_without_write(2).unwrap();
    assert_eq!(unsaved_term.hard_state().unwrap().term, 3);
    for request in group.take(MsgVote).into_iter().filter(|request| request.to == 3) {
        group.node(3).step(request).unwrap();
    }
    group.work(3);
    let late = group.take(MsgVoteResp);
    assert_eq!(late.len(), 1);
    // It loses both, and asks again in the same term. The answer to its first request counts.
    group.restart(2, saved);
    group.node(2).campaign().unwrap();
    group.work(2);
    assert_eq!(group.term(2), 3);
    group.mail.clear();
    group.node(2).step(late[0].clone()).unwrap();
    assert_ne!(group.role(2), RoleKind::Leader, "it lacks what was acknowledged");
    group.mail.clear();
    group.elect(3);
    (0..3).for_each(|_| group.beat());
    assert_eq!(group.applied[1], ["acknowledged"]);
}

#[test]
fn fig2_a_vote_is_not_sent_before_it_is_saved() {
    let mut group = Group::new(3);
    group.node(1).step(Message { index: FIRST - 1, log_term: 1, ..message(MsgVote, 2, 1, 7) }).unwrap();
    let ticket = group.work_without_write(1).unwrap();
    assert!(group.mail.is_empty());
    let released = group.node(1).appended(ticket).unwrap();
    assert_eq!(released.iter().map(|m| m.msg_type).collect::<Vec<_>>(), [MsgVoteResp]);
}

#[test]
fn s3_4_election_timeouts_are_random_and_spread_over_the_interval() {
    let mut seen = [false; 10];
    let mut group = Group::with(3, |id| Config { seed: 40 + id, ..plain(id) });
    for _ in 0..300 {
        let term = group.term(1);
        let ticks = (1..=20).find(|_| {
            group.tick(1, 1);
            group.term(1) > term
        });
        seen[ticks.unwrap() as usize - 10] = true;
    }
    assert_eq!(seen, [true; 10]);
}

#[test]
fn s3_4_the_same_seed_draws_the_same_timeouts() {
    let run = |seed| {
        let mut group = Group::with(3, |id| Config { seed, ..plain(id) });
        (0..200).map(|_| (group.tick(1, 1), group.term(1)).1).collect::<Vec<_>>()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn fig3_election_safety_two_candidates_of_one_term_do_not_both_win() {
    let mut group = Group::new(4);
    group.node(1).campaign().unwrap();
    group.node(2).campaign().unwrap();
    group.settle();
    let leaders = (1..=4).filter(|id| group.role(*id) == RoleKind::Leader).count();
    assert!(leaders <= 1);
}

#[test]
fn s4_2_3_a_node_that_hears_of_its_leader_ignores_candidates() {
    let mut group = Group::with(3, |id| Config { check_quorum: true, ..plain(id) });
    group.elect(1);
    let (term, request) = (group.term(2), message(MsgVote, 3, 2, 9));
    let request = Message { index: 99, log_term: 8, ..request };
    group.node(2).step(request.clone()).unwrap();
    assert_eq!(group.term(2), term);
    // Once it has heard nothing for an election timeout, it listens.
    group.tick(2, 10);
    group.node(2).step(request).unwrap();
    assert_eq!(group.term(2), 9);
}

#[test]
fn s6_2_a_leader_that_no_quorum_answers_steps_down() {
    let mut group = Group::with(3, |id| Config { check_quorum: true, ..plain(id) });
    group.elect(1);
    group.isolate(1);
    group.tick(1, 20);
    assert_eq!(group.role(1), RoleKind::Follower);
}

#[test]
fn s6_2_a_leader_that_a_quorum_answers_goes_on() {
    let mut group = Group::with(3, |id| Config { check_quorum: true, ..plain(id) });
    group.elect(1);
    group.isolate(3);
    for _ in 0..50 {
        group.beat();
        assert_eq!(group.role(1), RoleKind::Leader);
    }
}

#[test]
fn s9_6_a_node_that_was_cut_off_comes_back_without_a_newer_term() {
    let mut group = Group::with(3, |id| Config { pre_vote: true, check_quorum: true, ..plain(id) });
    group.elect(1);
    let term = group.term(1);
    group.isolate(3);
    group.tick(3, 200);
    group.heal();
    for _ in 0..5 {
        group.beat();
    }
    assert_eq!((group.role(1), group.term(1), group.term(3)), (RoleKind::Leader, term, term));
}

#[test]
fn s9_6_a_pre_vote_is_refused_to_a_log_that_could_not_win_and_costs_no_vote() {
    let mut group = Group::with_logs(&[(4, &[2, 3]), (4, &[]), (4, &[])]);
    group.node(1).step(Message { log_term: 2, index: 9, ..message(MsgPreVote, 2, 1, 5) }).unwrap();
    assert!(answer(&mut group, 1, MsgPreVoteResp).reject);
    group.node(1).step(Message { log_term: 3, index: 3, ..message(MsgPreVote, 2, 1, 5) }).unwrap();
    let granted = answer(&mut group, 1, MsgPreVoteResp);
    assert_eq!((granted.reject, granted.term), (false, 5));
    assert_eq!((group.term(1), group.status(1).hard_state.vote), (4, 0));
}

#[test]
fn s9_6_a_stale_leader_is_told_of_the_newer_term_that_no_election_told_it() {
    let mut group = Group::with(3, |id| Config { pre_vote: true, ..plain(id) });
    group.node(1).step(message(MsgHeartbeat, 2, 1, 5)).unwrap();
    group.work(1);
    group.mail.clear();
    group.node(1).step(message(MsgHeartbeat, 3, 1, 4)).unwrap();
    assert_eq!(answer(&mut group, 1, MsgAppResp).term, 5);
}

#[test]
fn a_node_that_holds_back_lets_a_preferred_one_win() {
    for seed in 0..20 {
        let config =
            |id| Config { hold_back_ticks: if id == 2 { 0 } else { 20 }, seed: seed * 7 + id, ..plain(id) };
        let mut group = Group::with(3, config);
        for _ in 0..25 {
            group.beat();
        }
        assert_eq!(group.role(2), RoleKind::Leader, "seed {seed}");
    }
}

#[test]
fn a_node_that_holds_back_leads_where_no_preferred_one_can() {
    let config = |id| Config { hold_back_ticks: if id == 2 { 0 } else { 20 }, ..plain(id) };
    let mut group = Group::with(3, config);
    group.isolate(2);
    for _ in 0..120 {
        group.beat();
    }
    assert!([1, 3].iter().any(|id| group.role(*id) == RoleKind::Leader));
}
