//! What a store does with damaged, foreign, torn and half-made directories.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/memory_volume.rs"]
#[allow(dead_code)]
mod memory_volume;
#[path = "support/skipped.rs"]
mod skipped;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memory_volume::{Direct, MemoryVolume};
use raft_core::disk::os::OsVolume;
use raft_core::disk::recovered::{Identity, Recovered};
use raft_core::disk::store::{Store, StoreOptions};
use raft_core::disk::volume::{Access, File, Volume};
use raft_core::error::{Error, Result};
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::entry::{Entries, Entry};
use raft_core::raftpb::message::{HardState, SnapshotMetadata};
use raft_core::raftpb::store_number::{compare, is_same_disk, next_run};
use skipped::skipped;

const DIR: &str = "/node";

fn options() -> StoreOptions {
    let identity = Identity { cluster_id: 7, node_id: 1 };
    StoreOptions { segment_bytes: 4096, zeroed_bytes: 0, snapshots_kept: 2, ..StoreOptions::new(identity) }
}

fn open(volume: &MemoryVolume) -> Result<(Store, Recovered)> {
    Store::open(Arc::new(volume.clone()), DIR.as_ref(), options())
}

fn entries(term: u64, indices: std::ops::RangeInclusive<u64>) -> Entries {
    indices.map(|index| Entry { term, index, data: vec![0xee; 200].into(), ..Entry::default() }).collect()
}

fn state(term: u64, commit: u64) -> HardState {
    HardState { term, vote: 1, commit }
}

fn metadata(term: u64, index: u64) -> SnapshotMetadata {
    SnapshotMetadata { conf_state: ConfState::of_voters([1, 2]), index, term }
}

fn snapshot(store: &mut Store, term: u64, index: u64) {
    let mut writer = store.snapshots().create(metadata(term, index)).unwrap();
    writer.write_all(b"state").unwrap();
    writer.finish().unwrap();
    store.record_snapshot(&metadata(term, index)).unwrap();
}

fn indices(recovered: &Recovered) -> Vec<(u64, u64)> {
    recovered.entries.iter().map(|entry| (entry.index, entry.term)).collect()
}

fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

/// Entries 2 to 10 of term 1 in one segment, all committed.
fn small() -> MemoryVolume {
    let volume = MemoryVolume::default();
    let (mut store, _) = open(&volume).unwrap();
    store.bootstrap(&ConfState::of_voters([1, 2])).unwrap();
    for index in 2..=10 {
        store.append(Some(&state(1, index - 1)), &entries(1, index..=index), true).unwrap();
    }
    volume
}

const FIRST: &str = "wal/0000000000000000-0000000000000000.wal";

/// The same without what a store keeps beside the log, as etcd would leave it: then only the log itself tells.
fn small_of_etcd() -> MemoryVolume {
    let volume = small();
    volume.remove(&path("vote")).unwrap();
    volume
}

fn with_first(volume: &MemoryVolume, change: impl FnOnce(&mut Vec<u8>)) -> MemoryVolume {
    let changed = volume.copied();
    let mut content = changed.files()[&path(FIRST)].clone();
    change(&mut content);
    changed.put(&path(FIRST), &content);
    changed
}

#[test]
fn a_log_cut_off_at_any_byte_opens_with_what_is_before_and_goes_on() {
    let volume = small_of_etcd();
    let whole = volume.files()[&path(FIRST)].len();
    let bootstrapped = 250; // about where the first entry starts
    for zeros in [0, 3000] {
        let mut counts = Vec::new();
        for len in bootstrapped..=whole {
            // With zeros behind it, only a sector's end is where a crash can stop a write.
            if zeros > 0 && len % 512 != 0 {
                continue;
            }
            let torn = with_first(&volume, |content| {
                content.truncate(len);
                content.resize(len + zeros, 0);
            });
            let (mut store, recovered) =
                open(&torn).unwrap_or_else(|error| panic!("cut at {len} of {whole}: {error}"));
            let count = recovered.entries.len() as u64;
            let commit = recovered.hard_state.commit;
            // Entry 2 has been committed by no record but its successor's, and index 1 by the bootstrap.
            assert!(commit == count.max(1) || commit + 1 == count, "cut at {len}");
            store.append(Some(&state(2, commit)), &entries(2, count + 2..=count + 2), true).unwrap();
            drop(store);
            let (_, again) = open(&torn).unwrap();
            assert_eq!((again.entries.len() as u64, again.notes.len()), (count + 1, 0), "cut at {len}");
            counts.push(count);
        }
        assert!(counts.is_sorted());
        let range = if zeros > 0 { (1, 7) } else { (0, 9) };
        assert_eq!((counts.first(), counts.last()), (Some(&range.0), Some(&range.1)));
    }
}

