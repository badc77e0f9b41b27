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
use raft_core::disk::damage::{OnDamage, survey};
use raft_core::disk::inspect::{Inspection, Loss, inspect};
use raft_core::disk::loss::Loss as Kept;
use raft_core::disk::recovered::{Identity, Recovered};
use raft_core::disk::repair::Repair;
use raft_core::disk::store::{Store, StoreOptions};
use raft_core::disk::volume::Volume as _;
use raft_core::error::{Error, Result};
use raft_core::raftpb::conf_change::{ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState};
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

#[test]
fn a_torn_end_that_was_durable_stays_a_loss_behind_the_repair() {
    let volume = log();
    let last = segments(&volume).pop().unwrap();
    let content = volume.files()[&last].clone();
    let mut losses = 0;
    for cut in 1..900 {
        let torn = volume.copied();
        torn.put(&last, &content[..content.len() - cut]);
        // What a node keeps in mind that goes over it by itself.
        let (_, alone) = open_with(&torn.copied(), OnDamage::Recover).unwrap();
        repair(&torn).unwrap();
        let (_, now) = settle(&torn).unwrap();
        let lost = |found: &Recovered| found.lost.map(|loss| (loss.last, loss.term));
        assert_eq!(lost(&now), lost(&alone), "cut {cut}");
        losses += usize::from(now.lost.is_some());
    }
    assert_eq!(losses, 899);
}

#[test]
fn an_end_that_is_gone_is_a_loss_also_where_something_else_is_wrong() {
    let volume = log();
    let all = segments(&volume);
    let (before, last) = (&all[all.len() - 2], &all[all.len() - 1]);
    let mut content = volume.files()[before].clone();
    let at = content.len() - 10;
    content[at] ^= 1;
    volume.put(before, &content);
    // All behind the records that open the segment.
    volume.put(last, &volume.files()[last][..72]);
    assert!(look(&volume).loss.is_none_or(|loss| loss.last < 60));
    repair(&volume).unwrap();
    let (_, now) = settle(&volume).unwrap();
    assert_eq!(now.lost.map(|loss| loss.last), Some(60));
}

#[test]
fn a_vote_that_rots_in_the_log_is_that_of_its_second_copy() {
    for is_sure in [true, false] {
        let volume = log();
        let (mut store, _) = open(&volume).unwrap();
        let state = HardState { term: 8, vote: 2, commit: 59 };
        store.append(Some(&state), &Entries::new(), true).unwrap();
        drop(store);
        let last = segments(&volume).pop().unwrap();
        let mut content = volume.files()[&last].clone();
        let at = content.len() - 6;
        content[at] ^= 1;
        volume.put(&last, &content);
        if !is_sure {
            // The slot before the newest, so that nobody knows which is which.
            let mut vote = volume.files()[Path::new("/node/vote")].clone();
            let sequence = |at: usize| u64::from_le_bytes(vote[at + 8..at + 16].try_into().unwrap());
            let older = if sequence(0) < sequence(4096) { 0 } else { 4096 };
            vote[older + 20] ^= 1;
            volume.put("/node/vote".as_ref(), &vote);
        }
        repair(&volume).unwrap();
        let (_, now) = settle(&volume).unwrap();
        let expected = if is_sure { (8, 2) } else { (9, 1) };
        assert_eq!((now.hard_state.term, now.hard_state.vote), expected);
    }
}

#[test]
fn a_loss_of_before_is_not_forgotten() {
    let volume = log();
    let (mut store, _) = open(&volume).unwrap();
    store.keep_loss(Kept { first: 3, last: 900, term: 7 }).unwrap();
    drop(store);
    let last = segments(&volume).pop().unwrap();
    let mut content = volume.files()[&last].clone();
    let at = content.len() - 200;
    content[at] ^= 1;
    volume.put(&last, &content);
    repair(&volume).unwrap();
    let (_, now) = settle(&volume).unwrap();
    assert_eq!(now.lost, Some(Kept { first: 3, last: 900, term: 7 }));
}

