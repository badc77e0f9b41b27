//! [`Inspection`]: all that is wrong with a log and its snapshots, and what of it can be saved. It changes nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use super::ballot::Kept;
use super::crc::Crc;
use super::latch::Latch;
use super::record::{Metadata, Record, RecordType, SnapshotRecord};
use super::room::Room;
use super::salvage::{Saved, salvage};
use super::snap::dir::SnapDir;
use super::volume::Volume;
use super::wal::replay::Replay;
use super::wal::segment::{self, SegmentName};
use super::walk::{Bad, Content, Found, Owner, Walk};
use crate::error::{Error, Result};
use crate::raftpb::entry::Entry;
use crate::raftpb::message::HardState;

/// The shortest frame an entry can have.
const ENTRY_LEN_MIN: u64 = 24;

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
    let mut names = segment::list(&*volume, wal_dir)?;
    let gap = names.windows(2).rposition(|pair| pair[0].sequence.checked_add(1) != Some(pair[1].sequence));
    // What lies before a gap has been released; if not, what lies behind it does not suffice, and that is told.
    let segments = names.split_off(gap.map_or(0, |at| at + 1));
    let Some(first) = segments.first() else {
        return Err(Error::corrupt(wal_dir, 0, "there is no segment of a log in this directory"));
    };
    let mut read = Reading::new(first.index, keep_payloads);
    for (at, name) in segments.iter().enumerate() {
        read.segment(&*volume, wal_dir, *name, at + 1 == segments.len(), progress)?;
    }
    read.kept.abandon_displaced();
    read.behind.abandon_displaced();
    let mut all = Inspection {
        owner: read.owner,
        segments: segments.len(),
        records: read.records,
        hard_state: read.newest,
        faults: std::mem::take(&mut read.faults),
        metadata: read.metadata.take(),
        reach: (segments.last().map_or(0, |name| name.sequence), read.end.1),
        ..Inspection::default()
    };
    let recorded: Vec<SnapshotRecord> = [&read.kept, &read.behind]
        .into_iter()
        .flat_map(|replay| &replay.snapshots)
        .filter(|record| record.index > 0 && record.index <= read.newest.commit)
        .cloned()
        .collect();
    if let Some(dir) = snap_dir {
        look_at_snapshots(&volume, dir, &recorded, &mut all, progress)?;
    }
    let is_readable = |record: &SnapshotRecord| {
        let is_it = |file: &SnapshotFile| (file.term, file.index) == (record.term, record.index);
        snap_dir.is_none() || all.snapshots.iter().any(|file| is_it(file) && file.len.is_some())
    };
    let usable = recorded.into_iter().filter(is_readable).collect();
    let is_fresh =
        *first == SegmentName { sequence: 0, index: 0 } && read.newest.is_empty() && read.highest == 0;
    // Before its first snapshot a store has the file `vote`.
    let is_of_store = || wal_dir.parent().map_or(Ok(false), |dir| Ok(Kept::load(&*volume, dir)?.is_there()));
    if is_fresh && all.is_usable() && !all.snapshots.is_empty() && !is_of_store()? {
        let (path, offset) = read.end;
        all.faults.push(Fault { path, offset, what: RECORDS_NOTHING.to_owned(), torn: false });
        return Ok(all);
    }
    conclude(&mut all, read, usable);
    Ok(all)
}

