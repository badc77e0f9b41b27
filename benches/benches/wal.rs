//! The write-ahead log beside the disk and a peer: an append with sync, one of crate `raft-engine`, and a bare pwrite
//! with fdatasync of as many bytes into a file of zeros and into a growing file. They take turns at every iteration, so
//! that noise of the machine meets all of them. Criterion reports the log; the table at the end has the ratios.
//!
//! `BENCH_DIR` chooses the disk. The temporary directory may be memory, where a sync costs nothing.

use std::cell::RefCell;
use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use raft_benches::raft_engine;
use raft_core::disk::os::OsVolume;
use raft_core::disk::recovered::Identity;
use raft_core::disk::store::{Store, StoreOptions};
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::entry::{Entries, Entry};
use raft_core::raftpb::message::HardState;

const SEGMENT: u64 = 64_000_000;
/// The log, raft-engine, the file of zeros, the growing file.
const TAKERS: usize = 4;

fn main() {
    let base = std::env::var_os("BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
        .sample_size(20)
        .configure_from_args();
    let mut rows = Vec::new();
    let mut group = criterion.benchmark_group("wal");
    for size in [128, 1024, 16 << 10] {
        for batch in [1, 64] {
            let dir = tempfile::tempdir_in(&base).expect("a directory to write in");
            let cell = RefCell::new(Cell::new(dir.path(), size, batch));
            group.throughput(Throughput::Elements(batch as u64));
            group.bench_function(BenchmarkId::new(format!("{size} B"), batch), |bencher| {
                bencher.iter_custom(|iterations| {
                    let mut cell = cell.borrow_mut();
                    (0..iterations).map(|_| cell.round()).sum()
                });
            });
            rows.push(cell.into_inner().row());
        }
    }
    group.finish();
    criterion.final_summary();
    print_table(&rows);
}

/// One size and batch, with the four that take turns.
struct Cell {
    size: usize,
    batch: usize,
    store: Store,
    index: u64,
    payload: Bytes,
    peer: raft_engine::Log,
    zeroed: Bare,
    growing: Bare,
    turn: usize,
    times: [Vec<Duration>; TAKERS],
}

impl Cell {
    fn new(dir: &Path, size: usize, batch: usize) -> Self {
        let options = StoreOptions::new(Identity { cluster_id: 1, node_id: 1 });
        let opened = Store::open(Arc::new(OsVolume), &dir.join("store"), options);
        let (mut store, _) = opened.expect("a new store");
        store.bootstrap(&ConfState::of_voters([1])).expect("a fresh store");
        let payload = Bytes::from(vec![0x5a; size]);
        let bytes = size * batch;
        let zeroed = Bare::new(&dir.join("zeroed"), bytes, true);
        let growing = Bare::new(&dir.join("growing"), bytes, false);
        let peer = raft_engine::Log::open(&dir.join("raft-engine"), SEGMENT);
        Cell {
            size,
            batch,
            store,
            index: 1,
            payload,
            peer,
            zeroed,
            growing,
            turn: 0,
            times: Default::default(),
        }
    }

    /// Lets each have its turn, another one first each time; says how long the log took.
    fn round(&mut self) -> Duration {
        let mut of_log = Duration::ZERO;
        let first = self.index + 1;
        self.index += self.batch as u64;
        for which in 0..TAKERS {
            let which = (which + self.turn) % TAKERS;
            let time = match which {
                0 => self.append(first),
                1 => self.append_peer(first),
                2 => self.zeroed.write(),
                _ => self.growing.write(),
            };
            if which == 0 {
                of_log = time;
            }
            self.times[which].push(time);
        }
        self.turn += 1;
        of_log
    }

    fn append(&mut self, first: u64) -> Duration {
        let state = HardState { term: 1, vote: 1, commit: first - 1 };
        let entries: Entries = (first..first + self.batch as u64)
            .map(|index| Entry { term: 1, index, data: self.payload.clone(), ..Entry::default() })
            .collect();
        let start = Instant::now();
        self.store.append(Some(&state), black_box(&entries), true).expect("an append");
        start.elapsed()
    }

    fn append_peer(&mut self, first: u64) -> Duration {
        let entries = raft_engine::entries(first, self.batch as u64, &self.payload);
        let start = Instant::now();
        self.peer.append(black_box(&entries), true);
        start.elapsed()
    }

    fn row(mut self) -> Row {
        let mut median = self.times.each_mut().map(|times| {
            times.sort_unstable();
            times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1e6
        });
        let total = self.times.map(|times| times.iter().sum::<Duration>().as_secs_f64());
        if total[0] == 0.0 {
            median = [f64::NAN; TAKERS];
        }
        Row { cell: format!("{} B x {}", self.size, self.batch), median, total }
    }
}

/// A loop of pwrite and fdatasync.
struct Bare {
    file: File,
    bytes: Vec<u8>,
    offset: u64,
    is_zeroed: bool,
}

impl Bare {
    fn new(path: &Path, bytes: usize, is_zeroed: bool) -> Self {
        let file = File::create(path).expect("a file to write");
        if is_zeroed {
            fs::write(path, vec![0; SEGMENT as usize]).expect("room for zeros");
            file.sync_all().expect("a sync");
        }
        Bare { file, bytes: vec![0x5a; bytes], offset: 0, is_zeroed }
    }

    fn write(&mut self) -> Duration {
        if self.offset + self.bytes.len() as u64 > SEGMENT {
            self.offset = 0;
            if !self.is_zeroed {
                self.file.set_len(0).expect("a truncation");
                self.file.sync_all().expect("a sync");
            }
        }
        let start = Instant::now();
        self.file.write_all_at(&self.bytes, self.offset).expect("a write");
        self.file.sync_data().expect("a sync");
        let time = start.elapsed();
        self.offset += self.bytes.len() as u64;
        time
    }
}

/// The median of a write in microseconds, and all of them in seconds.
struct Row {
    cell: String,
    median: [f64; TAKERS],
    total: [f64; TAKERS],
}

fn print_table(rows: &[Row]) {
    println!("median of a write in us, and throughput relative to the other three");
    print!("{:>14} {:>8} {:>12} {:>8} {:>8}", "", "log", "raft-engine", "zeroed", "growing");
    println!(" {:>15} {:>10} {:>10}", "of raft-engine", "of zeroed", "of growing");
    for Row { cell, median, total } in rows {
        let [log, peer, zeroed, growing] = median;
        print!("{cell:>14} {log:>8.0} {peer:>12.0} {zeroed:>8.0} {growing:>8.0}");
        let [of_peer, of_zeroed, of_growing] = [1, 2, 3].map(|other| total[other] / total[0]);
        println!(" {of_peer:>15.2} {of_zeroed:>10.2} {of_growing:>10.2}");
    }
}