#[test]
fn what_is_cut_off_is_kept_aside() {
    let volume = small_of_etcd();
    let torn = with_first(&volume, |content| content.truncate(content.len() - 5));
    let before = torn.files()[&path(FIRST)].clone();
    let (_, recovered) = open(&torn).unwrap();
    assert_eq!(recovered.notes.len(), 1, "{:?}", recovered.notes);
    assert_eq!(torn.files()[&path(&format!("{FIRST}.broken"))], before);
}

#[test]
fn a_flipped_bit_is_found_and_nothing_is_touched() {
    let volume = small();
    let (_, good) = open(&volume).unwrap();
    let len = volume.files()[&path(FIRST)].len();
    for bit in 0..len * 8 {
        let rotten = with_first(&volume, |content| content[bit / 8] ^= 1 << (bit % 8));
        let before = rotten.files();
        match open(&rotten) {
            Err(Error::Corrupt { .. }) => assert_eq!(rotten.files(), before, "bit {bit}"),
            Err(other) => panic!("bit {bit}: {other}"),
            Ok((_, recovered)) => assert_eq!(recovered, good, "bit {bit} of byte {} is believed", bit / 8),
        }
    }
}

#[test]
fn rot_behind_the_end_is_cut_off() {
    let volume = with_first(&small(), |content| {
        content.resize(content.len() + 2000, 0);
        let last = content.len() - 1;
        content[last] = 1;
    });
    let (_, recovered) = open(&volume).unwrap();
    assert_eq!((recovered.entries.len(), recovered.notes.len()), (9, 1));
}

#[test]
fn an_overwritten_entry_does_not_come_back_behind_a_snapshot() {
    // etcd's issue 22442: 1 to 5 of term 1, then 3 and 4 of term 2, then a snapshot at 4.
    let volume = MemoryVolume::default();
    let (mut store, _) = open(&volume).unwrap();
    store.append(Some(&state(1, 0)), &entries(1, 1..=5), true).unwrap();
    store.append(Some(&state(2, 4)), &entries(2, 3..=4), true).unwrap();
    snapshot(&mut store, 2, 4);
    drop(store);
    let (_, recovered) = open(&volume).unwrap();
    assert_eq!(recovered.snapshot, metadata(2, 4));
    assert_eq!(indices(&recovered), []);
}

#[test]
fn a_leaders_snapshot_clears_a_tail_that_it_contradicts() {
    let volume = small();
    let (mut store, _) = open(&volume).unwrap();
    store.append(None, &entries(1, 11..=15), true).unwrap();
    snapshot(&mut store, 2, 12);
    store.append(Some(&state(2, 12)), &Entries::new(), true).unwrap();
    store.append(Some(&state(2, 13)), &entries(2, 13..=13), true).unwrap();
    drop(store);
    let (_, recovered) = open(&volume).unwrap();
    assert_eq!(recovered.snapshot, metadata(2, 12));
    assert_eq!(indices(&recovered), [(13, 2)]);
}