#[test]
fn a_loss_is_kept_where_the_second_copy_of_the_vote_is_damaged_too() {
    let volume = log();
    let path = segments(&volume)[4].clone();
    let mut content = volume.files()[&path].clone();
    content[1000] ^= 1;
    volume.put(&path, &content);
    volume.put("/node/vote".as_ref(), &[7; 8192]);
    let loss = look(&volume).loss.unwrap();
    repair(&volume).unwrap();
    let (_, now) = settle(&volume).unwrap();
    assert_eq!(now.lost.map(|loss| (loss.first, loss.last)), Some((loss.first, loss.last)));
}

#[test]
fn what_may_have_been_overwritten_is_not_committed_by_a_word_behind_the_damage() {
    let volume = MemoryVolume::default();
    drop(open(&volume).unwrap());
    let mut log = Segments::new(Identity { cluster_id: 7, node_id: 1 }, 0, 0);
    (1..=10).for_each(|index| log.entry(&entry(1, index)));
    log.state(&HardState { term: 1, vote: 1, commit: 5 });
    let overwritten_at = log.last().len();
    // Another leader overwrites from 6 on, and commits what it has written.
    (6..=12).for_each(|index| log.entry(&entry(2, index)));
    log.state(&HardState { term: 2, vote: 2, commit: 12 });
    log.last()[overwritten_at + 60] ^= 1;
    for (sequence, index, content) in log.finish() {
        volume.put(&segments_path("/node", sequence, index), &content);
    }
    assert_eq!(look(&volume).loss.map(|loss| loss.first), Some(6));
    repair(&volume).unwrap();
    let (_, now) = settle(&volume).unwrap();
    assert_eq!(now.entries.last().map(|last| (last.term, last.index)), Some((1, 10)));
    assert_eq!(now.hard_state, HardState { term: 2, vote: 2, commit: 5 });
}

#[test]
fn a_torn_end_takes_nothing_away_from_what_lies_behind_a_fault() {
    let volume = log();
    let all = segments(&volume);
    let mut content = volume.files()[&all[1]].clone();
    content[1000] ^= 1;
    volume.put(&all[1], &content);
    let (found, mut notes) = (look(&volume), 0);
    assert_eq!((found.loss, found.entries.1), (None, 60));
    // A write that a crash cuts short.
    let last = all.last().unwrap();
    let mut content = volume.files()[last].clone();
    content.extend_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 8]);
    for len in content.len() - 8..=content.len() {
        let torn = volume.copied();
        torn.put(last, &content[..len]);
        let now = look(&torn);
        assert_eq!((now.loss, now.entries, now.vote_may_be_lost), (None, found.entries, false), "{len}");
        notes += repair(&torn).unwrap().len();
        let (_, now) = settle(&torn).unwrap();
        assert_eq!((now.entries.last().map(|last| last.index), now.lost), (Some(60), None), "{len}");
    }
    assert!(notes > 9, "{notes}");
}

#[test]
fn segments_before_a_lost_one_are_copied_before_they_are_removed() {
    let volume = log();
    let all = segments(&volume);
    // No snapshot file is left that goes on to what lies behind.
    volume.remove(&PathBuf::from(format!("{SNAP}/{:016x}-{:016x}.snap", 5, 40))).unwrap();
    let mut copied = 0;
    for lost in 1..all.len() - 1 {
        let broken = volume.copied();
        broken.remove(&all[lost]).unwrap();
        if look(&broken).log_faults().next().is_none() || repair(&broken).is_err() {
            continue;
        }
        let files = broken.files();
        for path in all.iter().filter(|path| **path != all[lost]) {
            let aside = path.with_extension("wal.broken");
            assert_eq!(files.get(&aside), Some(&volume.files()[path]), "{} without {lost}", path.display());
            copied += 1;
        }
    }
    assert!(copied > 0);
}

