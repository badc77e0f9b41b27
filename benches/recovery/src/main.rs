//! What happens around a restart: `bench-recovery service SIZE MIB` is how long it takes a node that was killed to serve
//! again, with a log of so many MiB in entries of SIZE bytes; `save MIB`, `send MIB` and `restore MIB` are how fast a
//! snapshot of so many MiB is.

mod machine;
mod service;
mod snapshot;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use raft_core::engine::node::Engine;

/// Far more than any step takes.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| -> u64 { args[at].parse().expect("a number") };
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["service", ..] => service::measure(number(1), number(2)),
        [service::FILL, dir, ..] => service::fill(Path::new(dir), number(2), number(3)),
        [service::SERVE, dir] => service::serve(Path::new(dir)),
        ["save", _] => snapshot::save(number(1)),
        ["send", _] => snapshot::send(number(1)),
        ["restore", _] => snapshot::restore(number(1)),
        _ => panic!("usage: bench-recovery service SIZE MIB, or save, send or restore MIB"),
    }
}

/// A folder on the disk that BENCH_DIR names, gone when the program ends.
fn folder() -> tempfile::TempDir {
    let base = std::env::var_os("BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    tempfile::Builder::new().prefix("recovery-").tempdir_in(base).expect("a folder in BENCH_DIR")
}

/// Waits until something holds.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// Makes the only voter lead: what is proposed before that is dropped.
fn lead(engine: &Engine) {
    engine.campaign().expect("a campaign");
    wait_until("it leads", || engine.status().status.leader == 1);
}
