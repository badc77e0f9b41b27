//! The seeds that can be made: small inputs that lead a target to where things happen.

use std::path::Path;
use std::sync::Arc;

use prost::Message as _;
use raft_core::disk::command_log::{Command, CommandLogWriter};
use raft_core::disk::recovered::Identity;
use raft_core::disk::store::{Store, StoreOptions};
use raft_core::raftpb::conf_change::{ConfChange, ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState};
use raft_core::raftpb::entry::{Entries, Entry};
use raft_core::raftpb::message::{HardState, SnapshotMetadata};

use crate::fuzz::memory_volume::MemoryVolume;

type Seeds = Vec<(String, Vec<u8>)>;

/// The seeds of a target, each with the name of its file.
pub(crate) fn of(target: &str) -> Seeds {
    match target {
        "message" => golden(|kind| kind.starts_with("Msg")),
        "entry" => golden(|kind| kind == "Entry"),
        "conf_change" => named(changes()),
        "step" => named(steps()),
        "wal" => named(logs()),
        "snap" => named(snapshots()),
        "repair" => named(rotten_logs()),
        "command_log" => named(command_logs()),
        other => panic!("no target {other}"),
    }
}

fn named(seeds: Vec<(&str, Vec<u8>)>) -> Seeds {
    seeds.into_iter().map(|(name, input)| (name.to_owned(), input)).collect()
}

/// Of etcd's golden vectors one of each kind and length.
fn golden(is_wanted: impl Fn(&str) -> bool) -> Seeds {
    let mut seeds: Seeds = Vec::new();
    for line in include_str!("../golden/raftpb.txt").lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        let kind = words.next().unwrap();
        for bytes in words.filter(|bytes| is_wanted(kind) && *bytes != "-").map(unhex) {
            let name = format!("{kind}-{}", bytes.len());
            if !seeds.iter().any(|(known, _)| *known == name) {
                seeds.push((name, bytes));
            }
        }
    }
    seeds
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn changes() -> Vec<(&'static str, Vec<u8>)> {
    use ConfChangeType::{AddLearnerNode, AddNode, RemoveNode};
    let change = |transition: i32, steps: &[(ConfChangeType, u64)]| {
        let steps = steps.iter().map(|(kind, id)| ConfChangeSingle::new(*kind, *id)).collect();
        let bytes = ConfChangeV2 { transition, ..ConfChangeV2::new(steps) }.encode_to_vec();
        [&[bytes.len() as u8], &bytes[..]].concat()
    };
    let old = |kind: ConfChangeType, node_id| {
        let change =
            ConfChange { change_type: kind as i32, node_id, ..ConfChange::default() }.encode_to_vec();
        [&[0x80 | change.len() as u8], &change[..]].concat()
    };
    let one_by_one = [old(AddNode, 4), change(0, &[(RemoveNode, 1)]), change(0, &[(AddLearnerNode, 5)])];
    let joint = [change(0, &[(AddNode, 4), (RemoveNode, 1), (AddLearnerNode, 2)]), change(0, &[])];
    let explicit = [change(2, &[(AddLearnerNode, 3)]), change(0, &[(AddNode, 4)]), change(0, &[])];
    vec![("one-by-one", one_by_one.concat()), ("joint", joint.concat()), ("explicit", explicit.concat())]
}

