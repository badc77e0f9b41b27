//! What is acknowledged is everywhere, in one order, and stays.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use raft_core::consensus::status::RoleKind;
use raft_core::engine::code::Code;
use raft_core::engine::event::Event;
use raft_core::engine::metrics::{Counter, Timer};
use raft_core::raftpb::conf_change::ConfChangeType;
use raft_core::raftpb::message::MessageType;

use crate::world::{PATIENCE, World, wait_for, wait_until};

#[test]
fn writes_are_applied_everywhere_in_the_same_order() {
    let world = World::new(&[1, 2, 3], |_| {});
    let leader = world.leader();
    let engine = &world.node(leader).engine;
    thread::scope(|scope| {
        for client in 0..4 {
            scope.spawn(move || {
                for n in 0..25 {
                    let data = Bytes::from(format!("{client}/{n}"));
                    let outcome = engine.propose_wait(data, PATIENCE).unwrap();
                    assert_eq!(outcome.code, Code::Ok);
                    assert!(outcome.index > 1 && outcome.term > 0);
                }
            });
        }
        let batch = (1..=100).map(|n| (Bytes::from(format!("batch/{n}")), n)).collect();
        engine.propose(batch).unwrap();
    });
    let commands = world.agreed(200);
    assert_eq!(commands.len(), 200);
    // Each client's own commands are in its order.
    for client in ["0/", "1/", "2/", "3/", "batch/"] {
        let own: Vec<u64> = commands
            .iter()
            .filter_map(|command| std::str::from_utf8(command).unwrap().strip_prefix(client)?.parse().ok())
            .collect();
        assert!(own.is_sorted() && own.len() >= 25, "{client}: {own:?}");
    }
    let machine = &world.node(leader).machine;
    wait_until("outcomes", || machine.outcomes.lock().len() == 100);
    assert!(machine.outcomes.lock().values().all(|all| all.len() == 1 && all[0].code == Code::Ok));
}

#[test]
fn proposals_that_gather_leave_though_nothing_is_acknowledged() {
    let world = World::new(&[1, 2, 3], |_| {});
    let leader = world.node(world.leader());
    world.write("first");
    world.set_filter(|message| message.msg_type != MessageType::MsgAppResp);
    let last = || leader.engine.status().status.last_index;
    let before = last();
    let propose = |numbers: RangeInclusive<u64>| {
        leader.engine.propose(numbers.map(|n| (Bytes::from(format!("{n}")), n)).collect()).unwrap();
    };
    propose(1..=4);
    wait_until("what is under way", || last() == before + 4);
    // Fewer than these, one by one.
    (5..=7).for_each(|n| propose(n..=n));
    wait_until("what has gathered", || last() == before + 7);
    assert!(leader.machine.outcomes.lock().is_empty());
    world.set_filter(|_| true);
    wait_until("outcomes", || leader.machine.outcomes.lock().len() == 7);
    assert_eq!(world.agreed(8), ["first", "1", "2", "3", "4", "5", "6", "7"]);
}

#[test]
fn a_single_node_comes_back_with_all_it_had() {
    let mut world = World::new(&[1], |_| {});
    for n in 0..20 {
        world.write(&format!("before {n}"));
    }
    let before = world.stop(1).commands();
    assert_eq!(before.len(), 20);
    world.start(1, &[1]);
    world.write("after");
    let commands = world.agreed(21);
    assert_eq!(commands[..20], before);
    assert!(world.node(1).machine.has_event(|event| matches!(event, Event::Recovered { index: 1, .. })));
}

#[test]
fn a_cluster_comes_back_with_all_it_had() {
    let mut world = World::new(&[1, 2, 3], |_| {});
    (0..10).for_each(|n| world.write(&format!("before {n}")));
    let term = world.node(1).engine.status().status.hard_state.term;
    for id in 1..=3 {
        world.stop(id);
    }
    (1..=3).for_each(|id| world.start(id, &[1, 2, 3]));
    world.write("after");
    assert_eq!(world.agreed(11).len(), 11);
    assert!(world.node(1).engine.status().status.hard_state.term > term);
}

