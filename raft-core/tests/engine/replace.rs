//! Changes of the membership as a person thinks of them: a member is replaced in one request, and what would cost the
//! quorum is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use raft_core::engine::code::Code;
use raft_core::engine::host::Applied;
use raft_core::engine::node::Engine;
use raft_core::engine::outcome::Outcome;
use raft_core::error::Error;
use raft_core::raftpb::conf_change::ConfChangeType::{self, AddLearnerNode, AddNode, RemoveNode};
use raft_core::raftpb::conf_change::{ConfChangeSingle, ConfChangeV2, ConfState};
use raft_core::raftpb::entry::EntryType;

use crate::world::{PATIENCE, World, wait_for, wait_until};

/// Nodes of whom any can be asked for anything.
fn world(voters: &[u64]) -> World {
    World::new(voters, |options| options.consensus.forward_proposals = true)
}

fn step(kind: ConfChangeType, id: u64) -> ConfChangeV2 {
    ConfChangeV2::new(vec![ConfChangeSingle::new(kind, id)])
}

fn conf_state(world: &World, id: u64) -> ConfState {
    world.node(id).engine.status().status.membership.conf_state()
}

/// Waits until node `id` knows that these are the members, and no others.
fn wait_for_voters(world: &World, id: u64, voters: &[u64]) {
    let expected = ConfState::of_voters(voters.iter().copied());
    wait_until("the membership", || conf_state(world, id) == expected);
}

fn replace(world: &World, at: u64, old: u64, new: u64) -> Outcome {
    let bytes = Bytes::from(format!("address of {new}"));
    world.node(at).engine.replace_wait(old, new, bytes, PATIENCE).unwrap()
}

/// A leader of 1, 2 and 3, and the two others.
fn roles(world: &World) -> (u64, u64, u64) {
    let leader = world.leader_among(&[1, 2, 3]);
    let mut others = [1, 2, 3].into_iter().filter(|id| *id != leader);
    (leader, others.next().unwrap(), others.next().unwrap())
}

fn reason(outcome: &Outcome) -> String {
    String::from_utf8(outcome.answer.to_vec()).unwrap()
}

#[test]
fn a_member_is_replaced_in_one_request_to_any_node() {
    let mut world = world(&[1, 2, 3]);
    let (leader, follower, old) = roles(&world);
    (0..20).for_each(|n| world.write(&format!("{n}")));
    world.start(4, &[]);
    let outcome = replace(&world, follower, old, 4);
    assert_eq!(outcome.code, Code::Ok, "{outcome:?}");
    assert!(outcome.index > 0 && outcome.term > 0);
    for id in [leader, follower, 4] {
        wait_for_voters(&world, id, &[leader, follower, 4]);
        let bytes = world.node(id).engine.status().member_bytes;
        assert_eq!(bytes, [(4, Bytes::from_static(b"address of 4"))]);
    }
    // Again, and elsewhere: it is as it should be.
    for at in [follower, leader, 4] {
        let again = replace(&world, at, old, 4);
        assert_eq!((again.code, again.term), (Code::Ok, 0));
    }
    world.stop(old);
    world.write("end");
    assert_eq!(world.agreed(21).len(), 21);
}

#[test]
fn the_loss_of_the_leader_in_the_middle_of_it_is_nothing_to_the_caller() {
    let mut world = world(&[1, 2, 3]);
    let (leader, follower, old) = roles(&world);
    world.write("before");
    // The newcomer is not there yet, so the request stands still in the middle.
    world.node(follower).engine.replace(old, 4, Bytes::from_static(b"four"), PATIENCE, 77).unwrap();
    wait_until("a learner", || conf_state(&world, follower).learners == [4]);
    world.stop(leader);
    world.leader_among(&[follower, old]);
    world.start(4, &[]);
    let outcome = wait_for("the outcome", || world.node(follower).machine.outcome(77));
    assert_eq!(outcome.code, Code::Ok, "{outcome:?}");
    wait_for_voters(&world, follower, &[leader, follower, 4]);
    world.stop(old);
    world.start(leader, &[]);
    world.write("after");
    assert_eq!(world.agreed(2), ["before", "after"]);
    assert_eq!(world.node(follower).machine.outcomes.lock()[&77].len(), 1);
    for id in [leader, follower, 4] {
        assert_eq!(world.node(id).engine.status().member_bytes, [(4, Bytes::from_static(b"four"))]);
    }
}

#[test]
fn who_asks_to_be_replaced_hears_that_it_was() {
    let mut world = world(&[1, 2, 3]);
    let (leader, follower, other) = roles(&world);
    world.start(4, &[]);
    assert_eq!(replace(&world, follower, follower, 4).code, Code::Ok);
    world.stop(follower);
    // The leader itself: it leads until the others can do without it.
    world.start(5, &[]);
    let leader_now = world.leader_among(&[leader, other, 4]);
    assert_eq!(replace(&world, leader_now, leader_now, 5).code, Code::Ok);
    world.stop(leader_now);
    let rest: Vec<u64> = [leader, other, 4, 5].into_iter().filter(|id| *id != leader_now).collect();
    rest.iter().for_each(|id| wait_for_voters(&world, *id, &rest));
    world.write("end");
}

