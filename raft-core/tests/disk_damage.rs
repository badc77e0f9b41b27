//! Damage, told from what a crash leaves: what is refused, what is put aside, and what is known of the loss.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/memory_volume.rs"]
#[allow(dead_code)]
mod memory_volume;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memory_volume::{Chance, MemoryVolume, Trouble};
use raft_core::disk::damage::{Damage, OnDamage, survey};
use raft_core::disk::loss::Loss;
use raft_core::disk::recovered::{Identity, Recovered};
use raft_core::disk::store::{Store, StoreOptions};
use raft_core::disk::volume::Volume;
use raft_core::error::{Error, Result};
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::entry::{Entries, Entry};
use raft_core::raftpb::message::{HardState, SnapshotMetadata};

const DIR: &str = "/node";

fn options(on_damage: OnDamage) -> StoreOptions {
    let identity = Identity { cluster_id: 7, node_id: 1 };
    let options = StoreOptions::new(identity);
    StoreOptions {
        segment_bytes: 4096,
        zeroed_bytes: 0,
        snapshots_kept: 2,
        store_id: 77,
        on_damage,
        ..options
    }
}

fn open(volume: &MemoryVolume, on_damage: OnDamage) -> Result<(Store, Recovered)> {
    Store::open(Arc::new(volume.clone()), DIR.as_ref(), options(on_damage))
}

fn entries(term: u64, indices: std::ops::RangeInclusive<u64>) -> Entries {
    indices.map(|index| Entry { term, index, data: vec![0xee; 200].into(), ..Entry::default() }).collect()
}

fn state(term: u64, commit: u64) -> HardState {
    HardState { term, vote: 1, commit }
}

fn snapshot(store: &mut Store, voters: &[u64], index: u64) {
    let conf_state = ConfState::of_voters(voters.iter().copied());
    let metadata = SnapshotMetadata { conf_state, index, term: 1 };
    let mut writer = store.snapshots().create(metadata.clone()).unwrap();
    writer.write_all(b"state").unwrap();
    writer.finish().unwrap();
    store.record_snapshot(&metadata).unwrap();
}

/// Snapshots at 40 and 60, entries up to 70 in a few segments, each committed before the next; closed.
fn volume_of(voters: &[u64]) -> MemoryVolume {
    let volume = MemoryVolume::default();
    let (mut store, _) = open(&volume, OnDamage::Refuse).unwrap();
    store.bootstrap(&ConfState::of_voters(voters.iter().copied())).unwrap();
    for index in 2..=70 {
        store.append(Some(&state(1, index - 1)), &entries(1, index..=index), true).unwrap();
        if index % 20 == 1 {
            snapshot(&mut store, voters, index - 1);
            store.release(index - 1).unwrap();
        }
    }
    volume
}

fn group() -> MemoryVolume {
    volume_of(&[1, 2, 3])
}

fn segments(volume: &MemoryVolume) -> Vec<PathBuf> {
    volume.files().into_keys().filter(|path| path.extension() == Some("wal".as_ref())).collect()
}

fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

fn change(volume: &MemoryVolume, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut content = volume.files()[path].clone();
    change(&mut content);
    volume.put(path, &content);
}

fn flip(volume: &MemoryVolume, path: &Path, at: usize) {
    change(volume, path, |content| content[at] ^= 4);
}

fn survey_of(volume: &MemoryVolume) -> Vec<Damage> {
    survey(Arc::new(volume.clone()), DIR.as_ref()).unwrap()
}

fn last(recovered: &Recovered) -> u64 {
    recovered.entries.last().map_or(recovered.snapshot.index, |entry| entry.index)
}

/// Opens it for a node of a group, checks what holds for each such outcome, and opens it again.
fn recover(volume: &MemoryVolume) -> Recovered {
    let (store, found) = open(volume, OnDamage::Recover).unwrap();
    let loss = found.lost.unwrap();
    assert!(!found.damages.is_empty());
    assert_eq!(found.hard_state.term, loss.term);
    assert_eq!((found.hard_state.term, found.hard_state.vote, found.store_id), (1, 1, 77));
    assert!(found.hard_state.commit <= last(&found));
    drop(store);
    let (_, again) = open(volume, OnDamage::Recover).unwrap();
    assert!(again.damages.is_empty() && again.lost == Some(loss));
    let known = |found: &Recovered| (found.hard_state, found.snapshot.clone(), found.entries.clone());
    assert_eq!(known(&again), known(&found));
    found
}

