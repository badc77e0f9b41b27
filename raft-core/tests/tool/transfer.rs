//! Logs of peterbourgon/raft, in and out.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use raft_core::disk::command_log::{Command, CommandLogWriter};
use raft_core::disk::os::OsVolume;
use raft_core::disk::recovered::{Identity, Recovered};
use raft_core::disk::store::{Store, StoreOptions};
use raft_core::raftpb::conf_change::ConfState;
use serde_json::json;

use crate::world::{Done, World, append, rft};

/// As the library encodes the membership {}.
const MEMBERSHIP: &[u8] =
    b"\x16\x7f\x04\x01\x01\x07peerMap\x01\xff\x80\x00\x01\x06\x01\x10\x00\x00\x04\xff\x80\x00\x00";

/// A log of these commands, of a new term every ten.
fn log(path: &str, commands: &[&[u8]]) {
    let mut writer = CommandLogWriter::new(Vec::new(), Path::new("log"));
    for (at, command) in commands.iter().enumerate() {
        let at = at as u64;
        let record = Command { term: 2 + at / 10, index: 1 + at, command: command.to_vec().into() };
        writer.append(&record).unwrap();
    }
    fs::write(path, writer.into_inner()).unwrap();
}

fn import(world: &World, more: &[&str]) -> Done {
    let file = world.path("log");
    let args = ["log", "import", &file, world.dir(), "--node", "3", "--cluster", "5", "--voters", "3,4"];
    rft(&[&args, more].concat())
}

fn open(world: &World) -> Recovered {
    let options =
        StoreOptions { zeroed_bytes: 0, ..StoreOptions::new(Identity { cluster_id: 5, node_id: 3 }) };
    Store::open(Arc::new(OsVolume), Path::new(world.dir()), options).unwrap().1
}

#[test]
fn a_log_is_taken_over_and_comes_back_the_same() {
    let world = World::new();
    let commands: Vec<Vec<u8>> = (0..2000u32).map(|n| vec![n as u8; 1 + n as usize * 7 % 5000]).collect();
    let slices: Vec<&[u8]> = commands.iter().map(Vec::as_slice).collect();
    log(&world.path("log"), &slices);
    let done = import(&world, &["--json"]);
    assert_eq!((done.code, &done.errors[..]), (0, ""));
    assert_eq!(done.objects(), [json!({ "entries": 2000, "memberships": 0, "first": 1, "last": 2000 })]);

    let recovered = open(&world);
    assert_eq!((recovered.snapshot.index, recovered.snapshot.term), (1, 1));
    assert_eq!(recovered.snapshot.conf_state, ConfState::of_voters([3, 4]));
    let state = recovered.hard_state;
    assert_eq!((state.term, state.vote, state.commit), (201, 0, 2001));
    assert!(recovered.store_id != 0);
    assert!(recovered.entries.iter().map(|entry| entry.data).eq(slices));
    assert!(
        recovered
            .entries
            .iter()
            .enumerate()
            .all(|(at, e)| (e.index, e.term) == (at as u64 + 2, at as u64 / 10 + 2))
    );

    let done = rft(&["log", "export", world.dir(), &world.path("again")]);
    assert_eq!(done.code, 0, "{}", done.errors);
    assert_eq!(fs::read(world.path("again")).unwrap(), fs::read(world.path("log")).unwrap());
    let done = rft(&["log", "export", world.dir(), &world.path("again")]);
    assert_eq!(done.code, 2, "a file that is there is not written over");
}

#[test]
fn only_what_is_said_to_be_committed_is() {
    let world = World::new();
    log(&world.path("log"), &[b"a", b"b", b"c"]);
    let done = import(&world, &["--commit", "4"]);
    assert_eq!(done.code, 2);
    assert!(done.errors.contains("the last index in the log is 3"), "{}", done.errors);
    assert!(!Path::new(world.dir()).exists());
    assert_eq!(import(&world, &["--commit", "2"]).code, 0);
    let recovered = open(&world);
    assert_eq!((recovered.hard_state.commit, recovered.entries.len()), (3, 3));
    rft(&["log", "export", world.dir(), &world.path("again")]);
    let length = fs::metadata(world.path("again")).unwrap().len();
    assert_eq!(length, 2 * 25, "the uncommitted one is left out");
}

#[test]
fn a_membership_is_refused_or_becomes_an_empty_entry() {
    let world = World::new();
    log(&world.path("log"), &[b"a", MEMBERSHIP, b"c"]);
    let done = import(&world, &[]);
    assert_eq!(done.code, 2);
    assert!(done.errors.contains("byte 25: index 2 holds a membership"), "{}", done.errors);
    assert!(!Path::new(world.dir()).exists() && !Path::new(&format!("{}.import", world.dir())).exists());
    let done = import(&world, &["--skip-memberships"]);
    assert_eq!(done.code, 0, "{}", done.errors);
    assert!(done.lines[0].ends_with("1 memberships are empty entries"), "{:?}", done.lines);
    let entries = open(&world).entries;
    assert!(entries.iter().map(|entry| entry.data).eq([&b"a"[..], b"", b"c"]));
    // The way back counts without it.
    let done = rft(&["log", "export", "--json", world.dir(), &world.path("again")]);
    assert_eq!(done.objects(), [json!({ "commands": 2, "left_out": 1 })]);
}

