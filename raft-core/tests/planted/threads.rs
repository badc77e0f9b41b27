//! Acts about disks, state machines and queues that stand still or fill up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use raft_core::consensus::config::ReadOnlyOption;
use raft_core::engine::code::Code;
use raft_core::error::Error;
use raft_core::raftpb::message::MessageType;

use crate::Verdict;
use crate::gate::Gate;
use crate::ledger::Ledger;
use crate::world::{Node, World, wait_for, wait_until};

const IDS: [u64; 3] = [1, 2, 3];

pub(crate) fn what_is_acknowledged_outlives_a_power_cut() -> Verdict {
    let mut world = World::in_memory(1 << 30, &IDS, |options| options.snapshot_entries = 0);
    world.write("before");
    let leader = world.leader();
    let mut ledger = Ledger::default();
    ledger.propose(&world, leader, 10);
    ledger.await_outcomes(leader);
    world.cut_power(&IDS);
    world.write("after");
    ledger.judge(&world.agreed(1))
}

pub(crate) fn heartbeats_do_not_wait_for_the_disk() -> Verdict {
    heartbeats_go_on(|node| &node.volume.gate)
}

pub(crate) fn heartbeats_do_not_wait_for_the_state_machine() -> Verdict {
    heartbeats_go_on(|node| &node.machine.apply_gate)
}

/// With this gate shut the leader's heartbeats go on leaving, so that nobody campaigns.
fn heartbeats_go_on(gate: impl Fn(&Node) -> &Gate) -> Verdict {
    // Followers wait a second at the least.
    let world = World::new(&IDS, |options| options.consensus.election_ticks = 50);
    world.node(1).engine.campaign().unwrap();
    world.write("before");
    let leader = world.leader();
    let node = world.node(leader);
    let gate = gate(node);
    gate.set_shut(true);
    node.engine.propose(vec![(Bytes::from_static(b"held up"), 0)]).unwrap();
    wait_until("a thread to wait", || gate.waiting() > 0);
    let beats = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&beats);
    world.set_filter(move |message| {
        let is_beat = message.from == leader && message.msg_type == MessageType::MsgHeartbeat;
        count.fetch_add(u64::from(is_beat), Ordering::SeqCst);
        true
    });
    let follows = |id: &u64| world.node(*id).engine.status().status.leader == leader;
    let verdict = wait_for("heartbeats, or an election for want of them", || {
        if !IDS.iter().filter(|id| **id != leader).all(follows) {
            return Some(Err("the leader was given up".to_owned()));
        }
        // What had left before does not count.
        (beats.load(Ordering::SeqCst) >= 20).then_some(Ok(()))
    });
    gate.set_shut(false);
    verdict
}

/// A leader with a lease is cut off and stands still until another one has written: what it answers then is stale.
pub(crate) fn a_lease_ends_with_a_pause() -> Verdict {
    let world = World::new(&IDS, |options| {
        options.consensus.read_only = ReadOnlyOption::LeaseBased;
        options.consensus.election_ticks = 50;
    });
    world.write("old");
    let leader = world.leader();
    let node = world.node(leader);
    let soon = Duration::from_secs(1);
    let is_read = || node.engine.read_wait(soon).is_ok_and(|outcome| outcome.code == Code::Ok);
    wait_until("a lease", is_read);
    world.set_cut(leader, true);
    node.machine.send_gate.set_shut(true);
    wait_until("the leader to stand still", || node.machine.send_gate.waiting() > 0);
    let others: Vec<u64> = IDS.into_iter().filter(|id| *id != leader).collect();
    let new = world.leader_among(&others);
    let written = world.node(new).engine.propose_wait("new".into(), Duration::from_secs(60)).unwrap();
    assert_eq!(written.code, Code::Ok);
    node.engine.read(7).unwrap();
    node.machine.send_gate.set_shut(false);
    let outcome = wait_for("the outcome", || node.machine.outcome(7));
    match outcome.code {
        Code::Ok => Err(format!("a read of {:?} after a pause", node.machine.commands())),
        _ => Ok(()),
    }
}

const QUEUE_ITEMS: usize = 16;

pub(crate) fn a_full_queue_says_so() -> Verdict {
    let mut world = World::new(&IDS, |options| options.queue_items_max = QUEUE_ITEMS);
    world.write("before");
    let leader = world.leader();
    let machine = Arc::clone(&world.node(leader).machine);
    machine.send_gate.set_shut(true);
    wait_until("the driver to wait", || machine.send_gate.waiting() > 0);
    let mut taken = 0;
    let refusal = loop {
        match world.node(leader).engine.propose(vec![(Bytes::from_static(b"x"), 0)]) {
            Ok(()) if taken < QUEUE_ITEMS => taken += 1,
            result => break result,
        }
    };
    machine.send_gate.set_shut(false);
    world.stop(leader);
    match refusal {
        Err(Error::Busy) => Ok(()),
        other => Err(format!("a full queue answers {other:?}")),
    }
}
