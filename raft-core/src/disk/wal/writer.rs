//! [`WalWriter`]: appends records to the last segment and begins the next.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use super::segment::{self, SegmentName};
use super::spare::{self, Spare};
use super::tail::Tail;
use crate::disk::ballot::DurableEnd;
use crate::disk::crc::Crc;
use crate::disk::front::EntryRow;
use crate::disk::record::{Record, RecordType, SnapshotRecord};
use crate::disk::room::Room;
use crate::disk::volume::{File, Volume};
use crate::error::{Error, Result};
use crate::raftpb::entry::Entries;
use crate::raftpb::message::HardState;

/// The most bytes of an encoded HardState.
const STATE_LEN_MAX: usize = 3 * 11;
/// How much of the first segment is written with zeros while its creator waits: a few milliseconds.
const FIRST_ZEROED_BYTES: u64 = 4 << 20;

/// How segments are made, with sizes in bytes.
#[derive(Clone, Copy, Debug)]
pub(in crate::disk) struct Sizes {
    /// A segment of this size is followed by another.
    pub(in crate::disk) segment: u64,
    /// How much of a segment is written with zeros before it is used.
    pub(in crate::disk) zeroed: u64,
    /// Bytes of the disk that no segment made ready ahead may take.
    pub(in crate::disk) reserve: u64,
    /// Whether they are written past the system's cache, where that is possible.
    pub(in crate::disk) direct: bool,
}

/// Where what is appended has got to when the call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::disk) enum Reach {
    /// Nowhere yet: it waits in memory for what follows.
    Memory,
    /// To the system, if it goes through its cache: the process may end.
    System,
    /// To the disk.
    Disk,
}

/// What a writer goes on from.
pub(in crate::disk) struct Position {
    /// The segments there are, the one to write last.
    pub(in crate::disk) segments: Vec<SegmentName>,
    /// The data of the metadata record.
    pub(in crate::disk) metadata: Bytes,
    /// The chain's value at the end.
    pub(in crate::disk) crc: u32,
    /// The newest HardState, which opens the next segment.
    pub(in crate::disk) hard_state: HardState,
    /// The last entry's index, or that of a snapshot beyond it.
    pub(in crate::disk) last_index: u64,
    /// Its term.
    pub(in crate::disk) last_term: u64,
    /// Where the last record of the last segment ends.
    pub(in crate::disk) offset: u64,
}

/// The end of the log. After an error it must not be used again: what is on disk is then unknown.
pub(in crate::disk) struct WalWriter {
    volume: Arc<dyn Volume>,
    dir: PathBuf,
    sizes: Sizes,
    position: Position,
    chain: Crc,
    tail: Tail,
    // Up to here the file is durable, and up to this index the log.
    synced_offset: u64,
    synced_index: u64,
    // The HardState on disk has a lower commit than the newest one: no HardState says that something is committed
    // which was not durable here before it was written, so that one behind rot tells that something is missing.
    owes_commit: bool,
    // The last snapshot that was recorded, a leader's if the commit index has not come so far.
    received: u64,
    spare: Option<Spare>,
}

impl WalWriter {
    /// Begins a log in `dir`, which has no segment yet. A crash before the end leaves it without one.
    pub(in crate::disk) fn create(
        volume: Arc<dyn Volume>,
        dir: &Path,
        sizes: Sizes,
        metadata: Bytes,
    ) -> Result<Self> {
        let name = SegmentName { sequence: 0, index: 0 };
        let draft = dir.join("first.tmp");
        let zeroed = sizes.zeroed.min(FIRST_ZEROED_BYTES);
        let file = prepare(&*volume, &draft, zeroed)?;
        let (mut chain, mut buffer) = (Crc::from(0), Vec::new());
        put_head(&mut buffer, &mut chain, &metadata, &HardState::default());
        put_snapshot(&mut buffer, &mut chain, &SnapshotRecord::default());
        file.write_at(&buffer, 0)?;
        file.sync_all()?;
        volume.rename(&draft, &dir.join(name.file_name()))?;
        volume.sync_dir(dir)?;
        let position = Position {
            segments: vec![name],
            metadata,
            crc: chain.value(),
            hard_state: HardState::default(),
            last_index: 0,
            last_term: 0,
            offset: buffer.len() as u64,
        };
        Self::new(volume, dir, sizes, position, file, zeroed)
    }

    /// Goes on with a log that has been read. There are zeros behind the position, or the end of the file.
    pub(in crate::disk) fn resume(
        volume: Arc<dyn Volume>,
        dir: &Path,
        sizes: Sizes,
        position: Position,
        file: Box<dyn File>,
    ) -> Result<Self> {
        let len = file.len()?;
        Self::new(volume, dir, sizes, position, file, len)
    }

