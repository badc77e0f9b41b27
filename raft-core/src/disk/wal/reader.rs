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
    // Starts at `offset`.
    block: Bytes,
}

impl SegmentReader {
    pub(in crate::disk) fn open(volume: &dyn Volume, path: &Path, is_last: bool) -> Result<Self> {
        let file = volume.open(path, Access::Read)?;
        let len = file.len()?;
        Ok(SegmentReader { file, path: path.to_owned(), len, is_last, offset: 0, block: Bytes::new() })
    }

    /// Where the last whole record ends.
    pub(in crate::disk) fn offset(&self) -> u64 {
        self.offset
    }

    /// The file's size.
    pub(in crate::disk) fn len(&self) -> u64 {
        self.len
    }

    /// The segment's file.
    pub(in crate::disk) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads bytes as they lie in the file.
    pub(in crate::disk) fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.file.read_at(buf, offset)
    }

    /// Says that `what` is wrong where the next record should be.
    pub(in crate::disk) fn corrupt(&self, what: impl Into<String>) -> Error {
        Error::corrupt(&self.path, self.offset, what)
    }

    /// Reads the next record and checks it against `chain`, which is none before the first record of all.
    pub(in crate::disk) fn next(&mut self, chain: &mut Option<Crc>) -> Result<Next> {
        let left = self.len - self.offset;
        self.fill(left.min(WORD as u64))?;
        let Some(word) = self.block.first_chunk::<WORD>() else {
            return if frame::is_zero(&self.block) {
                Ok(Next::End)
            } else {
                self.torn("a piece of a length")
            };
        };
        let word = u64::from_le_bytes(*word);
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
        let body = self.block.slice(WORD..WORD + (len + padding) as usize);
        let (bytes, zeros) = (body.slice(..len as usize), body.slice(len as usize..));
        let record = Record::parse(&bytes).filter(|_| frame::is_zero(&zeros));
        let checked = record.and_then(|record| check(chain, &record).then_some(record));
        let Some(record) = checked else {
            return self.unreadable(&body, len);
        };
        let at = self.offset;
        self.offset += (WORD + body.len()) as u64;
        self.block = self.block.slice(WORD + body.len()..);
        Ok(Next::Record(at, record))
    }

    /// A record that runs past the end of the file: torn, when the growth of the file was lost, or a rotten length.
    fn overlong(&mut self, len: u64) -> Result<Next> {
        self.fill((self.len - self.offset).min(WORD as u64 + SECTOR))?;
        let body = self.block.slice(WORD..);
        if self.length_is_rotten(&body, len) {
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
            let read = self.file.read_at(&mut buf[..step], at)?;
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

    /// Makes `block` at least `need` bytes long. The caller knows that the file has them.
    fn fill(&mut self, need: u64) -> Result<()> {
        let have = self.block.len();
        if need <= have as u64 {
            return Ok(());
        }
        let want = need.max(BLOCK).min(self.len - self.offset) as usize;
        let mut block = BytesMut::zeroed(want);
        block[..have].copy_from_slice(&self.block);
        let read = self.file.read_at(&mut block[have..], self.offset + have as u64)?;
        if have + read < want {
            return Err(self.corrupt("the file has shrunk while it was read"));
        }
        self.block = block.freeze();
        Ok(())
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