#[test]
fn no_acknowledged_write_is_lost_when_leaders_stop() {
    let mut world = World::new(&[1, 2, 3], |_| {});
    let mut acknowledged: Vec<Bytes> = Vec::new();
    let number = AtomicU64::new(0);
    for _ in 0..3 {
        let leader = world.leader();
        let stop = AtomicBool::new(false);
        let engine = &world.node(leader).engine;
        let count = || world.node(leader).machine.state.lock().commands.len();
        let before = count();
        let written: Vec<Bytes> = thread::scope(|scope| {
            let writers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        let mut written = Vec::new();
                        while !stop.load(Ordering::SeqCst) {
                            let n = number.fetch_add(1, Ordering::SeqCst);
                            let data = Bytes::from(format!("write {n}"));
                            match engine.propose_wait(data.clone(), PATIENCE) {
                                Ok(outcome) if outcome.code == Code::Ok => written.push(data),
                                _ => break,
                            }
                        }
                        written
                    })
                })
                .collect();
            wait_until("writes under way", || count() > before + 30);
            engine.stop(PATIENCE).unwrap();
            stop.store(true, Ordering::SeqCst);
            writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
        });
        assert!(!written.is_empty());
        acknowledged.extend(written);
        world.stop(leader);
        world.write("between");
        acknowledged.push(Bytes::from_static(b"between"));
        world.start(leader, &[1, 2, 3]);
    }
    let held: HashSet<Bytes> = world.agreed(acknowledged.len()).into_iter().collect();
    let lost: Vec<_> = acknowledged.iter().filter(|command| !held.contains(*command)).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn a_read_sees_every_write_acknowledged_before_it() {
    let world = World::new(&[1, 2, 3], |_| {});
    let leader = world.leader();
    for round in 0..30 {
        let data = Bytes::from(format!("{round}"));
        let written = world.node(leader).engine.propose_wait(data, PATIENCE).unwrap();
        assert_eq!(written.code, Code::Ok);
        for node in world.nodes.values() {
            let read = node.engine.read_wait(PATIENCE).unwrap();
            assert_eq!(read.code, Code::Ok);
            assert!(read.index >= written.index);
            assert!(node.machine.state.lock().commands.len() > round);
            assert!(node.engine.status().status.applied >= read.index);
        }
    }
    let reader = world.node(leader % 3 + 1);
    reader.engine.read(7).unwrap();
    wait_until("a read", || reader.machine.outcome(7).is_some_and(|outcome| outcome.code == Code::Ok));
}

#[test]
fn leadership_goes_where_it_is_asked_to() {
    let world = World::new(&[1, 2, 3], |_| {});
    let leader = world.leader();
    world.write("x");
    let to = leader % 3 + 1;
    wait_until("a transfer", || {
        world.node(world.leader()).engine.transfer_leader(to, 0).unwrap();
        world.leader() == to
    });
    world.write("y");
    let node = world.node(to);
    wait_until("the event", || {
        node.machine.has_event(
            |event| matches!(event, Event::Role { role: RoleKind::Leader, leader, .. } if *leader == to),
        )
    });
    assert_eq!(world.agreed(2), ["x", "y"]);
}

#[test]
fn members_come_and_go() {
    let mut world = World::new(&[1, 2, 3], |_| {});
    (0..5).for_each(|n| world.write(&format!("{n}")));
    world.start(4, &[]);
    world.change(ConfChangeType::AddLearnerNode, 4);
    world.agreed(5);
    world.change(ConfChangeType::AddNode, 4);
    let status = world.node(world.leader()).engine.status().status;
    assert_eq!(status.membership.conf_state().voters, [1, 2, 3, 4]);
    world.change(ConfChangeType::RemoveNode, 3);
    world.stop(3);
    world.write("without 3");
    assert_eq!(world.agreed(6).len(), 6);
    let state = world.node(4).machine.state.lock().clone();
    assert_eq!(state.changes, ["AddLearnerNode 4", "AddNode 4", "RemoveNode 3"]);
    let membership = |event: &Event| matches!(event, Event::Membership { conf_state, .. } if conf_state.voters == [1, 2, 4]);
    wait_until("the event", || world.node(4).machine.has_event(membership));
}

