//! Snapshots: taken, compacted behind, restarted from, and sent whole and in pieces.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use raft_core::engine::code::Code;
use raft_core::engine::event::Event;
use raft_core::engine::options::Options;
use raft_core::raftpb::conf_change::ConfChangeType;
use raft_core::raftpb::message::MessageType;

use crate::world::{PATIENCE, World, wait_for, wait_until};

fn often(options: &mut Options) {
    options.snapshot_entries = 20;
    options.snapshot_trailing = 5;
}

fn by_call_only(options: &mut Options) {
    options.snapshot_entries = 0;
    options.snapshot_trailing = 0;
}

#[test]
fn the_policy_takes_them_and_a_restart_begins_with_the_newest() {
    let mut world = World::new(&[1], often);
    (0..100).for_each(|n| world.write(&format!("{n}")));
    let engine = &world.node(1).engine;
    wait_until("compaction", || engine.status().status.first_index > 70);
    let status = engine.status();
    assert!(status.snapshot_index >= status.status.first_index);
    assert!(
        world
            .node(1)
            .machine
            .has_event(|event| matches!(event, Event::SnapshotSaved { bytes, .. } if *bytes > 100))
    );
    world.stop(1);
    world.start(1, &[1]);
    // What the snapshot holds is there before anything is applied.
    let commands = world.node(1).machine.commands();
    assert!(commands.len() > 70, "{}", commands.len());
    world.write("after");
    assert_eq!(world.agreed(101).len(), 101);
}

#[test]
fn one_that_is_told_of_is_what_the_node_starts_from_after_a_power_cut() {
    // One writes past the system's cache, the other one through it.
    for id in [1, 2] {
        starts_from_what_it_told_of(id);
    }
}

fn starts_from_what_it_told_of(id: u64) {
    // No tick comes to the aid of the disk, which is to know by then that the snapshot is of what is committed.
    let mut world = World::in_memory(1 << 30, &[id], |options| {
        options.tick_interval = Duration::from_secs(60);
    });
    world.node(id).engine.campaign().unwrap();
    let mut known = Vec::new();
    for number in 1..=3 {
        world.write(&format!("{number}"));
        let node = world.node(id);
        node.engine.snapshot(number).unwrap();
        known.push(wait_for("a snapshot", || node.machine.outcome(number)).index);
    }
    assert!(known.is_sorted_by(|a, b| a < b), "{known:?}");
    world.cut_power(&[id]);
    let machine = &world.node(id).machine;
    let started_from =
        |newest| move |event: &Event| matches!(event, Event::Recovered { index, .. } if *index == newest);
    wait_until("word of the start", || machine.has_event(|event| matches!(event, Event::Recovered { .. })));
    assert!(machine.has_event(started_from(known[2])), "{known:?} {:?}", machine.events.lock());
    assert_eq!(machine.commands(), ["1", "2", "3"]);
}

#[test]
fn one_is_taken_by_request_and_only_once_for_one_state() {
    let world = World::new(&[1], |_| {});
    world.write("x");
    let node = world.node(1);
    node.engine.snapshot(1).unwrap();
    let first = wait_for("a snapshot", || node.machine.outcome(1));
    assert_eq!(first.code, Code::Ok);
    assert_eq!(first.index, node.engine.status().status.applied);
    node.engine.snapshot(2).unwrap();
    let second = wait_for("a snapshot", || node.machine.outcome(2));
    assert_eq!((second.code, second.index, second.term), (Code::Ok, first.index, first.term));
    world.write("y");
    node.machine.save_code.store(-20, Ordering::SeqCst);
    node.engine.snapshot(3).unwrap();
    assert_eq!(wait_for("a failure", || node.machine.outcome(3)).code, Code::Host);
    let why = "no snapshot: snapshot_save of the host failed with -20 (RFT_E_IO)";
    assert!(node.machine.log.lock().iter().any(|line| line.contains(why)));
    node.machine.save_code.store(0, Ordering::SeqCst);
    node.engine.snapshot(4).unwrap();
    assert!(wait_for("a snapshot", || node.machine.outcome(4)).index > first.index);
}

#[test]
fn requests_while_one_is_taken_wait_for_the_next() {
    let world = World::new(&[1], |_| {});
    world.write("x");
    let node = world.node(1);
    node.machine.save_gate.set_shut(true);
    node.engine.snapshot(1).unwrap();
    wait_until("the snapshot to be under way", || node.machine.save_gate.waiting() == 1);
    node.engine.propose(vec![(Bytes::from_static(b"y"), 0)]).unwrap();
    node.engine.snapshot(2).unwrap();
    // The log goes on while the state machine is busy.
    let status = || node.engine.status().status;
    wait_until("the entry to be committed", || status().hard_state.commit > status().applied);
    node.machine.save_gate.set_shut(false);
    let first = wait_for("the first", || node.machine.outcome(1));
    let second = wait_for("the second", || node.machine.outcome(2));
    assert!(second.index > first.index);
}

