//! An engine alone in its group, and what its host sees.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use raft_core::engine::host::{Applied, Host, SnapshotRead};
use raft_core::engine::node::Engine;
use raft_core::engine::options::Options;
use raft_core::engine::outcome::Outcome;
use raft_core::raftpb::message::Message;

use crate::node::proposals;
use crate::thread_ns;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// After how many entries the log is cut off, so that memory is used again.
pub(crate) const SNAPSHOT_ENTRIES: u64 = 4096;

/// The least state machine: it looks at each entry once.
#[derive(Default)]
struct Machine {
    entries: AtomicU64,
    bytes: AtomicU64,
    outcomes: AtomicU64,
    // Nanoseconds since `born`: of the first batch, and of the end of the last one.
    first: AtomicU64,
    last: AtomicU64,
    born: Option<Instant>,
}

impl Machine {
    fn now(&self) -> u64 {
        self.born.map_or(0, |born| born.elapsed().as_nanos() as u64)
    }
}

impl Host for Machine {
    fn send(&self, _: &[Message]) {}

    fn apply(&self, entries: &[Applied<'_>]) -> Result<(), i32> {
        let _ = self.first.compare_exchange(0, self.now(), Ordering::Relaxed, Ordering::Relaxed);
        let bytes: u64 = entries.iter().map(|applied| applied.context.len() as u64).sum();
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.last.store(self.now(), Ordering::Relaxed);
        self.entries.fetch_add(entries.len() as u64, Ordering::Release);
        Ok(())
    }

    fn snapshot_save(&self, _: &mut dyn std::io::Write) -> Result<(), i32> {
        Ok(())
    }

    fn snapshot_restore(&self, _: &mut dyn SnapshotRead) -> Result<(), i32> {
        Ok(())
    }

    fn outcome(&self, outcomes: &[Outcome]) {
        self.outcomes.fetch_add(outcomes.len() as u64, Ordering::Release);
    }
}

pub(crate) struct Driven {
    engine: Engine,
    machine: Arc<Machine>,
}

impl Driven {
    pub(crate) fn open(dir: &str, snapshot_entries: u64, apply_bytes_max: u64) -> Self {
        let mut options = Options::new(1);
        options.voters = vec![1];
        options.snapshot_entries = snapshot_entries;
        options.snapshot_trailing = 0;
        options.consensus.apply_bytes_max = apply_bytes_max;
        options.tick_interval = Duration::from_millis(10);
        let machine = Arc::new(Machine { born: Some(Instant::now()), ..Machine::default() });
        let engine =
            Engine::open(options, Path::new(dir), Arc::clone(&machine) as Arc<dyn Host>).expect("an engine");
        let driven = Driven { engine, machine };
        driven.engine.campaign().expect("to campaign");
        driven.wait(|| driven.engine.status().status.leader == 1);
        driven
    }

    fn wait(&self, done: impl Fn() -> bool) {
        let begun = Instant::now();
        while !done() {
            assert!(begun.elapsed() < PATIENCE, "the engine stands still");
            thread::sleep(Duration::from_micros(50));
        }
    }

    fn applied(&self) -> u64 {
        self.machine.entries.load(Ordering::Acquire)
    }

    pub(crate) fn propose(&self, calls: usize, batch: usize, len: usize) -> u64 {
        let target = self.applied() + (calls * batch) as u64;
        let proposals: Vec<Vec<_>> = proposals(calls, batch, len)
            .into_iter()
            .map(|one| one.into_iter().map(|data| (data, 0)).collect())
            .collect();
        let begun = thread_ns();
        for one in proposals {
            self.engine.propose(one).expect("room in the queue");
        }
        let took = thread_ns() - begun;
        self.wait(|| self.applied() >= target);
        took
    }
}

pub(crate) fn fill(dir: &str, n: u64, len: usize) {
    const BATCH: usize = 4096;
    let driven = Driven::open(dir, 0, 1 << 20);
    let mut left = n;
    while left > 0 {
        let batch = left.min(BATCH as u64) as usize;
        driven.propose(1, batch, len);
        left -= batch as u64;
    }
}

pub(crate) fn replay(dir: &str, n: u64, apply_bytes_max: u64) -> u64 {
    let driven = Driven::open(dir, 0, apply_bytes_max);
    driven.wait(|| driven.applied() >= n);
    let Machine { first, last, .. } = &*driven.machine;
    last.load(Ordering::Relaxed) - first.load(Ordering::Relaxed)
}

pub(crate) fn round_trips(dir: &str, rounds: usize, batch: usize, len: usize) -> u64 {
    let driven = Driven::open(dir, SNAPSHOT_ENTRIES, 1 << 20);
    let outcomes = &driven.machine.outcomes;
    let mut number = 0;
    let begun = Instant::now();
    for one in proposals(rounds, batch, len) {
        let target = outcomes.load(Ordering::Acquire) + batch as u64;
        let numbered = one.into_iter().map(|data| {
            number += 1;
            (data, number)
        });
        driven.engine.propose(numbered.collect()).expect("room in the queue");
        while outcomes.load(Ordering::Acquire) < target {
            thread::yield_now();
        }
    }
    begun.elapsed().as_nanos() as u64
}