#[test]
fn a_pause_of_the_network_is_survived() {
    let world = World::new(&[1, 2, 3], |_| {});
    world.write("a");
    let leader = world.leader();
    world.set_cut(leader, true);
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != leader).collect();
    let next = world.leader_among(&others);
    let outcome = world.node(next).engine.propose_wait(Bytes::from_static(b"b"), PATIENCE).unwrap();
    assert_eq!(outcome.code, Code::Ok);
    // The old leader has seen that nobody hears it, and says so.
    wait_until("the old leader to step down", || {
        world.node(leader).engine.status().status.role != RoleKind::Leader
    });
    let read = world.node(leader).engine.read_wait(Duration::from_secs(30)).unwrap();
    assert_eq!(read.code, Code::NotLeader);
    world.set_cut(leader, false);
    world.write("c");
    assert_eq!(world.agreed(3), ["a", "b", "c"]);
}

#[test]
fn a_read_may_be_told_how_old_the_state_is() {
    let world = World::new(&[1, 2, 3], |_| {});
    let leader = world.leader();
    let follower = world.node(leader % 3 + 1);
    world.write("one");
    // Nothing is known of its age yet: it asks the leader, like any read.
    let first = follower.engine.read_within_wait(Duration::from_secs(3600), PATIENCE).unwrap();
    assert_eq!((first.code, first.age), (Code::Ok, Duration::ZERO));
    world.set_cut(follower.machine.id, true);
    world.write("two");
    // Cut off from the leader, it answers by itself what may be old, and says how old.
    std::thread::sleep(Duration::from_millis(30));
    let second = follower.engine.read_within_wait(Duration::from_secs(3600), PATIENCE).unwrap();
    assert_eq!(second.code, Code::Ok);
    assert!(second.age >= Duration::from_millis(30), "{second:?}");
    assert_eq!(follower.machine.commands(), ["one"]);
    follower.engine.read_within(Duration::from_secs(3600), 7).unwrap();
    let outcome = wait_for("an outcome", || follower.machine.outcome(7));
    assert!(outcome.code == Code::Ok && outcome.age >= second.age, "{outcome:?}");
    // It cannot vouch for what is younger.
    let third = follower.engine.read_within_wait(Duration::from_millis(1), PATIENCE).unwrap();
    assert!(matches!(third.code, Code::NotLeader | Code::TimedOut), "{third:?}");
    world.set_cut(follower.machine.id, false);
    wait_until("a young state", || {
        let outcome = follower.engine.read_within_wait(Duration::from_millis(1), PATIENCE);
        outcome.is_ok_and(|outcome| outcome.code == Code::Ok)
    });
    assert_eq!(follower.machine.commands(), ["one", "two"]);
}

#[test]
fn what_an_engine_counts_is_what_it_did() {
    // One leader for all of it, however busy the machine is.
    let world = World::new(&[1, 2, 3], |options| options.consensus.election_ticks = 100);
    world.node(1).engine.campaign().unwrap();
    let leader = world.leader();
    let (engine, follower) = (&world.node(leader).engine, &world.node(leader % 3 + 1).engine);
    for n in 0..20 {
        world.write(&format!("command {n}"));
    }
    assert_eq!(engine.read_wait(PATIENCE).unwrap().code, Code::Ok);
    assert_eq!(follower.read_wait(PATIENCE).unwrap().code, Code::Ok);
    world.agreed(20);
    assert!(engine.counter(Counter::Proposals) >= 20);
    assert_eq!(engine.histogram(Timer::Commit).count(), engine.counter(Counter::Proposals));
    assert_eq!(follower.counter(Counter::Proposals), 0);
    assert!(follower.counter(Counter::Applied) >= 20 && follower.counter(Counter::AppliedBytes) >= 9 * 20);
    assert_eq!((engine.counter(Counter::Reads), follower.counter(Counter::Reads)), (1, 1));
    assert_eq!(engine.counter(Counter::Elected), 1);
    assert!(engine.counter(Counter::Sent) > 20 && follower.counter(Counter::Received) > 20);
    assert!(follower.histogram(Timer::Write).count() > 0);
    let text = engine.prometheus();
    let line = format!("rft_is_leader{{cluster=\"1\",node=\"{leader}\"}} 1");
    assert!(text.lines().any(|other| other == line), "{text}");
    let json = engine.status_json();
    for part in
        [format!("{{\"id\":{leader},\"role\":\"leader\",\"leader\":{leader},"), "\"failure\":null".into()]
    {
        assert!(json.contains(&part), "{json}");
    }
    assert!(json.contains("\"progress\":\"replicate\"") && json.ends_with('}'), "{json}");
}
