//! How long a node takes to read its log: a store opened again and again until it has all entries, beside a log of crate
//! `raft-engine` of the same entries that is opened and read whole, and a bare read of our files from beginning to end.
//! The files are in the system's cache for all of them, and they take turns.
//!
//! `BENCH_DIR` chooses the disk, `RECOVERY_MIB` how long the log is: 64 by itself.

use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use raft_benches::raft_engine;
use raft_core::disk::os::OsVolume;
use raft_core::disk::recovered::Identity;
use raft_core::disk::store::{Store, StoreOptions};
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::entry::{Entries, Entry};
use raft_core::raftpb::message::HardState;

const ROUNDS: usize = 7;
const BATCH: u64 = 256;
const SEGMENT: u64 = 64_000_000;

fn main() {
    let base = std::env::var_os("BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let mib = std::env::var("RECOVERY_MIB").map_or(64, |text| text.parse::<u64>().expect("a number"));
    println!("reading {mib} MiB of payload, median of {ROUNDS}; MB/s are of payload");
    println!(
        "{:>10} {:>10} {:>12} {:>12} {:>18} {:>12}",
        "entries of", "store", "entries/s", "store MB/s", "raft-engine MB/s", "bare MB/s"
    );
    for size in [128, 1024, 16 << 10] {
        let dir = tempfile::tempdir_in(&base).expect("a directory to write in");
        let count = (mib << 20) / size;
        let (ours, peer) = (dir.path().join("store"), dir.path().join("raft-engine"));
        write(&ours, size, count);
        write_peer(&peer, size, count);
        let mut times = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            times[0].push(open(&ours, count));
            times[1].push(open_peer(&peer, count));
            times[2].push(read(&ours.join("wal")));
        }
        let [store, peer, bare] = times.map(median);
        let rate = |seconds: f64| (count * size) as f64 / 1e6 / seconds;
        println!(
            "{size:>8} B {:>7.0} ms {:>12.0} {:>12.0} {:>18.0} {:>12.0}",
            store * 1e3,
            count as f64 / store,
            rate(store),
            rate(peer),
            rate(bare)
        );
    }
}

/// No segment is made ready ahead: it is the reading that is measured.
fn options() -> StoreOptions {
    StoreOptions { zeroed_bytes: 0, ..StoreOptions::new(Identity { cluster_id: 1, node_id: 1 }) }
}

fn write(dir: &Path, size: u64, count: u64) {
    let (mut store, _) = Store::open(Arc::new(OsVolume), dir, options()).expect("a new store");
    store.bootstrap(&ConfState::of_voters([1])).expect("a fresh store");
    let payload = Bytes::from(vec![0x5a; size as usize]);
    let mut next = 2;
    while next < count + 2 {
        let end = (next + BATCH).min(count + 2);
        let entries: Entries = (next..end)
            .map(|index| Entry { term: 1, index, data: payload.clone(), ..Entry::default() })
            .collect();
        let state = HardState { term: 1, vote: 1, commit: next - 1 };
        store.append(Some(&state), &entries, end == count + 2).expect("an append");
        next = end;
    }
}

fn open(dir: &Path, count: u64) -> Duration {
    let start = Instant::now();
    let (store, recovered) = Store::open(Arc::new(OsVolume), dir, options()).expect("a store");
    let time = start.elapsed();
    assert_eq!(recovered.entries.len() as u64, count);
    drop(store);
    time
}

fn write_peer(dir: &Path, size: u64, count: u64) {
    let mut log = raft_engine::Log::open(dir, SEGMENT);
    let payload = Bytes::from(vec![0x5a; size as usize]);
    for first in (1..=count).step_by(BATCH as usize) {
        let last = (first + BATCH - 1).min(count);
        log.append(&raft_engine::entries(first, last + 1 - first, &payload), last == count);
    }
}

fn open_peer(dir: &Path, count: u64) -> Duration {
    let start = Instant::now();
    let log = raft_engine::Log::open(dir, SEGMENT);
    assert_eq!(log.read_all() as u64, count);
    start.elapsed()
}

fn segments(wal: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(wal).expect("the log");
    names.map(|name| name.expect("a name").path()).collect()
}

fn read(wal: &Path) -> Duration {
    let mut block = vec![0; 1 << 20];
    let start = Instant::now();
    for path in segments(wal) {
        let file = File::open(path).expect("a segment");
        let mut at = 0;
        while let read @ 1.. = file.read_at(&mut block, at).expect("a read") {
            black_box(&block[..read]);
            at += read as u64;
        }
    }
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}
