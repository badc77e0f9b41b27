//! Stops, restarts, cuts, transfers and snapshots while clients write, in an order that a seed draws.
//!
//! `RFT_SEED=n` draws another order, `RFT_STEPS=n` a longer one.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use raft_core::engine::code::Code;
use raft_core::engine::node::Engine;

use crate::world::{World, wait_until};

const VOTERS: [u64; 3] = [1, 2, 3];

/// A small generator of numbers that look random.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Dice(seed)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }
}

pub(crate) fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What the clients share with the one who breaks things.
#[derive(Default)]
struct Clients {
    engines: RwLock<Vec<Arc<Engine>>>,
    acknowledged: Mutex<Vec<Bytes>>,
    done: AtomicBool,
}

impl Clients {
    fn follow(&self, world: &World) {
        *self.engines.write() = world.nodes.values().map(|node| Arc::clone(&node.engine)).collect();
    }

    /// Writes as long as it may, asking one node after the other.
    fn write(&self, client: usize) {
        let mut n = 0;
        while !self.done.load(Ordering::SeqCst) {
            n += 1;
            let engine = {
                let engines = self.engines.read();
                Arc::clone(&engines[(client + n) % engines.len()])
            };
            let data = Bytes::from(format!("{client}/{n} {}", "x".repeat(n % 90)));
            let outcome = engine.propose_wait(data.clone(), Duration::from_secs(5));
            if outcome.is_ok_and(|outcome| outcome.code == Code::Ok) {
                self.acknowledged.lock().push(data);
            }
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_whatever_happens() {
    let seed = from_environment("RFT_SEED", 1);
    let mut dice = Dice::new(seed);
    let mut world = World::new(&VOTERS, |options| {
        options.snapshot_entries = 50;
        options.snapshot_trailing = 10;
        options.snapshot_chunk_bytes = 1024;
        options.segment_bytes = 32 << 10;
    });
    let clients = Clients::default();
    clients.follow(&world);
    thread::scope(|scope| {
        for client in 0..3 {
            let clients = &clients;
            scope.spawn(move || clients.write(client));
        }
        for _ in 0..from_environment("RFT_STEPS", 12) {
            let id = 1 + dice.below(3);
            let before = clients.acknowledged.lock().len();
            match dice.below(5) {
                0 | 1 => {
                    world.stop(id);
                    clients.follow(&world);
                    pass(&mut dice);
                    world.start(id, &VOTERS);
                    clients.follow(&world);
                }
                2 => {
                    world.set_cut(id, true);
                    pass(&mut dice);
                    world.set_cut(id, false);
                }
                3 => {
                    let _ = world.node(world.leader()).engine.transfer_leader(id, 0);
                }
                _ => {
                    let _ = world.node(id).engine.snapshot(0);
                }
            }
            wait_until("writes to go on", || clients.acknowledged.lock().len() > before);
        }
        clients.done.store(true, Ordering::SeqCst);
    });
    let acknowledged = clients.acknowledged.lock();
    world.write("end");
    let commands = world.agreed(acknowledged.len());
    let held: HashSet<&Bytes> = commands.iter().collect();
    assert_eq!(held.len(), commands.len(), "something was applied twice, seed {seed}");
    let lost: Vec<_> = acknowledged.iter().filter(|command| !held.contains(command)).collect();
    assert!(lost.is_empty(), "lost with seed {seed}: {lost:?}");
    for node in world.nodes.values() {
        assert_eq!(node.engine.status().failure, None, "seed {seed}");
    }
}

/// Lets some time pass, in which the clients go on.
pub(crate) fn pass(dice: &mut Dice) {
    let until = Instant::now() + Duration::from_millis(50 + dice.below(600));
    wait_until("time to pass", || Instant::now() >= until);
}
