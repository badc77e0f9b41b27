//! What etcd's log up to 3.7 does wrong or only nearly right, one test each: what a store makes of the same.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/memory_volume.rs"]
#[allow(dead_code)]
mod memory_volume;
#[path = "../fuzz/src/segments.rs"]
#[allow(dead_code, unreachable_pub)] // shared with the fuzz targets
mod segment_bytes;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memory_volume::MemoryVolume;
use raft_core::disk::os::OsVolume;
use raft_core::disk::recovered::{Identity, Recovered};
use raft_core::disk::store::{Store, StoreOptions};
use raft_core::disk::volume::Volume;
use raft_core::disk::walk::{Content, Walk};
use raft_core::error::{Error, Result};
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::entry::{Entries, Entry};
use raft_core::raftpb::message::{HardState, SnapshotMetadata};
use segment_bytes::{Segments, path};

const DIR: &str = "/node";
const IDENTITY: Identity = Identity { cluster_id: 7, node_id: 1 };

fn options() -> StoreOptions {
    StoreOptions { segment_bytes: 4096, zeroed_bytes: 0, snapshots_kept: 1, ..StoreOptions::new(IDENTITY) }
}

fn open(volume: &MemoryVolume) -> Result<(Store, Recovered)> {
    Store::open(Arc::new(volume.clone()), DIR.as_ref(), options())
}

fn entry(term: u64, index: u64) -> Entry {
    Entry { term, index, data: vec![index as u8; 200].into(), ..Entry::default() }
}

fn entries(term: u64, indices: std::ops::RangeInclusive<u64>) -> Entries {
    indices.map(|index| entry(term, index)).collect()
}

fn state(term: u64, commit: u64) -> HardState {
    HardState { term, vote: 1, commit }
}

fn snapshot(store: &mut Store, term: u64, index: u64) {
    let metadata = SnapshotMetadata { conf_state: ConfState::of_voters([1, 2]), index, term };
    let mut writer = store.snapshots().create(metadata.clone()).unwrap();
    writer.write_all(b"state").unwrap();
    writer.finish().unwrap();
    store.record_snapshot(&metadata).unwrap();
}

/// A volume with this log in it, and the directories of a store.
fn with(log: Segments) -> MemoryVolume {
    let volume = MemoryVolume::default();
    drop(open(&volume).unwrap());
    for name in volume.list(&Path::new(DIR).join("wal")).unwrap() {
        volume.remove(&Path::new(DIR).join("wal").join(name)).unwrap();
    }
    for (sequence, index, content) in log.finish() {
        volume.put(&path(DIR, sequence, index), &content);
    }
    volume
}

fn corrupt(volume: &MemoryVolume) -> String {
    let before = volume.files();
    let error = open(volume).err().unwrap();
    assert_eq!(volume.files(), before);
    match error {
        Error::Corrupt { what, .. } => what,
        other => panic!("{other}"),
    }
}

fn segments(volume: &MemoryVolume) -> Vec<PathBuf> {
    volume.files().into_keys().filter(|path| path.extension() == Some("wal".as_ref())).collect()
}

/// Quirk 1: a log that is opened to be written and has no record of the snapshot it is opened at is as good as any
/// (etcd #21369). Here the log says which snapshot counts; one that it needs and that is missing, or that contradicts
/// it, is told.
#[test]
fn q1_a_snapshot_that_the_log_needs_and_lacks_is_told() {
    let mut log = Segments::new(IDENTITY, 3, 11);
    log.state(&state(2, 10));
    log.entry(&entry(2, 11));
    assert!(corrupt(&with(log)).contains("no snapshot"));

    let mut log = Segments::new(IDENTITY, 0, 0);
    (1..=3).for_each(|index| log.entry(&entry(1, index)));
    log.state(&state(2, 3));
    log.snapshot(2, 2);
    assert!(corrupt(&with(log)).starts_with("a snapshot of index 2 and term 2, which the log contradicts"));
}

