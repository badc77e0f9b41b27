//! Write-ahead logs of others, each in the way it is best used for a log of Raft.

mod okay;
mod raft_engine;
mod raft_log;

use std::path::Path;
use std::time::Duration;

use bench_harness::log::{Log, Makers, Times, main as run};

fn make(mode: &str, dir: &Path, size: usize) -> Option<Box<dyn Log>> {
    Some(match mode {
        "okaywal" => Box::new(okay::Okay::new(dir, size)),
        "okaywal-kept" => Box::new(okay::Okay::unchecked(dir, size)),
        "raft-engine" => Box::new(raft_engine::RaftEngine::new(dir, size)),
        "raft-log" => Box::new(raft_log::Openraft::new(dir, size)),
        _ => return None,
    })
}

fn read(mode: &str, dir: &Path, _: usize) -> Option<u64> {
    match mode {
        "okaywal-kept" => Some(okay::read(dir)),
        "raft-engine" => Some(raft_engine::read(dir)),
        "raft-log" => Some(raft_log::read(dir)),
        _ => None,
    }
}

fn outstanding(mode: &str, dir: &Path, size: usize, count: usize, wanted: Duration) -> Option<Times> {
    match mode {
        "raft-log" => Some(raft_log::outstanding(dir, size, count, wanted)),
        "okaywal" => Some(okay::outstanding(dir, size, count, wanted)),
        _ => None,
    }
}

fn main() {
    run(&Makers { make: &make, read: &read, outstanding: &outstanding });
}