#[test]
fn a_leaders_snapshot_that_was_not_committed_leaves_the_old_log_and_can_come_again() {
    let volume = small();
    let (mut store, _) = open(&volume).unwrap();
    snapshot(&mut store, 2, 12);
    store.append(None, &entries(2, 13..=14), true).unwrap();
    drop(store);
    let (mut store, recovered) = open(&volume).unwrap();
    assert_eq!((recovered.snapshot.index, recovered.entries.len()), (1, 9));
    assert_eq!(recovered.notes.len(), 2, "{:?}", recovered.notes);
    assert_eq!(store.snapshots().list().unwrap(), [(1, 1)]);

    snapshot(&mut store, 2, 12);
    store.append(Some(&state(2, 12)), &Entries::new(), true).unwrap();
    drop(store);
    let (_, recovered) = open(&volume).unwrap();
    assert_eq!(recovered.snapshot, metadata(2, 12));
    assert_eq!(indices(&recovered), [], "13 and 14 went with the first attempt");
}

/// Snapshots at 20, 40 and 60, two of them kept, entries up to 70.
fn with_snapshots() -> MemoryVolume {
    let volume = MemoryVolume::default();
    let (mut store, _) = open(&volume).unwrap();
    store.bootstrap(&ConfState::of_voters([1, 2])).unwrap();
    for index in 2..=70 {
        store.append(Some(&state(1, index)), &entries(1, index..=index), true).unwrap();
        if index % 20 == 0 {
            snapshot(&mut store, 1, index);
            store.release(index).unwrap();
        }
    }
    assert_eq!(store.snapshots().list().unwrap(), [(1, 60), (1, 40)]);
    volume
}

#[test]
fn a_release_keeps_all_behind_the_snapshot_wherever_segments_begin() {
    let mut lefts = Vec::new();
    for index in 2..=60 {
        let volume = MemoryVolume::default();
        let options = StoreOptions { snapshots_kept: 1, ..options() };
        let (mut store, _) = Store::open(Arc::new(volume.clone()), DIR.as_ref(), options).unwrap();
        store.bootstrap(&ConfState::of_voters([1, 2])).unwrap();
        for index in 2..=60 {
            store.append(Some(&state(1, index)), &entries(1, index..=index), true).unwrap();
        }
        snapshot(&mut store, 1, index);
        store.release(index).unwrap();
        drop(store);
        lefts.push(segments(&volume).len());
        let (_, recovered) = open(&volume).unwrap();
        assert_eq!(recovered.snapshot, metadata(1, index));
        assert_eq!(recovered.entries, entries(1, index + 1..=60));
    }
    assert!(lefts.is_sorted_by(|a, b| a >= b), "{lefts:?}");
    assert_eq!((lefts.first(), lefts.last()), (Some(&4), Some(&1)));
}

#[test]
fn a_snapshot_ahead_of_the_commit_keeps_the_ones_behind_it() {
    let volume = with_snapshots();
    let (mut store, _) = open(&volume).unwrap();
    for index in [90, 95] {
        snapshot(&mut store, 2, index);
    }
    store.release(95).unwrap();
    drop(store);
    let (_, recovered) = open(&volume).unwrap();
    assert_eq!(recovered.snapshot, metadata(1, 60));
    assert_eq!(recovered.entries, entries(1, 61..=70));
}

#[test]
fn an_unreadable_snapshot_is_set_aside_for_the_next_older() {
    let volume = with_snapshots();
    assert!((2..5).contains(&segments(&volume).len()), "{:?} are left", segments(&volume));
    let newest = path("snap/0000000000000001-000000000000003c.snap");
    let whole = volume.files()[&newest].clone();
    for bit in 0..whole.len() * 8 {
        let rotten = volume.copied();
        let mut content = whole.clone();
        content[bit / 8] ^= 1 << (bit % 8);
        rotten.put(&newest, &content);
        let (store, recovered) = open(&rotten).unwrap();
        assert_eq!(recovered.snapshot, metadata(1, 40), "bit {bit}");
        assert_eq!(recovered.entries, entries(1, 41..=70), "bit {bit}");
        assert_eq!(store.snapshots().list().unwrap(), [(1, 40)], "bit {bit}");
        assert_eq!(rotten.files()[&newest.with_extension("snap.broken")], content);
    }
    let short = volume.copied();
    short.put(&newest, &[]);
    assert_eq!(open(&short).unwrap().1.snapshot, metadata(1, 40));
}