/// Adds node 4 to a cluster whose log is compacted, and promotes it.
fn install_newcomer(world: &mut World, entries: usize) {
    (0..entries).for_each(|n| world.write(&format!("entry {n} {}", "x".repeat(50))));
    let leader = world.leader();
    wait_until("compaction", || world.node(leader).engine.status().status.first_index > 20);
    world.start(4, &[]);
    world.change(ConfChangeType::AddLearnerNode, 4);
    let commands = world.agreed(entries);
    assert_eq!(commands.len(), entries);
    let machine = Arc::clone(&world.node(4).machine);
    wait_until("the event", || machine.has_event(|event| matches!(event, Event::SnapshotRestored { .. })));
    world.change(ConfChangeType::AddNode, 4);
    world.write("with four");
    world.agreed(entries + 1);
    assert!(world.node(4).engine.status().status.membership.conf_state().voters.contains(&4));
    // It starts again from the snapshot it was sent.
    world.stop(4);
    world.start(4, &[]);
    world.write("again");
    world.agreed(entries + 2);
}

#[test]
fn a_newcomer_is_installed_from_a_short_snapshot_in_one_message() {
    let mut world = World::new(&[1, 2, 3], often);
    let pieces = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&pieces);
    world.set_filter(move |message| {
        if message.msg_type == MessageType::MsgSnap && !message.context.is_empty() {
            seen.fetch_add(1, Ordering::SeqCst);
        }
        true
    });
    install_newcomer(&mut world, 60);
    assert_eq!(pieces.load(Ordering::SeqCst), 0);
}

#[test]
fn a_newcomer_is_installed_from_chunks_some_of_which_are_lost() {
    let mut world = World::new(&[1, 2, 3], |options| {
        often(options);
        options.snapshot_chunk_bytes = 1024;
    });
    let (pieces, lost) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (seen, dropped) = (Arc::clone(&pieces), Arc::clone(&lost));
    world.set_filter(move |message| {
        let is_courier = matches!(message.msg_type, MessageType::MsgSnap | MessageType::MsgSnapStatus);
        if !is_courier {
            return true;
        }
        assert!(message.snapshot.as_ref().is_none_or(|snapshot| snapshot.data.len() <= 1024));
        let lose = seen.fetch_add(1, Ordering::SeqCst) % 5 == 3;
        dropped.fetch_add(u64::from(lose), Ordering::SeqCst);
        !lose
    });
    install_newcomer(&mut world, 120);
    assert!(pieces.load(Ordering::SeqCst) >= 10, "{pieces:?}");
    assert!(lost.load(Ordering::SeqCst) >= 2, "{lost:?}");
}

/// Cuts a follower off until the leader has let go of what it lacks.
fn leave_behind(world: &World) -> u64 {
    world.write("first");
    let leader = world.leader();
    let away = leader % 3 + 1;
    world.set_cut(away, true);
    (0..120).for_each(|n| world.write(&format!("entry {n} {}", "x".repeat(50))));
    wait_until("compaction", || world.node(leader).engine.status().status.first_index > 80);
    away
}

/// It comes back, which takes a snapshot.
fn catch_up(world: &World, away: u64) {
    world.set_cut(away, false);
    world.agreed(121);
    assert!(world.node(away).machine.has_event(|event| matches!(event, Event::SnapshotRestored { .. })));
}

#[test]
fn a_snapshot_longer_than_the_queue_of_its_receiver_arrives() {
    let world = World::new(&[1, 2, 3], |options| {
        often(options);
        options.proposal_bytes_max = 8 << 10;
        options.queue_bytes_max = 8 << 10;
        options.consensus.message_bytes_max = 2 << 10;
        // A leader that does not hear of the one that is cut off must not wait for it.
        options.consensus.check_quorum = false;
    });
    // Its queue holds two windows of four pieces, also beside a heartbeat.
    world.set_filter(|message| {
        message.snapshot.as_ref().is_none_or(|snapshot| {
            assert!(snapshot.data.len() <= 1 << 10, "{}", snapshot.data.len());
            true
        })
    });
    let away = leave_behind(&world);
    catch_up(&world, away);
}

#[test]
fn a_node_of_another_make_that_took_over_a_directory_is_given_a_snapshot_in_one_message() {
    let world = World::new(&[1, 2, 3], |options| {
        often(options);
        options.snapshot_chunk_bytes = 1024;
    });
    let away = leave_behind(&world);
    // It tells no number of its disk any more, which all have heard, and takes no pieces.
    world.set_filter(move |message| {
        if message.from == away {
            message.store = 0;
        }
        message.to != away || message.msg_type != MessageType::MsgSnap || message.context.is_empty()
    });
    catch_up(&world, away);
}

