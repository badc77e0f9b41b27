//! [`Behind`]: what can still be read behind a place that cannot, as evidence of what was there.
//!
//! Nothing of it is taken into the log. It tells how far the log had reached, and so what the disk may have acknowledged.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost::Message as _;

use super::log::Fault;
use super::reader::{Next, SegmentReader};
use super::segment::SegmentName;
use crate::disk::record::{Record, RecordType, SnapshotRecord};
use crate::disk::volume::Volume;
use crate::error::Result;
use crate::raftpb::entry::Entry;
use crate::raftpb::message::HardState;

/// The least that an entry takes: a word, a record's head, term and index.
const ENTRY_LEN_MIN: u64 = 24;

/// Bytes that cannot be read, and the entries that may have been in them.
#[derive(Clone, Debug)]
pub(in crate::disk) struct Gap {
    pub(in crate::disk) path: PathBuf,
    pub(in crate::disk) offset: u64,
    pub(in crate::disk) what: String,
    /// Where the log stood before it, at the least.
    pub(in crate::disk) first: u64,
    /// Where it stood behind it, at the most.
    pub(in crate::disk) last: u64,
}

/// What is behind a fault.
#[derive(Debug, Default)]
pub(in crate::disk) struct Behind {
    pub(in crate::disk) gaps: Vec<Gap>,
    /// An upper bound of the log's last index.
    pub(in crate::disk) last: u64,
    /// The highest commit in a HardState.
    pub(in crate::disk) commit: u64,
    /// The highest term in a HardState.
    pub(in crate::disk) term: u64,
    /// The highest index of a snapshot that was recorded.
    pub(in crate::disk) snapshot: u64,
    /// The last HardState, where no gap follows it in a segment that was read from its beginning.
    pub(in crate::disk) hard_state: Option<HardState>,
    /// Where the content of the last segment ends.
    pub(in crate::disk) reach: u64,
    /// From a segment that opens.
    pub(in crate::disk) metadata: Option<Bytes>,
    // The highest index of a snapshot file: a gap may hide how the log came to jump there.
    snapshot_files: u64,
    // Where the bound of the last gap may still be lowered.
    is_open: bool,
}

impl Behind {
    /// Reads on behind `fault`, which lies in the first of `segments`; before it the log ends at `last`.
    pub(in crate::disk) fn read(
        volume: &dyn Volume,
        dir: &Path,
        segments: &[SegmentName],
        fault: &Fault,
        last: u64,
        snapshot_files: u64,
    ) -> Result<Behind> {
        let mut behind = Behind { last, snapshot_files, ..Behind::default() };
        let mut before: Option<u64> = None;
        for (at, name) in segments.iter().enumerate() {
            if let Some(before) = before
                && before.checked_add(1) != Some(name.sequence)
            {
                let what = format!("the segments between {before} and {} are missing", name.sequence);
                behind.gap(dir, 0, what, 0);
            }
            before = Some(name.sequence);
            let path = dir.join(name.file_name());
            if at > 0 {
                // A segment begins behind the last entry, or a snapshot beyond it.
                behind.stands_at(name.index.saturating_sub(1));
            }
            match SegmentReader::open(volume, &path, true) {
                Ok(mut reader) if at == 0 && fault.path == path => {
                    reader.seek(fault.offset);
                    behind.segment(&mut reader, Some(fault.what.clone()))?;
                }
                Ok(mut reader) => behind.segment(&mut reader, None)?,
                Err(error) => {
                    let fault = Fault::of(error, at, &path, 0)?;
                    behind.gap(&path, 0, fault.what, 0);
                }
            }
        }
        behind.last = behind.last.max(behind.commit);
        Ok(behind)
    }

    /// Reads a segment to its end; `what` is wrong where it begins to be read, if something is.
    fn segment(&mut self, reader: &mut SegmentReader, mut what: Option<String>) -> Result<()> {
        let mut chain = None;
        let mut is_whole = what.is_none();
        loop {
            let wrong = match what.take() {
                Some(what) => what,
                None => match reader.next(&mut chain) {
                    Ok(Next::Record(_, record)) => {
                        self.take(record, is_whole);
                        continue;
                    }
                    Ok(Next::End) => {
                        self.reach = reader.offset();
                        return Ok(());
                    }
                    Ok(Next::Torn) => "records behind one that is not there".to_owned(),
                    Err(error) => Fault::of(error, 0, reader.path(), reader.offset())?.what,
                },
            };
            is_whole = false;
            let (path, start) = (reader.path().to_owned(), reader.offset());
            let Some((at, record)) = reader.resync(&mut chain)? else {
                reader.seek(start);
                self.reach = reader.used_len()?;
                self.gap(&path, start, wrong, self.reach.saturating_sub(start));
                return Ok(());
            };
            self.gap(&path, start, wrong, at.saturating_sub(start));
            self.take(record, false);
        }
    }

    fn gap(&mut self, path: &Path, offset: u64, what: String, len: u64) {
        let first = self.last.saturating_add(1);
        self.last = self.last.max(self.snapshot_files).saturating_add(len / ENTRY_LEN_MIN);
        self.gaps.push(Gap { path: path.to_owned(), offset, what, first, last: self.last });
        self.is_open = true;
        self.hard_state = None;
    }

    /// The log ends at `index` here: what was longer before has been overwritten, and was never committed.
    fn stands_at(&mut self, index: u64) {
        self.last = index;
        self.close(index);
    }

    fn close(&mut self, index: u64) {
        if let Some(gap) = self.gaps.last_mut().filter(|_| self.is_open) {
            gap.last = gap.last.min(index);
        }
        self.is_open = false;
    }

    fn take(&mut self, record: Record, is_whole: bool) {
        match record.record_type {
            RecordType::Entry => {
                if let Ok(entry) = Entry::decode(record.data) {
                    self.close(entry.index.saturating_sub(1));
                    // Behind a gap the bytes of a record may be those of a payload that looks like one: what they say
                    // must not lower the bound.
                    self.last = if is_whole { entry.index } else { self.last.max(entry.index) };
                }
            }
            RecordType::State => {
                if let Ok(state) = HardState::decode(record.data) {
                    self.commit = self.commit.max(state.commit);
                    self.term = self.term.max(state.term);
                    self.hard_state = is_whole.then_some(state);
                }
            }
            RecordType::Snapshot => {
                if let Ok(snapshot) = SnapshotRecord::decode(record.data) {
                    self.snapshot = self.snapshot.max(snapshot.index);
                    self.last = self.last.max(snapshot.index);
                }
            }
            RecordType::Metadata => {
                self.metadata.get_or_insert(record.data);
            }
            RecordType::Crc => {}
        }
    }
}
