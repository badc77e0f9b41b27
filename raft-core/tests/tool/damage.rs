//! What is wrong with a log or a snapshot, and what a repair does.

use std::fs;

use serde_json::json;

use crate::world::{World, command, rft, rft_answering, run};
use raft_core::disk::os::OsVolume;
use raft_core::disk::volume::{Access, Volume};
use std::process::Stdio;

fn flip(path: &str, at: usize) -> Vec<u8> {
    let mut content = fs::read(path).unwrap();
    content[at] ^= 1;
    fs::write(path, &content).unwrap();
    content
}

/// Where the entry of this index lies: its segment's file and the byte.
fn entry(world: &World, index: u64) -> (String, u64) {
    let objects = rft(&["log", "dump", "--json", world.dir()]).objects();
    let object = objects.iter().find(|o| o["record"] == "entry" && o["index"] == index).unwrap();
    (format!("{}/wal/{}", world.dir(), object["file"].as_str().unwrap()), object["offset"].as_u64().unwrap())
}

#[test]
fn a_good_log_is_good() {
    let world = World::new();
    world.node(200);
    let done = rft(&["log", "verify", world.dir()]);
    assert_eq!((done.code, done.lines.len()), (0, 1), "{:?}", done.lines);
    assert!(done.lines[0].contains("entries 2 to 200, term 2, vote 1, commit 199; 1 snapshots; 0 faults"));
    let objects = rft(&["log", "verify", "--json", world.dir()]).objects();
    assert_eq!((&objects[0]["last"], &objects[0]["faults"]), (&json!(200), &json!(0)));
}

#[test]
fn a_flipped_bit_is_named_dumped_and_repaired_only_after_a_yes() {
    let world = World::new();
    world.node(200);
    let (file, offset) = entry(&world, 150);
    let rotten = flip(&file, offset as usize + 30);

    let done = rft(&["log", "verify", world.dir()]);
    assert_eq!(done.code, 1);
    assert!(done.lines[0].starts_with(&format!("{file}: byte {offset}: ")), "{:?}", done.lines);
    assert_eq!(done.lines[1], "Entries 149 to 200 may have been acknowledged and cannot be read.");
    let objects = rft(&["log", "verify", "--json", world.dir()]).objects();
    assert_eq!((&objects[0]["offset"], &objects[0]["torn"]), (&json!(offset), &json!(false)));
    assert_eq!(objects[1], json!({ "lost": { "first": 149, "last": 200 } }));

    let done = rft(&["log", "dump", world.dir()]);
    assert_eq!(done.code, 1);
    let at = done.lines.iter().position(|line| line.contains("BAD")).unwrap();
    assert!(done.lines[at].contains("it looks like: entry"), "{}", done.lines[at]);
    assert!(done.lines[at + 1].contains("state") && done.lines[at + 2].contains("2/151"), "{:?}", done.lines);
    assert!(done.lines.last().unwrap().contains("commit 199"));

    for answer in ["", "n\n", "perhaps\n"] {
        let done = rft_answering(&["log", "repair", world.dir()], answer);
        assert_eq!(
            (done.code, done.lines.last().unwrap().as_str()),
            (1, "Nothing was changed."),
            "{answer:?}"
        );
        assert!(done.errors.contains("Repair? [y/N]"), "{}", done.errors);
        assert_eq!(fs::read(&file).unwrap(), rotten);
    }
    let done = rft_answering(&["log", "repair", world.dir()], "yes\n");
    assert_eq!(done.code, 0, "{:?} {}", done.lines, done.errors);
    assert_eq!(fs::read(format!("{file}.broken")).unwrap(), rotten);
    let done = rft(&["log", "verify", world.dir()]);
    assert!(done.lines[0].contains("entries 2 to 149, term 2, vote 1, commit 148"), "{:?}", done.lines);
    assert_eq!(done.code, 0);
    world.open();
}

#[test]
fn the_answer_can_be_given_in_advance() {
    let world = World::new();
    world.node(100);
    let (file, offset) = entry(&world, 50);
    flip(&file, offset as usize + 30);
    let done = rft(&["--json", "log", "repair", "--yes", world.dir()]);
    assert_eq!((done.code, &done.errors[..]), (0, ""), "{:?}", done.lines);
    let objects = done.objects();
    assert_eq!(objects[1]["lost"]["first"], 49);
    let done: Vec<&str> = objects.iter().filter_map(|object| object["done"].as_str()).collect();
    assert!(done.iter().any(|done| done.contains("entries 2 to 49")), "{done:?}");
    // It has a peer, so it is not taken for what it was.
    assert!(done.last().unwrap().contains("does not vote until its leader has refilled it"), "{done:?}");
    world.open();
}

#[test]
fn what_a_snapshot_makes_up_for_is_repaired_without_a_question() {
    let world = World::new();
    world.node(100);
    world.snapshot(90);
    let mut store = world.open();
    crate::world::append(&mut store, 101, 100, b"the last");
    drop(store);
    let (file, offset) = entry(&world, 40);
    flip(&file, offset as usize + 30);
    let done = rft(&["log", "repair", world.dir()]);
    assert_eq!((done.code, &done.errors[..]), (0, ""), "{:?}", done.lines);
    let done = rft(&["log", "verify", world.dir()]);
    assert!(done.lines[0].contains("entries 91 to 101, term 2, vote 1, commit 100"), "{:?}", done.lines);
    world.open();
}