#[test]
fn what_the_disk_refuses_to_read_is_damage_and_is_repaired_like_it() {
    let volume = log();
    let truth = truth(&volume);
    for path in segments(&volume) {
        let len = volume.files()[&path].len();
        for start in (0..len).step_by(300) {
            let what = format!("byte {start} of {}", path.display());
            let spoiled = volume.copied();
            spoiled.spoil(&path, start..(start + 200).min(len));
            let found = look(&spoiled);
            assert!(found.faults.iter().any(|fault| fault.path == path), "{what}: {:?}", found.faults);
            repair(&spoiled).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(look(&spoiled).faults, [], "{what}");
            let (_, now) = settle(&spoiled).unwrap_or_else(|error| panic!("{what}: {error}"));
            check(&found, &truth, &now, &what);
        }
    }
}

#[test]
fn a_snapshot_that_the_disk_refuses_to_read_is_a_fault() {
    let volume = log();
    let path = PathBuf::from(format!("{SNAP}/{:016x}-{:016x}.snap", 5, 40));
    volume.spoil(&path, 10..20);
    let found = look(&volume);
    assert_eq!((found.faults.len(), found.log_faults().count(), found.loss), (1, 0, None));
    assert_eq!((found.faults[0].path.clone(), found.snapshots[0].len), (path, None));
}

#[test]
fn a_segment_with_the_last_number_of_all_is_not_followed_by_another() {
    let volume = MemoryVolume::default();
    drop(open(&volume).unwrap());
    segments(&volume).iter().for_each(|path| volume.remove(path).unwrap());
    volume.remove("/node/vote".as_ref()).unwrap();
    let mut log = Segments::new(Identity { cluster_id: 7, node_id: 1 }, u64::MAX, 0);
    (1..=10).for_each(|index| log.entry(&entry(1, index)));
    log.state(&HardState { term: 1, vote: 1, commit: 5 });
    for (sequence, index, content) in log.finish() {
        volume.put(&segments_path("/node", sequence, index), &content);
    }
    let (mut store, _) = open(&volume).unwrap();
    let outcome = (11..40).try_for_each(|index| store.append(None, &entry(1, index).into(), true));
    assert!(matches!(outcome, Err(Error::Corrupt { .. })), "{outcome:?}");
}

#[test]
fn a_torn_end_is_mended_on_a_full_disk_that_has_a_spare() {
    let volume = log();
    let (mut store, _) = open(&volume).unwrap();
    store.append(None, &entry(7, 61).into(), false).unwrap();
    let volume = volume.copied();
    drop(store);
    let last = segments(&volume).pop().unwrap();
    let content = volume.files()[&last].clone();
    volume.put(&last, &content[..content.len() - 20]);
    volume.put("/node/wal/spare.tmp".as_ref(), &[0; 4 * 4096]);
    volume.set_bytes_max(Some(volume.used()));
    let (_, now) = open(&volume).unwrap();
    assert_eq!((now.notes.len(), now.entries.last().unwrap().index), (1, 60));
}

#[test]
fn a_node_is_not_alone_where_the_change_that_added_the_others_is_what_rots() {
    let volume = MemoryVolume::default();
    let (mut store, _) = open(&volume).unwrap();
    store.bootstrap(&ConfState::of_voters([1])).unwrap();
    for index in 2..=20 {
        let change = ConfChangeV2::new(vec![ConfChangeSingle::new(ConfChangeType::AddNode, index)]);
        let change = Entry { term: 2, index, ..change.to_entry() };
        let new = if index > 3 { entry(2, index) } else { change };
        let state = HardState { term: 2, vote: 1, commit: index - 1 };
        store.append(Some(&state), &new.into(), true).unwrap();
    }
    store.keep_known_stores(&[(1, 5 << 32), (2, 6 << 32), (3, 7 << 32)]).unwrap();
    drop(store);
    // The entry that adds node 2.
    let path = segments(&volume).remove(0);
    let mut content = volume.files()[&path].clone();
    content[145] ^= 1;
    volume.put(&path, &content);
    let (_, now) = open_with(&volume.copied(), OnDamage::Recover).unwrap();
    assert_eq!((now.snapshot.conf_state.voters, now.lost.map(|loss| loss.last)), (vec![1], Some(20)));
    repair(&volume).unwrap();
    let (_, now) = settle(&volume).unwrap();
    assert_eq!(now.lost.map(|loss| loss.last), Some(20));
}

