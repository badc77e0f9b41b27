//! The trace for etcd's TLA+ specification: clusters under loss and delay write one, and each line is held against the
//! conditions under which the specification lets it happen.
//!
//! `TRACE=file` keeps the trace of the first seed, for the specification itself.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "trace/cluster.rs"]
mod cluster;
#[path = "trace/validator.rs"]
mod validator;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cluster::Cluster;
use raft_core::engine::event::Level;
use raft_core::engine::host::{Applied, Host, SnapshotRead};
use raft_core::engine::node::Engine;
use raft_core::engine::options::Options;
use raft_core::raftpb::message::Message;
use validator::Validator;

fn validate(lines: &[String]) -> Result<Validator, String> {
    let mut validator = Validator::default();
    for (at, line) in lines.iter().enumerate() {
        validator.take(line).map_err(|fault| format!("line {}: {fault}: {line}", at + 1))?;
    }
    Ok(validator)
}

#[test]
fn clusters_under_loss_and_delay_do_what_the_specification_lets_them() {
    for seed in 0..20 {
        let lines = Cluster::run(seed, 4000);
        if let (0, Ok(file)) = (seed, std::env::var("TRACE")) {
            std::fs::write(file, lines.join("\n")).unwrap();
        }
        let seen = validate(&lines).unwrap_or_else(|fault| panic!("seed {seed}, {fault}"));
        for name in
            ["BecomeLeader", "Commit", "ChangeConf", "ApplyConfChange", "Ready", "ReceiveRequestVoteResponse"]
        {
            assert!(seen.count(name) > 0, "seed {seed} never comes to {name}");
        }
    }
}

/// The first line with all of these in it.
fn find(lines: &[String], parts: &[&str]) -> usize {
    lines.iter().position(|line| parts.iter().all(|part| line.contains(part))).unwrap()
}

#[test]
fn a_trace_that_lacks_or_invents_something_is_refused() {
    let lines = Cluster::run(1, 4000);
    validate(&lines).unwrap();
    let refused = |lines: &[String], why: &str| {
        let fault = validate(lines).err().unwrap_or_default();
        assert!(fault.contains(why), "{fault:?}, and not {why:?}");
    };
    let without = |parts: &[&str]| -> Vec<String> {
        lines.iter().filter(|line| !parts.iter().all(|part| line.contains(part))).cloned().collect()
    };
    refused(&without(&["ReceiveRequestVoteResponse"]), "without a quorum of votes");
    refused(&without(&["ReceiveAppendEntriesResponse"]), "without a quorum that holds it");
    refused(&without(&["\"SendAppendEntriesRequest\""]), "never sent");
    let mut twice = lines.clone();
    let vote = find(&lines, &["\"SendRequestVoteResponse\"", "\"reject\":false"]);
    twice.insert(vote + 1, lines[vote].replace("\"to\":\"", "\"to\":\"9"));
    refused(&twice, "voted for");
    let mut usurped = lines.clone();
    let leader = find(&lines, &["\"BecomeLeader\""]);
    usurped.insert(leader + 1, lines[leader].replace("\"nid\":\"", "\"nid\":\"9"));
    refused(&usurped, "leads already");
    let mut broken = lines.clone();
    broken[leader] = lines[leader].replace("\"role\"", "\"roll\"");
    refused(&broken, "role");
}

#[derive(Default)]
struct Listener {
    lines: Mutex<Vec<String>>,
}

impl Host for Listener {
    fn send(&self, _: &[Message]) {}

    fn apply(&self, _: &[Applied<'_>]) -> Result<(), i32> {
        Ok(())
    }

    fn snapshot_save(&self, _: &mut dyn Write) -> Result<(), i32> {
        Err(1)
    }

    fn snapshot_restore(&self, _: &mut dyn SnapshotRead) -> Result<(), i32> {
        Err(1)
    }

    fn log(&self, level: Level, text: &str) {
        if level == Level::Trace {
            self.lines.lock().unwrap().push(text.to_owned());
        }
    }
}

#[test]
fn an_engine_hands_its_trace_to_the_host() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(1);
    options.tick_interval = Duration::from_millis(5);
    options.segment_bytes = 64 << 10;
    options.voters = vec![1];
    options.trace = true;
    options.snapshot_entries = 0;
    let host = Arc::new(Listener::default());
    let engine = Engine::open(options, dir.path(), Arc::clone(&host) as _).unwrap();
    engine.campaign().unwrap();
    while engine.propose_wait(Bytes::from_static(b"x"), Duration::from_secs(60)).unwrap().term == 0 {}
    engine.stop(Duration::from_secs(60)).unwrap();
    let seen = validate(&host.lines.lock().unwrap()).unwrap();
    assert!(seen.count("BecomeLeader") == 1 && seen.count("Replicate") >= 2);
}