#[test]
fn a_record_in_the_middle_is_damage_and_everything_behind_it_is_put_aside() {
    let volume = group();
    let wal = segments(&volume);
    assert!(wal.len() >= 3, "{wal:?}");
    let before = volume.files();
    for (at, segment) in wal.iter().enumerate() {
        let rotten = volume.copied();
        flip(&rotten, segment, 1000);
        let Err(Error::Corrupt { path: named, offset, what }) = open(&rotten, OnDamage::Refuse).map(|_| ())
        else {
            panic!("{} is believed", segment.display());
        };
        assert_eq!(&named, segment);
        assert!(offset <= 1000 && what.contains("rft log repair /node"), "{what}");
        let damages = survey_of(&rotten);
        assert_eq!((damages.len(), damages[0].offset, damages[0].last_lost), (1, offset, 70), "{damages:?}");
        let found = recover(&rotten);
        assert_eq!(found.damages, damages);
        assert_eq!(found.lost, Some(Loss { first: damages[0].first_lost, last: 70, term: 1 }));
        // The snapshot at 60 holds more than a log that ends before it.
        assert_eq!(last(&found), damages[0].first_lost.saturating_sub(1).max(found.snapshot.index));
        assert_eq!(found.snapshot.index, 60);
        for aside in &wal[at..] {
            let copy = &rotten.files()[&aside.with_extension("wal.broken")];
            let mut expected = before[aside].clone();
            if aside == segment {
                expected[1000] ^= 4;
            }
            assert_eq!(*copy, expected);
        }
        assert!(survey_of(&rotten).is_empty());
    }
}

#[test]
fn the_only_voter_does_not_open_unless_somebody_gives_the_entries_up() {
    let volume = volume_of(&[1]);
    let last_segment = segments(&volume).pop().unwrap();
    flip(&volume, &last_segment, 700);
    let before = volume.files();
    assert!(matches!(open(&volume, OnDamage::Recover), Err(Error::Corrupt { .. })));
    assert_eq!(volume.files(), before);
    let (_, found) = open(&volume, OnDamage::Repair).unwrap();
    assert_eq!((found.lost, found.damages.len()), (None, 1));
    assert!((60..70).contains(&last(&found)));
    let (_, again) = open(&volume, OnDamage::Refuse).unwrap();
    assert_eq!((again.entries, again.damages), (found.entries, vec![]));
}

#[test]
fn a_host_that_was_not_told_of_a_loss_does_not_get_the_store() {
    let volume = group();
    let last_segment = segments(&volume).pop().unwrap();
    flip(&volume, &last_segment, 700);
    recover(&volume);
    let refused = open(&volume, OnDamage::Refuse).map(|_| ());
    assert!(matches!(&refused, Err(Error::Corrupt { what, .. }) if what.contains("not vote")), "{refused:?}");
    let (mut store, _) = open(&volume, OnDamage::Recover).unwrap();
    store.forget_loss().unwrap();
    drop(store);
    assert_eq!(open(&volume, OnDamage::Refuse).unwrap().1.lost, None);
}

#[test]
fn what_is_cut_off_of_a_closed_log_is_missed() {
    let volume = group();
    let name = segments(&volume).pop().unwrap();
    let whole = volume.files()[&name].len();
    for len in (0..whole).step_by(7) {
        let rotten = volume.copied();
        change(&rotten, &name, |content| content.truncate(len));
        assert!(matches!(open(&rotten, OnDamage::Refuse), Err(Error::Corrupt { .. })), "length {len}");
        let found = recover(&rotten);
        assert_eq!(found.lost.unwrap().last, 70, "length {len}");
    }
    volume.remove(&name).unwrap();
    assert_eq!(recover(&volume).lost.unwrap().last, 70);
}

#[test]
fn a_missing_segment_or_none_at_all_is_damage() {
    let volume = group();
    let wal = segments(&volume);
    for name in &wal {
        let rotten = volume.copied();
        rotten.remove(name).unwrap();
        // Without the first one, the snapshot at 60 still goes on to the others.
        if *name == wal[0] {
            assert!(open(&rotten, OnDamage::Refuse).is_ok());
        } else {
            assert!(open(&rotten, OnDamage::Refuse).is_err(), "without {}", name.display());
            assert_eq!(recover(&rotten).lost.unwrap().last, 70, "without {}", name.display());
        }
    }
    wal.iter().for_each(|name| volume.remove(name).unwrap());
    let found = recover(&volume);
    assert_eq!((found.snapshot.index, found.lost), (60, Some(Loss { first: 1, last: 70, term: 1 })));
}

