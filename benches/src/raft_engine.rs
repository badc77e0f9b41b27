//! The log of crate `raft-engine` 0.4 in its plainest mode: one region, nothing compressed, four files written with zeros
//! ahead.

use std::path::Path;

use bytes::Bytes;
use raft::eraftpb::{Entry, HardState};
use raft_engine::env::DefaultFileSystem;
use raft_engine::{Config, Engine, LogBatch, MessageExt, ReadableSize};

const REGION: u64 = 1;

struct Eraftpb;

impl MessageExt for Eraftpb {
    type Entry = Entry;

    fn index(entry: &Entry) -> u64 {
        entry.index
    }
}

/// A log of one group, and the memory that its batches use again.
pub struct Log {
    engine: Engine<DefaultFileSystem>,
    batch: LogBatch,
}

/// Entries of term 1 from `first` on.
pub fn entries(first: u64, count: u64, payload: &Bytes) -> Vec<Entry> {
    let entry = |index| Entry { term: 1, index, data: payload.clone(), ..Entry::default() };
    (first..first + count).map(entry).collect()
}

impl Log {
    /// Opens the log in `dir`, or makes one there.
    pub fn open(dir: &Path, segment_bytes: u64) -> Self {
        let config = Config {
            dir: dir.to_str().expect("a path in UTF-8").to_owned(),
            batch_compression_threshold: ReadableSize(0),
            target_file_size: ReadableSize(segment_bytes),
            enable_log_recycle: true,
            prefill_for_recycle: true,
            prefill_limit: Some(ReadableSize(4 * segment_bytes)),
            ..Config::default()
        };
        Log { engine: Engine::open(config).expect("a log"), batch: LogBatch::default() }
    }

    /// Appends entries of term 1 with the state that goes with them.
    pub fn append(&mut self, entries: &[Entry], sync: bool) {
        let commit = entries.first().map_or(0, |entry| entry.index - 1);
        let state = HardState { term: 1, vote: 1, commit, ..HardState::default() };
        self.batch.add_entries::<Eraftpb>(REGION, entries).expect("entries in order");
        self.batch.put_message(REGION, b"state".to_vec(), &state).expect("a small message");
        self.engine.write(&mut self.batch, sync).expect("an append");
    }

    /// How many entries can be read, each of them read.
    pub fn read_all(&self) -> usize {
        let (Some(first), Some(last)) = (self.engine.first_index(REGION), self.engine.last_index(REGION))
        else {
            return 0;
        };
        let mut entries: Vec<Entry> = Vec::new();
        self.engine
            .fetch_entries_to::<Eraftpb>(REGION, first, last + 1, None, &mut entries)
            .expect("the entries");
        entries.len()
    }
}
