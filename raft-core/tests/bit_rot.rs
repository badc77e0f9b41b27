//! Every byte of a node's directory flipped once, every file cut to every length, every sector zeroed, doubled and
//! exchanged: never is wrong data believed, and never is anything acknowledged gone without a word.
//!
//! What a node has acknowledged is here what it was asked to make durable. Each image is opened as an engine would. It
//! either holds all of it; or was mended, where what is missing is no more than what was being written when the machine
//! stopped; or says that it lost something, and is refilled by a group whose other two nodes are whole, without having
//! voted meanwhile; or is refused with the name of a file.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "support/memory_volume.rs"]
#[allow(dead_code)]
mod memory_volume;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memory_volume::{Chance, MemoryVolume};
use raft_core::consensus::config::Config;
use raft_core::consensus::log::memory_storage::MemoryStorage;
use raft_core::consensus::log::storage::Storage as _;
use raft_core::consensus::lost::Lost;
use raft_core::consensus::raw_node::RawNode;
use raft_core::consensus::status::RoleKind;
use raft_core::disk::damage::OnDamage;
use raft_core::disk::recovered::{Identity, Recovered};
use raft_core::disk::store::{Store, StoreOptions};
use raft_core::error::{Error, Result};
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::entry::{Entries, Entry};
use raft_core::raftpb::message::{HardState, Message, MessageType, SnapshotMetadata};

const DIR: &str = "/node";
const VOTERS: [u64; 3] = [1, 2, 3];
const SECTOR: usize = 512;
/// Where the log ends, and the terms of its parts.
const LAST: u64 = 30;
const TERM: u64 = 4;

fn options() -> StoreOptions {
    let options = StoreOptions::new(Identity { cluster_id: 7, node_id: 2 });
    let on_damage = OnDamage::Recover;
    StoreOptions {
        segment_bytes: 4096,
        zeroed_bytes: 0,
        snapshots_kept: 2,
        store_id: 42,
        on_damage,
        ..options
    }
}

fn open(volume: &MemoryVolume) -> Result<(Store, Recovered)> {
    Store::open(Arc::new(volume.clone()), DIR.as_ref(), options())
}

/// The term of each entry in the end.
fn term_of(index: u64) -> u64 {
    match index {
        0..=1 => 1,
        2..=11 => 2,
        12..=19 => 3,
        _ => TERM,
    }
}

fn entry(term: u64, index: u64) -> Entry {
    let data = vec![index as u8 | 0x80; 30 + (index * 7 + term) as usize * 31 % 500];
    Entry { term, index, data: data.into(), ..Entry::default() }
}

fn entries(indices: std::ops::RangeInclusive<u64>, term: u64) -> Entries {
    indices.map(|index| entry(term, index)).collect()
}

fn metadata(index: u64) -> SnapshotMetadata {
    SnapshotMetadata { conf_state: ConfState::of_voters(VOTERS), index, term: term_of(index) }
}

/// A history with cuts, overwritten tails and snapshots: the directory as it was left when the process was killed behind
/// the last write, and as it was closed.
fn images() -> [MemoryVolume; 2] {
    let volume = MemoryVolume::default();
    let (mut store, _) = open(&volume).unwrap();
    store.bootstrap(&ConfState::of_voters(VOTERS)).unwrap();
    let append = |store: &mut Store, indices: std::ops::RangeInclusive<u64>, term, vote, commit| {
        let state = HardState { term, vote, commit };
        store.append(Some(&state), &entries(indices, term), true).unwrap();
    };
    append(&mut store, 2..=6, 2, 1, 1);
    append(&mut store, 7..=14, 2, 1, 6);
    append(&mut store, 12..=17, 3, 0, 11);
    snapshot(&mut store, 10);
    append(&mut store, 18..=23, 3, 0, 17);
    append(&mut store, 20..=22, TERM, 3, 19);
    snapshot(&mut store, 18);
    store.release(18).unwrap();
    (23..=LAST).for_each(|index| append(&mut store, index..=index, TERM, 3, index - 1));
    let killed = volume.copied();
    drop(store);
    [killed, volume]
}

