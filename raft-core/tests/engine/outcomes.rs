//! Every request that was accepted has one outcome, and every one that was not has none.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use raft_core::engine::code::Code;
use raft_core::error::Error;
use raft_core::raftpb::conf_change::{ConfChangeSingle, ConfChangeType, ConfChangeV2};
use raft_core::raftpb::message::{Message, MessageType};

use crate::world::{PATIENCE, World, wait_for, wait_until};

fn learner(id: u64) -> ConfChangeV2 {
    ConfChangeV2::new(vec![ConfChangeSingle::new(ConfChangeType::AddLearnerNode, id)])
}

/// Makes requests of every kind at node `id`; notes those that were accepted.
fn ask(
    world: &World,
    id: u64,
    next: &mut u64,
    accepted: &mut HashMap<u64, Vec<u64>>,
    proposals: &mut HashSet<u64>,
) {
    let engine = &world.node(id).engine;
    let mut number = || {
        *next += 1;
        *next
    };
    let numbers: Vec<u64> = (0..5).map(|_| number()).collect();
    let batch = numbers.iter().map(|n| (Bytes::from(format!("{n}")), *n)).collect();
    let of_node = accepted.entry(id).or_default();
    if engine.propose(batch).is_ok() {
        proposals.extend(&numbers);
        of_node.extend(numbers);
    }
    let read = number();
    if engine.read(read).is_ok() {
        of_node.push(read);
    }
    if read.is_multiple_of(5) {
        let change = number();
        if engine.change(learner(100 + change % 4), change).is_ok() {
            of_node.push(change);
        }
        let snapshot = number();
        if engine.snapshot(snapshot).is_ok() {
            of_node.push(snapshot);
        }
        let transfer = number();
        if engine.transfer_leader(transfer % 3 + 1, transfer).is_ok() {
            of_node.push(transfer);
        }
    }
}

#[test]
fn there_is_exactly_one_through_changes_of_leader_and_stops() {
    exactly_one(World::new(&[1, 2, 3], |options| options.queue_items_max = 64));
}

/// The network repeats everything, and an entry must not be appended twice for that.
#[test]
fn there_is_exactly_one_also_where_followers_forward_and_messages_come_twice() {
    let world = World::new(&[1, 2, 3], |options| {
        options.queue_items_max = 256;
        options.consensus.forward_proposals = true;
    });
    world.set_repeats(1);
    exactly_one(world);
}

fn exactly_one(mut world: World) {
    world.leader();
    let (mut next, mut accepted, mut proposals) = (0, HashMap::new(), HashSet::new());
    for round in 0..4 {
        let leader = world.leader();
        let deadline = Instant::now() + Duration::from_millis(300);
        while Instant::now() < deadline {
            [1, 2, 3].iter().for_each(|id| ask(&world, *id, &mut next, &mut accepted, &mut proposals));
        }
        if round % 2 == 0 {
            world.set_cut(leader, true);
            let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != leader).collect();
            for _ in 0..20 {
                ask(&world, leader, &mut next, &mut accepted, &mut proposals);
            }
            world.leader_among(&others);
            world.set_cut(leader, false);
        } else {
            wait_until("room in the queue", || {
                world.node(leader).engine.transfer_leader(leader % 3 + 1, 0).is_ok()
            });
        }
    }
    // All but the leader answer everything while they go on working; the leader is stopped in the middle of it.
    let leader = world.leader();
    for _ in 0..50 {
        ask(&world, leader, &mut next, &mut accepted, &mut proposals);
    }
    let mut machines: HashMap<u64, _> = HashMap::from([(leader, world.stop(leader))]);
    for (&id, node) in &world.nodes {
        machines.insert(id, std::sync::Arc::clone(&node.machine));
    }
    let mut codes: HashMap<Code, usize> = HashMap::new();
    for (id, machine) in &machines {
        let accepted = &accepted[id];
        wait_until("all outcomes", || machine.outcomes.lock().len() >= accepted.len());
        let outcomes = machine.outcomes.lock();
        assert_eq!(outcomes.len(), accepted.len(), "node {id}: outcomes nobody asked for");
        for request in accepted {
            assert_eq!(outcomes[request].len(), 1, "node {id}, request {request}: {:?}", outcomes[request]);
            *codes.entry(outcomes[request][0].code).or_default() += 1;
        }
    }
    assert!(codes.contains_key(&Code::Ok), "{codes:?}");
    assert!(codes.keys().any(|code| *code != Code::Ok), "{codes:?}");
    // What an outcome calls applied is applied, and what it calls not applied is not.
    world.write("end");
    let mut applied: HashMap<Bytes, u64> = HashMap::new();
    for command in world.agreed(1) {
        *applied.entry(command).or_default() += 1;
    }
    for machine in machines.values() {
        for (request, outcomes) in machine.outcomes.lock().iter() {
            let times = applied.get(format!("{request}").as_bytes()).copied().unwrap_or(0);
            let code = outcomes[0].code;
            let certain = matches!(code, Code::NotLeader | Code::Dropped | Code::ConfChange | Code::Busy);
            let is_there = code == Code::Ok && proposals.contains(request);
            assert!(
                times <= 1 && (!certain || times == 0) && (!is_there || times == 1),
                "{request} {:?}: {times}",
                outcomes[0]
            );
        }
    }
}

