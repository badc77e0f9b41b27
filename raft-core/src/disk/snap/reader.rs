//! [`SnapReader`]: a snapshot file, verified, then read as a stream.

use std::io;
use std::path::Path;

use prost::Message as _;
use prost::encoding::decode_varint;

use crate::disk::crc::Crc;
use crate::disk::volume::{Access, File, Volume};
use crate::error::{Error, Result};
use crate::raftpb::message::SnapshotMetadata;

const BLOCK: u64 = 1 << 20;
/// More than any membership needs; what a rotten length could make this allocate.
const METADATA_LEN_MAX: u64 = 16 << 20;
/// A tag and a varint.
const FIELD_LEN_MAX: u64 = 11;

/// The host's data in a snapshot file, whose checksum was verified when it was opened. Reads through [`io::Read`].
///
/// The file may be removed while this is open: it stays readable until this is dropped.
pub struct SnapReader {
    file: Box<dyn File>,
    metadata: SnapshotMetadata,
    // Of the host's data.
    start: u64,
    len: u64,
    // In the host's data.
    position: u64,
}

impl SnapReader {
    pub(super) fn open(volume: &dyn Volume, path: &Path, is_verified: bool) -> Result<Self> {
        let file = volume.open(path, Access::Read)?;
        let mut cursor = Cursor { end: file.len()?, offset: 0, file: &*file, path };
        let crc = cursor.field(0x08)?.unwrap_or(0);
        let Some(snapshot_len) = cursor.field(0x12)? else {
            return Err(cursor.corrupt("no snapshot in it"));
        };
        if snapshot_len != cursor.end - cursor.offset {
            return Err(cursor.corrupt("the length does not fit the file"));
        }
        if !is_verified {
            cursor.verify(crc)?;
        }
        let len = cursor.field(0x0a)?.unwrap_or(0);
        let start = cursor.offset;
        if len > cursor.end - start {
            return Err(cursor.corrupt("the data is longer than the file"));
        }
        cursor.offset += len;
        let metadata = cursor.metadata()?;
        Ok(SnapReader { file, metadata, start, len, position: 0 })
    }

    /// Where the snapshot stands.
    pub fn metadata(&self) -> &SnapshotMetadata {
        &self.metadata
    }

    /// Bytes of the host's data.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the host's data is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Goes on reading at byte `offset` of the host's data, or at its end if that is before.
    pub fn seek_to(&mut self, offset: u64) {
        self.position = offset.min(self.len);
    }
}

impl io::Read for SnapReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len - self.position).unwrap_or(usize::MAX);
        let want = buf.len().min(left);
        let read =
            self.file.read_at(&mut buf[..want], self.start + self.position).map_err(io::Error::other)?;
        if read < want {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += read as u64;
        Ok(read)
    }
}

/// A place in the file on the way through its fields.
struct Cursor<'a> {
    file: &'a dyn File,
    path: &'a Path,
    offset: u64,
    end: u64,
}

impl Cursor<'_> {
    /// Reads the varint behind `tag`; none, and nothing passed, if the next tag is another or there is none.
    fn field(&mut self, tag: u8) -> Result<Option<u64>> {
        let mut buf = [0; FIELD_LEN_MAX as usize];
        let want = FIELD_LEN_MAX.min(self.end - self.offset) as usize;
        let read = self.file.read_at(&mut buf[..want], self.offset)?;
        let Some((&first, mut varint)) = buf[..read].split_first() else {
            return Ok(None);
        };
        if first != tag {
            return Ok(None);
        }
        let before = varint.len();
        let value = decode_varint(&mut varint).map_err(|_| self.corrupt("a malformed number"))?;
        self.offset += (1 + before - varint.len()) as u64;
        Ok(Some(value))
    }

    /// Compares `crc` with the checksum of the rest of the file.
    fn verify(&self, crc: u64) -> Result<()> {
        let mut running = Crc::from(0);
        let mut block = vec![0; BLOCK.min(self.end - self.offset) as usize];
        let mut at = self.offset;
        while at < self.end {
            let want = BLOCK.min(self.end - at) as usize;
            let read = self.file.read_at(&mut block[..want], at)?;
            if read < want {
                return Err(self.corrupt("the file has shrunk while it was read"));
            }
            running.update(&block[..read]);
            at += read as u64;
        }
        if u64::from(running.value()) == crc {
            Ok(())
        } else {
            Err(self.corrupt("the checksum does not match"))
        }
    }

    /// Reads the metadata, which is the rest of the file.
    fn metadata(&mut self) -> Result<SnapshotMetadata> {
        let len = self.field(0x12)?;
        if len != Some(self.end - self.offset) || len > Some(METADATA_LEN_MAX) {
            return Err(self.corrupt("no metadata behind the data"));
        }
        let mut bytes = vec![0; (self.end - self.offset) as usize];
        let read = self.file.read_at(&mut bytes, self.offset)?;
        SnapshotMetadata::decode(&bytes[..read]).map_err(|error| self.corrupt(error.to_string()))
    }

    fn corrupt(&self, what: impl Into<String>) -> Error {
        Error::corrupt(self.path, self.offset, what)
    }
}
