//! [`SegmentReader`]: the records of one segment, and the judgement of bytes that are none.

use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};

use crate::disk::crc::Crc;
use crate::disk::frame::{self, SECTOR, WORD};
use crate::disk::record::{HEAD_LEN_MAX, Head, Record, RecordType};
use crate::disk::volume::{Access, File, Volume};
use crate::error::{Error, Result};

/// Bytes read at a time. Entries share their block, so that one of them keeps no more than this alive.
const BLOCK: u64 = 1 << 20;
/// What is read at a time where the disk refuses to read a block.
const PAGE: u64 = 4096;

/// What follows in a segment.
pub(in crate::disk) enum Next {
    /// A record, and where its frame starts.
    Record(u64, Record),
    /// Nothing: the end of the file, or zeros.
    End,
    /// What a write leaves behind that a crash cut short. Nobody has been told that it is durable.
    Torn,
}

/// Reads a segment from its start, in constant memory.
pub(in crate::disk) struct SegmentReader {
    file: Box<dyn File>,
    path: PathBuf,
    len: u64,
    // Only the last segment can be torn: each other one was synced before the next was begun.
    is_last: bool,
    // Behind the last whole record.
    offset: u64,
    block: Bytes,
    // Where `offset` is in the block.
    at: usize,
    unread: Unread,
}

impl SegmentReader {
    pub(in crate::disk) fn open(volume: &dyn Volume, path: &Path, is_last: bool) -> Result<Self> {
        let file = volume.open(path, Access::Read)?;
        let len = file.len()?;
        Ok(SegmentReader {
            file,
            path: path.to_owned(),
            len,
            is_last,
            offset: 0,
            block: Bytes::new(),
            at: 0,
            unread: Unread::default(),
        })
    }

    /// Where the last whole record ends.
    pub(in crate::disk) fn offset(&self) -> u64 {
        self.offset
    }

    /// The segment's file.
    pub(in crate::disk) fn path(&self) -> &Path {
        &self.path
    }

    /// Copies the whole segment without the zeros at its end, durably. What cannot be read is zero in the copy.
    pub(in crate::disk) fn copy(&mut self, to: &dyn File) -> Result<()> {
        let mut block = vec![0; BLOCK as usize];
        let mut at = 0;
        while at < self.len {
            let read = self.unread.read(&*self.file, &mut block, at)?;
            let used = block[..read].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if used > 0 {
                to.write_at(&block[..used], at)?;
            }
            at += BLOCK;
        }
        to.sync_all()
    }

    /// Says that `what` is wrong where the next record should be.
    pub(in crate::disk) fn corrupt(&self, what: impl Into<String>) -> Error {
        Error::corrupt(&self.path, self.offset, what)
    }

    /// Reads the next record and checks it against `chain`, which is none before the first record of all.
    pub(in crate::disk) fn next(&mut self, chain: &mut Option<Crc>) -> Result<Next> {
        let left = self.len - self.offset;
        self.fill(left.min(WORD as u64))?;
        let Some(word) = self.ahead().first_chunk::<WORD>() else {
            return if frame::is_zero(self.ahead()) {
                Ok(Next::End)
            } else {
                self.torn("a piece of a length")
            };
        };
        let word = u64::from_le_bytes(*word);
        self.unread.check(self.offset, WORD as u64)?;
        if word == 0 {
            return if self.is_last { self.end() } else { Ok(Next::End) };
        }
        let Some(len) = frame::record_len(word) else {
            return Err(self.corrupt("no length of a record"));
        };
        let padding = len.wrapping_neg() % 8;
        if len + padding > left - WORD as u64 {
            return self.overlong(len);
        }
        self.fill(WORD as u64 + len + padding)?;
        self.unread.check(self.offset, WORD as u64 + len + padding)?;
        let body = self.at + WORD..self.at + WORD + (len + padding) as usize;
        let end = body.start + len as usize;
        let record = Record::parse(&self.block, body.start..end)
            .filter(|_| padding == 0 || frame::is_zero(&self.block[end..body.end]));
        let checked = record.and_then(|record| check(chain, &record).then_some(record));
        let Some(record) = checked else {
            return self.unreadable(&self.block[body], len);
        };
        let at = self.offset;
        self.advance(WORD + (len + padding) as usize);
        Ok(Next::Record(at, record))
    }

