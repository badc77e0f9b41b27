//! Acts about disks, state machines and queues that stand still or fill up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
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
