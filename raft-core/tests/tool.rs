//! The program `rft`: its lines, its objects, its exit codes.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "tool/damage.rs"]
mod damage;
#[path = "tool/transfer.rs"]
mod transfer;
#[path = "tool/world.rs"]
mod world;

use std::fs;
use std::process::Stdio;

use world::{World, rft, run};

#[test]
fn a_dump_prints_every_record() {
    let world = World::new();
    world.node(3);
    let done = rft(&["log", "dump", world.dir()]);
    assert_eq!((done.code, &done.errors[..]), (0, ""));
    assert_eq!(
        done.lines,
        [
            "0000000000000000-0000000000000000.wal",
            "         0  crc       00000000",
            "        16  metadata  node 1, cluster 7, directory 9",
            "        40  snapshot  index 0, term 0",
            "        64  snapshot  index 1, term 1, voters [1, 2]",
            "        96  state     term 1, vote 0, commit 1",
            "       120  entry     2/2 EntryNormal \"put 2\"",
            "       152  state     term 2, vote 1, commit 1",
            "       176  entry     2/3 EntryNormal \"put 3\"",
            "       208  state     term 2, vote 1, commit 2",
        ]
    );
    let done = rft(&["log", "dump", "--json", world.dir()]);
    let first = &done.objects()[5];
    let expected = serde_json::json!({
        "file": "0000000000000000-0000000000000000.wal", "offset": 120, "len": 32,
        "record": "entry", "type": "normal", "term": 2, "index": 2, "data": "7075742032",
    });
    assert_eq!((first, done.lines.len()), (&expected, 9));
}

#[test]
fn a_long_payload_is_cut_off_for_people_and_whole_for_programs() {
    let world = World::new();
    let mut store = world.open();
    world::append(&mut store, 1, 0, &[0xab; 5000]);
    drop(store);
    let line = rft(&["log", "dump", world.dir()]).lines.pop().unwrap();
    assert!(line.contains("commit 0"), "{line}");
    let lines = rft(&["log", "dump", world.dir()]).lines;
    let entry = lines.iter().find(|line| line.contains("entry")).unwrap();
    assert!(entry.ends_with("... 5000 bytes") && entry.len() < 400, "{entry}");
    let objects = rft(&["log", "dump", "--json", world.dir()]).objects();
    let entry = objects.iter().find(|object| object["record"] == "entry").unwrap();
    assert_eq!(entry["data"].as_str().unwrap().len(), 10_000);
}

#[test]
fn a_node_may_run_while_its_log_is_looked_at_but_not_while_it_is_repaired() {
    let world = World::new();
    world.node(3);
    let store = world.open();
    for what in [["log", "dump"], ["log", "verify"], ["snapshot", "list"], ["snapshot", "verify"]] {
        assert_eq!(rft(&[what[0], what[1], world.dir()]).code, 0, "{what:?}");
    }
    for done in
        [rft(&["log", "repair", world.dir()]), rft(&["log", "export", world.dir(), &world.path("out")])]
    {
        assert_eq!(done.code, 2);
        assert!(done.errors.contains("open elsewhere"), "{}", done.errors);
    }
    drop(store);
    assert_eq!(rft(&["log", "repair", world.dir()]).lines, ["There is nothing to repair."]);
}

#[test]
fn the_directory_may_be_a_members_of_etcd_or_bare_segments() {
    let world = World::new();
    world.node(20);
    let member = world.path("etcd");
    fs::create_dir(&member).unwrap();
    fs::rename(world.dir(), format!("{member}/member")).unwrap();
    for dir in [member.clone(), format!("{member}/member"), format!("{member}/member/wal")] {
        let done = rft(&["log", "verify", &dir]);
        assert_eq!(done.code, 0, "{dir}: {:?}", done.lines);
        assert!(done.lines[0].contains("of node 1 in cluster 7"), "{:?}", done.lines);
        assert_eq!(rft(&["log", "dump", &dir]).code, 0);
    }
}

#[test]
fn bad_input_is_told_in_a_sentence_and_ends_with_2() {
    let world = World::new();
    let (file, empty) = (world.path("file"), world.path("empty"));
    fs::write(&file, "no log").unwrap();
    fs::create_dir(&empty).unwrap();
    fs::create_dir_all(world.path("hollow/wal")).unwrap();
    let hollow = world.path("hollow");
    for (dir, why) in [
        ("/nonexistent/node", "No such file"),
        (&file, "Not a directory"),
        (&empty, "there is no log in it"),
        (&hollow, "there is no segment"),
    ] {
        for verb in [["log", "dump"], ["log", "verify"], ["log", "repair"], ["snapshot", "list"]] {
            let done = rft(&[verb[0], verb[1], dir]);
            assert_eq!(done.code, 2, "{verb:?} {dir}: {}", done.errors);
            assert!(done.errors.starts_with("rft: ") && done.errors.contains(why), "{}", done.errors);
            assert!(done.lines.is_empty() && done.errors.lines().count() == 1, "{}", done.errors);
        }
    }
    let none: [&[&str]; 6] = [
        &[],
        &["log"],
        &["log", "dump"],
        &["log", "frob", &empty],
        &["log", "dump", "--frob", &empty],
        &["log", "import", &file, &empty, "--node", "0", "--cluster", "1", "--voters", "1"],
    ];
    for args in none {
        let done = rft(args);
        assert_eq!(done.code, 2, "{args:?}");
        assert!(done.errors.contains("Usage") || done.errors.contains("--help"), "{args:?}: {}", done.errors);
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly_and_a_full_disk_does_not() {
    let world = World::new();
    world.node(3000);
    let mut child = world::command(&["log", "dump", world.dir()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    assert_eq!((done.status.code(), &done.stderr[..]), (Some(0), &b""[..]));

    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let done = run(world::command(&["log", "dump", world.dir()]).stdout(full));
    assert_eq!(done.code, 2);
    assert!(done.errors.contains("No space left"), "{}", done.errors);
}

#[test]
fn the_help_names_every_verb() {
    let done = rft(&["log", "--help"]);
    assert_eq!(done.code, 0);
    let text = done.lines.join("\n");
    assert!(
        ["dump", "verify", "repair", "import", "export"].iter().all(|verb| text.contains(verb)),
        "{text}"
    );
    assert!(rft(&["--version"]).lines[0].starts_with("rft "));
}
