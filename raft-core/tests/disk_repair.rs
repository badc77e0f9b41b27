//! Every log that is damaged at one place: what an inspection says of it, and what a repair leaves.

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

use memory_volume::{Chance, MemoryVolume, Trouble};
use raft_core::disk::damage::OnDamage;
use raft_core::disk::inspect::{Inspection, Loss, inspect};
use raft_core::disk::recovered::{Identity, Recovered};
use raft_core::disk::repair::Repair;
use raft_core::disk::store::{Store, StoreOptions};
use raft_core::disk::volume::Volume as _;
use raft_core::error::{Error, Result};
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::entry::{Entries, Entry};
use raft_core::raftpb::message::{HardState, SnapshotMetadata};
use segment_bytes::{Segments, path as segments_path};

const WAL: &str = "/node/wal";
const SNAP: &str = "/node/snap";

fn open(volume: &MemoryVolume) -> Result<(Store, Recovered)> {
    open_with(volume, OnDamage::Refuse)
}

/// As the tool opens it behind a repair: a node of its own goes on without what is lost.
fn settle(volume: &MemoryVolume) -> Result<(Store, Recovered)> {
    open_with(volume, OnDamage::Repair)
}

fn open_with(volume: &MemoryVolume, on_damage: OnDamage) -> Result<(Store, Recovered)> {
    let identity = Identity { cluster_id: 7, node_id: 1 };
    let options = StoreOptions {
        segment_bytes: 4096,
        zeroed_bytes: 0,
        store_id: 5,
        on_damage,
        ..StoreOptions::new(identity)
    };
    Store::open(Arc::new(volume.clone()), Path::new("/node"), options)
}

fn look(volume: &MemoryVolume) -> Inspection {
    let before = volume.files();
    let found =
        inspect(Arc::new(volume.clone()), WAL.as_ref(), Some(SNAP.as_ref()), false, &mut |_| {}).unwrap();
    assert_eq!(volume.files(), before);
    found
}

fn repair(volume: &MemoryVolume) -> Result<Vec<String>> {
    let volume = Arc::new(volume.clone());
    Repair::begin(volume, WAL.as_ref(), Some(SNAP.as_ref()), &mut |_| {})?.apply()
}

/// Entries up to 60 in several segments, some overwritten, snapshots at 20 and 40, the newest HardState at the end.
fn log() -> MemoryVolume {
    let volume = MemoryVolume::default();
    let (mut store, _) = open(&volume).unwrap();
    store.bootstrap(&ConfState::of_voters([1, 2, 3])).unwrap();
    let mut term = 1;
    for index in 2..=60 {
        if index % 10 == 0 {
            // Entries of an older leader, which the one here overwrites.
            let lost = (index..index + 3).map(|index| entry(term, index)).collect();
            store.append(None, &lost, true).unwrap();
            term += 1;
        }
        let state = HardState { term, vote: 1, commit: index - 1 };
        store.append(Some(&state), &entry(term, index).into(), true).unwrap();
        if index % 20 == 5 && index > 20 {
            snapshot(&mut store, term, index - 5);
        }
    }
    volume
}

fn entry(term: u64, index: u64) -> Entry {
    Entry { term, index, data: vec![index as u8; 250].into(), ..Entry::default() }
}

fn snapshot(store: &mut Store, term: u64, index: u64) {
    let metadata = SnapshotMetadata { conf_state: ConfState::of_voters([1, 2, 3]), index, term };
    let mut writer = store.snapshots().create(metadata.clone()).unwrap();
    writer.write_all(b"state").unwrap();
    writer.finish().unwrap();
    store.record_snapshot(&metadata).unwrap();
}

fn segments(volume: &MemoryVolume) -> Vec<PathBuf> {
    volume.files().into_keys().filter(|path| path.extension() == Some("wal".as_ref())).collect()
}

/// The entries that the log holds above its snapshot, after all that was told before.
fn truth(volume: &MemoryVolume) -> Recovered {
    open(&volume.copied()).unwrap().1
}

