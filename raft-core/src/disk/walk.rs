//! [`Walk`]: every record of a segment as it lies there, for tools. It changes nothing and goes on behind what is wrong.

use std::path::Path;

use bytes::Bytes;
use prost::Message as _;

use super::crc::Crc;
use super::frame::{self, WORD};
use super::record::{HEAD_LEN_MAX, Head, Metadata, Record, RecordType, SnapshotRecord};
use super::volume::{Access, File, Volume};
use super::wal::reader::{Next, SegmentReader, Unread};
use crate::error::{Error, Result};
use crate::raftpb::conf_change::ConfState;
use crate::raftpb::entry::Entry;
use crate::raftpb::message::HardState;

/// How much is looked at in one go behind what is wrong.
const WINDOW: u64 = 1 << 20;

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Whose log it is.
    Metadata(Owner),
    /// An entry of the log.
    Entry(Entry),
    /// Term, vote and commit.
    State(HardState),
    /// The chain's value, which opens a segment.
    Crc,
    /// A snapshot file was complete.
    Snapshot {
        /// Its index; 0 stands at the beginning of a log.
        index: u64,
        /// Its term.
        term: u64,
        /// The membership in it, where the writer has told it.
        conf_state: Option<ConfState>,
    },
}

/// Whose log it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The node.
    pub node_id: u64,
    /// Its cluster.
    pub cluster_id: u64,
    /// The directory's number; 0 is none.
    pub store_id: u64,
}

impl Content {
    fn of(record: &Record) -> std::result::Result<Content, String> {
        let data = record.data.clone();
        let decoded = |error: prost::DecodeError| error.to_string();
        Ok(match record.record_type {
            RecordType::Metadata => {
                let Metadata { node_id, cluster_id, store_id } = Metadata::decode(data).map_err(decoded)?;
                Content::Metadata(Owner { node_id, cluster_id, store_id })
            }
            RecordType::Entry => Content::Entry(Entry::decode(data).map_err(|error| error.to_string())?),
            RecordType::State => Content::State(HardState::decode(data).map_err(decoded)?),
            RecordType::Crc => Content::Crc,
            RecordType::Snapshot => {
                let SnapshotRecord { index, term, conf_state } =
                    SnapshotRecord::decode(data).map_err(decoded)?;
                Content::Snapshot { index, term, conf_state }
            }
        })
    }
}

/// What lies at a place of a segment.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Where its frame starts, in bytes.
    pub offset: u64,
    /// Bytes from there to the next that can be verified, or to the end.
    pub len: u64,
    /// The chain's value behind it, as it is written there.
    pub crc: u32,
    /// What it says; of something bad only where that can be guessed.
    pub content: Option<Content>,
    /// Why it cannot be believed.
    pub fault: Option<Bad>,
}

/// Why something in a segment cannot be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// What is wrong, in words.
    pub what: String,
    /// It is the end of the log, and what a crash leaves of a write that no sync followed.
    pub torn: bool,
}

/// What a frame's place holds when nothing is known of what is before.
enum Frame {
    Record(Record, u64),
    Zero,
    Nothing,
}

/// Goes through one segment.
pub struct Walk {
    reader: SegmentReader,
    // The same once more, to look ahead in.
    file: Box<dyn File>,
    len: u64,
    chain: Option<Crc>,
    is_last: bool,
    is_adrift: bool,
    is_over: bool,
}

impl Walk {
    /// Begins at the start of the segment at `path`. Only the last of a log can be torn. `chain` is the value at the end
    /// of the segment before, if there is one.
    pub fn open(volume: &dyn Volume, path: &Path, is_last: bool, chain: Option<u32>) -> Result<Self> {
        let reader = SegmentReader::open(volume, path, is_last)?;
        let file = volume.open(path, Access::Read)?;
        let len = file.len()?;
        let chain = chain.map(Crc::from);
        Ok(Walk { reader, file, len, chain, is_last, is_adrift: false, is_over: false })
    }

