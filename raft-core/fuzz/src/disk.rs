//! The disk wing, opened on a volume that holds anything.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use raft_core::disk::damage::OnDamage;
use raft_core::disk::recovered::{Identity, Recovered};
use raft_core::disk::store::{Store, StoreOptions};
use raft_core::error::{Error, Result};
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::entry::{Entry, EntryType};
use raft_core::raftpb::message::{HardState, SnapshotMetadata};

use super::memory_volume::{Chance, MemoryVolume};
use super::segments::{Segments, path};
use super::source::Source;

pub(crate) const DIR: &str = "/node";
const IDENTITY: Identity = Identity { cluster_id: 7, node_id: 1 };

pub(crate) fn open(volume: &MemoryVolume) -> Result<(Store, Recovered)> {
    open_in_spite(volume, OnDamage::Refuse)
}

fn open_in_spite(volume: &MemoryVolume, on_damage: OnDamage) -> Result<(Store, Recovered)> {
    let options =
        StoreOptions { segment_bytes: 4096, zeroed_bytes: 0, on_damage, ..StoreOptions::new(IDENTITY) };
    Store::open(Arc::new(volume.clone()), Path::new(DIR), options)
}

/// A log, as it is opened.
pub fn wal(data: &[u8]) -> bool {
    opens_alike(&log(data), u64::from(data.first().copied().unwrap_or(0)))
}

/// A log. The first byte chooses: the rest is the only segment as it is, or records to be framed, and then damaged.
pub(crate) fn log(data: &[u8]) -> MemoryVolume {
    let mut source = Source::new(data);
    let head = source.byte();
    let volume = fresh().copied();
    if head & 1 == 0 {
        volume.put(&path(DIR, 0, 0), source.rest());
    } else {
        let damage = source.number_near(&[]) as usize;
        let (sequence, index) = (source.number_near(&[]), source.number_near(&[]));
        let mut segments = Segments::new(IDENTITY, sequence, index);
        while !source.is_empty() {
            record(&mut segments, &volume, &mut source);
        }
        damage_segment(segments.last(), head >> 1 & 3, damage);
        for (sequence, index, content) in segments.finish() {
            volume.put(&path(DIR, sequence, index), &content);
        }
    }
    volume
}

/// Writes what one byte and those behind it say.
fn record(segments: &mut Segments, volume: &MemoryVolume, source: &mut Source) {
    let number = |source: &mut Source| source.number_near(&[]);
    match source.byte() % 9 {
        0..3 => {
            let (term, index, head) = (number(source), number(source), source.byte());
            let entry_type = EntryType::try_from(u64::from(head) % 3).unwrap_or_default();
            let data = vec![head; usize::from(head) * 4];
            segments.entry(&Entry { entry_type, term, index, data: data.into() });
        }
        3 => {
            let (term, vote, commit) = (number(source), number(source), number(source));
            segments.state(&HardState { term, vote, commit });
        }
        4 => segments.snapshot(number(source), number(source)),
        5 => segments.cut(number(source)),
        6 => segments.raw(source.string()),
        7 => {
            let (term, index) = (number(source), number(source));
            volume.put(&snapshot_path(term, index), &snapshot(term, index));
        }
        _ => {
            let record_type = source.byte();
            segments.record(record_type, source.string());
        }
    }
}

/// What a crash may do to the last segment: cut it short, lose a sector of it, leave zeros behind it.
fn damage_segment(content: &mut Vec<u8>, kind: u8, at: usize) {
    match kind {
        1 => content.truncate(content.len().saturating_sub(at)),
        2 => {
            let sectors = content.len() / 512 + 1;
            content.chunks_mut(512).nth(at % sectors).into_iter().for_each(|sector| sector.fill(0));
        }
        3 => content.resize(content.len() + at.min(4096), 0),
        _ => {}
    }
}

/// A snapshot file. The first byte chooses: the rest is the file as it is, or what lies under a checksum that fits.
pub fn snap(data: &[u8]) -> bool {
    let mut source = Source::new(data);
    let is_framed = source.byte() & 1 == 1;
    let file = if is_framed { snapshot_file(source.rest()) } else { source.rest().to_vec() };
    // The log of a bootstrapped store needs this file, and can do without the others.
    let volume = bootstrapped().copied();
    volume.put(&snapshot_path(1, 1), &file);
    if let Ok((store, _)) = open(&volume) {
        let mut reader = store.snapshots().open(1, 1).unwrap();
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, reader.len());
        reader.seek_to(reader.len() / 2);
        let mut half = Vec::new();
        reader.read_to_end(&mut half).unwrap();
        assert_eq!(half, bytes[bytes.len() / 2..]);
    }
    opens_alike(&volume, data.len() as u64)
}

