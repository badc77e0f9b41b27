//! [`Inspection`]: all that is wrong with a log and its snapshots, and what of it can be saved. It changes nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::ballot::Kept;
use super::latch::Latch;
use super::reading::{Known, Reading};
use super::record::SnapshotRecord;
use super::room::Room;
use super::salvage::{Saved, salvage};
use super::snap::dir::SnapDir;
use super::volume::Volume;
use super::wal::replay::Log;
use super::wal::segment::{self, SegmentName};
use super::walk::{Bad, Owner};
use crate::error::{Error, Result};
use crate::raftpb::entry::Entry;
use crate::raftpb::message::HardState;

/// The shortest frame an entry can have.
const ENTRY_LEN_MIN: u64 = 24;

/// Terms that no node gets through while the records of a gap are written: an election takes milliseconds, and these
/// would take years. Words that cannot be verified move the term no further.
const TERMS_MAX: u64 = 1 << 32;

/// What is wrong where a log was emptied, and snapshots are left.
pub(super) const RECORDS_NOTHING: &str = "there are snapshots, and a log that records none";

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub path: PathBuf,
    /// Where in it, in bytes.
    pub offset: u64,
    /// What is wrong there.
    pub what: String,
    /// It is the end of a write that a crash cut short. The next open mends it, and nothing is lost by that.
    pub torn: bool,
}

/// A file in the snapshots' directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Its term.
    pub term: u64,
    /// Its index.
    pub index: u64,
    /// Bytes of the host's data; none if the file cannot be read.
    pub len: Option<u64>,
    /// The voters in it.
    pub voters: Vec<u64>,
    /// Whether the log records and has committed it.
    pub recorded: bool,
}

/// Indices of entries that a node may have acknowledged, and that a repair would drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The first.
    pub first: u64,
    /// The last there can have been.
    pub last: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Inspection {
    /// Whose log it is, as far as that can be read.
    pub owner: Option<Owner>,
    /// Segments that were read.
    pub segments: usize,
    /// Good records in them.
    pub records: u64,
    /// The newest term, vote and commit that can be read.
    pub hard_state: HardState,
    /// The entries from which and up to which the log could be gone on with; the first is greater where there are none.
    pub entries: (u64, u64),
    /// All that is wrong, in the order of the log, then of the snapshots.
    pub faults: Vec<Fault>,
    /// The snapshot files, the newest first.
    pub snapshots: Vec<SnapshotFile>,
    /// A term and a vote that were written last may be among what cannot be read: the node could vote a second time.
    pub vote_may_be_lost: bool,
    /// What a repair would drop.
    pub loss: Option<Loss>,
    pub(super) metadata: Option<Bytes>,
    /// The last segment, by its place in the sequence, and where what was found in it ends.
    pub(super) reach: (u64, u64),
    /// None if nothing can be made of the log.
    pub(super) saved: Option<Saved>,
}

impl Inspection {
    /// Whether the log ends in a write that was cut short, and nothing else is wrong with it.
    pub fn is_only_torn(&self) -> bool {
        self.log_faults().count() > 0 && self.log_faults().all(|fault| fault.torn)
    }

    /// Whether a node would start from this, mended as it may be.
    pub fn is_usable(&self) -> bool {
        self.log_faults().all(|fault| fault.torn)
    }

    /// Term and index of the newest snapshot that the log can be gone on from, 0 and 0 being none, and the entries behind
    /// it that are committed. Their payloads are there if they were kept.
    pub fn committed(&self) -> Option<((u64, u64), impl Iterator<Item = &Entry>)> {
        let Saved { snapshots, entries, hard_state, .. } = self.saved.as_ref()?;
        let (term, index) = snapshots.last().map_or((0, 0), |snapshot| (snapshot.term, snapshot.index));
        let behind =
            move |entry: &&Entry| (index.saturating_add(1)..=hard_state.commit).contains(&entry.index);
        Some(((term, index), entries.iter().filter(behind)))
    }

    /// What is wrong with the log, the snapshots left out.
    pub fn log_faults(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().filter(|fault| !is_snapshot(fault))
    }

    /// What is wrong with the snapshots.
    pub fn snapshot_faults(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().filter(|fault| is_snapshot(fault))
    }
}

fn is_snapshot(fault: &Fault) -> bool {
    fault.path.extension() == Some("snap".as_ref())
}