    /// The chain's value behind what was found last.
    pub fn chain(&self) -> Option<u32> {
        self.chain.as_ref().map(Crc::value)
    }

    /// Whether what comes now was looked for behind a lost frame: its checksums go on from no record before it. It may
    /// stand in a payload, if somebody has stored a piece of a log as a value.
    pub fn is_adrift(&self) -> bool {
        self.is_adrift
    }

    /// Bytes of the file.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the file has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What comes next; none at the end.
    pub fn step(&mut self) -> Result<Option<Found>> {
        if self.is_over {
            return Ok(None);
        }
        let offset = self.reader.offset();
        match self.reader.next(&mut self.chain) {
            Ok(Next::Record(_, record)) => Ok(Some(found(offset, self.reader.offset(), &record))),
            // In a segment with a successor the reader does not look behind zeros.
            Ok(Next::End) if !self.is_last && !self.ends_at(offset)? => {
                self.bad(offset, "zeros where a record should be".into(), false).map(Some)
            }
            Ok(Next::End) => {
                self.is_over = true;
                Ok(None)
            }
            Ok(Next::Torn) => self.bad(offset, "a write that was cut short".into(), true).map(Some),
            Err(Error::Corrupt { what, .. }) => self.bad(offset, what, false).map(Some),
            Err(error) if error.is_damage() => self.bad(offset, error.to_string(), false).map(Some),
            Err(other) => Err(other),
        }
    }