fn snapshot(store: &mut Store, index: u64) {
    let mut writer = store.snapshots().create(metadata(index)).unwrap();
    writer.write_all(format!("the state at {index}").as_bytes()).unwrap();
    writer.finish().unwrap();
    store.record_snapshot(&metadata(index)).unwrap();
}

#[derive(Debug, Default)]
struct Counts {
    same: usize,
    mended: usize,
    refilled: usize,
    refused: usize,
}

/// Opens a damaged image and judges what comes of it. Up to `least` nothing may be missing without a word.
fn check(volume: &MemoryVolume, least: u64, what: &str, counts: &mut Counts) {
    let (store, found) = match open(volume) {
        Ok(opened) => opened,
        Err(Error::Corrupt { path, .. }) => {
            assert!(path.starts_with(DIR), "{what}: {}", path.display());
            counts.refused += 1;
            return;
        }
        Err(error) => panic!("{what}: {error}"),
    };
    for found in found.entries.owned() {
        assert_eq!(found, entry(found.term, found.index), "{what}: wrong data is believed");
    }
    assert_eq!((found.hard_state.term, found.hard_state.vote), (TERM, 3), "{what}: a vote is forgotten");
    assert_eq!(found.store_id, 42, "{what}");
    drop(store);
    if found.lost.is_some() {
        refill(volume, &found, what);
        counts.refilled += 1;
        return;
    }
    let last = found.entries.last().map_or(found.snapshot.index, |entry| entry.index);
    assert!(found.entries.iter().all(|entry| entry.term == term_of(entry.index)), "{what}: {found:?}");
    if last == LAST {
        counts.same += 1;
    } else {
        assert!(last >= least, "{what}: {last} of {LAST} and no word of a loss");
        counts.mended += 1;
    }
}

/// Node 2 starts with what is left, beside two whole ones; it must be brought up to date without having voted.
fn refill(volume: &MemoryVolume, found: &Recovered, what: &str) {
    let loss = found.lost.unwrap();
    assert_eq!(loss.term, TERM, "{what}");
    assert!(loss.last >= LAST, "{what}: {loss:?} does not tell all that was acknowledged");
    let lost = Some(Lost { last: loss.last, term: loss.term });
    let config = Config { lost, applied: found.snapshot.index, ..Config::new(2) };
    let storage = MemoryStorage::recovered(found.hard_state, found.snapshot.clone(), found.entries.clone());
    let damaged = RawNode::new(config, storage).unwrap_or_else(|error| panic!("{what}: {error}"));
    let whole = |id| {
        let state = HardState { term: TERM, vote: 3, commit: LAST - 1 };
        let behind: Entries = (19..=LAST).map(|index| entry(term_of(index), index)).collect();
        let config = Config { applied: 18, ..Config::new(id) };
        let mut node = RawNode::new(config, MemoryStorage::recovered(state, metadata(18), behind)).unwrap();
        node.set_randomized_election_timeout(1000);
        node
    };
    let mut nodes = [whole(1), damaged, whole(3)];
    nodes[2].campaign().unwrap();
    let mut rounds = 0;
    while nodes[1].lost().is_some() || nodes[1].status().hard_state.commit < LAST {
        rounds += 1;
        assert!(rounds < 50, "{what}: not refilled: {:?}", nodes[1].status());
        for message in exchange(&mut nodes) {
            let is_vote = matches!(message.msg_type, MessageType::MsgVoteResp | MessageType::MsgPreVoteResp);
            assert!(!(is_vote && message.from == 2 && !message.reject), "{what}: it has voted");
        }
        nodes.iter_mut().for_each(|node| node.tick().unwrap());
    }
    assert_eq!(nodes[2].status().role, RoleKind::Leader, "{what}");
    let (mine, theirs) = (nodes[1].storage(), nodes[2].storage());
    for index in mine.first_index()..=mine.last_index() {
        assert_eq!(mine.entries(index, index + 1, 0), theirs.entries(index, index + 1, 0), "{what}: {index}");
    }
    // The disk forgets the loss, and only then opens without a word.
    let (mut store, _) = open(volume).unwrap();
    store.forget_loss().unwrap();
    drop(store);
    assert_eq!(open(volume).unwrap().1.lost, None, "{what}");
}