#[test]
fn without_a_snapshot_that_the_log_needs_there_is_no_start() {
    let volume = with_snapshots();
    for index in [40, 60] {
        volume.remove(&path(&format!("snap/0000000000000001-{index:016x}.snap"))).unwrap();
    }
    let before = volume.files();
    let error = open(&volume).err().unwrap();
    assert!(matches!(&error, Error::Corrupt { what, .. } if what.contains("no snapshot")), "{error}");
    assert_eq!(volume.files(), before);
}

fn segments(volume: &MemoryVolume) -> Vec<PathBuf> {
    volume.files().into_keys().filter(|path| path.extension() == Some("wal".as_ref())).collect()
}

#[test]
fn a_flipped_bit_in_any_segment_is_found() {
    let volume = with_snapshots();
    let (_, good) = open(&volume).unwrap();
    let mut found = 0;
    for path in segments(&volume) {
        let content = volume.files()[&path].clone();
        for bit in (0..content.len() * 8).step_by(11) {
            let rotten = volume.copied();
            let mut content = content.clone();
            content[bit / 8] ^= 1 << (bit % 8);
            rotten.put(&path, &content);
            match open(&rotten) {
                Err(Error::Corrupt { .. }) => found += 1,
                Err(other) => panic!("bit {bit} of {}: {other}", path.display()),
                Ok((_, recovered)) => assert_eq!(recovered, good, "bit {bit} of {}", path.display()),
            }
        }
    }
    assert!(found > 5000, "{found} flips were found");
}

#[test]
fn a_missing_segment_is_no_start_unless_a_snapshot_lies_behind_it() {
    let volume = with_snapshots();
    let wal = segments(&volume);
    let broken = volume.copied();
    broken.remove(&wal[wal.len() - 2]).unwrap();
    let before = broken.files();
    assert!(matches!(open(&broken), Err(Error::Corrupt { .. })));
    assert_eq!(broken.files(), before);

    // A release removes from the front; a crash in it can leave a segment that nothing connects with the others.
    let torn = volume.copied();
    let old = path("wal/0000000000000000-0000000000000000.wal");
    torn.put(&old, &volume.files()[&wal[0]]);
    let (_, recovered) = open(&torn).unwrap();
    assert_eq!((recovered.snapshot.index, recovered.notes.len()), (60, 1), "{:?}", recovered.notes);
    assert_eq!(segments(&torn), wal);
}

#[test]
fn what_a_restart_would_refuse_is_refused_at_once() {
    let volume = MemoryVolume::default();
    let (mut store, _) = open(&volume).unwrap();
    store.bootstrap(&ConfState::of_voters([1, 2])).unwrap();
    store.append(Some(&state(1, 1)), &entries(1, 2..=4), true).unwrap();
    let refused = store.append(Some(&state(1, 9)), &Entries::new(), true);
    assert!(matches!(refused, Err(Error::Invariant(_))), "{refused:?}");
    let gap = store.append(None, &entries(1, 6..=6), true);
    assert!(matches!(gap, Err(Error::Invariant(_))), "{gap:?}");
    // Refusing is not failing.
    store.append(Some(&state(1, 5)), &entries(1, 5..=5), true).unwrap();
    let committed = store.append(None, &entries(2, 5..=5), true);
    assert!(matches!(committed, Err(Error::Invariant(_))), "{committed:?}");
    drop(store);
    assert_eq!(open(&volume).unwrap().1.entries, entries(1, 2..=5));
}

#[test]
fn terms_never_fall_along_a_log() {
    let volume = MemoryVolume::default();
    let (mut store, _) = open(&volume).unwrap();
    store.bootstrap(&ConfState::of_voters([1, 2])).unwrap();
    let refuses = |store: &mut Store, term, index| {
        let falling = store.append(None, &entries(term, index..=index), true);
        assert!(matches!(falling, Err(Error::Invariant(_))), "{falling:?}");
    };
    // Not behind what was written, nor behind what was read, nor behind a leader's snapshot.
    store.append(None, &entries(2, 2..=6), true).unwrap();
    refuses(&mut store, 1, 7);
    drop(store);
    let (mut store, _) = open(&volume).unwrap();
    refuses(&mut store, 1, 7);
    let metadata = SnapshotMetadata { conf_state: ConfState::of_voters([1, 2]), index: 7, term: 3 };
    store.record_snapshot(&metadata).unwrap();
    refuses(&mut store, 2, 8);
    store.append(Some(&state(3, 7)), &entries(3, 8..=8), true).unwrap();
}