/// Decides what can be made of all that, and what is lost by it.
fn conclude(all: &mut Inspection, read: Reading, usable: Vec<SnapshotRecord>) {
    let Reading { kept, behind, behind_has_entries, newest, highest, unreadable, end, .. } = read;
    all.vote_may_be_lost = !all.is_usable() && !read.behind_has_state;
    let kept_commit = kept.hard_state.commit;
    let is_whole = all.is_usable();
    let behind = (!is_whole && behind_has_entries).then_some(behind.log);
    let mut saved = salvage(kept.log, kept_commit, behind, usable, newest);
    if all.vote_may_be_lost
        && let Some(saved) = &mut saved
    {
        // Whatever it voted for in the newest term that anything speaks of, or in the one after: it does not again.
        let last_term = saved.entries.last().map_or(0, |entry| entry.term);
        saved.hard_state.term = newest.term.max(last_term).saturating_add(1);
        saved.hard_state.vote = all.owner.map_or(0, |owner| owner.node_id);
    }
    let last = saved.as_ref().map_or(0, Saved::last);
    let (path, offset) = end;
    if is_whole {
        let what = match &saved {
            None => Some("the log begins behind an entry that no snapshot covers that can be read".into()),
            Some(_) if newest.commit > last => {
                Some(format!("the log ends here, at index {last}, and index {} was committed", newest.commit))
            }
            Some(_) => None,
        };
        all.faults.extend(what.map(|what| Fault { path, offset, what, torn: false }));
    }
    if !all.is_usable() {
        let goes_on = saved.as_ref().is_some_and(|saved| saved.goes_on_behind);
        // Entries may have stood in what cannot be read, and nothing behind it speak of them.
        let unknown = unreadable / ENTRY_LEN_MIN;
        let possible = if goes_on { newest.commit } else { highest.max(last.saturating_add(unknown)) };
        // What is unreadable may have overwritten what was kept and is not committed.
        let first = if goes_on { last } else { last.min(kept_commit) };
        let first = first.saturating_add(1);
        all.loss = (possible >= first).then_some(Loss { first, last: possible });
    }
    all.entries = saved.as_ref().map_or((1, 0), |saved| (saved.base.saturating_add(1), saved.last()));
    all.saved = saved;
}