fn steps() -> Vec<(&'static str, Vec<u8>)> {
    // Settings of a group of three.
    let plain: &[u8] = &[0b1000_1000, 0x02];
    let careful: &[u8] = &[0b0000_1111, 0x06];
    // Acts. A message is 0, its kind, which numbers follow, its sender, these numbers.
    let (campaign, propose, read, work): (&[u8], &[u8], &[u8], &[u8]) = (&[7], &[8], &[10], &[19]);
    let vote: &[u8] = &[0, 6, 0, 2];
    let pre_vote: &[u8] = &[0, 18, 0b1, 2, 0x89];
    let acknowledge: &[u8] = &[0, 4, 0, 2];
    let beat: &[u8] = &[0, 9, 0, 2];
    let lead = [campaign, work, vote, work, acknowledge, work].concat();
    // Adds voter 4; takes the changes back one at a time.
    let add: &[u8] = &[9, 0b100, 4 << 2];
    let (take, hand): (&[u8], &[u8]) = (&[17], &[18]);
    let leader = [plain, &lead, propose, acknowledge, work, add, work, acknowledge, work, read, beat, work];
    let queued =
        [plain, &lead, propose, take, propose, take, hand, hand, acknowledge, take, hand, hand, work];
    let transfer: &[u8] = &[11, 2];
    let wait: &[u8] = &[6, 24];
    let handing_over = [plain, &lead, transfer, work, acknowledge, work, wait, work];
    let asking = [careful, wait, work, pre_vote, work, vote, work, acknowledge, work, read, work];
    // Two entries from a leader of this term, their commit, and a conflicting one of the next term.
    let append: &[u8] = &[0, 3, 0b1000_0000, 2, 2, 4, 1, b'x', 4, 0];
    let commit: &[u8] = &[0, 8, 0b1000, 2, 2];
    let conflict: &[u8] = &[0, 3, 0b1000_0111, 3, 2, 1, 2, 1, 4, 1, b'y'];
    let follower = [plain, append, work, commit, work, conflict, work, &[16], &[12], work];
    // A snapshot at index 5 of term 1, of voters 1, 2 and 3.
    let restored = [plain, &[0, 7, 0b110, 2, 1, 5, 0b111], work, append, work];
    vec![
        ("leader", leader.concat()),
        ("queued", queued.concat()),
        ("handing-over", handing_over.concat()),
        ("asking", asking.concat()),
        ("follower", follower.concat()),
        ("restored", restored.concat()),
    ]
}

/// What a store of its own leaves on a volume after a bootstrap, an append, a snapshot and another append.
fn written() -> MemoryVolume {
    let volume = MemoryVolume::default();
    let identity = Identity { cluster_id: 7, node_id: 1 };
    let options = StoreOptions { segment_bytes: 4096, zeroed_bytes: 0, ..StoreOptions::new(identity) };
    let (mut store, _) = Store::open(Arc::new(volume.clone()), Path::new("/node"), options).unwrap();
    let conf_state = ConfState { learners: vec![4], ..ConfState::of_voters([1, 2, 3]) };
    let entries = |indices: std::ops::Range<u64>| -> Entries {
        indices.map(|index| Entry { term: 1, index, data: "hello".into(), ..Entry::default() }).collect()
    };
    store.append(Some(&HardState { term: 1, vote: 1, commit: 2 }), &entries(1..4), true).unwrap();
    let metadata = SnapshotMetadata { conf_state, index: 2, term: 1 };
    let mut writer = store.snapshots().create(metadata.clone()).unwrap();
    std::io::Write::write_all(&mut writer, b"the state at 2").unwrap();
    writer.finish().unwrap();
    store.record_snapshot(&metadata).unwrap();
    store.append(Some(&HardState { term: 2, vote: 3, commit: 4 }), &entries(4..6), true).unwrap();
    volume
}

fn file(volume: &MemoryVolume, ending: &str) -> Vec<u8> {
    let files = volume.files();
    files.into_iter().find(|(path, _)| path.to_string_lossy().ends_with(ending)).unwrap().1
}

