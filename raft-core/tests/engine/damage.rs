//! Rot under a running cluster: a node whose disk lost something is refilled, says so, and nothing acknowledged is gone.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use raft_core::disk::damage::survey;
use raft_core::disk::os::OsVolume;
use raft_core::engine::event::Event;
use raft_core::raftpb::message::{Message, MessageType};

use crate::world::{World, wait_until};

const VOTERS: [u64; 3] = [1, 2, 3];

/// A cluster with small segments, whose node 3 has stopped after many writes and three snapshots at the least: as many as
/// are kept, so that none is left of those that a node starts with, which are empty.
fn stopped() -> World {
    let mut world = World::new(&VOTERS, |options| {
        options.segment_bytes = 16 << 10;
        options.snapshot_entries = 40;
        options.snapshot_trailing = 5;
    });
    for part in 1..=3 {
        for at in (part - 1) * 50..part * 50 {
            world.write(&format!("command {at} {}", "x".repeat(200)));
        }
        // A node that is behind takes one snapshot of much, or a leader's.
        world.agreed(part * 50);
        let is_snapshot =
            |event: &&Event| matches!(event, Event::SnapshotSaved { .. } | Event::SnapshotRestored { .. });
        wait_until("a snapshot", || {
            world.node(3).machine.events.lock().iter().filter(is_snapshot).count() >= part
        });
    }
    world.stop(3);
    world
}

/// The files of node 3 in `part` that end with `ending`, by name.
fn files(world: &World, part: &str, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(world.file(3, part)).unwrap().map(|e| e.unwrap().path()).collect();
    found.retain(|path| path.to_string_lossy().ends_with(ending));
    found.sort();
    found
}

fn flip(path: &PathBuf, at: usize) {
    let mut content = fs::read(path).unwrap();
    content[at] ^= 1;
    fs::write(path, content).unwrap();
}

/// Starts node 3, waits until it has told of the damage and of its end, and compares all that was written.
fn refilled(mut world: World) {
    let dir = world.file(3, "");
    let damages = survey(std::sync::Arc::new(OsVolume), &dir).unwrap();
    assert!(!damages.is_empty());
    world.start(3, &VOTERS);
    let node = world.node(3);
    let told: Vec<String> = damages.iter().map(ToString::to_string).collect();
    wait_until("word of the damage", || {
        node.machine.has_event(|event| matches!(event, Event::Damaged { damages, .. } if !damages.is_empty()))
    });
    assert!(node.machine.log.lock().iter().any(|line| told.iter().any(|text| line.contains(text))));
    for at in 150..160 {
        world.write(&format!("command {at}"));
    }
    wait_until("word of the refill", || {
        node.machine.has_event(|event| matches!(event, Event::Refilled { .. }))
            && node.engine.status().status.lost.is_none()
    });
    assert_eq!(world.agreed(160).len(), 160);
    // Now it is a member like any other: with node 1 gone, only its vote makes a leader.
    wait_until("the word of the loss to be gone", || !dir.join("lost").exists());
    world.stop(1);
    world.write("one more");
    assert_eq!(world.agreed(161).len(), 161);
}

#[test]
fn a_log_that_rotted_in_the_middle_is_refilled() {
    let world = stopped();
    let segments = files(&world, "wal", ".wal");
    flip(&segments[segments.len() / 2], 1000);
    refilled(world);
}

#[test]
fn a_log_that_rotted_at_its_end_is_refilled() {
    let world = stopped();
    let segments = files(&world, "wal", ".wal");
    let last = segments.last().unwrap();
    let used = fs::read(last).unwrap().iter().rposition(|byte| *byte != 0).unwrap();
    flip(last, used - 20);
    refilled(world);
}

#[test]
fn with_its_newest_snapshot_rotten_a_node_starts_from_an_older_one() {
    let mut world = stopped();
    flip(files(&world, "snap", ".snap").last().unwrap(), 100);
    world.start(3, &VOTERS);
    assert_eq!(world.agreed(150).len(), 150);
    let node = world.node(3);
    assert!(node.machine.has_event(|event| {
        matches!(event, Event::Recovered { notes, .. } if notes.iter().any(|note| note.contains(".broken")))
    }));
    assert!(!node.machine.has_event(|event| matches!(event, Event::Damaged { .. })));
}

#[test]
fn with_all_snapshots_rotten_a_node_gets_one_from_the_leader() {
    let world = stopped();
    let snapshots = files(&world, "snap", ".snap");
    assert!(snapshots.len() >= 2, "{snapshots:?}");
    snapshots.iter().for_each(|path| flip(path, 100));
    refilled(world);
}

#[test]
fn a_leader_is_told_of_what_is_lost_once_that_is_kept() {
    let world = World::new(&VOTERS, |_| {});
    (0..5).for_each(|n| world.write(&format!("{n}")));
    world.agreed(5);
    let leader = world.leader();
    let victim = leader % 3 + 1;
    let (told, beats) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (own_told, own_beats) = (Arc::clone(&told), Arc::clone(&beats));
    world.set_filter(move |message| {
        if message.from == victim {
            own_told.fetch_add(u64::from(message.context.as_ref() == b"LostTail"), Ordering::SeqCst);
            own_beats
                .fetch_add(u64::from(message.msg_type == MessageType::MsgHeartbeatResp), Ordering::SeqCst);
        }
        true
    });
    let node = world.node(victim);
    node.volume.gate.set_shut(true);
    // As if the disk had been brought back from a copy: the leader knows more to be there than there is.
    let status = node.engine.status().status;
    let beat = Message {
        from: status.leader,
        term: status.hard_state.term,
        commit: status.last_index + 5,
        ..Message::new(MessageType::MsgHeartbeat, victim)
    };
    node.engine.step(beat).unwrap();
    wait_until("the loss to be on its way to the disk", || node.volume.gate.waiting() > 0);
    // What had left before these would be here before them.
    let before = beats.load(Ordering::SeqCst);
    wait_until("answers", || beats.load(Ordering::SeqCst) > before + 2);
    assert_eq!(told.load(Ordering::SeqCst), 0);
    node.volume.gate.set_shut(false);
    wait_until("word to the leader", || told.load(Ordering::SeqCst) > 0);
    assert!(world.file(victim, "lost").exists());
}
