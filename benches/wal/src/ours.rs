//! A store of this library.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use bench_harness::log::{Log, SEGMENT};
use bytes::Bytes;
use raft_core::disk::os::OsVolume;
use raft_core::disk::recovered::Identity;
use raft_core::disk::store::{Store, StoreOptions};
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::entry::{Entries, Entry};
use raft_core::raftpb::message::HardState;

const WAITS_MAX: usize = 10_000;

pub(crate) struct Ours {
    pub(crate) store: Store,
    wal: PathBuf,
    payload: Bytes,
    next: u64,
    prepared: Entries,
    // Kept until the next are made: to give them back is the caller's work.
    spent: Entries,
}

fn options(direct_writes: bool) -> StoreOptions {
    let identity = Identity { cluster_id: 1, node_id: 1 };
    StoreOptions {
        direct_writes,
        segment_bytes: SEGMENT,
        zeroed_bytes: SEGMENT,
        ..StoreOptions::new(identity)
    }
}

impl Ours {
    pub(crate) fn new(dir: &Path, size: usize, direct_writes: bool) -> Self {
        let opened = Store::open(Arc::new(OsVolume), &dir.join("store"), options(direct_writes));
        let (mut store, recovered) = opened.expect("a new store");
        assert!(recovered.notes.is_empty() || !direct_writes, "{:?}", recovered.notes);
        store.bootstrap(&ConfState::of_voters([1])).expect("a fresh store");
        let (payload, wal) = (Bytes::from(vec![0x5a; size]), dir.join("store/wal"));
        Ours { store, wal, payload, next: 2, prepared: Entries::new(), spent: Entries::new() }
    }

    /// The HardState that goes with the entries that were prepared: it commits those before.
    pub(crate) fn state(&self) -> HardState {
        HardState { term: 1, vote: 1, commit: self.next - 1 - self.prepared.len() as u64 }
    }

    fn await_spare(&self) {
        let spare = self.wal.join("spare.tmp");
        for _ in 0..WAITS_MAX {
            if fs::metadata(&spare).is_ok_and(|spare| spare.len() >= SEGMENT) {
                return sleep(Duration::from_millis(100));
            }
            sleep(Duration::from_millis(1));
        }
        panic!("no segment was made ready");
    }
}

impl Log for Ours {
    /// The first segment has few zeros. It ends once a better one is ready; then the next is waited for, too.
    fn warm_up(&mut self) {
        self.await_spare();
        let segments = |wal: &Path| {
            let names = fs::read_dir(wal).expect("the log");
            names
                .filter(|name| {
                    name.as_ref().is_ok_and(|name| name.path().extension().is_some_and(|e| e == "wal"))
                })
                .count()
        };
        while segments(&self.wal) < 2 {
            self.prepare((64 << 10) / self.payload.len() as u64);
            self.append(false);
        }
        self.await_spare();
    }

    fn prepare(&mut self, count: u64) {
        self.spent = Entries::new();
        let entry = |index| Entry { term: 1, index, data: self.payload.clone(), ..Entry::default() };
        self.prepared = (self.next..self.next + count).map(entry).collect();
        self.next += count;
    }

    fn append(&mut self, sync: bool) {
        let state = self.state();
        self.store.append(Some(&state), &self.prepared, sync).expect("an append");
        self.spent = std::mem::take(&mut self.prepared);
    }
}

/// Opens the store, which reads all of it.
pub(crate) fn read(dir: &Path) -> u64 {
    let options = StoreOptions { zeroed_bytes: 0, ..options(false) };
    let (_, recovered) = Store::open(Arc::new(OsVolume), &dir.join("store"), options).expect("a store");
    let count = recovered.entries.len() as u64;
    // To give it back is no part of reading it.
    std::mem::forget(recovered);
    count
}
