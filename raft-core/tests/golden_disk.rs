//! Files that etcd 3.6.5 wrote, read and written again byte for byte.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use raft_core::disk::os::OsVolume;
use raft_core::disk::recovered::{Identity, Recovered};
use raft_core::disk::store::{Store, StoreOptions};
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::entry::{Entries, Entry, EntryType};
use raft_core::raftpb::message::{HardState, SnapshotMetadata};

/// Node 1 of cluster 7. A HardState with entries 1 and 2 ("hello"), a commit, a snapshot at 2, term 2 with entry 3.
const SEGMENT: &str = "
    0400000000000084 0804100000000000
    0e00000000000082 080110b5deb4830f 1a04080110070000
    0d00000000000083 08051085edac3f1a 0408001000000000
    1000000000000000 080210ddc99a810a 1a06080010011801
    1700000000000081 080210e6d0f29006 1a0d080010011802 220568656c6c6f00
    1000000000000000 080310e3c385f30b 1a06080110011800
    1000000000000000 080310d0e6e4ad0e 1a06080110011802
    1400000000000084 080510d0f0888d07 1a0a080210011a04 0801280000000000
    0f00000000000081 080210fc8f85321a 0608021002180300
    1000000000000000 0803108994f0d60b 1a06080210031802";
const SEGMENT_NAME: &str = "wal/0000000000000000-0000000000000000.wal";

/// Term 3, index 50, voters 1, 2 and 3, \"the state at 50\".
const SNAPSHOT: &str = "
    08f6da9394051221 0a0f746865207374 617465206174203530 120e0a0808010802 080328001032 1803";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn open(dir: &Path) -> (Store, Recovered) {
    let options =
        StoreOptions { zeroed_bytes: 0, ..StoreOptions::new(Identity { cluster_id: 7, node_id: 1 }) };
    Store::open(Arc::new(OsVolume), dir, options).unwrap()
}

fn first_entries() -> Entries {
    let hello = Entry { term: 1, index: 2, data: Bytes::from_static(b"hello"), ..Entry::default() };
    Entries::from(vec![Entry { term: 1, index: 1, ..Entry::default() }, hello])
}

fn third_entry() -> Entries {
    Entry { term: 2, index: 3, entry_type: EntryType::ConfChangeV2, ..Entry::default() }.into()
}

fn snapshot_at_2() -> SnapshotMetadata {
    SnapshotMetadata { conf_state: ConfState::of_voters([1]), index: 2, term: 1 }
}

#[test]
fn the_same_history_gives_the_same_segment() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, recovered) = open(dir.path());
    assert!(recovered.fresh);
    store.append(Some(&HardState { term: 1, vote: 1, commit: 0 }), &first_entries(), true).unwrap();
    store.append(Some(&HardState { term: 1, vote: 1, commit: 2 }), &Entries::new(), false).unwrap();
    store.record_snapshot(&snapshot_at_2()).unwrap();
    store.append(Some(&HardState { term: 2, vote: 3, commit: 2 }), &third_entry(), true).unwrap();
    assert_eq!(fs::read(dir.path().join(SEGMENT_NAME)).unwrap(), bytes(SEGMENT));
}

#[test]
fn an_etcd_segment_is_read_with_the_zeros_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("wal")).unwrap();
    let mut segment = bytes(SEGMENT);
    segment.resize(100_000, 0);
    fs::write(dir.path().join(SEGMENT_NAME), &segment).unwrap();
    let (store, recovered) = open(dir.path());
    // The snapshot's file is missing, but the log reaches back to the beginning.
    assert_eq!(recovered.notes, ["the snapshot of term 1 and index 2 is missing"]);
    assert_eq!(recovered.hard_state, HardState { term: 2, vote: 3, commit: 2 });
    assert!(recovered.entries.iter().eq(first_entries().iter().chain(third_entry().iter())));
    assert_eq!(recovered.snapshot, SnapshotMetadata::default());
    drop(store);
    assert_eq!(fs::read(dir.path().join(SEGMENT_NAME)).unwrap(), segment);
}

#[test]
fn an_etcd_snapshot_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let path = dir.path().join("snap/0000000000000003-0000000000000032.snap");
    fs::write(&path, bytes(SNAPSHOT)).unwrap();
    let mut reader = store.snapshots().open(3, 50).unwrap();
    let metadata = SnapshotMetadata { conf_state: ConfState::of_voters([1, 2, 3]), index: 50, term: 3 };
    assert_eq!((reader.metadata(), reader.len()), (&metadata, 15));
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "the state at 50");
}

/// snappb.Snapshot and the raftpb.Snapshot in it, read by a plain protobuf decoder.
#[derive(::prost::Message)]
struct Outer {
    #[prost(uint32, optional, tag = "1")]
    crc: Option<u32>,
    #[prost(message, optional, tag = "2")]
    snapshot: Option<raft_core::raftpb::message::Snapshot>,
}

#[test]
fn a_streamed_snapshot_is_what_any_decoder_expects() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    for len in [0, 15, 300_000] {
        let metadata = SnapshotMetadata { index: 50 + len, ..snapshot_at_2() };
        let data = vec![b'd'; len as usize];
        let mut writer = store.snapshots().create(metadata.clone()).unwrap();
        writer.write_all(&data).unwrap();
        assert_eq!(writer.finish().unwrap().data_len, len);
        let name = format!("snap/0000000000000001-{:016x}.snap", 50 + len);
        let file = Bytes::from(fs::read(dir.path().join(name)).unwrap());
        let outer = <Outer as prost::Message>::decode(file.clone()).unwrap();
        let snapshot = outer.snapshot.unwrap();
        assert_eq!((snapshot.metadata, snapshot.data), (metadata, Bytes::from(data)));
        // 08 and five bytes of crc, 12 and nine bytes of length.
        assert_eq!(outer.crc, Some(crc_fast::crc32_iscsi(&file[16..])));
    }
}

#[test]
fn the_file_of_the_members_disks_is_as_it_is_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    store.keep_known_stores(&[(1, 77), (2, 3)]).unwrap();
    let drawn =
        "72667473746f7231 0100000000000000 4d00000000000000 0200000000000000 0300000000000000 07b0b0ef";
    assert_eq!(fs::read(dir.path().join("stores")).unwrap(), bytes(drawn));
}
