//! A snapshot that an engine takes of its host, and gives back when it is opened again.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bench_harness::memory::measured;
use bytes::Bytes;
use raft_core::engine::host::{Applied, Host, SnapshotRead};
use raft_core::engine::node::Engine;
use raft_core::raftpb::message::Message;

use crate::engines::{PATIENCE, folder, open};

const PIECE: usize = 64 << 10;

/// A state of so many bytes, which it makes as it goes.
struct Big {
    bytes: u64,
    restored: AtomicU64,
}

impl Big {
    fn new(mib: u64) -> Arc<Self> {
        Arc::new(Big { bytes: mib << 20, restored: AtomicU64::new(0) })
    }
}

impl Host for Big {
    fn send(&self, _: &[Message]) {}

    fn apply(&self, _: &[Applied<'_>]) -> Result<(), i32> {
        Ok(())
    }

    fn snapshot_save(&self, writer: &mut dyn Write) -> Result<(), i32> {
        let piece = [0x5a; PIECE];
        (0..self.bytes / PIECE as u64).try_for_each(|_| writer.write_all(&piece)).map_err(|_| 1)
    }

    fn snapshot_restore(&self, reader: &mut dyn SnapshotRead) -> Result<(), i32> {
        let mut piece = vec![0; PIECE];
        loop {
            match reader.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(count) => self.restored.fetch_add(count as u64, Relaxed),
                Err(_) => return Err(1),
            };
        }
    }
}

fn take(engine: &Engine) {
    let outcome = engine.propose_wait(Bytes::from_static(b"x"), PATIENCE).expect("a proposal");
    let taken = engine.snapshot_wait(PATIENCE).expect("a snapshot");
    assert!(taken.index >= outcome.index, "{taken:?}");
}

pub fn save(mib: u64) {
    let folder = folder();
    let engine = open(folder.path(), Big::new(mib));
    measured(mib, || take(&engine));
    engine.stop(PATIENCE).expect("an end");
}

pub fn restore(mib: u64) {
    let folder = folder();
    let engine = open(folder.path(), Big::new(mib));
    take(&engine);
    engine.stop(PATIENCE).expect("an end");
    drop(engine);
    let host = Big::new(mib);
    let mut again = None;
    measured(mib, || again = Some(open(folder.path(), host.clone())));
    assert_eq!(host.restored.load(Relaxed), host.bytes);
    again.expect("it was opened").stop(PATIENCE).expect("an end");
}
