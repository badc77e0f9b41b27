//! Registers that clients read, write and swap while nodes stop, are cut off, wait for their disks and hand leadership
//! on: what the clients were told must be explained by some order of what they did.
//!
//! `RFT_SEED=n` draws another order of faults, `RFT_STEPS=n` a longer one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use raft_core::consensus::config::ReadOnlyOption;
use raft_core::engine::code::Code;
use raft_core::engine::node::Engine;
use raft_core::engine::options::Options;
use raft_core::raftpb::conf_change::ConfChangeType::{AddLearnerNode, RemoveNode};
use raft_core::raftpb::conf_change::{ConfChangeSingle, ConfChangeV2};

use crate::chaos::{Dice, from_environment, pass};
use crate::linear::{Call, Op, is_linearizable};
use crate::machine::Machine;
use crate::world::{World, wait_until};

const VOTERS: [u64; 3] = [1, 2, 3];
const KEYS: u64 = 4;
const CLIENTS: u64 = 5;
/// How long a client waits: short, so that many outcomes are not known.
const PATIENCE: Duration = Duration::from_millis(500);

type Node = (Arc<Engine>, Arc<Machine>);

struct Clients {
    nodes: RwLock<Vec<Node>>,
    calls: Mutex<Vec<(u64, Call)>>,
    begun: Instant,
    next: AtomicU64,
    done: AtomicBool,
}

impl Clients {
    fn follow(&self, world: &World) {
        *self.nodes.write() =
            world.nodes.values().map(|node| (Arc::clone(&node.engine), Arc::clone(&node.machine))).collect();
    }

    fn now(&self) -> u64 {
        self.begun.elapsed().as_nanos() as u64
    }

    fn work(&self, seed: u64) {
        let mut dice = Dice::new(seed);
        let mut last = [0; KEYS as usize];
        while !self.done.load(Ordering::SeqCst) {
            let (engine, machine) = {
                let nodes = self.nodes.read();
                nodes[dice.below(nodes.len() as u64) as usize].clone()
            };
            let key = dice.below(KEYS);
            let called = self.now();
            let op = match dice.below(5) {
                0 | 1 => read(&engine, &machine, key),
                2 => swap(&engine, key, last[key as usize], self.next.fetch_add(1, Ordering::SeqCst)),
                _ => write(&engine, key, self.next.fetch_add(1, Ordering::SeqCst)),
            };
            let Some((op, is_known)) = op else { continue };
            if let Op::Read(found) | Op::Swap { found, .. } = op {
                last[key as usize] = found;
            }
            let returned = if is_known { self.now() } else { u64::MAX };
            self.calls.lock().push((key, Call { op, called, returned }));
        }
    }
}

fn read(engine: &Engine, machine: &Machine, key: u64) -> Option<(Op, bool)> {
    let outcome = engine.read_wait(PATIENCE).ok()?;
    (outcome.code == Code::Ok).then(|| (Op::Read(machine.register(key)), true))
}

fn write(engine: &Engine, key: u64, new: u64) -> Option<(Op, bool)> {
    let is_known = told(engine, format!("set {key} {new}"))?.is_some();
    Some((Op::Write(new), is_known))
}

fn swap(engine: &Engine, key: u64, from: u64, to: u64) -> Option<(Op, bool)> {
    Some(match told(engine, format!("swap {key} {from} {to}"))? {
        Some(answer) => {
            let found = str::from_utf8(&answer).unwrap().parse().unwrap();
            (Op::Swap { from, to, found }, true)
        }
        None => (Op::BlindSwap { from, to }, false),
    })
}

/// The answer, or that there is none; none at all if the command certainly was not applied.
fn told(engine: &Engine, command: String) -> Option<Option<Bytes>> {
    match engine.propose_wait(Bytes::from(command), PATIENCE) {
        Ok(outcome) => match outcome.code {
            Code::Ok => Some(Some(outcome.answer)),
            Code::NotLeader | Code::Dropped | Code::Busy => None,
            _ => Some(None),
        },
        // A wait that ended, and an engine that did; what was not accepted at all is not in the log.
        Err(raft_core::error::Error::TimedOut) => Some(None),
        Err(_) => None,
    }
}

