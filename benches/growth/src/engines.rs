//! Engines that have nothing to do, many in one process.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bench_harness::clock::cpu_ns;
use bench_harness::memory;
use raft_core::engine::host::{Applied, Host, SnapshotRead};
use raft_core::engine::node::Engine;
use raft_core::engine::options::Options;
use raft_core::raftpb::message::Message;
use tempfile::TempDir;

pub const PATIENCE: Duration = Duration::from_secs(60);
const IDLE: Duration = Duration::from_secs(2);

struct Nothing;

impl Host for Nothing {
    fn send(&self, _: &[Message]) {}

    fn apply(&self, _: &[Applied<'_>]) -> Result<(), i32> {
        Ok(())
    }

    fn snapshot_save(&self, _: &mut dyn std::io::Write) -> Result<(), i32> {
        Ok(())
    }

    fn snapshot_restore(&self, _: &mut dyn SnapshotRead) -> Result<(), i32> {
        Ok(())
    }
}

/// A folder on the disk that BENCH_DIR names, gone when the program ends.
pub fn folder() -> TempDir {
    let top = std::env::var_os("BENCH_DIR").expect("BENCH_DIR");
    tempfile::Builder::new().prefix("growth-").tempdir_in(top).expect("a folder in BENCH_DIR")
}

/// The only voter of its cluster, which leads when this returns. Many of them must not fill the disk.
pub fn open(dir: &Path, host: Arc<dyn Host>) -> Engine {
    let options = Options {
        voters: vec![1],
        segment_bytes: 1 << 20,
        disk_reserve_bytes: 0,
        snapshot_entries: 0,
        ..Options::new(1)
    };
    let engine = Engine::open(options, dir, host).expect("an engine");
    engine.campaign().expect("a campaign");
    let start = Instant::now();
    while engine.status().status.leader != 1 {
        assert!(start.elapsed() < PATIENCE, "no leader");
        thread::sleep(Duration::from_millis(1));
    }
    engine
}

/// Calls `look` while so many idle; the next is opened when the one before leads.
fn with_engines(count: u64, look: impl FnOnce()) {
    let folder = folder();
    let host = Arc::new(Nothing);
    let engines: Vec<Engine> =
        (0..count).map(|at| open(&folder.path().join(at.to_string()), host.clone())).collect();
    look();
    engines.iter().for_each(|engine| engine.stop(PATIENCE).expect("an end"));
}

/// KiB of memory that each takes.
pub fn memory(count: u64) {
    let before = memory::status("VmRSS");
    with_engines(count, || tell((memory::status("VmRSS") - before) as f64 / count as f64));
}

/// Threads that each has.
pub fn threads(count: u64) {
    let before = memory::status("Threads");
    with_engines(count, || tell((memory::status("Threads") - before) as f64 / count as f64));
}

/// Microseconds of processor time that each takes in a second.
pub fn cpu(count: u64) {
    with_engines(count, || {
        let (start, before) = (Instant::now(), cpu_ns());
        thread::sleep(IDLE);
        let spent = (cpu_ns() - before) as f64 / 1000.0;
        tell(spent / start.elapsed().as_secs_f64() / count as f64);
    });
}

pub fn tell(value: f64) {
    println!("{{\"value\": {value:.3}}}");
}