#[test]
fn a_transfer_goes_on_where_it_was_broken_off() {
    let mut world = World::new(&[1, 2, 3], |options| {
        often(options);
        options.snapshot_chunk_bytes = 1024;
    });
    // Nothing passes for a while after the third chunk; what the newcomer has then is not sent again. Others that are
    // behind by more than the leader keeps get snapshots as well, and have no part in this.
    let sent = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let seen = Arc::clone(&sent);
    let mut pause = 0;
    world.set_filter(move |message| {
        if message.to != 4 || message.msg_type != MessageType::MsgSnap || message.context.is_empty() {
            return true;
        }
        let offset = u64::from_le_bytes(message.context[16..24].try_into().unwrap());
        if seen.lock().len() == 3 && pause < 8 {
            pause += 1;
            return false;
        }
        seen.lock().push((message.snapshot.as_ref().unwrap().metadata.index, offset));
        true
    });
    install_newcomer(&mut world, 120);
    let sent = sent.lock();
    let first = sent[0].0;
    let of_first: Vec<u64> = sent.iter().filter(|(index, _)| *index == first).map(|(_, at)| *at).collect();
    assert_eq!(of_first[..4], [0, 1024, 2048, 3072], "{sent:?}");
}

#[test]
fn a_follower_that_was_away_too_long_is_given_a_snapshot() {
    let mut world = World::new(&[1, 2, 3], often);
    world.write("first");
    let away = world.leader() % 3 + 1;
    world.stop(away);
    (0..60).for_each(|n| world.write(&format!("{n}")));
    let leader = world.leader();
    wait_until("compaction", || world.node(leader).engine.status().status.first_index > 40);
    world.start(away, &[1, 2, 3]);
    world.agreed(61);
    assert!(world.node(away).machine.has_event(|event| matches!(event, Event::SnapshotRestored { .. })));
    world.write("last");
    world.agreed(62);
    world.stop(away);
    world.start(away, &[1, 2, 3]);
    assert_eq!(world.agreed(62).len(), 62);
}

#[test]
fn a_follower_whose_state_machine_stood_still_goes_on_behind_a_snapshot() {
    let world = World::new(&[1, 2, 3], |options| {
        by_call_only(options);
        options.consensus.uncommitted_bytes_max = 16 << 10;
        options.consensus.apply_bytes_max = 2 << 10;
    });
    world.write("first");
    let leader = world.leader();
    let slow = world.node(leader % 3 + 1);
    slow.machine.apply_gate.set_shut(true);
    // At once, so that the follower has all of it, four times as much as may wait, before it hears that it is committed.
    // The leader takes it as soon as it knows that it has applied what was before.
    let command = |n: usize| Bytes::from(format!("{n} {}", "x".repeat(1000)));
    let (node, mut request) = (world.node(leader), 0);
    wait_until("the leader to take as much", || {
        request += 1;
        node.engine.propose((0..64).map(|n| (command(n), request * u64::from(n == 63))).collect()).unwrap();
        wait_for("an outcome", || node.machine.outcome(request)).code == Code::Ok
    });
    wait_until("the state machine to stand still", || {
        let status = slow.engine.status().status;
        slow.machine.apply_gate.waiting() == 1 && status.hard_state.commit >= status.applied + 64
    });
    // Of what comes now it takes nothing, until the leader has no more of it and sends a snapshot, the only one.
    let answers = Arc::new(AtomicU64::new(0));
    let (seen, mut is_sent) = (Arc::clone(&answers), false);
    let from = slow.machine.id;
    world.set_filter(move |message| {
        is_sent |= message.to == from && message.msg_type == MessageType::MsgSnap;
        if is_sent && message.from == from && message.msg_type == MessageType::MsgHeartbeatResp {
            seen.fetch_add(1, Ordering::SeqCst);
        }
        true
    });
    (64..70).for_each(|n| world.write(&format!("{n}")));
    assert_eq!(node.engine.snapshot_wait(PATIENCE).unwrap().code, Code::Ok);
    // By then the snapshot waits in line for the state machine.
    wait_until("answers behind the snapshot", || answers.load(Ordering::SeqCst) >= 3);
    slow.machine.apply_gate.set_shut(false);
    (70..90).for_each(|n| world.write(&format!("{n}")));
    world.agreed(91);
    assert!(slow.machine.has_event(|event| matches!(event, Event::SnapshotRestored { .. })));
}

#[test]
fn a_snapshot_that_rotted_is_taken_again_for_who_needs_it() {
    let world = World::new(&[1, 2, 3], by_call_only);
    world.write("first");
    let leader = world.leader();
    let away = leader % 3 + 1;
    world.set_cut(away, true);
    (0..50).for_each(|n| world.write(&format!("{n}")));
    let engine = &world.node(leader).engine;
    let taken = engine.snapshot_wait(PATIENCE).unwrap();
    assert_eq!(taken.code, Code::Ok);
    let path = world.file(leader, &format!("snap/{:016x}-{:016x}.snap", taken.term, taken.index));
    let mut rotten = std::fs::read(&path).unwrap();
    rotten[100] ^= 4;
    std::fs::write(&path, &rotten).unwrap();
    // Nobody writes any more: it is the same state that is to be saved again.
    world.set_cut(away, false);
    world.agreed(51);
    assert!(world.node(away).machine.has_event(|event| matches!(event, Event::SnapshotRestored { .. })));
    assert_ne!(std::fs::read(&path).unwrap(), rotten);
}