#[test]
fn a_torn_end_is_told_apart_and_cut_off_at_once() {
    let world = World::new();
    world.node(20);
    let file = world.segments().pop().unwrap();
    let content = fs::read(&file).unwrap();
    fs::write(&file, &content[..content.len() - 5]).unwrap();
    let done = rft(&["log", "verify", world.dir()]);
    assert_eq!(done.code, 1);
    assert!(done.lines[0].contains("a crash cut this write short"), "{:?}", done.lines);
    assert!(rft(&["log", "dump", world.dir()]).lines.last().unwrap().contains("TORN"));
    let done = rft(&["log", "repair", world.dir()]);
    assert_eq!((done.code, &done.errors[..]), (0, ""), "{:?}", done.lines);
    assert!(done.lines[1].contains("was cut off at byte"), "{:?}", done.lines);
    assert_eq!(fs::read(format!("{file}.broken")).unwrap(), content[..content.len() - 5]);
    assert_eq!(rft(&["log", "verify", world.dir()]).code, 0);
}

#[test]
fn a_log_of_which_nothing_is_left_is_not_repaired() {
    let world = World::new();
    world.node(3);
    let file = world.segments().pop().unwrap();
    fs::write(&file, vec![0x55; 3000]).unwrap();
    let done = rft(&["log", "repair", "--yes", world.dir()]);
    assert_eq!(done.code, 2);
    assert!(done.errors.contains("replace the node"), "{}", done.errors);
    assert_eq!(fs::read(&file).unwrap(), vec![0x55; 3000]);
}

#[test]
fn snapshots_are_listed_and_verified() {
    let world = World::new();
    world.node(30);
    world.snapshot(20);
    let orphan = format!("{}/snap/{:016x}-{:016x}.snap", world.dir(), 9, 99);
    fs::write(&orphan, b"junk").unwrap();
    let list = [
        "index 99, term 9: unreadable, not recorded in the log",
        "index 20, term 2: 9 bytes of data, voters [1, 2]",
        "index 1, term 1: 0 bytes of data, voters [1, 2]",
    ];
    let done = rft(&["snapshot", "list", world.dir()]);
    assert_eq!((done.code, &done.lines[..]), (0, &list.map(String::from)[..]));
    let done = rft(&["snapshot", "verify", world.dir()]);
    assert_eq!((done.code, done.lines.last().unwrap().as_str()), (1, "3 snapshots, 1 of them damaged"));
    assert!(done.lines[0].starts_with(&orphan), "{:?}", done.lines);
    fs::remove_file(&orphan).unwrap();
    let done = rft(&["snapshot", "verify", "--json", world.dir()]);
    assert_eq!((done.code, done.objects()), (0, vec![json!({ "snapshots": 2, "faults": 0 })]));
    let objects = rft(&["snapshot", "list", "--json", world.dir()]).objects();
    let expected =
        json!({ "term": 2, "index": 20, "bytes": 9, "voters": [1, 2], "recorded": true, "readable": true });
    assert_eq!(objects[0], expected);
}

#[test]
fn an_end_that_was_durable_and_is_gone_is_known_though_the_log_reads_well() {
    let world = World::new();
    world.node(60);
    let (file, offset) = entry(&world, 55);
    fs::File::options().write(true).open(&file).unwrap().set_len(offset).unwrap();
    let done = rft(&["log", "verify", world.dir()]);
    assert_eq!(done.code, 1, "{:?}", done.lines);
    assert!(done.lines.iter().any(|line| line.contains("entries 55 to 60 may be lost")), "{:?}", done.lines);
    let done = rft_answering(&["log", "repair", world.dir()], "n\n");
    assert_eq!((done.code, done.lines.last().unwrap().as_str()), (1, "Nothing was changed."));
    let done = rft_answering(&["log", "repair", world.dir()], "y\n");
    assert_eq!(done.code, 0, "{:?} {}", done.lines, done.errors);
    assert!(done.lines.last().unwrap().contains("entries 55 to 60 may be lost"), "{:?}", done.lines);
    world.open();
}

#[test]
fn what_is_found_and_done_does_not_depend_on_a_reader() {
    let world = World::new();
    world.node(100);
    let (file, offset) = entry(&world, 50);
    flip(&file, offset as usize + 30);
    let code = |args: &[&str]| {
        let mut child = command(args).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        child.wait().unwrap().code()
    };
    assert_eq!(code(&["log", "verify", world.dir()]), Some(1));
    assert_eq!(code(&["log", "repair", "--yes", world.dir()]), Some(0));
    assert_eq!(rft(&["log", "verify", world.dir()]).code, 0);
}

#[test]
fn a_segment_behind_a_gap_in_the_sequence_is_no_damage() {
    let world = World::new();
    world.node(300);
    world.snapshot(290);
    // A release that the machine did not live to see the end of.
    let all = world.segments();
    fs::remove_file(&all[1]).unwrap();
    assert_eq!(rft(&["log", "verify", world.dir()]).code, 0);
    let done = rft(&["log", "dump", world.dir()]);
    assert!(done.lines.iter().all(|line| !line.contains("BAD")), "{:?}", done.lines);
    assert_eq!(done.code, 0);
}

#[test]
fn a_loss_is_kept_wherever_the_log_is_repaired_from() {
    for is_inside in [false, true] {
        let world = World::new();
        world.node(100);
        let (file, offset) = entry(&world, 50);
        flip(&file, offset as usize + 30);
        let wal = format!("{}/wal", world.dir());
        let lock = OsVolume.open(format!("{}/LOCK", world.dir()).as_ref(), Access::Write).unwrap();
        assert!(lock.try_lock().unwrap());
        let dir = if is_inside { "." } else { &wal[..] };
        let repair = || run(command(&["log", "repair", "--yes", dir]).current_dir(&wal));
        assert_eq!(repair().code, 2, "a node has it open");
        drop(lock);
        let done = repair();
        assert_eq!(done.code, 0, "{}", done.errors);
        assert!(fs::exists(format!("{}/lost", world.dir())).unwrap(), "{:?}", done.lines);
    }
}
