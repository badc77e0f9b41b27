//! Crate `okaywal`, in files that it uses again once they are checkpointed.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bench_harness::log::{Log, Times};
use okaywal::{Configuration, Entry, EntryId, LogManager, SegmentReader, WriteAheadLog};

const FILE: u32 = 16 << 20;
const WARM_UP_BYTES: usize = 40 << 20;

/// Counts what is recovered; what is checkpointed needs nothing, as if it were applied.
#[derive(Debug, Default)]
struct Manager {
    recovered: Arc<AtomicU64>,
}

impl LogManager for Manager {
    fn recover(&mut self, entry: &mut Entry<'_>) -> io::Result<()> {
        let chunks = entry.read_all_chunks()?.unwrap_or_default();
        self.recovered.fetch_add(chunks.len() as u64, Ordering::Relaxed);
        std::hint::black_box(chunks);
        Ok(())
    }

    fn checkpoint_to(&mut self, _: EntryId, _: &mut SegmentReader, _: &WriteAheadLog) -> io::Result<()> {
        Ok(())
    }
}

fn open(dir: &Path, checkpoint_after: u64, manager: Manager) -> WriteAheadLog {
    let config = Configuration::default_for(dir.join("log")).preallocate_bytes(FILE);
    let config = config.checkpoint_after_bytes(checkpoint_after).buffer_bytes(128 << 10);
    config.open(manager).expect("a log")
}

pub(crate) struct Okay {
    log: WriteAheadLog,
    payload: Vec<u8>,
    count: u64,
}

impl Okay {
    pub(crate) fn new(dir: &Path, size: usize) -> Self {
        let log = open(dir, u64::from(FILE) * 3 / 4, Manager::default());
        Okay { log, payload: vec![0x5a; size], count: 0 }
    }

    /// One that keeps everything.
    pub(crate) fn unchecked(dir: &Path, size: usize) -> Self {
        Okay { log: open(dir, u64::MAX, Manager::default()), payload: vec![0x5a; size], count: 0 }
    }
}

impl Log for Okay {
    fn warm_up(&mut self) {
        for _ in 0..WARM_UP_BYTES / (256 << 10) {
            self.prepare(((256 << 10) / self.payload.len()) as u64);
            self.append(true);
        }
    }

    fn prepare(&mut self, count: u64) {
        self.count = count;
    }

    fn append(&mut self, _: bool) {
        let mut entry = self.log.begin_entry().expect("an entry");
        for _ in 0..self.count {
            entry.write_chunk(&self.payload).expect("a chunk");
        }
        entry.commit().expect("a commit");
    }
}

pub(crate) fn read(dir: &Path) -> u64 {
    let recovered = Arc::default();
    let _log = open(dir, u64::MAX, Manager { recovered: Arc::clone(&recovered) });
    recovered.load(Ordering::Relaxed)
}

/// As many threads, which share its syncs.
pub(crate) fn outstanding(dir: &Path, size: usize, count: usize, wanted: Duration) -> Times {
    let mut okay = Okay::new(dir, size);
    okay.warm_up();
    let begun = Instant::now();
    let (log, payload) = (&okay.log, &okay.payload);
    let work = move || {
        let mut times = Vec::new();
        while begun.elapsed() < wanted {
            let start = Instant::now();
            let mut entry = log.begin_entry().expect("an entry");
            entry.write_chunk(payload).expect("a chunk");
            entry.commit().expect("a commit");
            times.push(start.elapsed());
        }
        times
    };
    let times = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a thread that ended well")).collect()
    });
    (times, begun.elapsed())
}