fn logs() -> Vec<(&'static str, Vec<u8>)> {
    let whole = [&[0][..], &file(&written(), ".wal")].concat();
    let torn = whole[..whole.len() - 8].to_vec();
    let zeros = [&whole[..], &[0; 64]].concat();
    // Choice, damage, sequence and index of the first segment; then an act each, as in `record`.
    let head = |kind: u8, damage: u8| [1 | kind << 1, damage, 0, 0];
    let first: &[u8] = &[0, 1, 1, 0, 0, 1, 2, 6, 3, 1, 1, 2];
    let snapshot: &[u8] = &[7, 1, 2, 4, 1, 2];
    let cut: &[u8] = &[5, 3, 3, 1, 1, 2, 0, 1, 3, 9, 3, 1, 1, 3];
    let overwrite: &[u8] = &[0, 2, 3, 0, 0, 2, 4, 200];
    let received: &[u8] = &[7, 3, 9, 4, 3, 9, 3, 3, 0, 9, 0, 3, 10, 0];
    let records = [&head(0, 0), first, snapshot, overwrite, cut];
    let later: &[u8] = &[1, 0, 2, 3, 7, 1, 2, 4, 1, 2, 3, 1, 1, 2, 0, 1, 3, 0];
    vec![
        ("whole", whole),
        ("torn", torn),
        ("zeros", zeros),
        ("records", records.concat()),
        ("cut", [&head(0, 0), first, snapshot, cut].concat()),
        ("short", [&head(1, 9), first, overwrite].concat()),
        ("sector", [&head(2, 1), first, overwrite].concat()),
        ("received", [&head(3, 15), first, received].concat()),
        ("later", later.to_vec()),
    ]
}

/// Logs with something wrong in the middle of them.
fn rotten_logs() -> Vec<(&'static str, Vec<u8>)> {
    let mut flipped = [&[0][..], &file(&written(), ".wal")].concat();
    flipped[1 + 140] ^= 1;
    let torn = logs().into_iter().find(|(name, _)| *name == "torn").unwrap().1;
    // Entries 1 to 4, a lost one, and from 6 on with a snapshot of 7; the commit says 9.
    let entry = |index: u8| [0, 1, index, 4];
    let gap = [&[1, 0, 0, 0][..], &entry(1), &entry(2), &entry(3), &entry(4), &entry(6), &entry(7)].concat();
    let bridged = [&gap[..], &[7, 1, 7, 3, 1, 1, 7, 4, 1, 7], &entry(8), &entry(9), &[3, 1, 1, 9]].concat();
    vec![("flipped", flipped), ("torn", torn), ("gap", gap), ("bridged", bridged)]
}

fn command_logs() -> Vec<(&'static str, Vec<u8>)> {
    let mut writer = CommandLogWriter::new(Vec::new(), Path::new("log"));
    for (index, command) in [(1, "put k v"), (2, "delete k"), (3, "put k w")] {
        writer.append(&Command { term: 1 + index / 2, index, command: command.into() }).unwrap();
    }
    let stream = [&[0][..], &writer.into_inner()].concat();
    let torn = stream[..stream.len() - 3].to_vec();
    // Which byte is changed and how, then term, index and command of each.
    let rotten = vec![1, 0xf0, 0, 0, 0, 0, 0, 0, 0, 40, 3, 1, 1, 2, b'a', b'b', 1, 2, 1, b'c', 2, 3, 1, b'd'];
    vec![("stream", stream), ("torn", torn), ("rotten", rotten)]
}

fn snapshots() -> Vec<(&'static str, Vec<u8>)> {
    let metadata = SnapshotMetadata { conf_state: ConfState::of_voters([1, 2, 3]), index: 1, term: 1 };
    let body = |data: &[u8]| {
        let mut body = Vec::new();
        if !data.is_empty() {
            body.extend_from_slice(&[0x0a, data.len() as u8]);
            body.extend_from_slice(data);
        }
        body.push(0x12);
        metadata.encode_length_delimited(&mut body).unwrap();
        body
    };
    let volume = MemoryVolume::default();
    let identity = Identity { cluster_id: 7, node_id: 1 };
    let options = StoreOptions { zeroed_bytes: 0, ..StoreOptions::new(identity) };
    let (store, _) = Store::open(Arc::new(volume.clone()), Path::new("/node"), options).unwrap();
    let mut writer = store.snapshots().create(metadata.clone()).unwrap();
    std::io::Write::write_all(&mut writer, b"the state").unwrap();
    writer.finish().unwrap();
    vec![
        ("file", [&[0][..], &file(&volume, ".snap")].concat()),
        ("body", [&[1][..], &body(b"the state")].concat()),
        ("empty", [&[1][..], &body(b"")].concat()),
    ]
}
