//! Disks that fill up, and get room again.

use bytes::Bytes;
use raft_core::disk::volume::Volume as _;
use raft_core::engine::code::Code;
use raft_core::engine::event::Event;
use raft_core::engine::options::Options;
use raft_core::error::Error;

use crate::world::{Node, PATIENCE, World, wait_for, wait_until};

const DISK: u64 = 8 << 20;
const RESERVE: u64 = 2 << 20;

fn small(options: &mut Options) {
    options.segment_bytes = 256 << 10;
    options.disk_reserve_bytes = RESERVE;
    options.snapshot_entries = 0;
    options.consensus.forward_proposals = true;
}

fn command(n: usize) -> String {
    format!("{n} {}", "x".repeat(50_000))
}

/// Writes to this node until it says that its disk is full; returns how many it took.
fn fill(node: &Node) -> usize {
    for n in 0.. {
        let outcome = node.engine.propose_wait(Bytes::from(command(n)), PATIENCE).unwrap();
        match outcome.code {
            Code::Ok => assert!(n < 1000, "the disk never fills"),
            code => {
                assert_eq!(code, Code::DiskFull);
                return n;
            }
        }
    }
    0
}

fn free(world: &World, id: u64) -> u64 {
    world.disk(id).free_bytes("".as_ref()).unwrap()
}

#[test]
fn a_full_disk_takes_no_proposals_and_heals_without_a_restart() {
    let mut world = World::in_memory(DISK, &[1], small);
    world.leader();
    let node = world.node(1);
    let taken = fill(node);
    assert!(taken > 50, "{taken}");
    // Nearly all that may be used was used, and the reserve was not.
    assert!((RESERVE / 2..RESERVE + (600 << 10)).contains(&free(&world, 1)), "{}", free(&world, 1));
    let status = node.engine.status();
    assert!(status.disk_full && status.failure.is_none());
    wait_until("the event", || {
        node.machine.has_event(|event| matches!(event, Event::DiskFull { free } if *free < RESERVE))
    });
    // It says no as often as it is asked, and reads go on.
    for request in 1..=20 {
        node.engine.propose(vec![(Bytes::from_static(b"refused"), request)]).unwrap();
    }
    let last = wait_for("the last outcome", || node.machine.outcome(20));
    assert_eq!(last.code, Code::DiskFull);
    assert_eq!(node.engine.read_wait(PATIENCE).unwrap().code, Code::Ok);

    world.disk(1).set_bytes_max(Some(2 * DISK));
    wait_until("room to be noticed", || !node.engine.status().disk_full);
    world.write("healed");
    let commands = world.agreed(taken + 1);
    assert_eq!(commands.len(), taken + 1);
    assert_eq!(commands.last().unwrap(), "healed");
    assert!(node.machine.has_event(|event| matches!(event, Event::DiskHasRoom { .. })));
    world.stop(1);
    world.start(1, &[1]);
    world.write("again");
    assert_eq!(world.agreed(taken + 2).len(), taken + 2);
}

#[test]
fn a_leader_with_a_full_disk_reads_and_hands_over_and_follows() {
    let world = World::in_memory(4 * DISK, &[1, 2, 3], small);
    let full = world.leader();
    world.disk(full).set_bytes_max(Some(DISK));
    let taken = fill(world.node(full));
    let other = full % 3 + 1;
    let forwarded =
        world.node(other).engine.propose_wait(Bytes::from_static(b"forwarded"), PATIENCE).unwrap();
    assert_eq!(forwarded.code, Code::DiskFull, "a follower hears why");
    assert_eq!(world.node(full).engine.read_wait(PATIENCE).unwrap().code, Code::Ok);
    assert!(!world.node(other).engine.status().disk_full);

    wait_until("another leader", || {
        let _ = world.node(full).engine.transfer_leader(other, 0);
        world.leader() == other
    });
    // What the others write goes on to its disk as well, out of the reserve.
    (0..10).for_each(|n| world.write(&format!("meanwhile {n}")));
    assert_eq!(world.agreed(taken + 10).len(), taken + 10);
    assert!(world.node(full).engine.status().disk_full);
    world.disk(full).set_bytes_max(None);
    wait_until("room to be noticed", || !world.node(full).engine.status().disk_full);
}

#[test]
fn a_snapshot_leaves_the_log_its_room() {
    let world = World::in_memory(DISK, &[1], small);
    world.leader();
    let node = world.node(1);
    let taken = fill(node);
    // The state is as long as the log: there is no room for it, with half of the reserve left or without.
    node.engine.snapshot(7).unwrap();
    assert_eq!(wait_for("an outcome", || node.machine.outcome(7)).code, Code::DiskFull);
    assert!(free(&world, 1) > RESERVE / 2, "what was written of it is gone");
    assert_eq!(node.engine.status().failure, None);
    world.disk(1).set_bytes_max(Some(4 * DISK));
    node.engine.snapshot(8).unwrap();
    assert_eq!(wait_for("a snapshot", || node.machine.outcome(8)).code, Code::Ok);
    wait_until("room to be noticed", || !node.engine.status().disk_full);
    world.write("healed");
    assert_eq!(world.agreed(taken + 1).len(), taken + 1);
}

#[test]
fn a_log_without_room_is_final_and_loses_nothing() {
    // No reserve: nothing stops the proposals before the disk does.
    let mut world = World::in_memory(DISK, &[1], |options| {
        small(options);
        options.disk_reserve_bytes = 0;
    });
    world.leader();
    let mut acknowledged = 0;
    let node = world.node(1);
    let failed = loop {
        let outcome = node.engine.propose_wait(Bytes::from(command(acknowledged)), PATIENCE);
        match outcome {
            Ok(outcome) if outcome.code == Code::Ok => acknowledged += 1,
            Ok(outcome) => break outcome.code,
            Err(error) => break Code::from(&error),
        }
    };
    assert_eq!(failed, Code::Io);
    let failure = wait_for("the failure", || node.engine.status().failure);
    assert!(matches!(&failure, Error::Io(io) if io.source.raw_os_error() == Some(28)), "{failure}");
    assert_eq!(node.engine.propose(vec![(Bytes::new(), 0)]), Err(failure.clone()));
    world.disk(1).set_bytes_max(None);
    assert_eq!(node.engine.read_wait(PATIENCE), Err(failure));
    world.stop(1);
    world.start(1, &[1]);
    world.write("last");
    let commands = world.agreed(acknowledged + 1);
    (0..acknowledged).for_each(|n| assert_eq!(commands[n], command(n)));
    assert!(commands.len() <= acknowledged + 2, "one may have got through");
}
