//! `rft log export`: the committed commands of a node as a log of peterbourgon/raft.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use raft_core::disk::command_log::{Command, CommandLogWriter};
use raft_core::disk::inspect::SnapshotFile;
use raft_core::disk::os::OsVolume;
use raft_core::disk::repair::Repair;
use raft_core::disk::volume::Volume;
use raft_core::error::Error;
use raft_core::raftpb::entry::{Entry, EntryType};
use serde_json::json;

use crate::output::{Outcome, Output, Verdict, refuse};
use crate::place::Place;
use crate::verify::losses;

pub(crate) fn export(
    dir: &Path,
    file: &Path,
    without_snapshot: bool,
    output: &mut Output,
) -> Outcome<Verdict> {
    let place = Place::find(dir)?;
    let Some(node) = &place.node else {
        return refuse(format!("{}: only a node's directory can be exported", dir.display()));
    };
    if file.exists() {
        return refuse(format!("{} is there already", file.display()));
    }
    // It locks the log, and changes nothing as long as it is not applied.
    let locked = Repair::begin(Arc::new(OsVolume), &place.wal, place.snap.as_deref(), &mut |_| {})?;
    let found = locked.inspection();
    if let Some(fault) = found.log_faults().find(|fault| !fault.torn) {
        return Err(Error::corrupt(&fault.path, fault.offset, fault.what.clone()).into());
    }
    if let Some(damage) = losses(&place, found)?.first() {
        return refuse(format!("{damage}; see rft log repair"));
    }
    let Some(((term, index), entries)) = found.committed() else {
        return refuse(format!("{}: there is no log in it that could be gone on with", node.display()));
    };
    let is_it = |snapshot: &&SnapshotFile| (snapshot.term, snapshot.index) == (term, index);
    let is_empty = index == 0 || found.snapshots.iter().find(is_it).is_some_and(|file| file.len == Some(0));
    if !is_empty && !without_snapshot {
        return refuse(format!(
            "{}: the log begins behind a snapshot of index {index}, whose data this format cannot hold; \
             --without-snapshot exports the entries behind it",
            dir.display(),
        ));
    }
    let mut draft = file.as_os_str().to_owned();
    draft.push(".export");
    let draft = PathBuf::from(draft);
    // One that is there already is somebody else's.
    let to = OpenOptions::new().write(true).create_new(true).open(&draft);
    let to = to.map_err(|error| Error::io("open", &draft, error))?;
    let written = write(entries, to, &draft, file);
    let (commands, left_out) = written.inspect_err(|_| drop(fs::remove_file(&draft)))?;
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    OsVolume.sync_dir(parent.unwrap_or(Path::new(".")))?;
    output.line(
        format!("{} holds {commands} commands; {left_out} entries were left out", file.display()),
        || json!({ "commands": commands, "left_out": left_out }),
    )?;
    Ok(Verdict::Good)
}

/// Writes what is committed; says how many commands that are, and how many entries are none.
fn write<'a>(
    entries: impl Iterator<Item = &'a Entry>,
    to: File,
    draft: &Path,
    file: &Path,
) -> Outcome<(u64, u64)> {
    let io = |operation| move |error| Error::io(operation, draft, error);
    let mut writer = CommandLogWriter::new(BufWriter::with_capacity(1 << 20, to), draft);
    let (mut commands, mut left_out) = (0, 0);
    for entry in entries {
        if entry.entry_type != EntryType::Normal || entry.data.is_empty() {
            left_out += 1;
            continue;
        }
        commands += 1;
        writer.append(&Command { term: entry.term, index: commands, command: entry.data.clone() })?;
    }
    let mut buffered = writer.into_inner();
    buffered.flush().map_err(io("write"))?;
    buffered.get_ref().sync_all().map_err(io("fsync"))?;
    fs::rename(draft, file).map_err(io("rename"))?;
    Ok((commands, left_out))
}
