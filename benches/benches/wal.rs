//! The write-ahead log beside the disk: an append with sync, and a bare pwrite with fdatasync of as many bytes into a
//! file of zeros and into a growing file. The three take turns at every iteration, so that noise of the machine meets
//! all of them. Criterion reports the log; the table at the end has the ratios.
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
use raft_core::disk::os::OsVolume;
use raft_core::disk::recovered::Identity;
use raft_core::disk::store::{Store, StoreOptions};
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::entry::{Entries, Entry};
use raft_core::raftpb::message::HardState;

const SEGMENT: u64 = 64_000_000;

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

/// One size and batch, with the three that take turns.
struct Cell {
    size: usize,
    batch: usize,
    store: Store,
    index: u64,
    payload: Bytes,
    zeroed: Bare,
    growing: Bare,
    turn: usize,
    times: [Vec<Duration>; 3],
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
        Cell { size, batch, store, index: 1, payload, zeroed, growing, turn: 0, times: Default::default() }
    }

    /// Lets each have its turn, another one first each time; says how long the log took.
    fn round(&mut self) -> Duration {
        let mut of_log = Duration::ZERO;
        for which in 0..3 {
            let which = (which + self.turn) % 3;
            let time = match which {
                0 => self.append(),
                1 => self.zeroed.write(),
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

    fn append(&mut self) -> Duration {
        let state = HardState { term: 1, vote: 1, commit: self.index };
        let (first, batch) = (self.index + 1, self.batch as u64);
        let entries: Entries = (first..first + batch)
            .map(|index| Entry { term: 1, index, data: self.payload.clone(), ..Entry::default() })
            .collect();
        self.index += batch;
        let start = Instant::now();
        self.store.append(Some(&state), black_box(&entries), true).expect("an append");
        start.elapsed()
    }

    fn row(mut self) -> Row {
        let mut median = self.times.each_mut().map(|times| {
            times.sort_unstable();
            times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1e6
        });
        let total = self.times.map(|times| times.iter().sum::<Duration>().as_secs_f64());
        if total[0] == 0.0 {
            median = [f64::NAN; 3];
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

/// Of the log, the zeroed and the growing file: the median of a write in microseconds, and all of them in seconds.
struct Row {
    cell: String,
    median: [f64; 3],
    total: [f64; 3],
}

fn print_table(rows: &[Row]) {
    println!("median of a write in us, and throughput relative to the two bare loops");
    println!(
        "{:>14} {:>8} {:>8} {:>8} {:>12} {:>12}",
        "", "log", "zeroed", "growing", "of zeroed", "of growing"
    );
    for Row { cell, median, total } in rows {
        let (of_zeroed, of_growing) = (total[1] / total[0], total[2] / total[0]);
        println!(
            "{cell:>14} {:>8.0} {:>8.0} {:>8.0} {of_zeroed:>12.2} {of_growing:>12.2}",
            median[0], median[1], median[2]
        );
    }
}
