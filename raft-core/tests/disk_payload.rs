//! A piece of a log that a client has stored as a value is never taken for the log itself, whatever rots around it.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/memory_volume.rs"]
#[allow(dead_code)]
mod memory_volume;
#[path = "../fuzz/src/segments.rs"]
#[allow(dead_code, unreachable_pub)] // shared with the fuzz targets
mod segment_bytes;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use memory_volume::MemoryVolume;
use raft_core::disk::damage::OnDamage;
use raft_core::disk::inspect::{Inspection, inspect};
use raft_core::disk::recovered::{Identity, Recovered};
use raft_core::disk::repair::Repair;
use raft_core::disk::store::{Store, StoreOptions};
use raft_core::disk::volume::Volume as _;
use raft_core::error::Result;
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::entry::Entry;
use raft_core::raftpb::message::HardState;
use segment_bytes::Segments;

const IDENTITY: Identity = Identity { cluster_id: 7, node_id: 1 };
/// Of the entry with the piece of a log.
const HOLDER: u64 = 6;
/// Of the last entry in the log.
const LAST: u64 = 9;
const TERM: u64 = 3;

fn open(volume: &MemoryVolume, on_damage: OnDamage) -> Result<(Store, Recovered)> {
    let options = StoreOptions {
        segment_bytes: 4096,
        zeroed_bytes: 0,
        store_id: 5,
        on_damage,
        ..StoreOptions::new(IDENTITY)
    };
    Store::open(Arc::new(volume.clone()), Path::new("/node"), options)
}

fn look(volume: &MemoryVolume) -> Inspection {
    inspect(Arc::new(volume.clone()), "/node/wal".as_ref(), Some("/node/snap".as_ref()), false, &mut |_| {})
        .unwrap()
}

fn repair(volume: &MemoryVolume) -> Result<Vec<String>> {
    Repair::begin(Arc::new(volume.clone()), "/node/wal".as_ref(), Some("/node/snap".as_ref()), &mut |_| {})?
        .apply()
}

fn entry(index: u64, data: &[u8]) -> Entry {
    Entry { term: TERM, index, data: data.to_vec().into(), ..Entry::default() }
}

/// Records of another log, which would go on where the holder stands: of a term behind which there is none, by node 3.
fn piece() -> Vec<u8> {
    let mut log = Segments::new(Identity { cluster_id: 8, node_id: 2 }, 0, 0);
    let opening = log.last().len();
    (HOLDER..HOLDER + 20).for_each(|index| log.entry(&entry(index, b"of another log")));
    log.state(&HardState { term: u64::MAX, vote: 3, commit: HOLDER + 19 });
    log.last().split_off(opening)
}

/// A log in which `behind` entries follow on one with a value of `lead` bytes and the piece.
fn log(lead: usize, behind: u64) -> (MemoryVolume, PathBuf, usize) {
    let volume = MemoryVolume::default();
    let (mut store, _) = open(&volume, OnDamage::Refuse).unwrap();
    store.bootstrap(&ConfState::of_voters([1, 2, 3])).unwrap();
    let value = [&b"leading"[..lead], &piece()].concat();
    for index in 2..=HOLDER + behind {
        let data = if index == HOLDER { &value[..] } else { b"small" };
        let state = HardState { term: TERM, vote: 1, commit: index - 1 };
        // Nothing but the entry itself where it is the last.
        let state = (index != HOLDER).then_some(state);
        store.append(state.as_ref(), &entry(index, data).into(), true).unwrap();
    }
    drop(store);
    let path = PathBuf::from("/node/wal/0000000000000000-0000000000000000.wal");
    let content = volume.files()[&path].clone();
    let value_at = content.windows(value.len()).position(|bytes| bytes == value).unwrap();
    // Its length word, at the last multiple of eight that leaves room for the heads of record and entry.
    let word_at = (0..value_at - 8).rev().filter(|at| at % 8 == 0);
    let word_at = word_at.into_iter().find(|at| content[at + 8..at + 11] == [8, 2, 16]).unwrap();
    (volume, path, word_at)
}

/// What may befall the frame of the holder: its length word, its head, or both.
fn damages(content: &[u8], at: usize) -> Vec<Vec<u8>> {
    let with = |change: &dyn Fn(&mut [u8])| {
        let mut content = content.to_vec();
        change(&mut content[at..]);
        content
    };
    vec![
        with(&|frame| frame[1] ^= 0x10),
        with(&|frame| frame[0] ^= 0x08),
        with(&|frame| frame[7] ^= 0x40),
        with(&|frame| frame[8] ^= 0x40),
        with(&|frame| frame[..24].fill(0)),
        with(&|frame| frame[..24].fill(0xee)),
    ]
}