#[test]
fn a_request_ends_by_its_time_and_a_later_one_goes_on_from_there() {
    let mut world = world(&[1, 2, 3]);
    let (leader, follower, old) = roles(&world);
    let asked = Instant::now();
    let short = Duration::from_millis(600);
    let outcome = world.node(follower).engine.replace_wait(old, 4, Bytes::new(), short);
    // It is the last refusal, unless the deadline found a step under way.
    let ended = outcome.map_or_else(|error| format!("{error:?}"), |outcome| format!("{:?}", outcome.code));
    assert!(ended == "LearnerBehind" || ended == "TimedOut", "{ended}");
    assert!(asked.elapsed() < PATIENCE);
    wait_until("a learner", || conf_state(&world, leader).learners == [4]);
    world.start(4, &[]);
    assert_eq!(replace(&world, leader, old, 4).code, Code::Ok);
    wait_for_voters(&world, leader, &[leader, follower, 4]);
    world.stop(old);

    let outcome = replace(&world, leader, 9, 8);
    assert_eq!(outcome.code, Code::InvalidArg);
    assert!(reason(&outcome).contains("node 9 is no member"), "{outcome:?}");
    let nonsense = world.node(leader).engine.replace_wait(4, 4, Bytes::new(), PATIENCE);
    assert!(matches!(nonsense, Err(Error::Config(_))));
    let many = Bytes::from(vec![0; (64 << 10) + 1]);
    assert!(matches!(
        world.node(leader).engine.replace(1, 9, many, PATIENCE, 1),
        Err(Error::TooLarge { .. })
    ));
}

/// The old one is in its last configuration then, and no leader can say that it stays.
#[test]
fn who_loses_everybody_after_the_joint_change_does_not_hear_a_refusal() {
    let mut world = world(&[1, 2, 3]);
    let (leader, _, old) = roles(&world);
    world.start(4, &[]);
    world.change(AddLearnerNode, 4);
    world.agreed(0);
    let is_cut = Arc::new(AtomicBool::new(false));
    let node = world.node(leader);
    // What is decided next is the joint change. It cannot be left without the others.
    *node.machine.hook.lock() = Some(Box::new({
        let is_cut = Arc::clone(&is_cut);
        move |entries| {
            let is_change = |applied: &Applied<'_>| applied.entry.entry_type != EntryType::Normal;
            is_cut.fetch_or(entries.iter().any(is_change), Ordering::SeqCst);
        }
    }));
    world.set_filter({
        let is_cut = Arc::clone(&is_cut);
        move |_| !is_cut.load(Ordering::SeqCst)
    });
    let code = wait_for("the joint change", || {
        // Without an outcome by its time it is the same.
        let outcome = node.engine.replace_wait(old, 4, Bytes::new(), Duration::from_secs(1));
        let code = outcome.map_or(Code::TimedOut, |outcome| outcome.code);
        // Any other before the cut: that the newcomer has not caught up. Then no step is under way either.
        (code == Code::TimedOut || is_cut.load(Ordering::SeqCst)).then_some(code)
    });
    assert_eq!(code, Code::TimedOut);
}

#[test]
fn requests_are_bounded_and_a_stop_answers_each_once() {
    let mut world = world(&[1]);
    let leader = world.leader();
    for request in 1..=20 {
        world.node(leader).engine.replace(0, 2, Bytes::new(), PATIENCE, request).unwrap();
    }
    let machine = &world.node(leader).machine;
    wait_until("refusals", || machine.outcomes.lock().len() == 4);
    assert!(machine.outcomes.lock().values().flatten().all(|outcome| outcome.code == Code::Busy));
    let machine = world.stop(leader);
    let outcomes = machine.outcomes.lock();
    let codes = |code| outcomes.values().flatten().filter(|outcome| outcome.code == code).count();
    assert_eq!((outcomes.len(), codes(Code::Busy), codes(Code::Stopped)), (20, 4, 16));
}

#[test]
fn without_an_old_one_a_group_grows_from_one_to_three() {
    let mut world = world(&[1]);
    world.write("before");
    for id in [2, 3] {
        world.start(id, &[]);
        assert_eq!(replace(&world, 1, 0, id).code, Code::Ok);
    }
    wait_for_voters(&world, 3, &[1, 2, 3]);
    world.write("after");
    assert_eq!(world.agreed(2), ["before", "after"]);
}