#[test]
fn without_any_snapshot_the_log_begins_anew_and_the_vote_is_not_forgotten() {
    let volume = group();
    for index in [40, 60] {
        flip(&volume, &path(&format!("snap/0000000000000001-{index:016x}.snap")), 30);
    }
    let found = recover(&volume);
    assert_eq!((found.snapshot.index, found.entries.len(), found.hard_state), (0, 0, state(1, 0)));
    assert_eq!(found.lost, Some(Loss { first: 1, last: 70, term: 1 }));
    assert_eq!(segments(&volume), [path("wal/0000000000000000-0000000000000000.wal")]);
}

#[test]
fn one_copy_of_the_vote_is_enough_and_without_any_there_is_no_start() {
    let volume = group();
    let name = segments(&volume).pop().unwrap();
    // The last HardState that says whom it voted for is in the opening records of the last segment too.
    let vote = path("vote");
    let rotten = volume.copied();
    flip(&rotten, &name, 60);
    recover(&rotten);
    for slot in [20, 4096 + 20] {
        let rotten = volume.copied();
        flip(&rotten, &vote, slot);
        assert_eq!(open(&rotten, OnDamage::Refuse).unwrap().1.hard_state, state(1, 69));
        let rotten = volume.copied();
        flip(&rotten, &vote, slot);
        flip(&rotten, &name, 60);
        let before = rotten.files();
        for on_damage in [OnDamage::Recover, OnDamage::Repair] {
            let error = open(&rotten, on_damage).err().unwrap();
            assert!(error.to_string().contains("term and vote"), "{error}");
        }
        assert_eq!(rotten.files(), before);
    }
}

#[test]
fn a_range_that_the_disk_cannot_read_is_damage_of_that_range() {
    let volume = group();
    let wal = segments(&volume);
    volume.spoil(&wal[1], 1024..1536);
    let refused = open(&volume, OnDamage::Refuse).map(|_| ());
    assert!(matches!(&refused, Err(Error::Corrupt { path, .. }) if *path == wal[1]), "{refused:?}");
    let found = recover(&volume);
    assert_eq!(found.lost.unwrap().last, 70);
}

#[test]
fn a_crash_at_any_call_of_the_recovery_ends_where_it_would_have_ended() {
    let volume = group();
    let wal = segments(&volume);
    let mut chance = Chance(9);
    type Case<'a> = (&'static str, Box<dyn Fn(&MemoryVolume) + 'a>);
    let cases: [Case<'_>; 5] = [
        ("a flip", Box::new(|volume| flip(volume, &wal[1], 2000))),
        ("a flip in the first", Box::new(|volume| flip(volume, &wal[0], 20))),
        ("a missing segment", Box::new(|volume| volume.remove(&wal[1]).unwrap())),
        (
            "a short end",
            Box::new(|volume| change(volume, wal.last().unwrap(), |content| content.truncate(900))),
        ),
        (
            "no snapshot",
            Box::new(|volume| {
                for index in [40, 60] {
                    volume.remove(&path(&format!("snap/0000000000000001-{index:016x}.snap"))).unwrap();
                }
            }),
        ),
    ];
    for (what, spoil) in cases {
        let straight = volume.copied();
        spoil(&straight);
        let goal = recover(&straight);
        // Whether what is appended just begins another segment is of no interest.
        let others = |volume: &MemoryVolume| {
            let names = volume.files().into_keys();
            Vec::from_iter(names.filter(|path| path.extension() != Some("wal".as_ref())))
        };
        let names = others(&straight);
        let mut call = 0;
        loop {
            call += 1;
            let rotten = volume.copied();
            spoil(&rotten);
            let rotten = rotten.copied();
            rotten.arm(call, Trouble::Stop);
            let done = open(&rotten, OnDamage::Recover).is_ok();
            rotten.cut_power(&mut chance);
            // A second crash, somewhere in the second attempt.
            rotten.arm(1 + chance.below(40), Trouble::Stop);
            let _ = open(&rotten, OnDamage::Recover);
            rotten.cut_power(&mut chance);
            let (store, found) = open(&rotten, OnDamage::Recover)
                .unwrap_or_else(|error| panic!("{what}, stopped at call {call}: {error}"));
            let known = |found: &Recovered| (found.hard_state, found.snapshot.clone(), found.entries.clone());
            assert_eq!(known(&found), known(&goal), "{what}, stopped at call {call}");
            let (loss, whole) = (found.lost.unwrap(), goal.lost.unwrap());
            assert!(
                loss.first <= whole.first && loss.last >= whole.last,
                "{what}, stopped at call {call}: {loss:?}"
            );
            drop(store);
            assert_eq!(others(&rotten), names, "{what}, stopped at call {call}");
            if done {
                break;
            }
        }
        assert!(call > 30, "{what}: the recovery makes only {call} calls");
    }
}