fn each(mut visit: impl FnMut(&str, MemoryVolume, &Recovered)) {
    for lead in 0..8 {
        for behind in [0, LAST - HOLDER, 200] {
            let (volume, path, word_at) = log(lead, behind);
            let truth = open(&volume.copied(), OnDamage::Refuse).unwrap().1;
            for (at, content) in damages(&volume.files()[&path], word_at).iter().enumerate() {
                let rotten = volume.copied();
                rotten.put(&path, content);
                visit(&format!("lead {lead}, {behind} behind, damage {at}"), rotten, &truth);
            }
        }
    }
}

fn check_entries(now: &Recovered, truth: &Recovered, what: &str) {
    for entry in now.entries.iter() {
        assert!(truth.entries.iter().any(|other| other == entry), "{what}: {entry:?}");
    }
    assert!(now.hard_state.commit <= truth.hard_state.commit, "{what}: {:?}", now.hard_state);
}

#[test]
fn a_repair_takes_nothing_out_of_a_payload() {
    each(|what, rotten, truth| {
        let found = look(&rotten);
        assert!(
            found.hard_state.term <= TERM && found.hard_state.vote != 3,
            "{what}: {:?}",
            found.hard_state
        );
        repair(&rotten).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(look(&rotten).faults, [], "{what}");
        let (_, now) = open(&rotten, OnDamage::Repair).unwrap_or_else(|error| panic!("{what}: {error}"));
        check_entries(&now, truth, what);
        assert_eq!((now.hard_state.term, now.hard_state.vote), (TERM, 1), "{what}");
        let last = now.snapshot.index + now.entries.len() as u64;
        let true_last = truth.snapshot.index + truth.entries.len() as u64;
        assert!(
            last == true_last || now.lost.is_some_and(|loss| loss.last >= true_last),
            "{what}: {:?}",
            now.lost
        );
    });
}

#[test]
fn a_node_without_a_second_copy_of_its_vote_has_terms_left() {
    each(|what, rotten, truth| {
        rotten.remove("/node/vote".as_ref()).unwrap();
        repair(&rotten).unwrap_or_else(|error| panic!("{what}: {error}"));
        let (_, now) = open(&rotten, OnDamage::Repair).unwrap_or_else(|error| panic!("{what}: {error}"));
        check_entries(&now, truth, what);
        let HardState { term, vote, .. } = now.hard_state;
        assert!((TERM..1 << 40).contains(&term) && vote == 1, "{what}: {:?}", now.hard_state);
    });
}

#[test]
fn a_store_takes_nothing_out_of_a_payload() {
    each(|what, rotten, truth| {
        let (_, now) = open(&rotten, OnDamage::Recover).unwrap_or_else(|error| panic!("{what}: {error}"));
        check_entries(&now, truth, what);
        assert_eq!((now.hard_state.term, now.hard_state.vote), (TERM, 1), "{what}");
        assert!(now.lost.is_some_and(|loss| loss.term == TERM), "{what}: {:?}", now.lost);
    });
}

#[test]
fn a_write_that_was_cut_short_proves_nothing_with_what_its_payload_says() {
    for lead in 0..8 {
        let (volume, path, _) = log(lead, 0);
        let (mut store, _) = open(&volume, OnDamage::Refuse).unwrap();
        let value = [&[7; 1024][..], &b"leading"[..lead], &piece()].concat();
        store.append(None, &entry(HOLDER + 1, &value).into(), false).unwrap();
        let before = volume.files()[&path].len();
        let crashed = volume.copied();
        drop(store);
        let mut content = crashed.files()[&path].clone();
        assert!(
            content.len() == before
                && crashed.files().keys().filter(|path| path.starts_with("/node/wal")).count() == 1
        );
        // One of the sectors that the payload begins in did not get to the disk.
        let hole = (content.len() - value.len()).next_multiple_of(512);
        content[hole..hole + 512].fill(0);
        crashed.put(&path, &content);
        let (_, now) =
            open(&crashed, OnDamage::Refuse).unwrap_or_else(|error| panic!("lead {lead}: {error}"));
        assert_eq!((now.entries.last().unwrap().index, now.lost), (HOLDER, None), "lead {lead}");
    }
}