/// Reads the log in `wal_dir`, and the snapshots in `snap_dir` if there is such a directory: without one, each snapshot
/// that is recorded counts as readable. `progress` is told the bytes of each step.
///
/// Entries are kept with their payloads, for a repair, only if `keep_payloads` says so.
pub fn inspect(
    volume: Arc<dyn Volume>,
    wal_dir: &Path,
    snap_dir: Option<&Path>,
    keep_payloads: bool,
    progress: &mut dyn FnMut(u64),
) -> Result<Inspection> {
    let names = segment::list(&*volume, wal_dir)?;
    let mut runs = segment::runs_of(&names);
    // What lies before a gap has been released; if not, what lies behind it does not suffice, and that is told.
    let Some(segments) = runs.pop() else {
        return Err(Error::corrupt(wal_dir, 0, "there is no segment of a log in this directory"));
    };
    let mut read = Reading::read(&*volume, wal_dir, segments, keep_payloads, progress)?;
    let faults = std::mem::take(&mut read.faults).into_iter();
    let mut all = Inspection {
        owner: read.owner,
        segments: segments.len(),
        records: read.records,
        hard_state: read.known.newest,
        faults: faults.map(|(path, offset, Bad { what, torn })| Fault { path, offset, what, torn }).collect(),
        metadata: read.metadata.take(),
        reach: (segments.last().map_or(0, |name| name.sequence), read.end.1),
        ..Inspection::default()
    };
    let recorded: Vec<SnapshotRecord> = [&read.kept, &read.behind]
        .into_iter()
        .flat_map(|replay| &replay.snapshots)
        .filter(|record| record.index > 0 && record.index <= read.known.newest.commit)
        .cloned()
        .collect();
    let files = match snap_dir {
        Some(dir) => look_at_snapshots(&volume, dir, &recorded, &mut all, progress)?,
        None => recorded.clone(),
    };
    let is_fresh = segments.first() == Some(&SegmentName { sequence: 0, index: 0 })
        && read.known.newest.is_empty()
        && read.known.highest == 0;
    // Before its first snapshot a store has the file `vote`.
    let is_of_store = || wal_dir.parent().map_or(Ok(false), |dir| Ok(Kept::load(&*volume, dir)?.is_there()));
    if is_fresh && all.is_usable() && !all.snapshots.is_empty() && !is_of_store()? {
        let (path, offset) = read.end;
        all.faults.push(Fault { path, offset, what: RECORDS_NOTHING.to_owned(), torn: false });
        return Ok(all);
    }
    let is_recorded = |file: &&SnapshotRecord| {
        recorded.iter().any(|record| (record.term, record.index) == (file.term, file.index))
    };
    let usable: Vec<SnapshotRecord> = files.iter().filter(is_recorded).cloned().collect();
    let state = conclude(&mut all, read, &usable, &files);
    // An older part of the log may be whole, where segments behind it are missing.
    for older in runs.into_iter().rev() {
        if all.is_usable() || all.saved.as_ref().is_some_and(|saved| saved.goes_on_behind) {
            break;
        }
        let older = Reading::read(&*volume, wal_dir, older, keep_payloads, progress)?;
        go_back(&mut all, older, &files, state);
    }
    Ok(all)
}

/// Takes an older part of the log, if that holds more than what is saved so far.
fn go_back(all: &mut Inspection, older: Reading, files: &[SnapshotRecord], state: HardState) {
    // What is missing behind it may have overwritten what is not committed in it.
    let commit = older.kept.hard_state.commit;
    let Some(found) = salvage(older.kept.log, commit, None, files.to_vec(), state) else { return };
    if (older.owner.is_some() && all.owner.is_some_and(|owner| older.owner != Some(owner)))
        || all.saved.as_ref().is_some_and(|saved| saved.last() >= found.last())
    {
        return;
    }
    let first = found.last().min(commit.max(found.base)).saturating_add(1);
    let last = all.loss.map_or(0, |loss| loss.last).max(found.last());
    all.loss = (last >= first).then_some(Loss { first, last });
    all.metadata = all.metadata.take().or(older.metadata);
    all.owner = all.owner.or(older.owner);
    all.entries = (found.base.saturating_add(1), found.last());
    all.saved = Some(found);
}