    /// Goes on reading at byte `offset`, a multiple of eight.
    pub(in crate::disk) fn seek(&mut self, offset: u64) {
        self.offset = offset.min(self.len);
        (self.block, self.at) = (Bytes::new(), 0);
    }

    /// Looks behind a place that cannot be read for the next record, and says where it stands. It has to be well formed,
    /// and what follows has to go on with its checksum or be the end. `chain` goes on from it.
    pub(in crate::disk) fn resync(&mut self, chain: &mut Option<Crc>) -> Result<Option<(u64, Record)>> {
        self.skip_payload()?;
        loop {
            self.skip_zeros()?;
            if self.len - self.offset < WORD as u64 {
                return Ok(None);
            }
            if let Some((record, len)) = self.candidate()? {
                let here = (self.offset, self.block.clone(), self.at);
                let mut trial = Some(Crc::from(record.crc));
                self.advance(len);
                let behind = (self.offset, self.block.clone(), self.at);
                let is_confirmed = matches!(self.next(&mut trial), Ok(Next::Record(..) | Next::End));
                let at = here.0;
                (self.offset, self.block, self.at) = if is_confirmed { behind } else { here };
                if is_confirmed {
                    *chain = Some(Crc::from(record.crc));
                    return Ok(Some((at, record)));
                }
            }
        }
    }

    /// Passes over what is in the frame here, up to its last word, as far as its length word or the head of its record
    /// tells how long it is: somebody may have stored a piece of a log as a value.
    fn skip_payload(&mut self) -> Result<()> {
        let left = self.len - self.offset;
        self.fill(left.min((WORD + HEAD_LEN_MAX) as u64))?;
        let Some((word, body)) = self.ahead().split_first_chunk::<WORD>() else { return Ok(()) };
        let by_word = frame::record_len(u64::from_le_bytes(*word));
        let by_head =
            || Head::parse(&body[..body.len().min(HEAD_LEN_MAX)], u64::MAX).map(|head| head.record_len);
        let len = by_word.filter(|len| !self.length_is_rotten(body, *len));
        let len = len.or_else(|| by_head().filter(|len| *len <= left)).unwrap_or(0).min(left);
        self.advance(len.next_multiple_of(WORD as u64).min(left) as usize);
        Ok(())
    }

    /// Passes over the word here and over all that are zero behind it.
    fn skip_zeros(&mut self) -> Result<()> {
        loop {
            self.advance(WORD.min((self.len - self.offset) as usize));
            let blank = self.ahead().chunks_exact(WORD).take_while(|word| frame::is_zero(word)).count();
            self.advance(blank * WORD);
            let left = self.len - self.offset;
            self.fill(left.min(WORD as u64))?;
            if left < WORD as u64 || !frame::is_zero(&self.ahead()[..WORD]) {
                return Ok(());
            }
        }
    }

    /// The record that may stand here, and the length of its frame.
    fn candidate(&mut self) -> Result<Option<(Record, usize)>> {
        let left = self.len - self.offset;
        let word = self.ahead().first_chunk::<WORD>().map_or(0, |word| u64::from_le_bytes(*word));
        let Some(len) = frame::record_len(word) else { return Ok(None) };
        let padding = len.wrapping_neg() % 8;
        if len + padding > left - WORD as u64 {
            return Ok(None);
        }
        // The head has to agree before a length that may be none is read.
        self.fill((WORD + HEAD_LEN_MAX).min(left as usize) as u64)?;
        let head = &self.ahead()[WORD..(WORD + HEAD_LEN_MAX).min(left as usize)];
        let head = &head[..head.len().min(len as usize)];
        if Head::parse(head, len).is_none_or(|head| head.record_len != len) {
            return Ok(None);
        }
        let frame_len = WORD as u64 + len + padding;
        self.fill(frame_len)?;
        let bytes = self.at + WORD..self.at + WORD + len as usize;
        let is_padded = frame::is_zero(&self.ahead()[WORD + len as usize..frame_len as usize]);
        let record = Record::parse(&self.block, bytes).filter(|record| is_padded && record.is_plausible());
        Ok(record.map(|record| (record, frame_len as usize)))
    }