#[test]
fn snapshots_beside_a_log_of_etcd_that_is_all_zeros_are_not_removed() {
    let volume = log();
    // As etcd leaves it.
    ["/node/vote", "/node/LOCK"].iter().for_each(|path| volume.remove(path.as_ref()).unwrap());
    let all = segments(&volume);
    all[1..].iter().for_each(|path| volume.remove(path).unwrap());
    let mut content = volume.files()[&all[0]].clone();
    content[64..].fill(0);
    volume.put(&all[0], &content);
    let snapshots = |volume: &MemoryVolume| volume.list(SNAP.as_ref()).unwrap();
    let before = snapshots(&volume);
    for on_damage in [OnDamage::Refuse, OnDamage::Recover, OnDamage::Repair] {
        assert!(matches!(open_with(&volume, on_damage), Err(Error::Corrupt { .. })), "{on_damage:?}");
        assert_eq!(snapshots(&volume), before);
    }
}

#[test]
fn an_entry_that_had_overwritten_another_is_a_loss_when_it_is_gone() {
    let volume = log();
    let (mut store, _) = open(&volume).unwrap();
    store.append(None, &[entry(7, 61), entry(7, 62)].into_iter().collect(), true).unwrap();
    let last = segments(&volume).pop().unwrap();
    let whole = volume.files()[&last].len();
    let state = HardState { term: 8, vote: 2, commit: 60 };
    store.append(Some(&state), &entry(8, 61).into(), true).unwrap();
    drop(store);
    // It reads well without what was written last, up to entry 62.
    let content = volume.files()[&last].clone();
    volume.put(&last, &content[..whole]);
    assert_eq!(look(&volume).faults, []);
    let damages = survey(Arc::new(volume.clone()), "/node".as_ref()).unwrap();
    let lost: Vec<_> = damages.iter().map(|damage| (damage.first_lost, damage.last_lost)).collect();
    assert_eq!(lost, [(60, 61)], "{damages:?}");
}

/// Logs with a loss of each kind.
fn losses() -> Vec<(&'static str, MemoryVolume)> {
    let volume = log();
    let all = segments(&volume);
    let last = all.last().unwrap();
    let changed = |change: &dyn Fn(&MemoryVolume)| {
        let volume = volume.copied();
        change(&volume);
        volume
    };
    let flip = |volume: &MemoryVolume, path: &Path, at: usize| {
        let mut content = volume.files()[path].clone();
        content[at] ^= 1;
        volume.put(path, &content);
    };
    let cut = |volume: &MemoryVolume, len: usize| {
        let content = volume.files()[last].clone();
        volume.put(last, &content[..content.len() - len]);
    };
    let forget_slot = |volume: &MemoryVolume| {
        let mut vote = volume.files()[Path::new("/node/vote")].clone();
        let sequence = |at: usize| u64::from_le_bytes(vote[at + 8..at + 16].try_into().unwrap());
        let newer = if sequence(0) < sequence(4096) { 4096 } else { 0 };
        vote[newer + 20] ^= 1;
        volume.put("/node/vote".as_ref(), &vote);
    };
    let lose_snapshot = |volume: &MemoryVolume| {
        volume.remove(&PathBuf::from(format!("{SNAP}/{:016x}-{:016x}.snap", 5, 40))).unwrap();
    };
    vec![
        ("an entry", changed(&|volume| flip(volume, &all[4], 1000))),
        ("a durable end", changed(&|volume| cut(volume, 300))),
        (
            "a durable end, and a slot of the vote",
            changed(&|volume| {
                cut(volume, 300);
                forget_slot(volume);
            }),
        ),
        (
            "a fault, a durable end, and a slot of the vote",
            changed(&|volume| {
                let at = volume.files()[last].len() - 900;
                flip(volume, last, at);
                cut(volume, 300);
                forget_slot(volume);
            }),
        ),
        (
            "the last state, and a slot of the vote",
            changed(&|volume| {
                let at = volume.files()[last].len() - 6;
                flip(volume, last, at);
                forget_slot(volume);
            }),
        ),
        (
            "a segment, and the snapshot behind it",
            changed(&|volume| {
                lose_snapshot(volume);
                volume.remove(&all[3]).unwrap();
            }),
        ),
    ]
}