/// What was recovered is a part of the truth, and what it lacks has been foretold.
fn check(found: &Inspection, truth: &Recovered, now: &Recovered, what: &str) {
    let term = truth.hard_state.term;
    if found.vote_may_be_lost {
        assert!((term..=term + 1).contains(&now.hard_state.term) && now.hard_state.vote == 1, "{what}");
    } else {
        assert_eq!((now.hard_state.term, now.hard_state.vote), (term, 1), "{what}");
    }
    let last = |recovered: &Recovered| recovered.snapshot.index + recovered.entries.len() as u64;
    let first_lost = found.loss.map_or(u64::MAX, |loss| loss.first);
    for entry in now.entries.iter().filter(|entry| entry.index < first_lost) {
        let is_it = truth.entries.iter().any(|other| other == entry);
        assert!(is_it || entry.index <= truth.snapshot.index, "{what}: entry {}", entry.index);
    }
    match found.loss {
        None => assert_eq!(last(now), last(truth), "{what}"),
        Some(loss) => {
            assert!(last(now) + 1 >= loss.first, "{what}: {loss:?}, and {} is the last", last(now));
            assert!(loss.last >= last(truth), "{what}: {loss:?}, and {} was the last", last(truth));
        }
    }
}

#[test]
fn a_log_without_a_fault_has_none_and_is_left_alone() {
    let volume = log();
    let found = look(&volume);
    assert_eq!(found.faults, []);
    assert_eq!((found.loss, found.entries), (None, (2, 60)));
    assert_eq!(found.owner.unwrap().store_id, 5);
    assert_eq!((found.hard_state.commit, found.segments), (59, segments(&volume).len()));
    assert_eq!(found.snapshots.iter().map(|file| file.index).collect::<Vec<_>>(), [40, 20, 1]);
    let before = volume.files();
    assert_eq!(repair(&volume).unwrap(), Vec::<String>::new());
    assert_eq!(volume.files(), before);
}

#[test]
fn a_flipped_bit_anywhere_in_the_log_is_found_and_repaired_with_what_was_foretold() {
    let volume = log();
    let truth = truth(&volume);
    let (mut complete, mut lossy, mut hopeless) = (0, 0, 0);
    for path in segments(&volume) {
        let content = volume.files()[&path].clone();
        for bit in (0..content.len() * 8).step_by(37) {
            let what = format!("bit {bit} of {}", path.display());
            let rotten = volume.copied();
            let mut content = content.clone();
            content[bit / 8] ^= 1 << (bit % 8);
            rotten.put(&path, &content);
            let found = look(&rotten);
            assert!(found.faults.iter().any(|fault| fault.path == path), "{what}: {:?}", found.faults);
            assert!(open(&rotten.copied()).is_err(), "{what}");
            match repair(&rotten) {
                Ok(notes) => assert!(notes.len() >= 2, "{what}: {notes:?}"),
                Err(Error::Corrupt { .. }) => {
                    hopeless += 1;
                    continue;
                }
                Err(other) => panic!("{what}: {other}"),
            }
            assert_eq!(rotten.files()[&path.with_extension("wal.broken")], content, "{what}");
            assert_eq!(look(&rotten).faults, [], "{what}");
            let (_, now) = settle(&rotten).unwrap_or_else(|error| panic!("{what}: {error}"));
            check(&found, &truth, &now, &what);
            *(if found.loss.is_some() { &mut lossy } else { &mut complete }) += 1;
        }
    }
    println!("{complete} repaired without a loss, {lossy} with one, {hopeless} hopeless");
    assert!(complete > 1000 && lossy > 100 && hopeless == 0, "{complete}, {lossy}, {hopeless}");
}

#[test]
fn a_torn_end_is_cut_off_and_nothing_else_is_changed() {
    let volume = log();
    let (mut store, _) = open(&volume).unwrap();
    store.append(None, &entry(7, 61).into(), false).unwrap();
    // A crash, while the store is open: the entry was not synced.
    let volume = volume.copied();
    drop(store);
    let last = segments(&volume).pop().unwrap();
    let content = volume.files()[&last].clone();
    for cut in 1..200 {
        let torn = volume.copied();
        torn.put(&last, &content[..content.len() - cut]);
        let found = look(&torn);
        assert!(found.is_only_torn(), "cut {cut}: {:?}", found.faults);
        assert_eq!((found.faults.len(), found.loss, found.entries.1), (1, None, 60));
        let before = torn.files();
        repair(&torn).unwrap();
        assert_eq!(torn.files()[&last], content[..found.faults[0].offset as usize]);
        assert_eq!(torn.files()[&last.with_extension("wal.broken")], content[..content.len() - cut]);
        assert_eq!(torn.files().len(), before.len() + 1);
        let (_, now) = open(&torn).unwrap();
        assert_eq!((now.notes.len(), now.entries.last().unwrap().index), (0, 60));
    }
}

