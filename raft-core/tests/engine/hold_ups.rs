//! What holds an engine up: a driver that does not run, a disk that stands still, a callback that does not return.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use raft_core::consensus::status::RoleKind;
use raft_core::engine::event::Event;
use raft_core::engine::metrics::Counter;
use raft_core::raftpb::message::MessageType;

use crate::gate::Gate;
use crate::world::{World, wait_until};

const TICK: Duration = Duration::from_millis(20);

/// Lets so many ticks pass.
pub(crate) fn pass(ticks: u32) {
    let until = Instant::now() + TICK * ticks;
    wait_until("time to pass", || Instant::now() >= until);
}

#[test]
fn a_follower_that_was_held_up_tells_it_and_does_not_campaign() {
    let world = World::new(&[1, 2, 3], |options| options.consensus.election_ticks = 50);
    world.write("x");
    let leader = world.leader();
    let term = world.node(leader).engine.status().status.hard_state.term;
    let follower = world.node(leader % 3 + 1);
    assert_eq!(follower.engine.counter(Counter::Pauses), 0);
    let gate = &follower.machine.send_gate;
    gate.set_shut(true);
    wait_until("it to answer", || gate.waiting() == 1);
    // Twice as long as it would wait for its leader at the most.
    pass(200);
    gate.set_shut(false);
    let is_told = |event: &Event| matches!(event, Event::Paused { time } if *time >= TICK * 190);
    wait_until("the event", || follower.machine.has_event(is_told));
    assert_eq!(follower.engine.counter(Counter::Pauses), 1);
    assert!(
        follower
            .machine
            .log
            .lock()
            .iter()
            .any(|line| line.starts_with("Warn ") && line.contains("nothing ran here"))
    );
    world.write("y");
    world.agreed(2);
    pass(60);
    for node in world.nodes.values() {
        let status = node.engine.status().status;
        assert_eq!((status.leader, status.hard_state.term), (leader, term));
    }
}

#[test]
fn a_callback_that_does_not_return_shows_and_holds_up_no_heartbeat() {
    let world = World::new(&[1, 2, 3], |options| options.consensus.election_ticks = 50);
    world.write("x");
    let leader = world.leader();
    let term = world.node(leader).engine.status().status.hard_state.term;
    let node = world.node(leader);
    let gate = Arc::new(Gate::open());
    gate.set_shut(true);
    let own = Arc::clone(&gate);
    *node.machine.hook.lock() = Some(Box::new(move |_| own.pass()));
    assert!(node.engine.status().in_host < TICK * 50);
    node.engine.propose(vec![(Bytes::from_static(b"y"), 1)]).unwrap();
    wait_until("apply to hang", || gate.waiting() == 1);
    wait_until("its age", || node.engine.status().in_host > TICK * 150);
    let json = node.engine.status_json();
    let (_, age) = json.split_once("\"host_call_ms\":").unwrap();
    let age: u64 = age.split([',', '}']).next().unwrap().parse().unwrap();
    assert!(age >= 3000, "{json}");
    for node in world.nodes.values() {
        let status = node.engine.status().status;
        assert_eq!((status.leader, status.hard_state.term), (leader, term));
    }
    gate.set_shut(false);
    wait_until("apply to go on", || node.machine.outcome(1).is_some());
    node.machine.hook.lock().take();
    wait_until("its end", || node.engine.status().in_host < TICK * 50);
}

#[test]
fn a_leader_whose_disk_hangs_says_so_and_steps_down_where_nobody_takes_over() {
    let world = World::new(&[1, 2, 3], |_| {});
    world.write("x");
    let old = world.leader();
    world.set_filter(|message| message.msg_type != MessageType::MsgTimeoutNow);
    let node = world.node(old);
    node.volume.gate.set_shut(true);
    node.engine.propose(vec![(Bytes::from_static(b"y"), 0)]).unwrap();
    let is_stalled = |event: &Event| matches!(event, Event::DiskStalled { time } if *time > TICK * 10);
    wait_until("the event", || node.machine.has_event(is_stalled));
    wait_until("the age of the write", || node.engine.status().in_disk > TICK * 10);
    wait_until("the end of its leadership", || node.engine.status().status.role != RoleKind::Leader);
    assert!(node.machine.log.lock().iter().any(|line| line.contains("this node steps down")));
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != old).collect();
    let new = world.leader_among(&others);
    assert_ne!(new, old);
    node.volume.gate.set_shut(false);
    let moves = |event: &Event| matches!(event, Event::DiskMoves { time } if *time > TICK * 20);
    wait_until("the other event", || node.machine.has_event(moves));
    wait_until("the end of the write", || node.engine.status().in_disk.is_zero());
    world.write("z");
    world.agreed(3);
}

#[test]
fn heartbeats_go_on_while_a_snapshot_is_saved() {
    let world = World::new(&[1, 2, 3], |options| options.consensus.election_ticks = 50);
    world.write("x");
    let leader = world.leader();
    let term = world.node(leader).engine.status().status.hard_state.term;
    let node = world.node(leader);
    node.machine.save_gate.set_shut(true);
    node.engine.snapshot(1).unwrap();
    wait_until("the snapshot to be under way", || node.machine.save_gate.waiting() == 1);
    // Longer than the most patient follower waits for a heartbeat.
    pass(110);
    for node in world.nodes.values() {
        let status = node.engine.status().status;
        assert_eq!((status.leader, status.hard_state.term), (leader, term));
    }
    node.machine.save_gate.set_shut(false);
    wait_until("the snapshot", || node.machine.outcome(1).is_some());
}