    fn new(
        volume: Arc<dyn Volume>,
        dir: &Path,
        sizes: Sizes,
        position: Position,
        file: Box<dyn File>,
        zeroed_to: u64,
    ) -> Result<Self> {
        let spare = match sizes.zeroed {
            0 => None,
            zeroed => {
                let room = Room::new(Arc::clone(&volume), dir, sizes.reserve);
                Spare::start(Arc::clone(&volume), room, &dir.join("spare.tmp"), zeroed)
            }
        };
        let chain = Crc::from(position.crc);
        let (synced_offset, synced_index) = (position.offset, position.last_index);
        let tail = Tail::new(file, position.offset, zeroed_to);
        let mut writer = WalWriter {
            volume,
            dir: dir.to_owned(),
            sizes,
            position,
            chain,
            tail,
            synced_offset,
            synced_index,
            owes_commit: false,
            received: 0,
            spare,
        };
        writer.go_direct()?;
        Ok(writer)
    }

    /// Writes past the cache from here on, if that is wanted and possible.
    fn go_direct(&mut self) -> Result<()> {
        match self.position.segments.last() {
            Some(name) if self.sizes.direct => {
                self.tail.go_direct(&*self.volume, &self.dir.join(name.file_name()))
            }
            _ => Ok(()),
        }
    }

    /// Whether it writes past the system's cache.
    pub(in crate::disk) fn is_direct(&self) -> bool {
        self.tail.is_direct()
    }

    /// Up to where all is durable.
    pub(in crate::disk) fn durable_end(&self) -> DurableEnd {
        let sequence = self.position.segments.last().map_or(0, |last| last.sequence);
        DurableEnd { sequence, offset: self.synced_offset, last_index: self.synced_index }
    }

    /// The newest HardState.
    pub(in crate::disk) fn hard_state(&self) -> HardState {
        self.position.hard_state
    }

    /// The last entry's index, or that of a snapshot beyond it.
    pub(in crate::disk) fn last_index(&self) -> u64 {
        self.position.last_index
    }

    /// Its term.
    pub(in crate::disk) fn last_term(&self) -> u64 {
        self.position.last_term
    }

    /// Appends entries, then the HardState.
    pub(in crate::disk) fn append(
        &mut self,
        hard_state: Option<&HardState>,
        entries: &Entries,
        reach: Reach,
    ) -> Result<()> {
        if let Some(first) = entries.first() {
            self.synced_index = self.synced_index.min(first.index.saturating_sub(1));
        }
        let mut row = EntryRow::new();
        entries.iter().try_for_each(|entry| {
            row.put(self.tail.buffer(), &mut self.chain, entry);
            (self.position.last_index, self.position.last_term) = (entry.index, entry.term);
            self.tail.relieve()
        })?;
        if let Some(state) = hard_state {
            let last = self.position.hard_state;
            let commit = state.commit.min(self.synced_index);
            self.owes_commit = commit < state.commit;
            let is_news = (state.term, state.vote) != (last.term, last.vote);
            // A leader's snapshot is only taken once this is there, and what follows it with it.
            let takes_snapshot = last.commit < self.received && self.received <= commit;
            if !self.owes_commit || is_news || takes_snapshot {
                put_state(self.tail.buffer(), &mut self.chain, &HardState { commit, ..*state });
            }
            self.position.hard_state = *state;
        }
        // A full segment is synced by the cut.
        if let Some(next) = self.next_is_due() {
            return self.cut(next);
        }
        match reach {
            Reach::Memory => self.tail.relieve(),
            Reach::System => self.tail.flush(),
            Reach::Disk => self.sync(),
        }
    }

    /// Makes all durable that was appended, and then writes what was held back until it is.
    fn sync(&mut self) -> Result<()> {
        self.tail.sync()?;
        (self.synced_offset, self.synced_index) = (self.tail.end(), self.position.last_index);
        if std::mem::take(&mut self.owes_commit) {
            let state = self.position.hard_state;
            put_state(self.tail.buffer(), &mut self.chain, &state);
            self.tail.flush()?;
        }
        Ok(())
    }

    /// Writes what still waits in memory, before the log is left.
    pub(in crate::disk) fn close(&mut self) -> Result<()> {
        if self.is_direct() { self.tail.sync() } else { self.tail.flush() }
    }

    /// Writes and syncs the word that a snapshot file is complete.
    ///
    /// All before it is durable first: behind a tear the record is evidence that the log reached so far.
    pub(in crate::disk) fn record_snapshot(&mut self, snapshot: &SnapshotRecord) -> Result<()> {
        while self.tail.end() > self.synced_offset {
            self.sync()?;
        }
        put_snapshot(self.tail.buffer(), &mut self.chain, snapshot);
        self.received = snapshot.index;
        if snapshot.index > self.position.last_index {
            (self.position.last_index, self.position.last_term) = (snapshot.index, snapshot.term);
        }
        self.sync()
    }

