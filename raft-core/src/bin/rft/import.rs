//! `rft log import`: a node's directory out of the log of peterbourgon/raft.

use std::fs::{self, File};
use std::io::{BufReader, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use raft_core::disk::command_log::{Command, CommandLogReader, Next, is_configuration};
use raft_core::disk::os::OsVolume;
use raft_core::disk::recovered::Identity;
use raft_core::disk::store::{Store, StoreOptions, drawn_store_id};
use raft_core::disk::volume::Volume;
use raft_core::error::Error;
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::entry::{Entries, Entry};
use raft_core::raftpb::message::HardState;
use serde_json::json;

use crate::output::{Failure, Outcome, Output, Verdict, refuse};
use crate::progress::Progress;

/// Bytes of commands that are appended at a time.
const BATCH: usize = 4 << 20;

/// What the command line says.
pub(crate) struct Import<'a> {
    pub(crate) file: &'a Path,
    pub(crate) dir: &'a Path,
    pub(crate) identity: Identity,
    pub(crate) voters: &'a [u64],
    pub(crate) commit: Option<u64>,
    pub(crate) skip_memberships: bool,
}

/// What was read.
#[derive(Default)]
struct Imported {
    entries: u64,
    memberships: u64,
    /// In the file.
    first: u64,
    last: u64,
    /// Where a torn record begins.
    torn_at: Option<u64>,
}

pub(crate) fn import(what: &Import, output: &mut Output) -> Outcome<Verdict> {
    let node = what.identity.node_id;
    if !what.voters.contains(&node) {
        return refuse(format!("--node {node} is none of --voters: it would never be part of a cluster"));
    }
    let file = File::open(what.file).map_err(|error| Error::io("open", what.file, error))?;
    let is_free = fs::read_dir(what.dir).map_or(!what.dir.exists(), |mut entries| entries.next().is_none());
    if !is_free {
        return refuse(format!("{} is there already, and not empty", what.dir.display()));
    }
    // It gets its name when it is complete.
    let draft = draft(what.dir);
    begin(&draft)?;
    let imported = fill(what, &draft, file).and_then(|imported| {
        fs::rename(&draft, what.dir).map_err(|error| Error::io("rename", &draft, error))?;
        Ok(imported)
    });
    let imported = imported.inspect_err(|_| drop(fs::remove_dir_all(&draft)))?;
    let parent = what.dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    OsVolume.sync_dir(parent.unwrap_or(Path::new(".")))?;
    tell(what, &imported, output)?;
    Ok(Verdict::Good)
}

/// Makes the draft's directory, which nobody else has made: what fails later removes it.
fn begin(draft: &Path) -> Outcome<()> {
    if let Some(parent) = draft.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        OsVolume.create_dir_all(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(draft) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => refuse(format!(
            "{} is there already: another import is filling it, or one was interrupted and left it; then remove it",
            draft.display()
        )),
        made => Ok(made.map_err(|error| Error::io("mkdir", draft, error))?),
    }
}

/// Beside it, also where a slash ends the name.
fn draft(dir: &Path) -> PathBuf {
    let mut name = dir.components().as_path().as_os_str().to_owned();
    name.push(".import");
    name.into()
}

fn fill(what: &Import, draft: &Path, file: File) -> Outcome<Imported> {
    let options =
        StoreOptions { store_id: drawn_store_id(), zeroed_bytes: 0, ..StoreOptions::new(what.identity) };
    let (mut store, _) = Store::open(Arc::new(OsVolume), draft, options)?;
    store.bootstrap(&ConfState::of_voters(what.voters.iter().copied()))?;
    let mut progress = Progress::new("importing", file.metadata().map_or(0, |metadata| metadata.len()));
    let mut reader = CommandLogReader::new(BufReader::with_capacity(1 << 20, file), what.file);
    let mut imported = Imported::default();
    let (mut batch, mut bytes, mut state) = (Vec::new(), 0, HardState { term: 1, vote: 0, commit: 1 });
    loop {
        let at = reader.offset();
        let Command { term, index, command } = match reader.step()? {
            Next::Command(command) => command,
            Next::End => break,
            Next::Torn => {
                imported.torn_at = Some(at);
                break;
            }
        };
        progress.advance(reader.offset() - at);
        let command = admit(what, &mut imported, at, index, command)?;
        if imported.entries == 0 {
            imported.first = index;
        }
        imported.entries += 1;
        imported.last = index;
        bytes += command.len();
        // Index 1 is the bootstrap's.
        let entry = Entry { term, index: imported.entries + 1, data: command, ..Entry::default() };
        if what.commit.is_none_or(|commit| index <= commit) {
            state.commit = entry.index;
        }
        state.term = term;
        batch.push(entry);
        if bytes >= BATCH {
            store.append(None, &Entries::from(std::mem::take(&mut batch)), false)?;
            bytes = 0;
        }
    }
    if let Some(commit) = what.commit.filter(|commit| *commit > imported.last) {
        return refuse(format!("--commit {commit}: the last index in the log is {}", imported.last));
    }
    store.append(Some(&state), &Entries::from(batch), true)?;
    Ok(imported)
}

/// The data of the entry that a command becomes.
fn admit(what: &Import, imported: &mut Imported, at: u64, index: u64, command: Bytes) -> Outcome<Bytes> {
    if !is_configuration(&command) {
        return Ok(command);
    }
    if !what.skip_memberships {
        return Err(Failure::Said(format!(
            "{}: byte {at}: index {index} holds a membership, not a command. The voters of the new cluster are those of \
             --voters; --skip-memberships puts an empty entry in its place",
            what.file.display()
        )));
    }
    imported.memberships += 1;
    Ok(Bytes::new())
}

fn tell(what: &Import, imported: &Imported, output: &mut Output) -> Outcome<()> {
    let Imported { entries, memberships, first, last, torn_at } = imported;
    if let Some(at) = torn_at {
        output.line(
            format!("{}: byte {at}: the last record was cut short and is left out", what.file.display()),
            || json!({ "file": what.file.display().to_string(), "offset": at, "torn": true }),
        )?;
    }
    let text = if *entries == 0 {
        format!("{} is a node without commands", what.dir.display())
    } else {
        format!(
            "{} holds {entries} commands, {first} to {last} in the log, as entries 2 to {}; {memberships} memberships \
             are empty entries",
            what.dir.display(),
            entries + 1
        )
    };
    output.line(
        text,
        || json!({ "entries": entries, "memberships": memberships, "first": first, "last": last }),
    )
}