#[test]
fn what_would_lose_the_quorum_is_refused_unless_it_is_forced() {
    let mut world = world(&[1, 2, 3]);
    let (leader, follower, gone) = roles(&world);
    world.write("before");
    world.stop(gone);
    // What counts as lately is a matter of time: two election timeouts of 200 ms.
    let stopped = Instant::now();
    wait_until("silence", || stopped.elapsed() > Duration::from_millis(600));
    let change = step(RemoveNode, follower);
    for at in [leader, follower] {
        let outcome = world.node(at).engine.change_wait(change.clone(), PATIENCE).unwrap();
        assert_eq!(outcome.code, Code::QuorumAtRisk, "{outcome:?}");
        assert!(reason(&outcome).contains(&format!("nodes [{gone}]")), "{outcome:?}");
    }
    assert_eq!(conf_state(&world, leader), ConfState::of_voters([1, 2, 3]));
    world.node(follower).engine.force_change(change, 7).unwrap();
    wait_until("the forced change", || !conf_state(&world, leader).voters.contains(&follower));
    // Now the group stands still until the lost one is back, as was said.
    world.stop(follower);
    world.start(gone, &[]);
    world.write("after");
    assert_eq!(world.agreed(2), ["before", "after"]);
}

#[test]
fn a_small_group_grows_by_way_of_a_learner_and_never_loses_its_last_voter() {
    let mut world = world(&[1]);
    world.leader();
    let ask = |world: &World, kind, id| world.node(1).engine.change_wait(step(kind, id), PATIENCE).unwrap();
    let outcome = ask(&world, AddNode, 2);
    assert_eq!(outcome.code, Code::QuorumAtRisk);
    assert!(reason(&outcome).contains("node 2"), "{outcome:?}");
    assert_eq!(ask(&world, RemoveNode, 1).code, Code::ConfChange);
    let forced = world.node(1).engine.force_change_wait(step(RemoveNode, 1), PATIENCE).unwrap();
    assert_eq!(forced.code, Code::ConfChange, "{forced:?}");
    assert_eq!(ask(&world, AddLearnerNode, 2).code, Code::Ok);
    let outcome = ask(&world, AddNode, 2);
    assert_eq!(
        (outcome.code, reason(&outcome)),
        (Code::LearnerBehind, "learner 2 has not caught up yet".into())
    );
    world.start(2, &[]);
    wait_until("a promotion", || ask(&world, AddNode, 2).code == Code::Ok);
    wait_for_voters(&world, 2, &[1, 2]);
}

#[test]
fn every_member_is_replaced_under_load_and_nothing_acknowledged_is_lost() {
    let mut world = world(&[1, 2, 3]);
    world.leader();
    // The network repeats every message, and loses one in eleven.
    world.set_repeats(1);
    let mut count = 0u32;
    world.set_filter(move |_| {
        count = count.wrapping_add(1);
        !count.is_multiple_of(11)
    });
    let done = Arc::new(AtomicBool::new(false));
    let mut acknowledged = Vec::new();
    for new in 4..=6 {
        let old = new - 3;
        world.start(new, &[]);
        // Through two nodes at once, as someone does who has lost patience with the first.
        let engines: Vec<Arc<Engine>> =
            [new - 2, new - 1].iter().map(|id| Arc::clone(&world.node(*id).engine)).collect();
        done.store(false, Ordering::SeqCst);
        let writer = thread::spawn({
            let (engine, done) = (Arc::clone(&engines[0]), Arc::clone(&done));
            move || {
                let mut written = Vec::new();
                for n in 0.. {
                    if done.load(Ordering::SeqCst) {
                        return written;
                    }
                    let command = Bytes::from(format!("{new} {n}"));
                    let outcome = engine.propose_wait(command.clone(), Duration::from_secs(2));
                    if outcome.is_ok_and(|outcome| outcome.code == Code::Ok) {
                        written.push(command);
                    }
                }
                written
            }
        });
        let bytes = Bytes::from(format!("address of {new}"));
        let asked: Vec<_> = engines
            .into_iter()
            .map(|engine| {
                let bytes = bytes.clone();
                thread::spawn(move || engine.replace_wait(old, new, bytes, PATIENCE).unwrap())
            })
            .collect();
        for outcome in asked.into_iter().map(|thread| thread.join().unwrap()) {
            assert_eq!(outcome.code, Code::Ok, "{outcome:?}");
        }
        done.store(true, Ordering::SeqCst);
        acknowledged.extend(writer.join().unwrap());
        world.stop(old);
    }
    world.set_filter(|_| true);
    world.write("end");
    let held = world.agreed(acknowledged.len() + 1);
    assert!(!acknowledged.is_empty());
    for command in &acknowledged {
        assert_eq!(held.iter().filter(|other| *other == command).count(), 1, "{command:?}");
    }
    wait_for_voters(&world, 6, &[4, 5, 6]);
    let expected: Vec<(u64, Bytes)> = (4..=6).map(|id| (id, format!("address of {id}").into())).collect();
    for id in 4..=6 {
        assert_eq!(world.node(id).engine.status().member_bytes, expected);
    }
}