#[test]
fn a_follower_names_the_leader_at_once() {
    let world = World::new(&[1, 2, 3], |_| {});
    let leader = world.leader();
    let follower = world.node(leader % 3 + 1);
    let outcome = follower.engine.propose_wait(Bytes::from_static(b"x"), PATIENCE).unwrap();
    assert_eq!((outcome.code, outcome.leader), (Code::NotLeader, leader));
    let outcome = follower.engine.change_wait(learner(9), PATIENCE).unwrap();
    assert_eq!((outcome.code, outcome.leader), (Code::NotLeader, leader));
}

#[test]
fn a_leader_that_nobody_hears_answers_all_the_same() {
    let world = World::new(&[1, 2, 3], |_| {});
    let leader = world.leader();
    world.set_cut(leader, true);
    let node = world.node(leader);
    // Without a quorum it can neither commit nor confirm.
    let outcome = node.engine.propose_wait(Bytes::from_static(b"x"), PATIENCE).unwrap();
    assert_eq!(outcome.code, Code::Unknown);
    let outcome = node.engine.read_wait(PATIENCE).unwrap();
    assert!(matches!(outcome.code, Code::NotLeader | Code::TimedOut), "{outcome:?}");
}

#[test]
fn a_write_that_another_leader_replaced_is_dropped_for_certain() {
    let world = World::new(&[1, 2, 3], |options| {
        // Long enough for the other leader's entries to arrive before the answer is given up.
        options.consensus.election_ticks = 20;
        options.consensus.check_quorum = false;
    });
    world.write("a");
    let old = world.leader();
    world.set_cut(old, true);
    let node = world.node(old);
    node.engine.propose(vec![(Bytes::from_static(b"lost"), 1)]).unwrap();
    wait_until("the entry to be in the log", || {
        let status = node.engine.status().status;
        status.last_index > status.hard_state.commit
    });
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != old).collect();
    let new = world.leader_among(&others);
    let outcome = world.node(new).engine.propose_wait(Bytes::from_static(b"b"), PATIENCE).unwrap();
    assert_eq!(outcome.code, Code::Ok);
    world.set_cut(old, false);
    let outcome = wait_for("the outcome", || node.machine.outcome(1));
    assert_eq!(outcome.code, Code::Dropped);
    assert_eq!(world.agreed(2), ["a", "b"]);
}

#[test]
fn of_two_changes_at_once_one_is_refused() {
    let world = World::new(&[1], |_| {});
    world.leader();
    let node = world.node(1);
    // The first cannot be committed while the log's sync waits, so the second meets it.
    node.volume.gate.set_shut(true);
    node.engine.change(learner(8), 1).unwrap();
    node.engine.change(learner(9), 2).unwrap();
    assert_eq!(wait_for("the refusal", || node.machine.outcome(2)).code, Code::ConfChange);
    assert_eq!(node.machine.outcome(1), None);
    node.volume.gate.set_shut(false);
    let outcome = wait_for("the change", || node.machine.outcome(1));
    assert_eq!(outcome.code, Code::Ok);
    assert_eq!(node.engine.status().status.membership.conf_state().learners, [8]);
    let nonsense = ConfChangeV2::new(vec![ConfChangeSingle::new(ConfChangeType::RemoveNode, 1)]);
    assert_eq!(node.engine.change_wait(nonsense, PATIENCE).unwrap().code, Code::ConfChange);
}

#[test]
fn changes_one_after_the_other_never_meet() {
    let world = World::new(&[1], |_| {});
    world.leader();
    for id in 2..30 {
        let outcome = world.node(1).engine.change_wait(learner(id), PATIENCE).unwrap();
        assert_eq!(outcome.code, Code::Ok);
        assert!(world.node(1).engine.status().status.membership.contains(id));
    }
}

#[test]
fn a_full_queue_is_busy_and_what_is_too_large_is_refused() {
    let world = World::new(&[1], |options| {
        options.queue_items_max = 16;
        options.proposal_bytes_max = 100;
    });
    world.leader();
    let node = world.node(1);
    let too_large = Error::TooLarge { len: 101, max: 100 };
    assert_eq!(node.engine.propose(vec![(Bytes::from(vec![0; 101]), 1)]), Err(too_large.clone()));
    assert_eq!(node.engine.propose_wait(Bytes::from(vec![0; 101]), PATIENCE), Err(too_large));
    let many = (0..17).map(|n| (Bytes::new(), n)).collect();
    assert_eq!(node.engine.propose(many), Err(Error::TooLarge { len: 17, max: 16 }));
    assert!(node.machine.outcomes.lock().is_empty());

    let (mut accepted, mut busy) = (0, 0);
    let mut request = 100;
    while busy == 0 {
        request += 1;
        let batch = (0..7).map(|_| (Bytes::from_static(b"x"), request)).collect();
        match node.engine.propose(batch) {
            Ok(()) => accepted += 7,
            Err(error) => {
                assert_eq!(error, Error::Busy);
                busy += 1;
            }
        }
    }
    wait_until("outcomes", || node.machine.outcomes.lock().values().map(Vec::len).sum::<usize>() >= accepted);
    world.write("end");
    let outcomes = node.machine.outcomes.lock();
    assert_eq!(outcomes.values().map(Vec::len).sum::<usize>(), accepted);
    assert!(!outcomes.contains_key(&request));
}