#[test]
fn snapshots_without_a_log_are_not_taken_for_a_fresh_store() {
    let volume = with_snapshots();
    for name in volume.list(&path("wal")).unwrap() {
        volume.remove(&path("wal").join(name)).unwrap();
    }
    let before = volume.files();
    assert!(matches!(open(&volume), Err(Error::Corrupt { .. })));
    assert_eq!(volume.files(), before);
}

#[test]
fn leftovers_are_removed() {
    let volume = small();
    for name in ["wal/spare.tmp", "wal/0.tmp", "snap/x.snap.3.tmp"] {
        volume.put(&path(name), b"junk");
    }
    let orphan = "snap/0000000000000001-0000000000000009.snap";
    volume.put(&path(orphan), b"never recorded");
    volume.put(&path("snap/readme"), b"not ours");
    let (_, recovered) = open(&volume).unwrap();
    assert_eq!(recovered.notes.len(), 1, "{:?}", recovered.notes);
    let files: Vec<_> = volume.files().into_keys().collect();
    let left = ["LOCK", "snap/0000000000000001-0000000000000001.snap", "snap/readme", "vote", FIRST];
    assert_eq!(files, left.map(path));
}

#[test]
fn a_log_in_use_by_somebody_else_is_left_alone() {
    let volume = small();
    let held = volume.open(&path(FIRST), Access::Write).unwrap();
    assert!(held.try_lock().unwrap());
    assert!(matches!(open(&volume), Err(Error::Locked(_))));
    drop(held);
    assert!(open(&volume).is_ok());
}

#[test]
fn a_snapshot_streams_in_and_out() {
    let volume = MemoryVolume::default();
    let (store, _) = open(&volume).unwrap();
    let snapshots = store.snapshots();
    let mut writer = snapshots.create(metadata(3, 50)).unwrap();
    let mut expected = Vec::new();
    // More than the sync step, in pieces on both sides of the buffer's size.
    for round in 0..40u32 {
        let piece = vec![round as u8; if round % 2 == 0 { 1000 } else { 1 << 20 }];
        writer.write_all(&piece).unwrap();
        expected.extend(piece);
    }
    assert_eq!(snapshots.list().unwrap(), []);
    let info = writer.finish().unwrap();
    assert_eq!((info.data_len, &info.metadata), (expected.len() as u64, &metadata(3, 50)));
    let mut reader = snapshots.open(3, 50).unwrap();
    let mut read = Vec::new();
    reader.read_to_end(&mut read).unwrap();
    assert!(read == expected, "the data comes back");
    reader.seek_to(expected.len() as u64 - 3);
    read.clear();
    reader.read_to_end(&mut read).unwrap();
    assert_eq!(read, [39, 39, 39]);
    reader.seek_to(u64::MAX);
    assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn an_unfinished_snapshot_leaves_nothing() {
    let volume = MemoryVolume::default();
    let (store, _) = open(&volume).unwrap();
    let mut writer = store.snapshots().create(metadata(3, 50)).unwrap();
    writer.write_all(b"half").unwrap();
    assert_eq!(volume.list(&path("snap")).unwrap().len(), 1);
    drop(writer);
    assert_eq!(volume.list(&path("snap")).unwrap().len(), 0);
    assert!(matches!(store.snapshots().create(metadata(0, 50)), Err(Error::Config(_))));
}

#[test]
fn bad_options_are_named() {
    let volume = MemoryVolume::default();
    for (options, word) in [
        (StoreOptions { segment_bytes: 100, ..options() }, "segment_bytes"),
        (StoreOptions { snapshots_kept: 0, ..options() }, "snapshots_kept"),
    ] {
        let error = Store::open(Arc::new(volume.clone()), DIR.as_ref(), options).err().unwrap();
        assert!(matches!(&error, Error::Config(text) if text.contains(word)), "{error}");
    }
    assert!(volume.files().is_empty());
}

#[test]
fn segments_made_ready_ahead_are_used_and_the_last_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { segment_bytes: 64 << 10, zeroed_bytes: 64 << 10, ..options() };
    let (mut store, _) = Store::open(Arc::new(OsVolume), dir.path(), options.clone()).unwrap();
    store.bootstrap(&ConfState::of_voters([1])).unwrap();
    let wal = dir.path().join("wal");
    let last_segment = || {
        let names = OsVolume.list(&wal).unwrap();
        let name = names.into_iter().rfind(|name| name.ends_with(".wal")).unwrap();
        let len = OsVolume.open(&wal.join(&name), Access::Read).unwrap().len().unwrap();
        (name, len)
    };
    // How often a cut comes before the spare is ready is up to the machine.
    let mut last = 1;
    while last_segment() <= ("0000000000000001".into(), 0) || last_segment().1 != 64 << 10 {
        assert!(last < 50_000, "no segment made ready ahead is ever used");
        store.append(Some(&state(1, last)), &entries(1, last + 1..=last + 20), true).unwrap();
        last += 20;
    }
    drop(store);
    let names = OsVolume.list(&wal).unwrap();
    assert!(names.iter().all(|name| name.ends_with(".wal")), "{names:?}");
    let (_, recovered) = Store::open(Arc::new(OsVolume), dir.path(), options).unwrap();
    assert_eq!(recovered.entries, entries(1, 2..=last));
}