/// Everybody does what is to be done, and gets what was sent; returns it.
fn exchange(nodes: &mut [RawNode<MemoryStorage>; 3]) -> Vec<Message> {
    let mut all = Vec::new();
    loop {
        let mut mail = Vec::new();
        for node in nodes.iter_mut() {
            while node.has_ready() {
                let ready = node.ready().unwrap();
                mail.extend(ready.messages);
                mail.extend(node.advance(ready.append, ready.apply).unwrap());
            }
        }
        if mail.is_empty() {
            return all;
        }
        for message in &mail {
            let _ = nodes[message.to as usize - 1].step(message.clone());
        }
        all.extend(mail);
    }
}

fn damaged(volume: &MemoryVolume, path: &Path, content: &[u8]) -> MemoryVolume {
    let copy = volume.copied();
    copy.put(path, content);
    copy
}

/// The files that hold something, whatever they hold.
fn files(volume: &MemoryVolume) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = volume.files();
    files.retain(|_, content| !content.is_empty());
    let segments = files.keys().filter(|path| path.extension() == Some("wal".as_ref())).count();
    assert!(segments >= 3 && files.len() >= segments + 3, "{:?}", files.keys());
    files
}

/// Runs `damage` for every file of both images, and prints what came of it. What may be missing from the image of a
/// process that was killed lies behind `least`; from that of a closed store, nothing.
fn sweep(
    name: &str,
    least: u64,
    mut damage: impl FnMut(&MemoryVolume, &Path, &[u8], &mut dyn FnMut(MemoryVolume, String)),
) {
    let mut counts = Counts::default();
    for (image, least) in images().iter().zip([least, LAST]) {
        for (path, content) in files(image) {
            damage(image, &path, &content, &mut |rotten, what| {
                let what = format!("{}{what}", path.display());
                check(&rotten, least, &what, &mut counts);
            });
        }
    }
    println!("{name}: {counts:?}");
    assert!(counts.refilled > 0 && counts.same > 0, "{counts:?}");
}

#[test]
fn every_byte_flipped() {
    let mut chance = Chance(4);
    sweep("flips", LAST, |image, path, content, check| {
        for at in 0..content.len() {
            let bit = chance.below(8);
            let mut rotten = content.to_vec();
            rotten[at] ^= 1 << bit;
            check(damaged(image, path, &rotten), format!(", bit {bit} of byte {at}"));
        }
    });
}

#[test]
fn every_length() {
    // Nothing in a file that ends between two records tells that there were more, but for what was noted when the
    // segment was begun.
    sweep("lengths", 22, |image, path, content, check| {
        for len in 0..content.len() {
            check(damaged(image, path, &content[..len]), format!(", cut to {len} of {}", content.len()));
        }
    });
}

#[test]
fn every_sector_zeroed_doubled_and_exchanged() {
    // The last write of a process that was killed: a crash could have left it so.
    sweep("sectors", LAST - 1, |image, path, content, check| {
        let sectors: Vec<&[u8]> = content.chunks(SECTOR).collect();
        for at in 0..sectors.len() {
            let zeros = vec![0; sectors[at].len()];
            let mut changes = vec![(at, &zeros[..], "zeroed")];
            let next = sectors.get(at + 1).filter(|next| next.len() == SECTOR);
            changes.extend(next.map(|_| (at + 1, sectors[at], "doubled")));
            for (place, bytes, how) in changes {
                let mut rotten = content.to_vec();
                rotten[place * SECTOR..][..bytes.len()].copy_from_slice(bytes);
                check(damaged(image, path, &rotten), format!(", sector {at} {how}"));
            }
            if let Some(next) = next {
                let mut rotten = content.to_vec();
                rotten[at * SECTOR..][..SECTOR].copy_from_slice(next);
                rotten[(at + 1) * SECTOR..][..SECTOR].copy_from_slice(sectors[at]);
                check(damaged(image, path, &rotten), format!(", sector {at} exchanged with the next"));
            }
        }
    });
}

#[test]
fn every_file_gone() {
    use raft_core::disk::volume::Volume as _;
    sweep("files", LAST, |image, path, _, check| {
        let copy = image.copied();
        copy.remove(path).unwrap();
        check(copy, " gone".to_owned());
    });
}
