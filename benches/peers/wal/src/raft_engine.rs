//! Crate `raft-engine`: one region, nothing compressed, files written with zeros ahead and used again.

use std::path::Path;

use bench_harness::log::{Log, SEGMENT};
use bytes::Bytes;
use raft::eraftpb::{Entry, HardState};
use raft_engine::env::DefaultFileSystem;
use raft_engine::{Config, Engine, LogBatch, MessageExt, ReadableSize};

const REGION: u64 = 1;
const READ_BATCH: u64 = 4096;

struct Eraftpb;

impl MessageExt for Eraftpb {
    type Entry = Entry;

    fn index(entry: &Entry) -> u64 {
        entry.index
    }
}

pub(crate) struct RaftEngine {
    engine: Engine<DefaultFileSystem>,
    // Memory that the batches use again.
    batch: LogBatch,
    payload: Bytes,
    next: u64,
    prepared: Vec<Entry>,
}

fn open(dir: &Path) -> Engine<DefaultFileSystem> {
    let config = Config {
        dir: dir.join("log").to_str().expect("a path in UTF-8").to_owned(),
        batch_compression_threshold: ReadableSize(0),
        target_file_size: ReadableSize(SEGMENT),
        enable_log_recycle: true,
        prefill_for_recycle: true,
        prefill_limit: Some(ReadableSize(4 * SEGMENT)),
        ..Config::default()
    };
    Engine::open(config).expect("a log")
}

impl RaftEngine {
    pub(crate) fn new(dir: &Path, size: usize) -> Self {
        let payload = Bytes::from(vec![0x5a; size]);
        RaftEngine { engine: open(dir), batch: LogBatch::default(), payload, next: 1, prepared: Vec::new() }
    }
}

impl Log for RaftEngine {
    fn prepare(&mut self, count: u64) {
        let entry = |index| Entry { term: 1, index, data: self.payload.clone(), ..Entry::default() };
        self.prepared.clear();
        self.prepared.extend((self.next..self.next + count).map(entry));
        self.next += count;
    }

    fn append(&mut self, sync: bool) {
        let commit = self.next - 1 - self.prepared.len() as u64;
        let state = HardState { term: 1, vote: 1, commit, ..HardState::default() };
        self.batch.add_entries::<Eraftpb>(REGION, &self.prepared).expect("entries in order");
        self.batch.put_message(REGION, b"state".to_vec(), &state).expect("a small message");
        self.engine.write(&mut self.batch, sync).expect("an append");
    }
}

/// Opens the log and reads every entry, some at a time.
pub(crate) fn read(dir: &Path) -> u64 {
    let engine = open(dir);
    let (Some(first), Some(last)) = (engine.first_index(REGION), engine.last_index(REGION)) else { return 0 };
    let mut entries: Vec<Entry> = Vec::new();
    for from in (first..=last).step_by(READ_BATCH as usize) {
        let to = (from + READ_BATCH).min(last + 1);
        engine.fetch_entries_to::<Eraftpb>(REGION, from, to, None, &mut entries).expect("the entries");
    }
    let count = entries.len() as u64;
    std::mem::forget(entries);
    count
}