#[test]
fn a_crash_in_a_repair_forgets_neither_a_loss_nor_a_vote() {
    for (what, volume) in losses() {
        let whole = volume.copied();
        assert!(!repair(&whole).unwrap().is_empty(), "{what}");
        let (_, expected) = settle(&whole).unwrap();
        let mut calls = 1;
        loop {
            let what = format!("{what}, call {calls}");
            let crashed = volume.copied();
            crashed.arm(calls, Trouble::Stop);
            let outcome = repair(&crashed);
            crashed.cut_power(&mut Chance(calls));
            if outcome.is_ok() {
                break;
            }
            let again = crashed.copied();
            repair(&again).unwrap_or_else(|error| panic!("{what}: {error}"));
            let (_, now) = settle(&again).unwrap_or_else(|error| panic!("{what}: {error}"));
            let state = |found: &Recovered| (found.hard_state.term, found.hard_state.vote);
            assert_eq!(state(&now), state(&expected), "{what}");
            assert_eq!(now.entries.last(), expected.entries.last(), "{what}");
            let covers = |loss: &Kept| {
                now.lost.is_some_and(|now| {
                    now.first <= loss.first && now.last >= loss.last && now.term >= loss.term
                })
            };
            assert!(expected.lost.as_ref().is_none_or(covers), "{what}: {:?}, {:?}", now.lost, expected.lost);
            // Or a node is started in between.
            if let Ok((_, now)) = open_with(&crashed.copied(), OnDamage::Recover) {
                assert!(expected.lost.is_none() || now.lost.is_some(), "{what}");
                assert!(now.hard_state.term >= truth(&log()).hard_state.term, "{what}");
            }
            calls += 1;
        }
        assert!(calls > 10, "{what}: {calls} calls");
    }
}

#[test]
fn an_older_part_of_a_log_is_kept_where_a_segment_behind_it_is_missing() {
    let volume = log();
    let all = segments(&volume);
    volume.remove(&PathBuf::from(format!("{SNAP}/{:016x}-{:016x}.snap", 5, 40))).unwrap();
    let mut older = 0;
    for (lost, path) in all.iter().enumerate().take(all.len() - 1).skip(1) {
        let broken = volume.copied();
        broken.remove(path).unwrap();
        if look(&broken).log_faults().next().is_none() {
            continue;
        }
        let (_, alone) = open_with(&broken.copied(), OnDamage::Repair).unwrap();
        repair(&broken).unwrap();
        let (_, now) = settle(&broken).unwrap();
        let last = |found: &Recovered| found.snapshot.index + found.entries.len() as u64;
        assert!(last(&now) >= last(&alone), "without {lost}: {} and {}", last(&now), last(&alone));
        assert!(now.lost.is_some_and(|loss| loss.last >= 60), "without {lost}: {:?}", now.lost);
        older += u32::from(now.entries.last().is_some_and(|entry| entry.index > 20));
    }
    assert!(older > 0);
}

#[test]
fn a_snapshot_that_only_a_lost_record_tells_of_is_taken() {
    let volume = log();
    // The whole log but its opening.
    let all = segments(&volume);
    all[1..].iter().for_each(|path| volume.remove(path).unwrap());
    let mut content = volume.files()[&all[0]].clone();
    content[200..].fill(0xee);
    volume.put(&all[0], &content);
    let (_, alone) = open_with(&volume.copied(), OnDamage::Repair).unwrap();
    repair(&volume).unwrap();
    let (_, now) = settle(&volume).unwrap();
    assert_eq!((alone.snapshot.index, now.snapshot.index), (40, 40));
}