#[test]
fn a_wait_ends_in_time_and_leaves_nothing() {
    let world = World::new(&[1], |_| {});
    world.leader();
    let node = world.node(1);
    node.volume.gate.set_shut(true);
    let wait = Duration::from_millis(30);
    assert_eq!(node.engine.propose_wait(Bytes::from_static(b"x"), wait), Err(Error::TimedOut));
    assert_eq!(node.engine.change_wait(learner(2), wait), Err(Error::TimedOut));
    node.volume.gate.set_shut(false);
    world.write("y");
    assert_eq!(world.agreed(2), ["x", "y"]);
    assert!(node.machine.outcomes.lock().is_empty());
}

#[test]
fn an_empty_proposal_has_an_outcome_and_is_not_applied() {
    let world = World::new(&[1], |_| {});
    world.leader();
    let engine = &world.node(1).engine;
    assert_eq!(engine.propose_wait(Bytes::new(), PATIENCE).unwrap().code, Code::Ok);
    assert_eq!(engine.propose(Vec::new()), Ok(()));
    world.write("x");
    assert_eq!(world.agreed(1), ["x"]);
}

#[test]
fn messages_that_should_not_come_are_named() {
    let world = World::new(&[1, 2, 3], |_| {});
    let engine = &world.node(1).engine;
    let message = |msg_type, from, to| Message { from, term: 1, ..Message::new(msg_type, to) };
    let step = |msg_type, from, to| engine.step(message(msg_type, from, to));
    assert_eq!(step(MessageType::MsgHup, 2, 1), Err(Error::StepLocalMessage("MsgHup".to_owned())));
    assert_eq!(
        step(MessageType::MsgSnapStatus, 2, 1),
        Err(Error::StepLocalMessage("MsgSnapStatus".to_owned()))
    );
    assert_eq!(step(MessageType::MsgHeartbeat, 2, 3), Err(Error::WrongReceiver(3)));
    assert_eq!(step(MessageType::MsgAppResp, 77, 1), Err(Error::StepPeerNotFound(77)));
    let from_3 = |msg_type, from| engine.step_from(3, message(msg_type, from, 1));
    from_3(MessageType::MsgHeartbeat, 3).unwrap();
    from_3(MessageType::MsgTransferLeader, 2).unwrap(); // names who is to lead
    from_3(MessageType::MsgReadIndex, 2).unwrap(); // passed on by one who leads no more
    for forged in [0, 1, 2, 77] {
        let refused = Err(Error::WrongSender { peer: 3, named: forged });
        assert_eq!(from_3(MessageType::MsgHeartbeat, forged), refused);
    }
    // Consensus refuses what only it can judge, and goes on.
    step(MessageType::MsgSnap, 2, 1).unwrap();
    world.write("x");
    world.agreed(1);
}

#[test]
fn stopping_answers_what_is_pending_and_everything_after() {
    let mut world = World::new(&[1], |_| {});
    world.write("first");
    let engine = std::sync::Arc::clone(&world.node(1).engine);
    let node = world.node(1);
    node.volume.gate.set_shut(true);
    engine.propose((1..=10).map(|n| (Bytes::from_static(b"x"), n)).collect()).unwrap();
    engine.read(11).unwrap();
    engine.snapshot(12).unwrap();
    let waiting = std::thread::spawn({
        let engine = std::sync::Arc::clone(&engine);
        move || engine.propose_wait(Bytes::from_static(b"y"), PATIENCE)
    });
    let status = || engine.status().status;
    wait_until("the proposals to be appended", || status().last_index >= status().hard_state.commit + 11);
    // The sync holds up the end of the writer, but no answer.
    assert_eq!(engine.stop(Duration::from_millis(1)), Err(Error::TimedOut));
    assert_eq!(waiting.join().unwrap().unwrap().code, Code::Stopped);
    wait_until("outcomes", || node.machine.outcomes.lock().len() == 12);
    assert_eq!(node.machine.outcome(5).unwrap().code, Code::Stopped);
    node.volume.gate.set_shut(false);
    let machine = world.stop(1);
    assert_eq!(engine.stop(PATIENCE), Ok(()));
    assert_eq!(engine.propose(vec![(Bytes::new(), 99)]), Err(Error::Stopped));
    assert_eq!(engine.read_wait(PATIENCE), Err(Error::Stopped));
    assert_eq!(engine.campaign(), Err(Error::Stopped));
    assert_eq!(engine.status().failure, None);
    assert_eq!(machine.outcomes.lock().len(), 12);
    assert_eq!(machine.apply_code.load(Ordering::SeqCst), 0);
}
