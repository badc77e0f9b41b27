//! Crate `raft-log`, by the author of openraft: a thread of its own writes and syncs.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use bench_harness::log::{Log, Times};
use raft_log::api::raft_log_writer::RaftLogWriter as _;
use raft_log::api::types::Types;
use raft_log::{Config, RaftLog};

const OUTSTANDING_MAX: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Kinds;

impl Types for Kinds {
    type LogId = (u64, u64);
    type LogPayload = String;
    type Vote = (u64, u64);
    type UserData = String;
    type Callback = SyncSender<io::Result<()>>;

    fn log_index(log_id: &Self::LogId) -> u64 {
        log_id.1
    }

    fn payload_size(payload: &Self::LogPayload) -> u64 {
        payload.len() as u64
    }
}

pub(crate) struct Openraft {
    log: RaftLog<Kinds>,
    payload: String,
    next: u64,
    prepared: Vec<((u64, u64), String)>,
    done: SyncSender<io::Result<()>>,
    finished: Receiver<io::Result<()>>,
}

fn open(dir: &Path) -> RaftLog<Kinds> {
    let mut config = Config::new(dir.join("log").to_str().expect("a path in UTF-8"));
    std::fs::create_dir_all(dir.join("log")).expect("a directory");
    config.wal.chunk_max_size = Some(64_000_000);
    // Entries are not kept a second time.
    config.log_cache_max_items = Some(1024);
    RaftLog::open(Arc::new(config)).expect("a log")
}

impl Openraft {
    pub(crate) fn new(dir: &Path, size: usize) -> Self {
        let (done, finished) = sync_channel(OUTSTANDING_MAX);
        Openraft { log: open(dir), payload: "Z".repeat(size), next: 1, prepared: Vec::new(), done, finished }
    }

    fn begin(&mut self) {
        let entries = std::mem::take(&mut self.prepared);
        let commit = self.next - 1 - entries.len() as u64;
        self.log.append(entries).expect("entries in order");
        if commit > 0 {
            self.log.commit((1, commit)).expect("a commit");
        }
    }
}

impl Log for Openraft {
    fn prepare(&mut self, count: u64) {
        self.prepared =
            (self.next..self.next + count).map(|index| ((1, index), self.payload.clone())).collect();
        self.next += count;
    }

    fn append(&mut self, sync: bool) {
        self.begin();
        self.log.flush(sync, Some(self.done.clone())).expect("a flush");
        self.finished.recv().expect("an answer").expect("a write");
    }
}

pub(crate) fn read(dir: &Path) -> u64 {
    let log = open(dir);
    let last = log.log_state().last().map_or(0, |(_, index)| *index);
    let entries = log.read(1, last + 1).collect::<io::Result<Vec<_>>>().expect("the entries");
    let count = entries.len() as u64;
    std::mem::forget(entries);
    count
}

/// Its own thread takes what waits together.
pub(crate) fn outstanding(dir: &Path, size: usize, count: usize, wanted: Duration) -> Times {
    let mut log = Openraft::new(dir, size);
    let (mut times, mut starts) = (Vec::new(), std::collections::VecDeque::new());
    let begun = Instant::now();
    while begun.elapsed() < wanted {
        while starts.len() < count {
            log.prepare(1);
            starts.push_back(Instant::now());
            log.begin();
            log.log.flush(true, Some(log.done.clone())).expect("a flush");
        }
        log.finished.recv().expect("an answer").expect("a write");
        times.extend(starts.pop_front().map(|start| start.elapsed()));
    }
    (times, begun.elapsed())
}
