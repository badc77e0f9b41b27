//! [`SnapWriter`]: a snapshot file of unknown length, written as its bytes come.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::BufMut;
use prost::Message as _;
use prost::encoding::encode_varint;

use crate::disk::crc::{Crc, combine};
use crate::disk::latch::Latch;
use crate::disk::room::Room;
use crate::disk::volume::{Access, File, Volume};
use crate::error::{Error, Result};
use crate::raftpb::message::SnapshotMetadata;

// The header: crc, length of the marshalled snapshot, length of the host's data. Each is a varint padded to a fixed
// width, so that it can be written when the data before it is known: 35 bits hold any crc, 63 any length.
const CRC_WIDTH: usize = 5;
const LEN_WIDTH: usize = 9;
const OUTER_LEN: usize = 1 + CRC_WIDTH + 1 + LEN_WIDTH;
const INNER_LEN: usize = 1 + LEN_WIDTH;
/// Where the host's data begins.
pub(super) const HEADER_LEN: usize = OUTER_LEN + INNER_LEN;

const BUFFER_LEN: usize = 256 << 10;
/// Synced in steps, so that the log's next fdatasync does not have to wait for all of a large snapshot.
const SYNC_EVERY: u64 = 16 << 20;

/// What [`SnapWriter::finish`] has made durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapInfo {
    /// Where the snapshot stands.
    pub metadata: SnapshotMetadata,
    /// Bytes of the host's data.
    pub data_len: u64,
}

/// A snapshot file in the making. Takes the host's data through [`io::Write`]; dropped before
/// [`finish`](Self::finish), it leaves no file behind.
///
/// An error of `write` says what the system said; the same error comes out of `finish`, as a value of the library.
pub struct SnapWriter {
    volume: Arc<dyn Volume>,
    room: Room,
    latch: Latch,
    file: Box<dyn File>,
    draft: PathBuf,
    path: PathBuf,
    metadata: SnapshotMetadata,
    buffer: Vec<u8>,
    // Of what stands behind the header.
    crc: Crc,
    // Where the buffer goes.
    offset: u64,
    synced: u64,
    failed: Option<Error>,
    finished: bool,
}

impl SnapWriter {
    pub(super) fn create(
        volume: Arc<dyn Volume>,
        room: Room,
        latch: Latch,
        draft: PathBuf,
        path: PathBuf,
        metadata: SnapshotMetadata,
    ) -> Result<Self> {
        room.check_snapshot(0)?;
        let file = volume.open(&draft, Access::Create)?;
        Ok(SnapWriter {
            volume,
            room,
            latch,
            file,
            draft,
            path,
            metadata,
            buffer: Vec::with_capacity(BUFFER_LEN),
            crc: Crc::from(0),
            offset: HEADER_LEN as u64,
            synced: 0,
            failed: None,
            finished: false,
        })
    }

    /// Why a write has failed, if one has.
    pub fn failure(&self) -> Option<&Error> {
        self.failed.as_ref()
    }

    /// Completes the file, makes it durable and gives it its name.
    pub fn finish(mut self) -> Result<SnapInfo> {
        let outcome = self.complete();
        self.note(outcome.as_ref().err());
        outcome
    }

    /// A disk that has failed is not to be trusted with the log either.
    fn note(&self, error: Option<&Error>) {
        if let Some(error) = error.filter(|error| error.is_failed_write()) {
            self.latch.fail(error);
        }
    }

    fn complete(&mut self) -> Result<SnapInfo> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let data_len = self.offset - HEADER_LEN as u64 + self.buffer.len() as u64;
        let mut tail = Vec::with_capacity(64);
        tail.put_u8(0x12);
        encode_varint(self.metadata.encoded_len() as u64, &mut tail);
        self.metadata.encode_raw(&mut tail);
        self.put(&tail)?;
        self.flush()?;
        self.file.write_at(&header(data_len, &self.crc, tail.len() as u64), 0)?;
        self.file.sync_all()?;
        self.volume.rename(&self.draft, &self.path)?;
        // From here on there is no draft to remove.
        self.finished = true;
        if let Some(dir) = self.path.parent() {
            self.volume.sync_dir(dir)?;
        }
        Ok(SnapInfo { metadata: self.metadata.clone(), data_len })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        if self.buffer.len() + bytes.len() > BUFFER_LEN {
            self.flush()?;
        }
        self.crc.update(bytes);
        if bytes.len() >= BUFFER_LEN {
            return self.write_out(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let written = self.write_out(&buffer);
        buffer.clear();
        self.buffer = buffer;
        written
    }

    fn write_out(&mut self, bytes: &[u8]) -> Result<()> {
        self.room.check_snapshot(bytes.len())?;
        self.file.write_at(bytes, self.offset)?;
        self.offset += bytes.len() as u64;
        if self.offset - self.synced >= SYNC_EVERY {
            self.file.sync_data()?;
            self.synced = self.offset;
        }
        Ok(())
    }
}

impl io::Write for SnapWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed.is_none() {
            self.failed = self.put(bytes).err();
            self.note(self.failed.as_ref());
        }
        match &self.failed {
            None => Ok(bytes.len()),
            Some(error) => Err(io::Error::other(error.clone())),
        }
    }

    /// Nothing is readable or durable before [`finish`](Self::finish), so there is nothing to do.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for SnapWriter {
    fn drop(&mut self) {
        if !self.finished {
            // A leftover is removed by the next open.
            let _ = self.volume.remove(&self.draft);
        }
    }
}

/// The header of a file with `data_len` bytes of the host, from the checksum of what stands behind the header: the
/// data, and `tail_len` bytes of metadata.
fn header(data_len: u64, behind: &Crc, tail_len: u64) -> Vec<u8> {
    let mut inner = Vec::with_capacity(INNER_LEN);
    inner.put_u8(0x0a);
    put_padded(data_len, LEN_WIDTH, &mut inner);
    let behind_len = data_len + tail_len;
    let crc = combine(Crc::from(0).update(&inner), behind.value(), behind_len);
    let mut header = Vec::with_capacity(HEADER_LEN);
    header.put_u8(0x08);
    put_padded(u64::from(crc), CRC_WIDTH, &mut header);
    header.put_u8(0x12);
    put_padded(INNER_LEN as u64 + behind_len, LEN_WIDTH, &mut header);
    header.extend_from_slice(&inner);
    header
}

/// A varint that is longer than it has to be: its last byte, and maybe others before, hold no bits.
fn put_padded(mut value: u64, width: usize, buf: &mut Vec<u8>) {
    for _ in 1..width {
        buf.put_u8(value as u8 & 0x7f | 0x80);
        value >>= 7;
    }
    buf.put_u8(value as u8 & 0x7f);
}
