//! Write-ahead logs of this library and of its peers, behind one face: how a batch gets to the disk, and back.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::clock::cpu_ns;
use crate::memory;

/// How much of a log is written when nothing is synced: less than a segment, so that all write into one file.
const UNSYNCED_BYTES: u64 = 48 << 20;
const UNSYNCED_RUNS: usize = 3;
/// Of a run, of which the best counts.
const UNSYNCED_PARTS: u64 = 8;
/// Segments, and the files that stand for one.
pub const SEGMENT: u64 = 64_000_000;
/// Entries of a batch while a log is filled that will be read.
const FILL_BATCH: u64 = 256;
const OPERATIONS_MIN: usize = 50;

/// A log of one term whose entries all have one size.
pub trait Log {
    /// Gets so far that the next appends meet what most meet: files that are made ready ahead are ready.
    fn warm_up(&mut self) {}

    /// Makes the next entries, which costs the log nothing.
    fn prepare(&mut self, count: u64);

    /// Appends what was prepared; it is durable when this returns, if `sync`.
    fn append(&mut self, sync: bool);
}

/// By mode, directory and size of an entry.
pub type Make = dyn Fn(&str, &Path, usize) -> Option<Box<dyn Log>>;
/// By mode, directory, size of an entry, how many at a time, and for how long.
pub type Outstanding = dyn Fn(&str, &Path, usize, usize, Duration) -> Option<Times>;
/// How long each took, and how long all of them together.
pub type Times = (Vec<Duration>, Duration);

/// What is done with logs, by a mode's name.
pub struct Makers<'a> {
    /// A new log in a directory, for entries of so many bytes.
    pub make: &'a Make,
    /// Reads the log in a directory from its beginning, and says how many entries there are.
    pub read: &'a dyn Fn(&str, &Path, usize) -> Option<u64>,
    /// Keeps several appends of one entry outstanding for so long; says how long each took, and all of them.
    pub outstanding: &'a Outstanding,
}

/// The program of a suite: `PROGRAM MODE sync|memory SIZE BATCH`, `MODE outstanding SIZE COUNT`, `MODE replay SIZE MIB`.
pub fn main(makers: &Makers<'_>) {
    let args: Vec<String> = std::env::args().collect();
    let [_, mode, what, size, count] = &args[..] else {
        panic!("usage: PROGRAM MODE WHAT SIZE COUNT");
    };
    let (size, count): (usize, u64) = (size.parse().expect("a size"), count.parse().expect("a count"));
    let base = std::env::var_os("BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    if what == "read" {
        return read(makers, mode, &base, size, count);
    }
    let dir = tempfile::Builder::new().prefix("wal").tempdir_in(base).expect("a directory to write in");
    let missing = || panic!("there is no mode {mode} for {what}");
    let make = |dir: &Path| (makers.make)(mode, dir, size).unwrap_or_else(missing);
    match &what[..] {
        "sync" => durable(&mut *make(dir.path()), size, count),
        "memory" => unsynced(&|dir| make(dir), dir.path(), size, count),
        "outstanding" => {
            let done = (makers.outstanding)(mode, dir.path(), size, count as usize, seconds());
            let (times, all) = done.unwrap_or_else(|| panic!("there is no mode {mode} for {what}"));
            print_times(times, all, 1, size, None);
        }
        "replay" => {
            fill(&mut *make(dir.path()), entries_in(count, size));
            // Read by a process that knows nothing yet, as after a restart.
            let program = std::env::current_exe().expect("a path to this program");
            let mut again = Command::new(program);
            again.args([mode, "read", &args[3], &args[4]]).env("BENCH_DIR", dir.path());
            assert!(again.status().expect("a process").success(), "what was written can be read");
        }
        _ => panic!("there is no measurement {what}"),
    }
}

/// How long a measurement takes: BENCH_MS, or a little less than a second.
fn seconds() -> Duration {
    let text = std::env::var("BENCH_MS").unwrap_or_else(|_| "800".to_owned());
    Duration::from_millis(text.parse().expect("BENCH_MS is a number"))
}