    /// Removes the segments that a restart from a snapshot at `index` does not read.
    pub(in crate::disk) fn release(&mut self, index: u64) -> Result<()> {
        let segments = &mut self.position.segments;
        // The newest segment that begins at or before the snapshot holds all behind it: indices can go back from
        // one segment to the next, but only where the log was overwritten.
        let kept_from = segments.iter().rposition(|name| name.index <= index).unwrap_or(0);
        if kept_from == 0 {
            return Ok(());
        }
        let names = segments.drain(..kept_from).map(SegmentName::file_name).collect();
        let dir = self.dir.clone();
        self.remove(&dir, names)
    }

    /// Removes files of `dir`, without waiting for it if there is a thread that can.
    pub(in crate::disk) fn remove(&self, dir: &Path, names: Vec<String>) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        match &self.spare {
            Some(spare) => spare.remove(dir, names),
            None => spare::remove(&*self.volume, dir, &names)?,
        }
        Ok(())
    }

    /// Waits until the next segment is ready and what was to be removed is gone, if there is a thread that does it.
    pub(in crate::disk) fn settle(&self) {
        if let Some(spare) = &self.spare {
            spare.settle();
        }
    }

    /// The file for the next segment, if it is time for one: at the size, or, where the zeros of this one have run
    /// out and a spare waits, from a sixteenth of it on.
    fn next_is_due(&mut self) -> Option<Next> {
        let offset = self.tail.end();
        let is_full = offset >= self.sizes.segment;
        if !is_full && (offset <= self.tail.zeroed_to() || offset < self.sizes.segment / 16) {
            return None;
        }
        let spare = self.spare.as_mut().and_then(Spare::take).map(Next::Spare);
        if is_full { spare.or(Some(Next::Unprepared)) } else { spare }
    }

    /// Ends this segment and begins the next. The old one is whole and durable before the new one has its name.
    fn cut(&mut self, next: Next) -> Result<()> {
        let next_one = self.position.segments.last().map_or(Some(0), |last| last.sequence.checked_add(1));
        let sequence = next_one.ok_or_else(|| Error::corrupt(&self.dir, 0, "no sequence is left"))?;
        self.tail.finish()?;
        let (file, draft, zeroed_to) = match (next, &self.spare) {
            (Next::Spare(file), Some(spare)) => (file, spare.path().to_owned(), self.sizes.zeroed),
            _ => {
                let draft = self.dir.join("next.tmp");
                (prepare(&*self.volume, &draft, 0)?, draft, 0)
            }
        };
        let mut head = Vec::new();
        put_head(&mut head, &mut self.chain, &self.position.metadata, &self.position.hard_state);
        file.write_at(&head, 0)?;
        file.sync_all()?;
        let name = SegmentName { sequence, index: self.position.last_index.saturating_add(1) };
        self.volume.rename(&draft, &self.dir.join(name.file_name()))?;
        self.volume.sync_dir(&self.dir)?;

        self.position.segments.push(name);
        (self.synced_offset, self.synced_index) = (head.len() as u64, self.position.last_index);
        self.owes_commit = false;
        self.tail.follow(file, head.len() as u64, zeroed_to);
        self.go_direct()?;
        if let Some(spare) = &mut self.spare {
            spare.request();
        }
        Ok(())
    }
}

/// What the next segment is made of.
enum Next {
    Spare(Box<dyn File>),
    Unprepared,
}

fn prepare(volume: &dyn Volume, path: &Path, zeroed: u64) -> Result<Box<dyn File>> {
    let file = segment::prepare(volume, path, zeroed, || false)?;
    file.ok_or_else(|| Error::Invariant("preparing a segment was stopped by nobody".into()))
}

/// The records that open a segment.
fn put_head(buf: &mut Vec<u8>, chain: &mut Crc, metadata: &Bytes, state: &HardState) {
    Record::put_crc(buf, chain);
    Record::put(buf, chain, RecordType::Metadata, metadata);
    if !state.is_empty() {
        put_state(buf, chain, state);
    }
}

pub(in crate::disk) fn put_state(buf: &mut Vec<u8>, chain: &mut Crc, state: &HardState) {
    let mut data = [0; STATE_LEN_MAX];
    let mut rest = &mut data[..];
    state.encode_raw(&mut rest);
    let len = STATE_LEN_MAX - rest.len();
    Record::put(buf, chain, RecordType::State, &data[..len]);
}

pub(in crate::disk) fn put_snapshot(buf: &mut Vec<u8>, chain: &mut Crc, snapshot: &SnapshotRecord) {
    Record::put(buf, chain, RecordType::Snapshot, &snapshot.encode_to_vec());
}