/// Quirk 2: an entry at or before the snapshot that the log is read from truncates nothing, so that what it overwrote
/// comes back behind the snapshot (etcd #22442).
#[test]
fn q2_an_overwritten_tail_does_not_come_back() {
    let volume = MemoryVolume::default();
    let (mut store, _) = open(&volume).unwrap();
    store.append(Some(&state(1, 2)), &entries(1, 1..=5), true).unwrap();
    store.append(Some(&state(2, 4)), &entries(2, 3..=4), true).unwrap();
    snapshot(&mut store, 2, 4);
    drop(store);
    assert_eq!(open(&volume).unwrap().1.entries, Entries::new());
    // The same with a snapshot from a leader, below the end of the log that it contradicts.
    let (mut store, _) = open(&volume).unwrap();
    store.append(None, &entries(2, 5..=9), true).unwrap();
    snapshot(&mut store, 3, 7);
    store.append(Some(&state(3, 7)), &Entries::new(), true).unwrap();
    drop(store);
    let (_, recovered) = open(&volume).unwrap();
    assert_eq!((recovered.snapshot.index, recovered.entries), (7, Entries::new()));
}

/// Quirk 3: a segment that is begun before a HardState was saved in this process opens without one, and when the
/// segments before it are released, term and vote are gone.
#[test]
fn q3_a_segment_opens_with_the_state_of_the_process_before() {
    let volume = MemoryVolume::default();
    let (mut store, _) = open(&volume).unwrap();
    store.append(Some(&state(3, 20)), &entries(3, 1..=20), true).unwrap();
    drop(store);
    let (mut store, _) = open(&volume).unwrap();
    for index in 21..=60 {
        store.append(None, &entry(3, index).into(), true).unwrap();
    }
    drop(store);
    let all = segments(&volume);
    assert!(all.len() > 2, "{all:?}");
    for path in &all[1..] {
        let mut walk = Walk::open(&volume, path, false, None).unwrap();
        let opening: Vec<_> = (0..3).map(|_| walk.step().unwrap().unwrap().content.unwrap()).collect();
        assert_eq!(opening[2], Content::State(state(3, 20)), "{}", path.display());
    }
    assert_eq!(open(&volume).unwrap().1.hard_state, state(3, 20));
}

/// Quirk 4: after a restart the first save counts as one of a new term and is synced. Here the caller says what is.
#[test]
fn q4_what_is_synced_is_the_same_before_and_after_a_restart() {
    let volume = MemoryVolume::default();
    let (mut store, _) = open(&volume).unwrap();
    store.append(Some(&state(1, 0)), &entries(1, 1..=3), true).unwrap();
    let calls = |store: &mut Store, commit, must_sync| {
        let before = volume.calls();
        store.append(Some(&state(1, commit)), &Entries::new(), must_sync).unwrap();
        volume.calls() - before
    };
    let before = [calls(&mut store, 1, false), calls(&mut store, 1, true)];
    drop(store);
    let (mut store, _) = open(&volume.clone()).unwrap();
    let after = [calls(&mut store, 2, false), calls(&mut store, 2, true)];
    assert_eq!((before, before[1]), (after, before[0] + 1), "one call more: the sync");
}

/// Quirk 5: where the chain's value happens to be 0, the next segment may open with any: one of another log is taken.
#[test]
fn q5_a_chain_of_zero_is_checked_like_any_other() {
    let log = |last: [u8; 4]| {
        let mut log = Segments::new(IDENTITY, 0, 0);
        log.state(&state(1, 0));
        log.entry(&Entry { term: 1, index: 1, data: last.to_vec().into(), ..Entry::default() });
        log.cut(2);
        log.entry(&entry(1, 2));
        log
    };
    // The value at the end of the first segment, which the second opens with.
    let chain = |last: [u8; 4]| {
        let second = log(last).finish().swap_remove(1).2;
        let mut crc = &second[11..16];
        prost::encoding::decode_varint(&mut crc).unwrap() as u32
    };
    let data = data_for_zero(|data| chain(data.to_le_bytes())).to_le_bytes();
    assert_eq!(chain(data), 0);
    assert_eq!(open(&with(log(data))).unwrap().1.entries.len(), 2);

    let volume = with(log(data));
    let other = log(*b"else").finish().swap_remove(1);
    volume.put(&path(DIR, other.0, other.1), &other.2);
    corrupt(&volume);
}