/// Decides what can be made of all that, and what is lost by it.
///
/// Of the snapshot `files` a log that is whole can start only from those that it records. Behind damage the record may be
/// what is lost, and every complete file holds what was committed.
fn conclude(
    all: &mut Inspection,
    read: Reading,
    recorded: &[SnapshotRecord],
    files: &[SnapshotRecord],
) -> HardState {
    let Reading { kept, behind, behind_has_entries, known, term_told, unreadable, end, .. } = read;
    let Known { newest, highest } = known;
    all.vote_may_be_lost = !all.is_usable() && !read.behind_has_state;
    let kept_commit = kept.hard_state.commit;
    let is_whole = all.is_usable();
    let mut state = newest;
    if all.vote_may_be_lost {
        // Whatever it voted for in the newest term that anything speaks of, or in the one after: it does not again.
        let last_term = |log: &Log| log.term(log.last()).unwrap_or(0);
        let told = term_told.min(newest.term.saturating_add(TERMS_MAX));
        let told = files.iter().map(|file| file.term).fold(told, u64::max);
        let term = newest.term.max(last_term(&kept.log)).max(last_term(&behind.log)).max(told);
        (state.term, state.vote) = (term.saturating_add(1), all.owner.map_or(0, |owner| owner.node_id));
    }
    let behind = (!is_whole && behind_has_entries).then_some(behind.log);
    let from = |usable: &[SnapshotRecord]| {
        salvage(kept.log.clone(), kept_commit, behind.clone(), usable.to_vec(), state)
    };
    let mut saved = from(if is_whole { recorded } else { files });
    let (path, offset) = end;
    let last = saved.as_ref().map_or(0, Saved::last);
    if is_whole {
        let what = match &saved {
            None => Some("the log begins behind an entry that no snapshot covers that can be read".into()),
            Some(_) if newest.commit > last => {
                Some(format!("the log ends here, at index {last}, and index {} was committed", newest.commit))
            }
            Some(_) => None,
        };
        if what.is_some() {
            saved = from(files);
        }
        all.faults.extend(what.map(|what| Fault { path, offset, what, torn: false }));
    }
    if !all.is_usable() {
        let goes_on = saved.as_ref().is_some_and(|saved| saved.goes_on_behind);
        // Entries may have stood in what cannot be read, and nothing behind it speak of them.
        let unknown = unreadable / ENTRY_LEN_MIN;
        let newest_file = all.snapshots.iter().map(|file| file.index).max().unwrap_or(0);
        let possible =
            if goes_on { newest.commit } else { highest.max(last.max(newest_file).saturating_add(unknown)) };
        // What is unreadable may have overwritten what was kept and is not committed.
        let first = if goes_on { last } else { last.min(kept_commit) };
        let first = first.saturating_add(1);
        all.loss = (possible >= first).then_some(Loss { first, last: possible });
    }
    all.entries = saved.as_ref().map_or((1, 0), |saved| (saved.base.saturating_add(1), saved.last()));
    all.saved = saved;
    state
}

/// Opens every snapshot file; those that are unreadable are faults. Returns what a log records of the others.
fn look_at_snapshots(
    volume: &Arc<dyn Volume>,
    dir: &Path,
    recorded: &[SnapshotRecord],
    all: &mut Inspection,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<SnapshotRecord>> {
    let room = Room::new(Arc::clone(volume), dir, 0);
    let snapshots = SnapDir::new(Arc::clone(volume), dir, room, Latch::default());
    let mut readable = Vec::new();
    for (term, index) in snapshots.list()? {
        let recorded = recorded.iter().any(|record| (record.term, record.index) == (term, index));
        let mut file = SnapshotFile { term, index, len: None, voters: Vec::new(), recorded };
        match snapshots.open(term, index) {
            Ok(reader) => {
                file.len = Some(reader.len());
                let conf_state = reader.metadata().conf_state.clone();
                file.voters.clone_from(&conf_state.voters);
                // Nobody writes a snapshot of nothing.
                if term > 0 && index > 0 {
                    readable.push(SnapshotRecord { index, term, conf_state: Some(conf_state) });
                }
                progress(reader.len());
            }
            Err(Error::Corrupt { path, offset, what }) => {
                all.faults.push(Fault { path, offset, what, torn: false });
            }
            Err(error) if error.is_damage() => {
                let (path, what) = (snapshots.path(term, index), error.to_string());
                all.faults.push(Fault { path, offset: 0, what, torn: false });
            }
            Err(other) => return Err(other),
        }
        all.snapshots.push(file);
    }
    Ok(readable)
}