/// No room for files made ready ahead.
struct Crowded(MemoryVolume);

impl Volume for Crowded {
    fn create_dir_all(&self, dir: &Path) -> Result<()> {
        self.0.create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        self.0.list(dir)
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        self.0.exists(path)
    }

    fn open(&self, path: &Path, access: Access) -> Result<Box<dyn File>> {
        if path.ends_with("spare.tmp") {
            let full = std::io::Error::from_raw_os_error(libc::ENOSPC);
            return Err(Error::io("write", path, full));
        }
        self.0.open(path, access)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.0.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.0.sync_dir(dir)
    }
}

#[test]
fn without_room_to_make_a_segment_ready_the_log_goes_on() {
    let volume = MemoryVolume::default();
    let options = StoreOptions { zeroed_bytes: 4096, ..options() };
    let crowded = Arc::new(Crowded(volume.clone()));
    let (mut store, _) = Store::open(crowded, DIR.as_ref(), options).unwrap();
    store.bootstrap(&ConfState::of_voters([1, 2])).unwrap();
    for index in 2..=100 {
        store.append(Some(&state(1, index)), &entries(1, index..=index), true).unwrap();
    }
    drop(store);
    assert!(segments(&volume).len() > 4);
    assert_eq!(open(&volume).unwrap().1.entries, entries(1, 2..=100));
}

#[test]
fn a_place_where_nothing_can_be_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"no directory").unwrap();
    let error = Store::open(Arc::new(OsVolume), &file.join("node"), options()).err().unwrap();
    assert!(matches!(&error, Error::Io(io) if io.path.starts_with(&file)), "{error}");
}

/// What a group knows of its members' directories, to be kept by a member.
fn takes(volume: &MemoryVolume, number: u64) {
    let (mut store, _) = open_numbered(volume, 0);
    store.keep_known_stores(&[(1, number), (2, 9 << 32)]).unwrap();
}

fn open_numbered(volume: &MemoryVolume, store_id: u64) -> (Store, Recovered) {
    Store::open(Arc::new(volume.clone()), Path::new(DIR), StoreOptions { store_id, ..options() }).unwrap()
}