/// Opens a directory: an error leaves it as it was, and what is opened is the same the next time, and once more after
/// the power was cut, and goes on.
fn opens_alike(volume: &MemoryVolume, seed: u64) -> bool {
    let before = without_lock(volume);
    let (store, mut recovered) = match open(volume) {
        Ok(opened) => opened,
        Err(Error::Corrupt { .. } | Error::Foreign(_)) => {
            assert!(without_lock(volume) == before, "a directory that was refused has changed");
            recovers_alike(volume, seed);
            return false;
        }
        Err(other) => panic!("{other}"),
    };
    drop(store);
    let has_uncommitted = recovered.notes.iter().any(|note| note.contains("never committed"));
    for time in ["second", "third"] {
        let mended = without_lock(volume);
        let (store, mut again) = open(volume).unwrap();
        recovered.notes.clear();
        again.notes.clear();
        assert_eq!(again, recovered, "the {time} time");
        assert!(recovered.fresh || without_lock(volume) == mended, "mended once more the {time} time");
        drop(store);
        volume.cut_power(&mut Chance(seed));
    }
    // What may follow a snapshot that was given up is a matter of consensus.
    if !has_uncommitted {
        go_on(volume, &recovered);
    }
    !recovered.fresh
}

/// Opens a damaged directory in spite of that, if that is possible: what is left is the same the next time, and once
/// more after the power was cut.
fn recovers_alike(volume: &MemoryVolume, seed: u64) {
    let on_damage = if seed & 2 == 0 { OnDamage::Recover } else { OnDamage::Repair };
    let Ok((store, recovered)) = open_in_spite(volume, on_damage) else { return };
    drop(store);
    for time in ["second", "third"] {
        let (store, again) = open_in_spite(volume, on_damage).unwrap();
        let known = |of: &Recovered| (of.hard_state, of.snapshot.clone(), of.entries.clone(), of.lost);
        assert_eq!(known(&again), known(&recovered), "the {time} time");
        assert!(
            again.damages.is_empty(),
            "damaged still the {time} time: {:?} {:?}",
            again.damages,
            recovered
        );
        drop(store);
        volume.cut_power(&mut Chance(seed));
    }
}

/// All files but those that every open writes.
fn without_lock(volume: &MemoryVolume) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = volume.files();
    files.retain(|path, _| !path.ends_with("LOCK") && !path.ends_with("vote"));
    files
}

/// Appends to what there is, and finds it behind it. It is not committed: the records may tell of a snapshot that was
/// received, and what a commit of another entry in its place would be is a contradiction.
fn go_on(volume: &MemoryVolume, recovered: &Recovered) {
    let last = recovered.entries.last().map_or(recovered.snapshot.index, |entry| entry.index);
    let (Some(index), Some(term)) = (last.checked_add(1), recovered.hard_state.term.checked_add(1)) else {
        return;
    };
    let last_term = recovered.entries.last().map_or(recovered.snapshot.term, |entry| entry.term);
    let entry =
        Entry { term: term.max(last_term), index, data: Bytes::from_static(b"more"), ..Entry::default() };
    let state = HardState { term: entry.term, vote: 1, commit: recovered.hard_state.commit };
    let (mut store, _) = open(volume).unwrap();
    store.append(Some(&state), &entry.clone().into(), true).unwrap();
    drop(store);
    volume.cut_power(&mut Chance(index));
    let (_, after) = open(volume).unwrap();
    assert_eq!(after.hard_state, state);
    assert_eq!(after.snapshot, recovered.snapshot);
    assert!(after.entries.iter().eq(recovered.entries.iter().chain([entry.view()])));
}

fn snapshot_path(term: u64, index: u64) -> PathBuf {
    format!("{DIR}/snap/{term:016x}-{index:016x}.snap").into()
}

/// A snapshot as it should be.
fn snapshot(term: u64, index: u64) -> Vec<u8> {
    let metadata = SnapshotMetadata { conf_state: ConfState::of_voters([1]), index, term };
    let mut body = vec![0x0a, 5];
    body.extend_from_slice(b"state");
    body.push(0x12);
    prost::Message::encode_length_delimited(&metadata, &mut body).unwrap();
    snapshot_file(&body)
}

/// `body` behind its checksum and its length.
fn snapshot_file(body: &[u8]) -> Vec<u8> {
    let mut file = vec![0x08];
    prost::encoding::encode_varint(crc_fast::crc32_iscsi(body).into(), &mut file);
    file.push(0x12);
    prost::encoding::encode_varint(body.len() as u64, &mut file);
    file.extend_from_slice(body);
    file
}

/// A volume with the directories of a store and nothing in them.
fn fresh() -> &'static MemoryVolume {
    static FRESH: OnceLock<MemoryVolume> = OnceLock::new();
    FRESH.get_or_init(|| {
        use raft_core::disk::volume::Volume as _;
        let volume = MemoryVolume::default();
        for dir in ["wal", "snap"] {
            volume.create_dir_all(&Path::new(DIR).join(dir)).unwrap();
        }
        volume
    })
}

/// A volume with a store that was bootstrapped and has two entries more.
fn bootstrapped() -> &'static MemoryVolume {
    static BOOTSTRAPPED: OnceLock<MemoryVolume> = OnceLock::new();
    BOOTSTRAPPED.get_or_init(|| {
        let volume = MemoryVolume::default();
        let (mut store, _) = open(&volume).unwrap();
        store.bootstrap(&ConfState::of_voters([1])).unwrap();
        let entries = (2..4).map(|index| Entry { term: 1, index, ..Entry::default() }).collect();
        store.append(Some(&HardState { term: 1, vote: 1, commit: 2 }), &entries, true).unwrap();
        drop(store);
        volume
    })
}
