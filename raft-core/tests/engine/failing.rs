//! Disks that fail in every place where they can: the node ends and says why, nobody waits for it in vain, and what it
//! acknowledged is there when it is opened again.

use std::time::{Duration, Instant};

use bytes::Bytes;
use raft_core::engine::code::Code;
use raft_core::engine::event::Event;
use raft_core::engine::options::Options;
use raft_core::error::Error;

use crate::gate::Fault;
use crate::world::{PATIENCE, World, wait_for, wait_until};

/// A segment is full after a few commands.
fn small(options: &mut Options) {
    options.segment_bytes = 64 << 10;
    options.snapshot_entries = 0;
}

fn command(n: usize) -> String {
    format!("{n} {}", "x".repeat(10_000))
}

/// Waits until node `id` has failed as it was told to, and checks that all that speaks of it agrees.
fn failed(world: &World, id: u64, fault: Fault) -> Error {
    let node = world.node(id);
    let error = wait_for("the failure", || node.engine.status().failure);
    assert!(matches!(&error, Error::Io(io) if io.operation == fault.operation), "{fault:?}: {error}");
    assert_eq!(node.engine.propose(vec![(Bytes::new(), 1)]), Err(error.clone()), "{fault:?}");
    assert_eq!(node.engine.read(2), Err(error.clone()), "{fault:?}");
    assert_eq!(node.engine.snapshot(3), Err(error.clone()), "{fault:?}");
    wait_until("the event", || {
        node.machine.has_event(|event| matches!(event, Event::Failed { error: own } if *own == error))
    });
    assert!(node.machine.log.lock().iter().any(|line| line.starts_with("Error")));
    error
}

#[test]
fn every_place_of_a_single_node_can_fail_and_nothing_acknowledged_is_lost() {
    let log = ["write", "fdatasync", "rename", "fsync"].map(|operation| (operation, "wal"));
    let snapshots = ["write", "rename", "fsync"].map(|operation| (operation, "snap"));
    let faults = log.into_iter().chain(snapshots).map(|(operation, part)| Fault { operation, part });
    // One node writes past the system's cache, the other one through it.
    for (fault, id) in faults.flat_map(|fault| [(fault, 1), (fault, 2)]) {
        let mut world = World::new(&[id], small);
        (0..3).for_each(|n| world.write(&command(n)));
        let mut acknowledged = 3;
        let node = world.node(id);
        *node.volume.fault.lock() = Some(fault);
        if fault.part == "snap" {
            node.engine.snapshot(9).unwrap();
            assert_eq!(wait_for("an outcome", || node.machine.outcome(9)).code, Code::Io, "{fault:?}");
        } else {
            // Some of these only come with a new segment.
            loop {
                assert!(acknowledged < 100, "{fault:?} never comes");
                let outcome = node.engine.propose_wait(Bytes::from(command(acknowledged)), PATIENCE);
                match outcome {
                    Ok(outcome) if outcome.code == Code::Ok => acknowledged += 1,
                    Ok(outcome) => break assert_eq!(outcome.code, Code::Io, "{fault:?}"),
                    Err(error) => break assert!(matches!(error, Error::Io(_)), "{fault:?}: {error}"),
                }
            }
        }
        failed(&world, id, fault);
        // A disk that works again changes nothing for this handle.
        *node.volume.fault.lock() = None;
        failed(&world, id, fault);
        let applied = node.engine.status().status.applied;
        assert!(applied > acknowledged as u64, "{fault:?}: the status can still be read");
        world.stop(id);

        world.start(id, &[id]);
        world.write("last");
        let commands = world.agreed(acknowledged + 1);
        (0..acknowledged).for_each(|n| assert_eq!(commands[n], command(n), "{fault:?}"));
        assert!(commands.len() <= acknowledged + 2, "{fault:?}: one may have got through");
    }
}

#[test]
fn a_follower_whose_disk_fails_is_missed_by_nobody() {
    for (operation, part) in [("fdatasync", "wal"), ("write", "wal"), ("rename", "wal")] {
        let fault = Fault { operation, part };
        let mut world = World::new(&[1, 2, 3], small);
        world.write("first");
        let follower = world.leader() % 3 + 1;
        *world.node(follower).volume.fault.lock() = Some(fault);
        let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != follower).collect();
        let mut written = 1;
        wait_until("the failure", || {
            world.write(&command(written));
            written += 1;
            world.node(follower).engine.status().failure.is_some()
        });
        failed(&world, follower, fault);
        world.stop(follower);
        world.write("without it");
        assert!(others.contains(&world.leader()));
        world.start(follower, &[1, 2, 3]);
        assert_eq!(world.agreed(written + 1).len(), written + 1);
    }
}

/// A minute without heartbeats, before which nobody would campaign by itself.
const ELECTION_TICKS: u64 = 3000;

#[test]
fn a_leader_whose_disk_fails_hands_over_at_once() {
    let mut world = World::new(&[1, 2, 3], |options| {
        small(options);
        options.consensus.election_ticks = ELECTION_TICKS;
    });
    world.node(1).engine.campaign().unwrap();
    (0..5).for_each(|n| world.write(&command(n)));
    assert_eq!(world.leader(), 1);
    let fault = Fault { operation: "fdatasync", part: "wal" };
    let begun = Instant::now();
    *world.node(1).volume.fault.lock() = Some(fault);
    // A read and a proposal that are under way end too, the read with the certainty that it was not served.
    let engine = &world.node(1).engine;
    engine.propose(vec![(Bytes::from_static(b"perhaps"), 11)]).unwrap();
    let _ = engine.read(12);
    failed(&world, 1, fault);
    wait_until("the outcome", || world.node(1).machine.outcome(11).is_some());
    if let Some(outcome) = world.node(1).machine.outcome(12) {
        assert!([Code::Ok, Code::Io].contains(&outcome.code), "{outcome:?}");
    }
    world.leader_among(&[2, 3]);
    assert!(begun.elapsed() < Duration::from_secs(50), "nobody was asked to lead");
    world.stop(1);
    world.write("after");
    let commands = world.agreed(6);
    (0..5).for_each(|n| assert_eq!(commands[n], command(n)));
    world.start(1, &[1, 2, 3]);
    let all = commands.len();
    world.write("with all");
    assert_eq!(world.agreed(all + 1).len(), all + 1);
}

#[test]
fn a_snapshot_that_cannot_be_received_ends_the_node_if_its_disk_failed() {
    let mut world = World::new(&[1, 2, 3], |options| {
        options.snapshot_entries = 20;
        options.snapshot_trailing = 5;
    });
    world.write("first");
    let away = world.leader() % 3 + 1;
    world.stop(away);
    (0..60).for_each(|n| world.write(&command(n)));
    let leader = world.leader();
    wait_until("compaction", || world.node(leader).engine.status().status.first_index > 40);
    world.start(away, &[1, 2, 3]);
    let fault = Fault { operation: "write", part: "snap" };
    *world.node(away).volume.fault.lock() = Some(fault);
    failed(&world, away, fault);
    world.stop(away);
    world.start(away, &[1, 2, 3]);
    assert_eq!(world.agreed(61).len(), 61);
}
