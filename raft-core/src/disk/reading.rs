//! [`Reading`]: what the segments of a log amount to, up to the first fault and behind the last.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost::Message as _;

use super::crc::Crc;
use super::record::{Metadata, Record, RecordType, SnapshotRecord};
use super::volume::Volume;
use super::wal::replay::Replay;
use super::wal::segment::SegmentName;
use super::walk::{Bad, Content, Found, Owner, Walk};
use crate::error::Result;
use crate::raftpb::entry::Entry;
use crate::raftpb::message::HardState;

/// What nothing that was read exceeds.
#[derive(Clone, Copy, Default)]
pub(super) struct Known {
    /// Term, vote and commit.
    pub(super) newest: HardState,
    /// The index that anything speaks of.
    pub(super) highest: u64,
}

/// Records behind a lost frame, as long as nothing ties them to the log.
#[derive(Default)]
struct Adrift {
    known: Known,
    len: u64,
}

/// What the segments amount to, up to the first fault and behind the last.
pub(super) struct Reading {
    keep_payloads: bool,
    chain: Option<u32>,
    pub(super) owner: Option<Owner>,
    pub(super) metadata: Option<Bytes>,
    pub(super) records: u64,
    /// Everything before the first fault.
    pub(super) kept: Replay,
    /// Everything behind the last; its log begins with the first entry there.
    pub(super) behind: Replay,
    pub(super) behind_has_entries: bool,
    pub(super) behind_has_state: bool,
    pub(super) known: Known,
    /// They may stand in a payload. Only the next segment can tell: if its first record repeats their checksum, they are
    /// of this log. Otherwise they are as unreadable as what is before them.
    adrift: Option<Adrift>,
    /// The highest term in records of which that was never told.
    pub(super) term_told: u64,
    /// The file, where in it, and why.
    pub(super) faults: Vec<(PathBuf, u64, Bad)>,
    /// Bytes that cannot be read.
    pub(super) unreadable: u64,
    /// The last file, and where its records end.
    pub(super) end: (PathBuf, u64),
}

impl Reading {
    /// Reads segments that follow each other without a gap.
    pub(super) fn read(
        volume: &dyn Volume,
        dir: &Path,
        run: &[SegmentName],
        keep_payloads: bool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Self> {
        let mut read = Reading::new(run.first().map_or(0, |name| name.index), keep_payloads);
        for (at, name) in run.iter().enumerate() {
            read.segment(volume, dir, *name, at + 1 == run.len(), progress)?;
        }
        read.give_up_adrift();
        read.kept.abandon_displaced();
        read.behind.abandon_displaced();
        Ok(read)
    }

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
            known: Known::default(),
            adrift: None,
            term_told: 0,
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
        self.known.highest = self.known.highest.max(name.index.saturating_sub(1));
        let mut walk = Walk::open(volume, &path, is_last, self.chain)?;
        let (mut count, mut end) = (0u64, 0);
        while let Some(found) = walk.step()? {
            progress(found.len);
            end = found.offset + found.len;
            match self.judge(&found, count) {
                Ok(()) => {
                    self.records += 1;
                    self.adrift.iter_mut().for_each(|adrift| adrift.len += found.len);
                }
                Err(bad) => self.fault(&path, &found, bad),
            }
            if walk.is_adrift() {
                self.adrift.get_or_insert_default();
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
            (0, Some(Content::Crc)) => {
                if let Some(Adrift { known, .. }) = self.adrift.take() {
                    self.known.take(known);
                }
                Ok(())
            }
            (1, Some(Content::Metadata(owner))) if self.adrift.is_none() => match self.owner {
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
        let (is_broken, is_adrift) = (!self.faults.is_empty(), self.adrift.is_some());
        let replay = if is_broken { &mut self.behind } else { &mut self.kept };
        let known = self.adrift.as_mut().map_or(&mut self.known, |adrift| &mut adrift.known);
        match content {
            Content::Entry(entry) => {
                if is_adrift {
                    // The HardState of its term may be in the gap.
                    self.term_told = self.term_told.max(entry.term);
                }
                if is_broken && !self.behind_has_entries {
                    // What was read of snapshots and states before the first entry goes on counting.
                    replay.log = Replay::new(entry.index).log;
                    self.behind_has_entries = true;
                }
                replay.take(entry_record(entry, self.keep_payloads))?;
                known.highest = known.highest.max(entry.index);
            }
            Content::State(state) => {
                replay.take(record(RecordType::State, state))?;
                self.behind_has_state = is_broken;
                known.take(Known { newest: *state, highest: state.commit });
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
                known.highest = known.highest.max(*index);
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
            self.give_up_adrift();
            self.forget_behind();
        }
        self.faults.push((path.to_owned(), found.offset, bad));
    }

    fn forget_behind(&mut self) {
        let snapshots = std::mem::take(&mut self.behind.snapshots);
        self.behind = Replay::default();
        self.behind.snapshots = snapshots;
        self.behind_has_entries = false;
        self.behind_has_state = false;
    }

    /// Nothing has tied these records to the log, and nothing will.
    fn give_up_adrift(&mut self) {
        let Some(Adrift { known, len }) = self.adrift.take() else { return };
        self.unreadable += len;
        self.term_told = self.term_told.max(known.newest.term);
        self.forget_behind();
    }
}

impl Known {
    fn take(&mut self, other: Known) {
        self.newest = newest(self.newest, other.newest);
        self.highest = self.highest.max(other.highest);
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