/// The four bytes for which `crc` is 0. Each bit of them changes the same bits of the checksum, whatever the others are,
/// so this is a system of 32 equations.
fn data_for_zero(crc: impl Fn(u32) -> u32) -> u32 {
    let constant = crc(0);
    // What a choice of bits of the data does to the checksum; brought to a form where each has a highest bit of its own.
    let mut rows: Vec<(u32, u32)> = Vec::new();
    for bit in 0..32 {
        let mut row = (crc(1 << bit) ^ constant, 1u32 << bit);
        for known in &rows {
            if row.0 >> known.0.ilog2() & 1 == 1 {
                row = (row.0 ^ known.0, row.1 ^ known.1);
            }
        }
        assert_ne!(row.0, 0, "the system has one solution");
        rows.push(row);
        rows.sort_by_key(|row| std::cmp::Reverse(row.0.ilog2()));
    }
    let (mut left, mut data) = (constant, 0);
    for (effect, bits) in rows {
        if left >> effect.ilog2() & 1 == 1 {
            left ^= effect;
            data ^= bits;
        }
    }
    data
}

/// Quirk 6: a write that is torn anywhere but at the end is a hard error to etcd too. It stays one, and what is wrong at
/// the very end stays mendable.
#[test]
fn q6_only_the_end_of_the_log_can_be_torn() {
    let volume = MemoryVolume::default();
    let (mut store, _) = open(&volume).unwrap();
    for index in (1..=60).step_by(10) {
        store.append(Some(&state(1, index)), &entries(1, index..=index + 9), true).unwrap();
    }
    store.append(None, &entries(1, 61..=61), false).unwrap();
    // A crash, while the store is open: the last entry was not synced.
    let volume = volume.copied();
    let all = segments(&volume);
    assert!(all.len() > 1);
    for (at, path) in all.iter().enumerate() {
        let torn = volume.copied();
        let content = &volume.files()[path];
        torn.put(path, &content[..content.len() - 20]);
        if at + 1 < all.len() {
            corrupt(&torn);
        } else {
            assert_eq!(open(&torn).unwrap().1.notes.len(), 1);
        }
    }
}

/// Quirk 7: a segment made ready ahead that a crash has left, with opening records in it already, is used as it is, and
/// what is in it turns up behind the new ones.
#[test]
fn q7_a_spare_that_was_left_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { segment_bytes: 16 << 10, zeroed_bytes: 16 << 10, ..options() };
    let open = || Store::open(Arc::new(OsVolume), dir.path(), options.clone()).unwrap();
    let (mut store, _) = open();
    store.append(Some(&state(1, 0)), &entries(1, 1..=9), true).unwrap();
    drop(store);
    // Records of this very log, as a cut would have written them, at all names that a spare has had.
    let wal = dir.path().join("wal");
    let stale = std::fs::read(wal.join("0000000000000000-0000000000000000.wal")).unwrap();
    for name in ["0.tmp", "1.tmp", "spare.tmp", "next.tmp", "first.tmp"] {
        std::fs::write(wal.join(name), &stale).unwrap();
    }
    let (mut store, _) = open();
    for index in 10..=400 {
        store.append(None, &entry(1, index).into(), false).unwrap();
    }
    drop(store);
    assert!(std::fs::read_dir(&wal).unwrap().count() > 4);
    let (_, recovered) = open();
    assert_eq!((recovered.entries, recovered.hard_state), (entries(1, 1..=400), state(1, 0)));
    assert_eq!(recovered.notes, Vec::<String>::new());
}