#[test]
fn a_torn_end_is_left_out_and_rot_is_refused() {
    let world = World::new();
    let path = world.path("log");
    log(&path, &[b"aaaa", b"bbbb", b"cccc"]);
    let good = fs::read(&path).unwrap();
    let mut rotten = good.clone();
    rotten[40] ^= 1;
    fs::write(&path, rotten).unwrap();
    let done = import(&world, &[]);
    assert_eq!(done.code, 1);
    assert!(done.errors.contains("is corrupt at byte 28: the checksum"), "{}", done.errors);
    assert!(!Path::new(world.dir()).exists());

    fs::write(&path, &good[..good.len() - 3]).unwrap();
    let done = import(&world, &["--json"]);
    assert_eq!(
        (done.code, &done.objects()[0]["offset"], &done.objects()[1]["entries"]),
        (0, &json!(56), &json!(2))
    );
    assert_eq!(open(&world).entries.len(), 2);
}

#[test]
fn nothing_is_imported_over_something() {
    let world = World::new();
    log(&world.path("log"), &[b"a"]);
    world.node(3);
    let done = import(&world, &[]);
    assert_eq!(done.code, 2);
    assert!(done.errors.contains("is there already"), "{}", done.errors);
    let missing = rft(&[
        "log",
        "import",
        "/nonexistent",
        &world.path("x"),
        "--node",
        "1",
        "--cluster",
        "1",
        "--voters",
        "1",
    ]);
    assert_eq!(missing.code, 2);
    assert!(missing.errors.contains("open of /nonexistent"), "{}", missing.errors);
}

#[test]
fn what_a_snapshot_covers_cannot_be_exported_unnoticed() {
    let world = World::new();
    world.node(30);
    world.snapshot(20);
    let out = world.path("out");
    let done = rft(&["log", "export", world.dir(), &out]);
    assert_eq!(done.code, 2);
    assert!(done.errors.contains("snapshot of index 20"), "{}", done.errors);
    assert!(!Path::new(&out).exists());
    let mut store = world.open();
    append(&mut store, 31, 31, b"the last");
    drop(store);
    let done = rft(&["log", "export", "--json", "--without-snapshot", world.dir(), &out]);
    assert_eq!(done.objects(), [json!({ "commands": 11, "left_out": 0 })]);
}

#[test]
fn an_export_removes_nothing_that_it_has_not_made() {
    let world = World::new();
    world.node(3);
    let (out, other) = (world.path("out"), world.path("out.export"));
    fs::write(&other, "somebody's").unwrap();
    let done = rft(&["log", "export", world.dir(), &out]);
    assert_eq!((done.code, Path::new(&out).exists()), (2, false));
    assert!(done.errors.contains("out.export"), "{}", done.errors);
    assert_eq!(fs::read(&other).unwrap(), b"somebody's");
}

#[test]
fn a_slash_behind_the_directory_changes_nothing() {
    let world = World::new();
    log(&world.path("log"), &[b"a"]);
    let (file, dir) = (world.path("log"), format!("{}/", world.dir()));
    for is_there in [false, true] {
        if is_there {
            fs::remove_dir_all(world.dir()).unwrap();
            fs::create_dir(world.dir()).unwrap();
        }
        let done = rft(&["log", "import", &file, &dir, "--node", "3", "--cluster", "5", "--voters", "3,4"]);
        assert_eq!((done.code, &done.errors[..]), (0, ""));
        assert_eq!(open(&world).entries.len(), 1);
    }
}

/// All files below the directory, with what is in them.
fn tree(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for file in fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
        } else {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn an_export_changes_nothing() {
    let world = World::new();
    world.node(30);
    // As etcd leaves it: with what it has begun, and snapshots that it has not recorded yet.
    let inside = |name: &str| Path::new(world.dir()).join(name);
    fs::remove_file(inside("vote")).unwrap();
    fs::remove_file(inside("LOCK")).unwrap();
    let first = inside("snap").join(format!("{:016x}-{:016x}.snap", 1, 1));
    fs::copy(&first, inside("snap").join(format!("{:016x}-{:016x}.snap", 2, 90))).unwrap();
    fs::write(inside("snap/db.tmp"), "begun").unwrap();
    fs::write(inside("wal/0.tmp"), "begun").unwrap();
    let last = world.segments().pop().unwrap();
    let mut content = fs::read(&last).unwrap();
    content.truncate(content.len() - 4);
    fs::write(&last, content).unwrap();
    let before = tree(Path::new(world.dir()));
    let done = rft(&["log", "export", "--json", world.dir(), &world.path("out")]);
    assert_eq!((done.code, &done.errors[..]), (0, ""));
    assert_eq!(done.objects(), [json!({ "commands": 27, "left_out": 0 })]);
    assert_eq!(tree(Path::new(world.dir())), before);
}

#[test]
fn a_node_that_is_no_voter_is_not_imported() {
    let world = World::new();
    log(&world.path("log"), &[b"a"]);
    let file = world.path("log");
    let args = ["log", "import", &file, world.dir(), "--node", "5", "--cluster", "5", "--voters", "3,4"];
    let done = rft(&args);
    assert_eq!(done.code, 2);
    assert!(done.errors.contains("--node 5 is none of --voters"), "{}", done.errors);
    assert!(!Path::new(world.dir()).exists());
}

#[test]
fn of_imports_at_the_same_time_one_is_done_whole() {
    let commands: Vec<Vec<u8>> = (0..400u32).map(|n| vec![n as u8; 2000]).collect();
    let slices: Vec<&[u8]> = commands.iter().map(Vec::as_slice).collect();
    for _ in 0..5 {
        let world = World::new();
        log(&world.path("log"), &slices);
        let codes: Vec<i32> = std::thread::scope(|scope| {
            let begun: Vec<_> = (0..4).map(|_| scope.spawn(|| import(&world, &[]).code)).collect();
            begun.into_iter().map(|run| run.join().unwrap()).collect()
        });
        assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
        assert_eq!(open(&world).entries.len(), 400);
        assert!(!Path::new(&format!("{}.import", world.dir())).exists());
    }
}
