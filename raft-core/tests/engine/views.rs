//! Snapshots that are written beside further applies, after so many bytes, and at a pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use raft_core::engine::code::Code;
use raft_core::engine::event::Event;
use raft_core::error::Error;
use raft_core::raftpb::conf_change::ConfChangeType;
use raft_core::raftpb::message::MessageType;

use crate::world::{PATIENCE, World, wait_for, wait_until};

#[test]
fn applying_goes_on_while_a_view_is_written() {
    let mut world = World::new(&[1], |options| options.snapshot_entries = 0);
    world.write("before");
    let node = world.node(1);
    node.machine.gives_views.store(true, Ordering::SeqCst);
    node.machine.save_gate.set_shut(true);
    node.engine.snapshot(1).unwrap();
    wait_until("the view to be written", || node.machine.save_gate.waiting() == 1);
    let at = node.engine.status().status.applied;
    (0..5).for_each(|n| world.write(&format!("{n}")));
    assert_eq!(world.agreed(6).len(), 6);
    assert_eq!(world.node(1).machine.outcome(1), None);
    world.node(1).machine.save_gate.set_shut(false);
    let saved = wait_for("the snapshot", || world.node(1).machine.outcome(1));
    assert_eq!((saved.code, saved.index), (Code::Ok, at));
    // What it holds is what was there then; the rest comes from the log.
    world.stop(1);
    world.start(1, &[1]);
    assert_eq!(world.agreed(6), ["before", "0", "1", "2", "3", "4"]);
    assert_eq!(world.node(1).engine.status().snapshot_index, at);
}

#[test]
fn stopping_waits_for_a_view_and_ends_it_at_its_next_byte() {
    let mut world = World::new(&[1], |options| options.snapshot_entries = 0);
    world.write("x");
    let node = world.node(1);
    node.machine.gives_views.store(true, Ordering::SeqCst);
    node.machine.save_gate.set_shut(true);
    node.engine.snapshot(1).unwrap();
    wait_until("the view to be written", || node.machine.save_gate.waiting() == 1);
    assert_eq!(node.engine.stop(Duration::from_millis(50)), Err(Error::TimedOut));
    assert_eq!(wait_for("the outcome", || node.machine.outcome(1)).code, Code::Stopped);
    node.machine.save_gate.set_shut(false);
    world.stop(1);
    world.start(1, &[1]);
    assert_eq!(world.node(1).engine.status().snapshot_index, 1, "only the one a cluster starts from");
    assert_eq!(world.agreed(1), ["x"]);
}

#[test]
fn many_bytes_are_a_reason_as_many_entries_are() {
    let world = World::new(&[1], |options| {
        options.snapshot_entries = 0;
        options.snapshot_bytes = 100_000;
    });
    let node = world.node(1);
    let saved = || {
        let events = node.machine.events.lock();
        events.iter().filter(|event| matches!(event, Event::SnapshotSaved { .. })).count()
    };
    (0..9).for_each(|_| world.write(&"x".repeat(10_000)));
    assert_eq!(saved(), 0);
    (0..2).for_each(|_| world.write(&"x".repeat(10_000)));
    wait_until("a snapshot", || saved() == 1);
    (0..11).for_each(|_| world.write(&"x".repeat(10_000)));
    wait_until("another one", || saved() == 2);
}

#[test]
fn waiting_for_a_snapshot_tells_what_it_covers() {
    let world = World::new(&[1], |_| {});
    world.write("x");
    let node = world.node(1);
    let saved = node.engine.snapshot_wait(PATIENCE).unwrap();
    assert_eq!((saved.code, saved.index), (Code::Ok, node.engine.status().status.applied));
    wait_until("the status to tell it", || node.engine.status().snapshot_index == saved.index);
    node.machine.save_code.store(9, Ordering::SeqCst);
    world.write("y");
    assert_eq!(node.engine.snapshot_wait(PATIENCE).unwrap().code, Code::Host);
}

#[test]
fn a_snapshot_is_sent_at_the_pace_that_was_set() {
    const RATE: u64 = 64 << 10;
    let mut world = World::new(&[1, 2, 3], |options| {
        options.snapshot_chunk_bytes = 4096;
        options.snapshot_send_bytes_per_second = RATE;
        options.snapshot_trailing = 0;
        options.consensus.election_ticks = 50;
    });
    (0..64).for_each(|_| world.write(&"x".repeat(1024)));
    let leader = world.leader();
    assert_eq!(world.node(leader).engine.snapshot_wait(PATIENCE).unwrap().code, Code::Ok);
    let sent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sent);
    world.set_filter(move |message| {
        if message.msg_type == MessageType::MsgSnap {
            let len = message.snapshot.as_ref().map_or(0, |snapshot| snapshot.data.len());
            count.fetch_add(len as u64, Ordering::SeqCst);
        }
        true
    });
    let begun = Instant::now();
    world.start(4, &[]);
    world.change(ConfChangeType::AddLearnerNode, 4);
    let newcomer = Arc::clone(&world.node(4).machine);
    wait_until("the snapshot", || {
        newcomer.has_event(|event| matches!(event, Event::SnapshotRestored { .. }))
    });
    let sent = sent.load(Ordering::SeqCst);
    assert!(sent > 64 << 10, "{sent}");
    // All but the first chunk has to be waited for.
    let least = Duration::from_millis((sent - 4096) * 1000 / RATE);
    assert!(begun.elapsed() >= least * 9 / 10, "{sent} bytes in {:?}", begun.elapsed());
    world.write("y");
    world.agreed(65);
}