    /// Reads from byte `offset` on, with zeros for what the disk refuses to give.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        Unread::default().read(&*self.file, buf, offset)
    }

    /// Tells what is wrong at `offset` and finds out where the log goes on.
    fn bad(&mut self, offset: u64, what: String, torn: bool) -> Result<Found> {
        let mut bad = Found { offset, len: 0, crc: 0, content: None, fault: Some(Bad { what, torn }) };
        // The length word tells where the next one is, or the head of the record if the word is what has rotted.
        for frame in [self.frame_at(offset)?, self.frame_by_head(offset)?] {
            let Frame::Record(record, next) = frame else { continue };
            bad.content = bad.content.or_else(|| Content::of(&record).ok());
            bad.crc = record.crc;
            // Either the data has changed or the checksum: the next record tells with which of them the log goes on.
            let computed = self.chain.clone().map(|mut chain| chain.update(&record.data));
            for crc in [Some(record.crc), computed].into_iter().flatten() {
                if self.goes_on(next, crc)? {
                    self.chain = Some(Crc::from(crc));
                    self.reader.seek(next);
                    bad.len = next - offset;
                    let at_end = self.ends_at(next)?;
                    bad.fault.iter_mut().for_each(|bad| bad.torn &= at_end);
                    return Ok(bad);
                }
            }
        }
        match self.find(offset + WORD as u64)? {
            // The record that is found leads to the next, but what is before it is missing to verify it by.
            Some((record, next)) => {
                bad.len = next - offset;
                self.chain = Some(Crc::from(record.crc));
                self.is_adrift = true;
                self.reader.seek(next);
                bad.fault.iter_mut().for_each(|bad| bad.torn = false);
            }
            None => {
                bad.len = self.len() - offset;
                self.is_over = true;
            }
        }
        Ok(bad)
    }

    /// Whether there is nothing but zeros from `offset` on.
    fn ends_at(&self, mut offset: u64) -> Result<bool> {
        let mut window = Vec::new();
        while offset < self.len() {
            window.resize((self.len() - offset).min(WINDOW) as usize, 0);
            let mut unread = Unread::default();
            let read = unread.read(&*self.file, &mut window, offset)?;
            if !frame::is_zero(&window[..read]) || unread.check(offset, WINDOW).is_err() {
                return Ok(false);
            }
            offset += WINDOW;
        }
        Ok(true)
    }

    /// The first record from `from` on that fits its frame and that the log goes on from.
    fn find(&self, from: u64) -> Result<Option<(Record, u64)>> {
        let mut at = from;
        let mut window = Vec::new();
        while at < self.len() {
            // Frames are looked for at each multiple of eight, and a look takes more than a word.
            let len = (self.len() - at).min(WINDOW + HEAD_LEN_MAX as u64 + WORD as u64);
            window.resize(len as usize, 0);
            let read = self.read_at(&mut window, at)?;
            let end = read.min(WINDOW as usize);
            for place in (0..end).step_by(WORD).filter(|place| looks_like_a_record(&window[*place..read])) {
                let offset = at + place as u64;
                if let Frame::Record(record, next) = self.frame_at(offset)?
                    && Content::of(&record).is_ok()
                    && self.goes_on(next, record.crc)?
                {
                    return Ok(Some((record, next)));
                }
            }
            at += WINDOW;
        }
        Ok(None)
    }

    /// Whether there is nothing at `offset`, or a record that follows on the chain's value `crc`.
    fn goes_on(&self, offset: u64, crc: u32) -> Result<bool> {
        Ok(match self.frame_at(offset)? {
            Frame::Zero => self.ends_at(offset)?,
            Frame::Nothing => false,
            Frame::Record(record, _) => match record.record_type {
                RecordType::Crc => record.crc == crc,
                _ => Crc::from(crc).update(&record.data) == record.crc,
            },
        })
    }

    /// Reads a frame without looking at its checksum.
    fn frame_at(&self, offset: u64) -> Result<Frame> {
        let mut word = [0; WORD];
        let read = self.read_at(&mut word, offset)?;
        let word = u64::from_le_bytes(word);
        if word == 0 {
            return Ok(Frame::Zero);
        }
        match frame::record_len(word).filter(|_| read == WORD) {
            Some(len) => self.frame_of(offset, len),
            None => Ok(Frame::Nothing),
        }
    }

    /// The same, by the length that the record's own head tells.
    fn frame_by_head(&self, offset: u64) -> Result<Frame> {
        let mut head = [0; HEAD_LEN_MAX];
        let read = self.read_at(&mut head, offset.saturating_add(WORD as u64))?;
        match Head::parse(&head[..read], u64::MAX) {
            Some(head) => self.frame_of(offset, head.record_len),
            None => Ok(Frame::Nothing),
        }
    }

    /// The record of `len` bytes in the frame at `offset`.
    fn frame_of(&self, offset: u64, len: u64) -> Result<Frame> {
        let start = offset + WORD as u64;
        let padding = len.wrapping_neg() % 8;
        if start > self.len() || len.saturating_add(padding) > self.len() - start {
            return Ok(Frame::Nothing);
        }
        let mut bytes = vec![0; (len + padding) as usize];
        if self.read_at(&mut bytes, start)? < bytes.len() || !frame::is_zero(&bytes[len as usize..]) {
            return Ok(Frame::Nothing);
        }
        bytes.truncate(len as usize);
        let record = Record::parse(&Bytes::from(bytes), 0..len as usize);
        Ok(record.map_or(Frame::Nothing, |record| Frame::Record(record, start + len + padding)))
    }
}

/// A record that may be believed, as far as its data can be read.
fn found(offset: u64, next: u64, record: &Record) -> Found {
    let (content, fault) = match Content::of(record) {
        Ok(content) => (Some(content), None),
        Err(what) => (None, Some(Bad { what, torn: false })),
    };
    Found { offset, len: next - offset, crc: record.crc, content, fault }
}