/// Opens every snapshot file; those that are unreadable are faults.
fn look_at_snapshots(
    volume: &Arc<dyn Volume>,
    dir: &Path,
    recorded: &[SnapshotRecord],
    all: &mut Inspection,
    progress: &mut dyn FnMut(u64),
) -> Result<()> {
    let room = Room::new(Arc::clone(volume), dir, 0);
    let snapshots = SnapDir::new(Arc::clone(volume), dir, room, Latch::default());
    for (term, index) in snapshots.list()? {
        let recorded = recorded.iter().any(|record| (record.term, record.index) == (term, index));
        let mut file = SnapshotFile { term, index, len: None, voters: Vec::new(), recorded };
        match snapshots.open(term, index) {
            Ok(reader) => {
                file.len = Some(reader.len());
                file.voters = reader.metadata().conf_state.voters.clone();
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
    Ok(())
}

/// What the segments amount to, up to the first fault and behind the last.
struct Reading {
    keep_payloads: bool,
    chain: Option<u32>,
    owner: Option<Owner>,
    metadata: Option<Bytes>,
    records: u64,
    /// Everything before the first fault.
    kept: Replay,
    /// Everything behind the last; its log begins with the first entry there.
    behind: Replay,
    behind_has_entries: bool,
    behind_has_state: bool,
    /// The term, vote and commit that nothing exceeds.
    newest: HardState,
    /// The highest index that anything speaks of.
    highest: u64,
    faults: Vec<Fault>,
    /// Bytes that cannot be read.
    unreadable: u64,
    /// The last file, and where its records end.
    end: (PathBuf, u64),
}

impl Reading {
    fn new(first_index: u64, keep_payloads: bool) -> Self {
        Reading {
            keep_payloads,
            chain: None,
            owner: None,
            metadata: None,
            records: 0,
            kept: Replay::new(first_index),
            behind: Replay::default(),
            behind_has_entries: false,
            behind_has_state: false,
            newest: HardState::default(),
            highest: 0,
            faults: Vec::new(),
            unreadable: 0,
            end: (PathBuf::new(), 0),
        }
    }

    fn segment(
        &mut self,
        volume: &dyn Volume,
        dir: &Path,
        name: SegmentName,
        is_last: bool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let path = dir.join(name.file_name());
        self.highest = self.highest.max(name.index.saturating_sub(1));
        let mut walk = Walk::open(volume, &path, is_last, self.chain)?;
        let (mut count, mut end) = (0u64, 0);
        while let Some(found) = walk.step()? {
            progress(found.len);
            end = found.offset + found.len;
            match self.judge(&found, count) {
                Ok(()) => self.records += 1,
                Err(bad) => self.fault(&path, &found, bad),
            }
            count += 1;
        }
        progress(walk.len().saturating_sub(end));
        if count < 2 {
            let bad = Bad { what: "a segment that does not open".into(), torn: false };
            let at = Found { offset: end, len: 0, crc: 0, content: None, fault: None };
            self.fault(&path, &at, bad);
        }
        self.chain = walk.chain();
        self.end = (path, end);
        Ok(())
    }

    /// Takes in what was found, at the place `count` in its segment.
    fn judge(&mut self, found: &Found, count: u64) -> std::result::Result<(), Bad> {
        if let Some(bad) = &found.fault {
            // Both opening records are synced before a segment has its name.
            return Err(Bad { torn: bad.torn && count >= 2, ..bad.clone() });
        }
        let wrong = |what: &str| Err(Bad { what: what.into(), torn: false });
        match (count, &found.content) {
            (0, Some(Content::Crc)) => Ok(()),
            (1, Some(Content::Metadata(owner))) => match self.owner {
                Some(known) if known != *owner => {
                    wrong("metadata that differs from that of the segment before")
                }
                _ => {
                    self.owner = Some(*owner);
                    self.metadata.get_or_insert_with(|| metadata(owner));
                    Ok(())
                }
            },
            (0 | 1, _) => wrong("a segment that opens with other records"),
            (_, Some(content)) => self.replay(content).map_err(|what| Bad { what, torn: false }),
            (_, None) => wrong("a record that cannot be read"),
        }
    }

    fn replay(&mut self, content: &Content) -> std::result::Result<(), String> {
        let is_broken = !self.faults.is_empty();
        let replay = if is_broken { &mut self.behind } else { &mut self.kept };
        match content {
            Content::Entry(entry) => {
                if is_broken && !self.behind_has_entries {
                    // What was read of snapshots and states before the first entry goes on counting.
                    replay.log = Replay::new(entry.index).log;
                    self.behind_has_entries = true;
                }
                replay.take(entry_record(entry, self.keep_payloads))?;
                self.highest = self.highest.max(entry.index);
            }
            Content::State(state) => {
                replay.take(record(RecordType::State, state))?;
                self.highest = self.highest.max(state.commit);
                self.behind_has_state = is_broken;
                self.newest = newest(self.newest, *state);
            }
            Content::Snapshot { index, term, conf_state } => {
                let found = SnapshotRecord { index: *index, term: *term, conf_state: conf_state.clone() };
                if is_broken && !self.behind_has_entries {
                    // Whether it is a leader's or the node's own can only be told by entries before it.
                    Replay::default().take(record(RecordType::Snapshot, &found))?;
                    replay.snapshots.push(found);
                } else {
                    replay.take(record(RecordType::Snapshot, &found))?;
                }
                self.highest = self.highest.max(*index);
            }
            Content::Metadata(_) | Content::Crc => return Err("a record that only opens a segment".into()),
        }
        Ok(())
    }

    fn fault(&mut self, path: &Path, found: &Found, bad: Bad) {
        self.unreadable += found.len;
        // Behind each fault the log begins anew; what lies between two of them connects with nothing. Behind a torn end
        // there is nothing, and what was in it nobody was told of.
        if !bad.torn {
            let snapshots = std::mem::take(&mut self.behind.snapshots);
            self.behind = Replay::default();
            self.behind.snapshots = snapshots;
            self.behind_has_entries = false;
            self.behind_has_state = false;
        }
        self.faults.push(Fault {
            path: path.to_owned(),
            offset: found.offset,
            what: bad.what,
            torn: bad.torn,
        });
    }
}

/// The newer of two states, with what only the other knows.
fn newest(a: HardState, b: HardState) -> HardState {
    let (newer, older) = if b.term >= a.term { (b, a) } else { (a, b) };
    let vote = if newer.vote == 0 && newer.term == older.term { older.vote } else { newer.vote };
    HardState { term: newer.term, vote, commit: newer.commit.max(older.commit) }
}

fn metadata(owner: &Owner) -> Bytes {
    let Owner { node_id, cluster_id, store_id } = *owner;
    Metadata { node_id, cluster_id, store_id }.encode_to_vec().into()
}

fn record(record_type: RecordType, content: &impl prost::Message) -> Record {
    Record { record_type, crc: 0, data: content.encode_to_vec().into() }
}

/// The entry as a record; of a payload that is not kept, a mark that tells it from others.
fn entry_record(entry: &Entry, keep_payload: bool) -> Record {
    let mut entry = entry.clone();
    if !keep_payload && entry.data.len() > 12 {
        let mut mark = Crc::from(0).update(&entry.data).to_le_bytes().to_vec();
        mark.extend_from_slice(&entry.data.len().to_le_bytes());
        entry.data = mark.into();
    }
    let mut data = Vec::with_capacity(entry.encoded_len());
    entry.encode(&mut data);
    Record { record_type: RecordType::Entry, crc: 0, data: data.into() }
}