#[test]
fn the_number_of_a_directory_counts_a_run_once_the_group_has_taken_the_one_before() {
    for is_given_later in [false, true] {
        let volume = MemoryVolume::default();
        let first = 7 << 32;
        // One of etcd has none until it is opened here.
        let (mut store, _) = open_numbered(&volume, if is_given_later { 0 } else { first });
        store.append(Some(&HardState { term: 1, vote: 1, commit: 0 }), &Entries::new(), true).unwrap();
        drop(store);
        let number = |volume: &MemoryVolume| open_numbered(volume, first).1.store_id;
        assert_eq!((number(&volume), number(&volume)), (first, first), "nobody has heard of it");
        takes(&volume, first);
        let second = number(&volume);
        assert!(is_same_disk(second, first) && compare(second, first) == Some(Ordering::Greater));
        assert_eq!(number(&volume), second, "nobody has heard of it");
        takes(&volume, second);
        assert_eq!(compare(number(&volume), second), Some(Ordering::Greater));
        // The group knows of a later run, or of another disk: this is an older copy, and stays one.
        for known in [next_run(next_run(next_run(second, 0), 0), 0), 8 << 32] {
            takes(&volume, known);
            let own = number(&volume);
            assert_eq!((number(&volume), number(&volume)), (own, own), "{known:x}");
        }
    }
}

/// Appends of all sizes, some of them without a sync, a snapshot's record and cuts; then what lies in the segments.
fn written(direct_writes: bool, direct: Direct) -> (BTreeMap<PathBuf, Vec<u8>>, Recovered) {
    let volume = MemoryVolume::default();
    volume.set_direct(direct);
    let options = StoreOptions { direct_writes, segment_bytes: 1 << 20, ..options() };
    let opened = Store::open(Arc::new(volume.clone()), DIR.as_ref(), options.clone());
    let (mut store, recovered) = opened.unwrap();
    assert_eq!(recovered.notes.len(), usize::from(direct_writes && direct != Direct::Works));
    store.bootstrap(&ConfState::of_voters([1, 2])).unwrap();
    let mut next = 2;
    for len in [0, 1, 60, 4000, 4096, 9000, 300_000, 5_000_000, 10, 3] {
        for sync in [false, true] {
            let entry = |index| Entry { term: 1, index, data: vec![7; len].into(), ..Entry::default() };
            let state = state(1, next - 1);
            store.append_later(Some(&state), &entry(next).into()).unwrap();
            store.append(Some(&state), &entry(next + 1).into(), sync).unwrap();
            next += 2;
        }
    }
    drop(store);
    let mut files = volume.files();
    files.retain(|path, _| path.extension().is_some_and(|extension| extension == "wal"));
    // Past the cache the last block is written whole.
    files.values_mut().for_each(|bytes| {
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        bytes.truncate(used);
    });
    let (_, recovered) = Store::open(Arc::new(volume), DIR.as_ref(), options).unwrap();
    assert_eq!(recovered.entries.last().map(|entry| entry.index), Some(next - 1));
    (files, recovered)
}

#[test]
fn past_the_cache_the_same_bytes_are_written() {
    let (files, recovered) = written(false, Direct::Works);
    assert!(files.len() > 2, "only {} segments", files.len());
    for direct in [Direct::Works, Direct::Refused, Direct::RefusedLate] {
        let (same, again) = written(true, direct);
        assert!(same == files, "{direct:?}: other bytes");
        assert_eq!((again.entries, again.hard_state), (recovered.entries.clone(), recovered.hard_state));
    }
}

#[test]
fn past_the_cache_of_a_real_disk_a_log_comes_back() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let options =
        StoreOptions { direct_writes: true, segment_bytes: 1 << 20, zeroed_bytes: 1 << 20, ..options() };
    for round in 0..3 {
        let (mut store, recovered) = Store::open(Arc::new(OsVolume), dir.path(), options.clone()).unwrap();
        if recovered.notes.iter().any(|note| note.contains("past the system's cache")) {
            return skipped("logs past the cache of a real disk, which cannot be written so here");
        }
        if round == 0 {
            store.bootstrap(&ConfState::of_voters([1, 2])).unwrap();
        } else {
            assert_eq!(recovered.entries, entries(1, 2..=round * 300 + 1));
        }
        for index in round * 300 + 2..=round * 300 + 301 {
            store.append(Some(&state(1, index - 1)), &entries(1, index..=index), index % 3 > 0).unwrap();
        }
    }
}