fn durable(log: &mut dyn Log, size: usize, batch: u64) {
    log.warm_up();
    let (wanted, mut times, mut all) = (seconds(), Vec::new(), Duration::ZERO);
    let (mut cpu, mut preparing) = (cpu_ns(), Vec::new());
    while all < wanted || times.len() < OPERATIONS_MIN {
        let begun = Instant::now();
        log.prepare(batch);
        let start = Instant::now();
        log.append(true);
        let time = start.elapsed();
        times.push(time);
        all += time;
        preparing.push(start - begun);
    }
    cpu = (cpu_ns() - cpu).saturating_sub(usual(preparing)) / times.len() as u64;
    print_times(times, all, batch, size, Some(cpu));
}

/// Nanoseconds of all of them, without those in which another program was on the processor.
fn usual(mut times: Vec<Duration>) -> u64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0, |median| median.as_nanos() as u64 * times.len() as u64)
}

fn print_times(mut times: Vec<Duration>, all: Duration, batch: u64, size: usize, cpu: Option<u64>) {
    let one_at_a_time = cpu.is_some();
    times.sort_unstable();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)].as_secs_f64() * 1e6;
    // By the median: what another program of the machine does to one in ten is no property of a log.
    let mean = times.len() as f64 * batch as f64 / all.as_secs_f64();
    let rate = if one_at_a_time { batch as f64 * 1e6 / at(50) } else { mean };
    let cpu = cpu.map_or(String::new(), |cpu| format!(", \"cpu_ns_per_op\": {}", cpu / batch));
    let (p50, p99, mb_s) = (at(50), at(99), mean * size as f64 / 1e6);
    println!(
        "{{\"value\": {rate:.0}, \"p50_us\": {p50:.1}, \"p99_us\": {p99:.1}, \"mb_s\": {mb_s:.1}{cpu}}}"
    );
}

/// Megabytes of payload in a second of processor time, in the best part of some runs.
fn unsynced(make: &dyn Fn(&Path) -> Box<dyn Log>, base: &Path, size: usize, batch: u64) {
    let mut best: f64 = 0.0;
    let operations = (UNSYNCED_BYTES / UNSYNCED_PARTS / (size as u64 * batch)).clamp(1, 10_000);
    for run in 0..UNSYNCED_RUNS {
        let dir = base.join(run.to_string());
        std::fs::create_dir(&dir).expect("a directory");
        let mut log = make(&dir);
        log.warm_up();
        for _ in 0..UNSYNCED_PARTS {
            let (cpu, mut preparing) = (cpu_ns(), Vec::new());
            for _ in 0..operations {
                let begun = Instant::now();
                log.prepare(batch);
                preparing.push(begun.elapsed());
                log.append(false);
            }
            let ns = (cpu_ns() - cpu).saturating_sub(usual(preparing)).max(1);
            best = best.max((operations * batch * size as u64) as f64 * 1e3 / ns as f64);
        }
        drop(log);
        std::fs::remove_dir_all(&dir).expect("the directory removed");
    }
    println!("{{\"value\": {best:.1}}}");
}

/// Reads what another process has written. It is in the system's cache for all who are measured.
fn read(makers: &Makers<'_>, mode: &str, dir: &Path, size: usize, mib: u64) {
    let (total, cpu, start) = (entries_in(mib, size), cpu_ns(), Instant::now());
    let read = (makers.read)(mode, dir, size).unwrap_or_else(|| panic!("{mode} reads nothing"));
    let (time, cpu) = (start.elapsed(), cpu_ns() - cpu);
    assert_eq!(read, total, "all entries are read");
    let rate = (total * size as u64) as f64 / 1e6 / time.as_secs_f64();
    println!(
        "{{\"value\": {rate:.1}, \"cpu_ns_per_op\": {}, \"rss_kib\": {}}}",
        cpu / total,
        memory::status("VmHWM")
    );
}

fn entries_in(mib: u64, size: usize) -> u64 {
    (mib << 20) / size as u64
}

fn fill(log: &mut dyn Log, total: u64) {
    let mut left = total;
    while left > 0 {
        let count = left.min(FILL_BATCH);
        left -= count;
        log.prepare(count);
        log.append(left == 0);
    }
}
