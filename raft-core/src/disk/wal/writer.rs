//! [`WalWriter`]: appends records to the last segment and begins the next.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{BufMut, Bytes};
use prost::Message as _;

use super::segment::{self, SegmentName};
use super::spare::Spare;
use crate::disk::crc::Crc;
use crate::disk::record::{Record, RecordType, SnapshotRecord};
use crate::disk::room::Room;
use crate::disk::volume::{File, Volume};
use crate::error::{Error, Result};
use crate::raftpb::entry::{Entries, Entry};
use crate::raftpb::message::HardState;

const PAGE: u64 = 4096;
/// What a large batch is written in: whole pages, few enough to stay in the processor's cache.
const FLUSH_LEN: usize = 128 << 10;
/// A buffer that one huge entry has grown is given back.
const KEPT_CAPACITY: usize = 4 << 20;
/// How much of the first segment is written with zeros while its creator waits: a few milliseconds.
const FIRST_ZEROED_BYTES: u64 = 4 << 20;

/// Sizes of segments, in bytes.
#[derive(Clone, Copy, Debug)]
pub(in crate::disk) struct Sizes {
    /// A segment of this size is followed by another.
    pub(in crate::disk) segment: u64,
    /// How much of a segment is written with zeros before it is used.
    pub(in crate::disk) zeroed: u64,
    /// Bytes of the disk that no segment made ready ahead may take.
    pub(in crate::disk) reserve: u64,
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
    file: Box<dyn File>,
    // Where the file's zeros end; 0 if it grows as it is written.
    zeroed_to: u64,
    // Records that follow the file's `position.offset`. Empty between calls.
    buffer: Vec<u8>,
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
            offset: buffer.len() as u64,
        };
        Ok(Self::new(volume, dir, sizes, position, file, zeroed))
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
        Ok(Self::new(volume, dir, sizes, position, file, len))
    }

    fn new(
        volume: Arc<dyn Volume>,
        dir: &Path,
        sizes: Sizes,
        position: Position,
        file: Box<dyn File>,
        zeroed_to: u64,
    ) -> Self {
        let spare = match sizes.zeroed {
            0 => None,
            zeroed => {
                let room = Room::new(Arc::clone(&volume), dir, sizes.reserve);
                Spare::start(Arc::clone(&volume), room, &dir.join("spare.tmp"), zeroed)
            }
        };
        let chain = Crc::from(position.crc);
        let buffer = Vec::with_capacity(FLUSH_LEN + PAGE as usize);
        WalWriter { volume, dir: dir.to_owned(), sizes, position, chain, file, zeroed_to, buffer, spare }
    }

    /// The newest HardState.
    pub(in crate::disk) fn hard_state(&self) -> HardState {
        self.position.hard_state
    }

    /// The last entry's index, or that of a snapshot beyond it.
    pub(in crate::disk) fn last_index(&self) -> u64 {
        self.position.last_index
    }

    /// Writes entries, then the HardState. When it returns they survive the process; if `sync`, the machine too.
    pub(in crate::disk) fn append(
        &mut self,
        hard_state: Option<&HardState>,
        entries: &Entries,
        sync: bool,
    ) -> Result<()> {
        for entry in entries.iter() {
            self.put_entry(entry);
            self.position.last_index = entry.index;
            if self.buffer.len() >= FLUSH_LEN {
                self.flush(false)?;
            }
        }
        if let Some(state) = hard_state {
            put_state(&mut self.buffer, &mut self.chain, state);
            self.position.hard_state = *state;
        }
        self.flush(true)?;
        // A full segment is synced by the cut.
        if let Some(next) = self.next_is_due() {
            return self.cut(next);
        }
        if sync { self.file.sync_data() } else { Ok(()) }
    }

    /// Writes and syncs the word that a snapshot file is complete.
    pub(in crate::disk) fn record_snapshot(&mut self, snapshot: &SnapshotRecord) -> Result<()> {
        put_snapshot(&mut self.buffer, &mut self.chain, snapshot);
        self.position.last_index = self.position.last_index.max(snapshot.index);
        self.flush(true)?;
        self.file.sync_data()
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
        for name in segments.drain(..kept_from) {
            self.volume.remove(&self.dir.join(name.file_name()))?;
        }
        self.volume.sync_dir(&self.dir)
    }

    fn put_entry(&mut self, entry: &Entry) {
        let encode = |buf: &mut Vec<u8>| entry.encode(buf);
        Record::put(&mut self.buffer, &mut self.chain, RecordType::Entry, entry.encoded_len(), encode);
    }

    /// Writes what is buffered, all of it or only up to a page's end.
    fn flush(&mut self, all: bool) -> Result<()> {
        let end = self.position.offset + self.buffer.len() as u64;
        let end = if all { end } else { end - end % PAGE };
        let len = end.saturating_sub(self.position.offset) as usize;
        if len == 0 {
            return Ok(());
        }
        self.file.write_at(&self.buffer[..len], self.position.offset)?;
        self.position.offset = end;
        self.buffer.drain(..len);
        if self.buffer.capacity() > KEPT_CAPACITY {
            self.buffer.shrink_to(FLUSH_LEN);
        }
        Ok(())
    }

    /// The file for the next segment, if it is time for one: at the size, or, where the zeros of this one have run
    /// out and a spare waits, from a sixteenth of it on.
    fn next_is_due(&mut self) -> Option<Next> {
        let Position { offset, .. } = self.position;
        let is_full = offset >= self.sizes.segment;
        if !is_full && (offset <= self.zeroed_to || offset < self.sizes.segment / 16) {
            return None;
        }
        let spare = self.spare.as_mut().and_then(Spare::take).map(Next::Spare);
        if is_full { spare.or(Some(Next::Unprepared)) } else { spare }
    }

    /// Ends this segment and begins the next. The old one is whole and durable before the new one has its name.
    fn cut(&mut self, next: Next) -> Result<()> {
        let Position { offset, hard_state, .. } = self.position;
        if self.file.len()? > offset {
            self.file.set_len(offset)?;
        }
        self.file.sync_data()?;

        let (file, draft, zeroed_to) = match (next, &self.spare) {
            (Next::Spare(file), Some(spare)) => (file, spare.path().to_owned(), self.sizes.zeroed),
            _ => {
                let draft = self.dir.join("next.tmp");
                (prepare(&*self.volume, &draft, 0)?, draft, 0)
            }
        };
        put_head(&mut self.buffer, &mut self.chain, &self.position.metadata, &hard_state);
        file.write_at(&self.buffer, 0)?;
        file.sync_all()?;
        let sequence = self.position.segments.last().map_or(0, |last| last.sequence + 1);
        let name = SegmentName { sequence, index: self.position.last_index.saturating_add(1) };
        self.volume.rename(&draft, &self.dir.join(name.file_name()))?;
        self.volume.sync_dir(&self.dir)?;

        self.position.segments.push(name);
        self.position.offset = self.buffer.len() as u64;
        self.buffer.clear();
        self.file = file;
        self.zeroed_to = zeroed_to;
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
    Record::put(buf, chain, RecordType::Metadata, metadata.len(), |buf| buf.put_slice(metadata));
    if !state.is_empty() {
        put_state(buf, chain, state);
    }
}

pub(in crate::disk) fn put_state(buf: &mut Vec<u8>, chain: &mut Crc, state: &HardState) {
    Record::put(buf, chain, RecordType::State, state.encoded_len(), |buf| state.encode_raw(buf));
}

pub(in crate::disk) fn put_snapshot(buf: &mut Vec<u8>, chain: &mut Crc, snapshot: &SnapshotRecord) {
    Record::put(buf, chain, RecordType::Snapshot, snapshot.encoded_len(), |buf| snapshot.encode_raw(buf));
}