    /// Where the last byte stands that is not zero, from here on; what cannot be read is not.
    pub(in crate::disk) fn used_len(&mut self) -> Result<u64> {
        let (mut at, mut used) = (self.offset, self.offset);
        let mut buf = vec![0; (self.len - at).min(BLOCK) as usize];
        while at < self.len {
            let step = (self.len - at).min(buf.len() as u64);
            let read = self.unread.read(&*self.file, &mut buf[..step as usize], at)?;
            if self.unread.check(at, step).is_err() {
                used = at + step;
            } else if let Some(last) = buf[..read].iter().rposition(|byte| *byte != 0) {
                used = at + last as u64 + 1;
            }
            at += step;
        }
        Ok(used)
    }

    /// What of the file is at hand from here on.
    fn ahead(&self) -> &[u8] {
        &self.block[self.at..]
    }

    fn advance(&mut self, len: usize) {
        self.offset += len as u64;
        self.at = self.block.len().min(self.at + len);
    }

    /// A record that runs past the end of the file: torn, when the growth of the file was lost, or a rotten length.
    fn overlong(&mut self, len: u64) -> Result<Next> {
        self.fill((self.len - self.offset).min(WORD as u64 + SECTOR))?;
        if self.length_is_rotten(&self.ahead()[WORD..], len) {
            return Err(self.corrupt(format!("a length of {len} that the record contradicts")));
        }
        self.torn("a record beyond the end of the file")
    }

    /// A record that is there in full length and wrong.
    fn unreadable(&self, body: &[u8], len: u64) -> Result<Next> {
        if frame::is_torn(body, self.body_offset()) && !self.length_is_rotten(body, len) {
            return self.torn("a record with a checksum that does not match");
        }
        Err(self.corrupt("a record that is unreadable or does not match its checksum"))
    }

    fn torn(&self, what: &str) -> Result<Next> {
        if self.is_last { Ok(Next::Torn) } else { Err(self.corrupt(what)) }
    }

    /// Whether the record's own head, if it was written, speaks against the length before it. A length word lies in
    /// one sector, so a crash cannot have damaged it.
    fn length_is_rotten(&self, body: &[u8], len: u64) -> bool {
        let head = &body[..body.len().min(HEAD_LEN_MAX)];
        if frame::is_torn(head, self.body_offset()) || body.is_empty() {
            return false;
        }
        match Head::parse(head, len) {
            Some(head) => head.record_len != len,
            // A head that the end of the file cuts off says nothing.
            None => head.len() == HEAD_LEN_MAX,
        }
    }

    fn body_offset(&self) -> u64 {
        self.offset + WORD as u64
    }

    /// Looks behind a length of zero in the last segment: there must be nothing but zeros. Else it stands for a
    /// sector that a crash has lost while a later one was written, or for a rotten length word.
    fn end(&mut self) -> Result<Next> {
        let mut at = self.offset;
        let mut buf = vec![0; (self.len - at).min(BLOCK) as usize];
        while at < self.len {
            let sector_end = (at / SECTOR + 1).saturating_mul(SECTOR);
            let step = if at == self.offset { sector_end - at } else { BLOCK - at % SECTOR };
            let step = step.min(self.len - at).min(buf.len() as u64) as usize;
            let read = self.unread.read(&*self.file, &mut buf[..step], at)?;
            self.unread.check(at, step as u64)?;
            if !frame::is_zero(&buf[..read]) {
                if at == self.offset {
                    return Err(self.corrupt("zeros where a record should be"));
                }
                return Ok(Next::Torn);
            }
            at += step as u64;
        }
        Ok(Next::End)
    }

    /// Gets at least `need` bytes to hand. The caller knows that the file has them.
    fn fill(&mut self, need: u64) -> Result<()> {
        let have = self.block.len() - self.at;
        if need <= have as u64 {
            return Ok(());
        }
        let want = need.max(BLOCK).min(self.len - self.offset) as usize;
        let mut block = BytesMut::zeroed(want);
        block[..have].copy_from_slice(self.ahead());
        let read = self.unread.read(&*self.file, &mut block[have..], self.offset + have as u64)?;
        if have + read < want {
            return Err(self.corrupt("the file has shrunk while it was read"));
        }
        (self.block, self.at) = (block.freeze(), 0);
        Ok(())
    }
}