#[test]
fn a_lost_segment_is_told_and_not_passed_over() {
    let volume = log();
    let all = segments(&volume);
    assert!(all.len() > 4, "{all:?}");
    let mut refused = 0;
    for (at, path) in all.iter().enumerate().take(all.len() - 1).skip(1) {
        let broken = volume.copied();
        broken.remove(path).unwrap();
        let found = look(&broken);
        // Unless a snapshot lies behind it, from where all is there.
        match open(&broken.copied()) {
            Ok(_) => assert_eq!(found.faults, [], "segment {at}"),
            Err(_) => {
                assert_eq!(found.log_faults().count(), 1, "segment {at}: {:?}", found.faults);
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
}

#[test]
fn a_log_that_ends_below_its_commit_is_a_loss() {
    let volume = MemoryVolume::default();
    drop(open(&volume).unwrap());
    let identity = Identity { cluster_id: 7, node_id: 1 };
    let mut log = Segments::new(identity, 0, 0);
    (1..=4).for_each(|index| log.entry(&entry(1, index)));
    log.state(&HardState { term: 1, vote: 1, commit: 7 });
    for (sequence, index, content) in log.finish() {
        volume.put(&segments_path("/node", sequence, index), &content);
    }
    assert!(open(&volume.copied()).is_err());
    let found = look(&volume);
    assert_eq!((found.faults.len(), found.loss), (1, Some(Loss { first: 5, last: 7 })), "{:?}", found.faults);
    repair(&volume).unwrap();
    let (_, now) = settle(&volume).unwrap();
    assert_eq!((now.entries.len(), now.hard_state.commit), (4, 4));
}

#[test]
fn a_damaged_snapshot_is_a_fault_and_its_log_is_not() {
    let volume = log();
    let path = PathBuf::from(format!("{SNAP}/{:016x}-{:016x}.snap", 5, 40));
    let mut content = volume.files()[&path].clone();
    content[30] ^= 1;
    volume.put(&path, &content);
    let found = look(&volume);
    assert_eq!((found.faults.len(), found.log_faults().count(), found.loss), (1, 0, None));
    assert_eq!(found.faults[0].path, path);
    assert_eq!((found.snapshots[0].index, found.snapshots[0].len), (40, None));
    assert!(found.is_usable());
}

#[test]
fn a_crash_in_a_repair_leaves_the_log_as_it_was_or_repaired() {
    let volume = log();
    let truth = truth(&volume);
    let path = segments(&volume)[2].clone();
    let mut content = volume.files()[&path].clone();
    content[700] ^= 1;
    volume.put(&path, &content);
    let found = look(&volume);
    let mut calls = 1;
    loop {
        let crashed = volume.copied();
        crashed.arm(calls, Trouble::Stop);
        let outcome = repair(&crashed);
        crashed.cut_power(&mut Chance(calls));
        let again = crashed.copied();
        if outcome.is_ok() {
            break;
        }
        repair(&again).unwrap();
        let (_, now) = open(&again).unwrap_or_else(|error| panic!("call {calls}: {error}"));
        check(&found, &truth, &now, &format!("call {calls}"));
        calls += 1;
    }
    assert!(calls > 10, "{calls} calls");
}

#[test]
fn a_log_in_use_is_not_repaired() {
    let volume = log();
    let (store, _) = open(&volume).unwrap();
    assert!(matches!(repair(&volume), Err(Error::Locked(_))));
    assert_eq!(look(&volume).faults, []);
    drop(store);
    repair(&volume).unwrap();
    let entries: Entries = open(&volume).unwrap().1.entries;
    assert_eq!(entries.last().unwrap().index, 60);
}