/// Whether `bytes` begin with a length and a head that belongs to it: a look that costs little.
fn looks_like_a_record(bytes: &[u8]) -> bool {
    let Some((word, body)) = bytes.split_first_chunk::<WORD>() else { return false };
    let Some(len) = frame::record_len(u64::from_le_bytes(*word)) else { return false };
    let head = &body[..body.len().min(HEAD_LEN_MAX).min(usize::try_from(len).unwrap_or(usize::MAX))];
    matches!(head, [0x08, 1..=5, 0x10, ..])
        && Head::parse(head, len).is_some_and(|head| head.record_len == len)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::disk::os::OsVolume;

    /// A segment with twenty entries, and where each of its records begins.
    fn segment() -> (Vec<u8>, Vec<usize>) {
        let (mut buf, mut chain, mut starts) = (Vec::new(), Crc::from(0), vec![0]);
        Record::put_crc(&mut buf, &chain);
        for index in 1..=20 {
            starts.push(buf.len());
            let entry = Entry { term: 1, index, data: vec![index as u8; 90].into(), ..Entry::default() };
            Record::put_entry(&mut buf, &mut chain, &entry);
        }
        (buf, starts)
    }

    fn walk(content: &[u8], is_last: bool) -> Vec<Found> {
        let dir = tempfile::tempdir().unwrap();
        let path: PathBuf = dir.path().join("segment");
        fs::write(&path, content).unwrap();
        let mut walk = Walk::open(&OsVolume, &path, is_last, None).unwrap();
        std::iter::from_fn(|| walk.step().unwrap()).collect()
    }

    fn index(found: &Found) -> u64 {
        match &found.content {
            Some(Content::Entry(entry)) => entry.index,
            _ => 0,
        }
    }

    #[test]
    fn all_but_the_record_with_a_flipped_bit_is_found() {
        let (good, starts) = segment();
        let whole = walk(&good, true);
        assert_eq!(whole.len(), 21);
        assert!(whole.iter().all(|found| found.fault.is_none()));
        assert!(whole.iter().zip(&starts).all(|(found, start)| found.offset == *start as u64));
        for bit in (starts[1] * 8..starts[20] * 8).step_by(7) {
            let mut rotten = good.clone();
            rotten[bit / 8] ^= 1 << (bit % 8);
            let hit = starts.iter().rposition(|start| *start <= bit / 8).unwrap();
            if bit / 8 == starts[hit] + 9 {
                continue; // a record's type is under no checksum; what it means is for others to judge
            }
            for is_last in [false, true] {
                let found = walk(&rotten, is_last);
                let bad: Vec<&Found> = found.iter().filter(|found| found.fault.is_some()).collect();
                assert_eq!(bad.len(), 1, "bit {bit}: {bad:?}");
                assert_eq!(bad[0].offset, starts[hit] as u64, "bit {bit}");
                assert!(!bad[0].fault.as_ref().unwrap().torn, "bit {bit}");
                // Without the frame of a record those right behind it cannot be verified either.
                let good: Vec<u64> = found.iter().filter(|found| found.fault.is_none()).map(index).collect();
                let missing: Vec<u64> = (0..=20).filter(|index| !good.contains(index)).collect();
                assert!(
                    good.is_sorted() && missing[0] == hit as u64 && missing.len() <= 3,
                    "bit {bit}: {missing:?}"
                );
            }
        }
    }

    #[test]
    fn a_lost_sector_is_passed_over_and_a_torn_end_is_told_from_it() {
        let (good, starts) = segment();
        let mut lost = good.clone();
        lost[1024..1536].fill(0);
        let found = walk(&lost, true);
        let bad: Vec<&Found> = found.iter().filter(|found| found.fault.is_some()).collect();
        assert_eq!((bad.len(), bad[0].fault.as_ref().unwrap().torn), (1, false));
        assert_eq!(index(found.last().unwrap()), 20);

        for len in [starts[20] + 4, starts[20] + 60, good.len() - 1] {
            let found = walk(&good[..len], true);
            let last = found.last().unwrap();
            let torn = last.fault.as_ref().is_some_and(|bad| bad.torn);
            assert_eq!((found.len(), torn, last.offset), (21, true, starts[20] as u64), "length {len}");
        }
    }
}