/// What the disk refused to give.
#[derive(Default)]
pub(in crate::disk) struct Unread {
    // Pages, by where they begin; in the buffers they are zeros.
    pages: Vec<u64>,
    error: Option<Error>,
}

impl Unread {
    /// Reads like the file; where a page cannot be read, it is noted, and what can be read around it is read.
    pub(in crate::disk) fn read(&mut self, file: &dyn File, buf: &mut [u8], offset: u64) -> Result<usize> {
        let error = match file.read_at(buf, offset) {
            Err(error) if matches!(error, Error::Io(_)) && error.is_damage() => error,
            other => return other,
        };
        self.error.get_or_insert(error);
        let mut done = 0;
        while done < buf.len() {
            let at = offset + done as u64;
            let step = ((PAGE - at % PAGE) as usize).min(buf.len() - done);
            match file.read_at(&mut buf[done..done + step], at) {
                Ok(read) if read < step => return Ok(done + read),
                Ok(_) => {}
                Err(error) if matches!(error, Error::Io(_)) && error.is_damage() => {
                    buf[done..done + step].fill(0);
                    self.pages.push(at - at % PAGE);
                }
                Err(error) => return Err(error),
            }
            done += step;
        }
        Ok(done)
    }

    /// The disk's error, if one of these bytes could not be read.
    pub(in crate::disk) fn check(&self, offset: u64, len: u64) -> Result<()> {
        let touches = |page: &u64| *page < offset.saturating_add(len) && offset < page.saturating_add(PAGE);
        match &self.error {
            Some(error) if self.pages.iter().any(touches) => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

/// Whether the record goes on with the chain. The record that opens a segment repeats the chain's value, or starts it.
fn check(chain: &mut Option<Crc>, record: &Record) -> bool {
    if record.record_type == RecordType::Crc {
        return chain.get_or_insert_with(|| Crc::from(record.crc)).value() == record.crc;
    }
    let Some(running) = chain else {
        return false;
    };
    let before = running.value();
    let matches = running.update(&record.data) == record.crc;
    if !matches {
        // The log may go on from here.
        *running = Crc::from(before);
    }
    matches
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use prost::Message as _;

    use super::*;
    use crate::disk::os::OsVolume;
    use crate::disk::wal::replay::Replay;
    use crate::disk::wal::writer::{Sizes, WalWriter};
    use crate::raftpb::entry::Entry;
    use crate::raftpb::message::HardState;

    // Two segments as etcd with raft 3.7 writes them, which leaves out fields that are zero: metadata "meta", entries
    // 1 and 2 ("hello"), commit 2, a snapshot at 2, a cut, entry 3 ("x").
    const FIRST: &str = "
        0400000000000084 0804100000000000
        0e00000000000082 08011095a19cd8011a046d6574610000
        0e00000000000082 080510f2c4f7fa011a04080010000000
        0e00000000000082 080210b0d0ca950d1a04100118010000
        1500000000000083 08021097f0d7a4021a0b10011802220568656c6c6f000000
        1000000000000000 080310f094aced0c1a06080110011800
        1000000000000000 080310f59690810a1a06080110011802
        1400000000000084 080510eec0a0ea081a0a080210011a040801280000000000";
    const SECOND: &str = "
        0800000000000000 080410eec0a0ea08
        0e00000000000082 080110eec6f2d80e1a046d6574610000
        1000000000000000 08031096d3fda10a1a06080110011802
        1100000000000087 080210e09ccdce0b1a071001180322017800000000000000";
    // etcd's own fixture of a new log.
    const NEW: &str = "
        0400000000000084 0804100000000000
        1200000000000086 08011085d4fda0071a08736f6d6564617461000000000000
        0e00000000000082 08051080db81c1011a04080010000000";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    #[test]
    fn golden_segments_are_read_and_written_back() {
        let dir = tempfile::tempdir().unwrap();
        let (mut chain, mut replay) = (None, Replay::new(0));
        let mut written = Crc::from(0);
        for (name, hex) in [("first", FIRST), ("second", SECOND)] {
            let path = dir.path().join(name);
            fs::write(&path, bytes(hex)).unwrap();
            let mut reader = SegmentReader::open(&OsVolume, &path, name == "second").unwrap();
            let mut buf = Vec::new();
            while let Next::Record(at, record) = reader.next(&mut chain).unwrap() {
                assert_eq!(at, buf.len() as u64);
                match record.record_type {
                    RecordType::Crc => Record::put_crc(&mut buf, &written),
                    other => Record::put(&mut buf, &mut written, other, &record.data),
                }
                if !matches!(record.record_type, RecordType::Crc | RecordType::Metadata) {
                    replay.take(record).unwrap();
                }
            }
            assert_eq!(buf, bytes(hex));
            assert_eq!(reader.offset(), reader.len);
        }
        assert_eq!(replay.hard_state, HardState { term: 1, vote: 1, commit: 2 });
        let found: Vec<_> = replay.log.entries.iter().map(|e| (e.term, e.index, &e.data[..])).collect();
        assert_eq!(found, [(1, 1, &b""[..]), (1, 2, b"hello"), (1, 3, b"x")]);
        let snapshots: Vec<_> = replay.snapshots.iter().map(|s| (s.index, s.term)).collect();
        assert_eq!(snapshots, [(0, 0), (2, 1)]);
    }

    #[test]
    fn a_new_log_is_that_of_etcd() {
        let dir = tempfile::tempdir().unwrap();
        let sizes = Sizes { segment: 4096, zeroed: 0, reserve: 0, direct: false };
        let metadata = Bytes::from_static(b"somedata");
        WalWriter::create(Arc::new(OsVolume), dir.path(), sizes, metadata).unwrap();
        let name = dir.path().join("0000000000000000-0000000000000000.wal");
        assert_eq!(fs::read(name).unwrap(), bytes(NEW));
    }

    #[test]
    fn entries_larger_than_a_block_and_across_blocks_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("segment");
        let (mut buf, mut chain) = (Vec::new(), Crc::from(0));
        Record::put_crc(&mut buf, &chain);
        let lens = [700_000, 700_000, 3_000_000, 0, 1];
        for (index, len) in (1..).zip(lens) {
            let entry = Entry { term: 1, index, data: vec![index as u8; len].into(), ..Entry::default() };
            Record::put_entry(&mut buf, &mut chain, &entry);
        }
        fs::write(&path, &buf).unwrap();
        let mut reader = SegmentReader::open(&OsVolume, &path, true).unwrap();
        let (mut chain, mut found) = (None, Vec::new());
        while let Next::Record(_, record) = reader.next(&mut chain).unwrap() {
            if record.record_type == RecordType::Entry {
                found.push(Entry::decode(record.data).unwrap().data.len());
            }
        }
        assert_eq!(found, lens);
    }

    #[test]
    fn a_rotten_length_is_no_torn_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("segment");
        let good = bytes(FIRST);
        let state = HardState { term: 1, vote: 1, commit: 2 };
        let next = |content: &[u8], is_last| {
            fs::write(&path, content).unwrap();
            let mut reader = SegmentReader::open(&OsVolume, &path, is_last)?;
            let mut chain = None;
            loop {
                let next = reader.next(&mut chain)?;
                if !matches!(next, Next::Record(..)) {
                    return Ok(next);
                }
            }
        };
        // The last record's length, with a bit that makes it reach into the zeros or beyond the file.
        let at = good.len() - 32;
        for (byte, bit) in [(1, 3), (1, 7), (2, 0), (4, 4), (6, 7)] {
            let mut content = good.clone();
            content.resize(8192, 0);
            content[at + byte] |= 1 << bit;
            let found = next(&content, true);
            assert!(matches!(found, Err(Error::Corrupt { .. })), "byte {byte}, bit {bit}");
        }
        // A length that is zero before a record that is not.
        let mut content = good.clone();
        content[at..at + 8].fill(0);
        assert!(matches!(next(&content, true), Err(Error::Corrupt { .. })));
        // Cut short: torn in the last segment, and corrupt in any other.
        assert!(matches!(next(&good[..good.len() - 8], true), Ok(Next::Torn)));
        assert!(matches!(next(&good[..good.len() - 8], false), Err(Error::Corrupt { .. })));
        assert!(matches!(next(&good[..at + 5], true), Ok(Next::Torn)));
        assert_eq!(state.encoded_len(), 6);
    }
}
