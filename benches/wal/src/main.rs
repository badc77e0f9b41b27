//! The write-ahead log of this library, and the least that any log has to do.

mod bare;
mod group;
mod ours;

use std::path::Path;
use std::time::Duration;

use bench_harness::log::{Log, Makers, Times, main as run};

fn make(mode: &str, dir: &Path, size: usize) -> Option<Box<dyn Log>> {
    match mode {
        "ours" => Some(Box::new(ours::Ours::new(dir, size, false))),
        "ours-direct" => Some(Box::new(ours::Ours::new(dir, size, true))),
        _ => bare::Bare::new(mode, dir, size).map(|bare| Box::new(bare) as Box<dyn Log>),
    }
}

fn read(mode: &str, dir: &Path, size: usize) -> Option<u64> {
    match mode {
        "ours" => Some(ours::read(dir)),
        "file" => Some(bare::read(dir, size)),
        _ => None,
    }
}

fn outstanding(mode: &str, dir: &Path, size: usize, count: usize, wanted: Duration) -> Option<Times> {
    match mode {
        "ours" => Some(group::run(dir, size, count, wanted, false)),
        "ours-direct" => Some(group::run(dir, size, count, wanted, true)),
        "direct" => Some(bare::outstanding(dir, count, wanted)),
        _ => None,
    }
}

fn main() {
    run(&Makers { make: &make, read: &read, outstanding: &outstanding });
}
