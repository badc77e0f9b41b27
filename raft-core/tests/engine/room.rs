//! Full queues: refused at once, or waited for.

use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use raft_core::engine::code::Code;
use raft_core::engine::options::Options;
use raft_core::error::Error;

use crate::world::{Node, PATIENCE, World, wait_until};

const SOON: Duration = Duration::from_millis(50);

const QUEUE: usize = 16;

fn tiny(options: &mut Options) {
    options.queue_items_max = QUEUE;
    options.consensus.election_ticks = 100;
}

fn patient(options: &mut Options) {
    tiny(options);
    options.wait_for_room = true;
}

/// Stops the driver of a leader, and fills its queue.
fn fill(node: &Node) {
    node.machine.send_gate.set_shut(true);
    wait_until("the driver to stand still", || node.machine.send_gate.waiting() > 0);
    while node.engine.propose(vec![(Bytes::from_static(b"fill"), 0)]).is_ok() {}
    assert_eq!(node.engine.propose(vec![(Bytes::from_static(b"one more"), 1)]), Err(Error::Busy));
}

#[test]
fn a_full_queue_is_busy_at_once() {
    let world = World::new(&[1, 2, 3], tiny);
    world.write("x");
    let node = world.node(world.leader());
    fill(node);
    let begun = Instant::now();
    assert_eq!(node.engine.propose_wait(Bytes::from_static(b"y"), PATIENCE), Err(Error::Busy));
    assert_eq!(node.engine.read_wait(PATIENCE), Err(Error::Busy));
    assert_eq!(node.engine.snapshot_wait(PATIENCE), Err(Error::Busy));
    assert!(begun.elapsed() < PATIENCE / 2);
}

#[test]
fn whoever_may_wait_gets_room_or_hears_that_there_was_none() {
    let world = World::new(&[1, 2, 3], patient);
    world.write("x");
    let node = world.node(world.leader());
    fill(node);
    let begun = Instant::now();
    // It certainly was not taken.
    assert_eq!(node.engine.propose_wait(Bytes::from_static(b"late"), SOON), Err(Error::Busy));
    assert!(begun.elapsed() >= SOON);
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..40)
            .map(|n| {
                let wait = move || node.engine.propose_wait(Bytes::from(format!("waited {n}")), PATIENCE);
                scope.spawn(wait)
            })
            .collect();
        assert_eq!(node.engine.propose(vec![(Bytes::from_static(b"at once"), 2)]), Err(Error::Busy));
        node.machine.send_gate.set_shut(false);
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap().unwrap().code, Code::Ok);
        }
    });
    let commands = node.machine.commands();
    assert_eq!(commands.iter().filter(|command| command.starts_with(b"waited")).count(), 40);
    assert!(!commands.iter().any(|command| command == "late" || command == "one more"));
}

#[test]
fn stopping_ends_the_wait_for_room() {
    let mut world = World::new(&[1, 2, 3], patient);
    world.write("x");
    let leader = world.leader();
    let node = world.node(leader);
    fill(node);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| node.engine.propose_wait(Bytes::from_static(b"y"), PATIENCE));
        // The driver is still inside of `send`.
        assert_eq!(node.engine.stop(SOON), Err(Error::TimedOut));
        let stopped = waiter.join().unwrap();
        assert!(
            matches!(&stopped, Err(Error::Stopped)),
            "it had waited for room, or came when there was none to be had: {stopped:?}"
        );
    });
    node.machine.send_gate.set_shut(false);
    world.stop(leader);
}

#[test]
fn a_follower_waits_for_what_is_on_its_way_to_the_leader() {
    let world = World::new(&[1, 2, 3], |options| {
        patient(options);
        options.consensus.forward_proposals = true;
    });
    world.write("x");
    let follower = world.node(world.leader() % 3 + 1);
    let codes: Vec<Code> = thread::scope(|scope| {
        let ask = |n| move || follower.engine.propose_wait(Bytes::from(format!("{n}")), PATIENCE);
        let waiters: Vec<_> = (0..60).map(|n| scope.spawn(ask(n))).collect();
        waiters.into_iter().map(|waiter| waiter.join().unwrap().unwrap().code).collect()
    });
    // A queue of so few places may lose a message, and then nobody knows; but nobody hears that there was no room.
    assert!(codes.iter().all(|code| matches!(code, Code::Ok | Code::Unknown)), "{codes:?}");
    let done: Vec<String> = (0..60).filter(|n| codes[*n] == Code::Ok).map(|n| n.to_string()).collect();
    assert!(done.len() > QUEUE, "more than had room at once: {codes:?}");
    let held = world.agreed(done.len() + 1);
    for command in done {
        assert_eq!(held.iter().filter(|held| **held == command).count(), 1, "{command}");
    }
}