#[test]
fn what_clients_are_told_is_linearizable() {
    hunt(|_| {});
}

#[test]
fn what_clients_are_told_by_leases_is_linearizable() {
    hunt(|options| options.consensus.read_only = ReadOnlyOption::LeaseBased);
}

fn hunt(tune: fn(&mut Options)) {
    let seed = from_environment("RFT_SEED", 1);
    let mut dice = Dice::new(seed);
    let mut world = World::new(&VOTERS, move |options| {
        options.consensus.forward_proposals = true;
        options.snapshot_entries = 100;
        options.snapshot_trailing = 10;
        options.segment_bytes = 32 << 10;
        tune(options);
    });
    world.set_repeats(seed as usize % 2);
    let clients = Clients {
        nodes: RwLock::default(),
        calls: Mutex::default(),
        begun: Instant::now(),
        next: AtomicU64::new(1),
        done: AtomicBool::new(false),
    };
    clients.follow(&world);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let clients = &clients;
            scope.spawn(move || clients.work(seed * CLIENTS + client));
        }
        for _ in 0..from_environment("RFT_STEPS", 8) {
            let id = 1 + dice.below(3);
            let before = clients.calls.lock().len();
            match dice.below(8) {
                0 => {
                    world.stop(id);
                    clients.follow(&world);
                    pass(&mut dice);
                    world.start(id, &VOTERS);
                    clients.follow(&world);
                }
                1 => {
                    world.set_cut(id, true);
                    pass(&mut dice);
                    world.set_cut(id, false);
                }
                // Messages go one way only.
                2 => {
                    world.set_filter(move |message| message.to != id);
                    pass(&mut dice);
                    world.set_filter(|_| true);
                }
                // The driver stands still, of the leader most of the time, and may have been cut off before.
                3 | 4 => {
                    let id = if dice.below(3) == 0 { id } else { world.leader() };
                    let is_cut = dice.below(2) == 0;
                    world.set_cut(id, is_cut);
                    world.node(id).machine.send_gate.set_shut(true);
                    pass(&mut dice);
                    world.node(id).machine.send_gate.set_shut(false);
                    pass(&mut dice);
                    world.set_cut(id, false);
                }
                // Its disk stands still, longer than a leader may wait for it.
                5 => {
                    let id = if dice.below(2) == 0 { id } else { world.leader() };
                    world.node(id).volume.gate.set_shut(true);
                    pass(&mut dice);
                    world.node(id).volume.gate.set_shut(false);
                }
                // A learner that is not there comes and goes.
                6 => {
                    let is_member = world.node(id).engine.status().status.membership.contains(9);
                    let kind = if is_member { RemoveNode } else { AddLearnerNode };
                    let change = ConfChangeV2::new(vec![ConfChangeSingle::new(kind, 9)]);
                    let _ = world.node(id).engine.change(change, 0);
                }
                _ => {
                    let _ = world.node(world.leader()).engine.transfer_leader(id, 0);
                }
            }
            wait_until("work to go on", || clients.calls.lock().len() > before + 20);
        }
        clients.done.store(true, Ordering::SeqCst);
    });
    let calls = clients.calls.lock();
    let known = calls.iter().filter(|(_, call)| call.returned != u64::MAX).count();
    println!("{} operations, the outcome of {} is not known", calls.len(), calls.len() - known);
    let has_reads = calls.iter().any(|(_, call)| matches!(call.op, Op::Read(_)));
    assert!(has_reads && known > calls.len() / 4, "nearly nothing was answered");
    for key in 0..KEYS {
        let history: Vec<Call> = calls.iter().filter(|(own, _)| *own == key).map(|(_, call)| *call).collect();
        assert!(
            is_linearizable(&history),
            "key {key}: no order explains {history:?}\n    RFT_SEED={seed} cargo test -p raft-core --test engine registers"
        );
    }
}
