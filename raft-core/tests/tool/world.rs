//! A directory for a node, and the program run on it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use raft_core::disk::damage::OnDamage;
use raft_core::disk::os::OsVolume;
use raft_core::disk::recovered::Identity;
use raft_core::disk::store::{Store, StoreOptions};
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::entry::Entry;
use raft_core::raftpb::message::{HardState, SnapshotMetadata};
use serde_json::Value;

/// What a run has printed, and how it ended.
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) lines: Vec<String>,
    pub(crate) errors: String,
}

impl Done {
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rft"));
    command.args(args).stdin(Stdio::null());
    command
}

pub(crate) fn run(command: &mut Command) -> Done {
    let output = command.output().unwrap();
    Done {
        code: output.status.code().unwrap(),
        lines: String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) fn rft(args: &[&str]) -> Done {
    run(&mut command(args))
}

/// Runs it with this typed.
pub(crate) fn rft_answering(args: &[&str], answer: &str) -> Done {
    let file = tempfile::tempfile().unwrap();
    (&file).write_all(answer.as_bytes()).unwrap();
    std::io::Seek::rewind(&mut &file).unwrap();
    run(command(args).stdin(file))
}

pub(crate) struct World {
    dir: tempfile::TempDir,
    node: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let node = dir.path().join("node").to_str().unwrap().to_owned();
        World { dir, node }
    }

    /// The node's directory.
    pub(crate) fn dir(&self) -> &str {
        &self.node
    }

    /// Something beside it.
    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn open(&self) -> Store {
        let identity = Identity { cluster_id: 7, node_id: 1 };
        // As an engine does.
        let on_damage = OnDamage::Recover;
        let own = StoreOptions::new(identity);
        let options = StoreOptions { segment_bytes: 4096, zeroed_bytes: 0, store_id: 9, on_damage, ..own };
        Store::open(Arc::new(OsVolume), Path::new(&self.node), options).unwrap().0
    }

    /// A node with entries up to `last`, the one before committed.
    pub(crate) fn node(&self, last: u64) {
        let mut store = self.open();
        store.bootstrap(&ConfState::of_voters([1, 2])).unwrap();
        for index in 2..=last {
            append(&mut store, index, index - 1, format!("put {index}").as_bytes());
        }
    }

    /// Has the node take a snapshot.
    pub(crate) fn snapshot(&self, index: u64) {
        let mut store = self.open();
        let metadata = SnapshotMetadata { conf_state: ConfState::of_voters([1, 2]), index, term: 2 };
        let mut writer = store.snapshots().create(metadata.clone()).unwrap();
        writer.write_all(b"the state").unwrap();
        writer.finish().unwrap();
        store.record_snapshot(&metadata).unwrap();
    }

    /// The segments' files, in their order.
    pub(crate) fn segments(&self) -> Vec<String> {
        let mut all: Vec<String> = std::fs::read_dir(format!("{}/wal", self.node))
            .unwrap()
            .map(|file| file.unwrap().path().to_str().unwrap().to_owned())
            .filter(|path| path.ends_with(".wal"))
            .collect();
        all.sort();
        all
    }
}

pub(crate) fn append(store: &mut Store, index: u64, commit: u64, data: &[u8]) {
    let entry = Entry { term: 2, index, data: data.to_vec().into(), ..Entry::default() };
    let state = HardState { term: 2, vote: 1, commit };
    store.append(Some(&state), &entry.into(), true).unwrap();
}
