//! How sessions travel in a snapshot: in front of the host's bytes, if there are any.
//!
//! ```text
//! 0        8        16
//! rftsess1 | length | sessions | the host's bytes
//! ```
//!
//! Without sessions a snapshot is the host's bytes alone, unless they happen to begin with `rftsess1`.

use std::io::{self, Read, Write};

use bytes::Bytes;

use super::frame::MAGIC;
use super::table::Sessions;
use crate::engine::host::SnapshotRead;
use crate::error::{Error, Result};

/// Writes the sessions before the host's first byte.
pub(in crate::engine) struct Writer<'a> {
    inner: &'a mut dyn Write,
    sessions: &'a Sessions,
    // The host's first bytes, until it is known whether they begin with the magic.
    head: Vec<u8>,
    is_begun: bool,
}

impl<'a> Writer<'a> {
    pub(in crate::engine) fn new(inner: &'a mut dyn Write, sessions: &'a Sessions) -> Self {
        Writer { inner, sessions, head: Vec::new(), is_begun: false }
    }

    /// The host has written all.
    pub(in crate::engine) fn finish(mut self) -> io::Result<()> {
        self.begin()
    }

    fn begin(&mut self) -> io::Result<()> {
        if self.is_begun {
            return Ok(());
        }
        self.is_begun = true;
        if !self.sessions.is_empty() || self.head == MAGIC {
            let sessions = self.sessions.to_vec();
            self.inner.write_all(MAGIC)?;
            self.inner.write_all(&(sessions.len() as u64).to_le_bytes())?;
            self.inner.write_all(&sessions)?;
        }
        self.inner.write_all(&self.head)
    }
}

impl Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_begun {
            return self.inner.write(bytes);
        }
        let taken = bytes.len().min(MAGIC.len() - self.head.len());
        self.head.extend_from_slice(&bytes[..taken]);
        if self.head.len() == MAGIC.len() {
            self.begin()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The host's bytes of a snapshot, behind the sessions.
pub(in crate::engine) struct Reader<'a> {
    inner: &'a mut dyn SnapshotRead,
    // What was read to see whether there are sessions, and is the host's.
    head: Bytes,
    len: u64,
}

impl<'a> Reader<'a> {
    /// Reads the sessions. `Decode` if they are malformed.
    pub(in crate::engine) fn new(inner: &'a mut dyn SnapshotRead) -> Result<(Self, Sessions)> {
        let len = inner.len();
        let head = take(inner, len.min(MAGIC.len() as u64))?;
        if head != MAGIC[..] {
            return Ok((Reader { inner, head, len }, Sessions::default()));
        }
        let field = take(inner, 8)?;
        let table = <[u8; 8]>::try_from(field.as_ref()).map_or(0, u64::from_le_bytes);
        let rest = len.checked_sub(16).and_then(|rest| rest.checked_sub(table));
        let rest = rest.ok_or_else(|| Error::Decode("a snapshot ends within its sessions".to_owned()))?;
        let sessions = Sessions::read(take(inner, table)?)?;
        Ok((Reader { inner, head: Bytes::new(), len: rest }, sessions))
    }
}

/// The next `len` bytes, as many as there really are.
fn take(from: &mut dyn SnapshotRead, len: u64) -> Result<Bytes> {
    let mut bytes = Vec::new();
    from.take(len)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::Decode(format!("the sessions in a snapshot cannot be read: {error}")))?;
    Ok(Bytes::from(bytes))
}

impl Read for Reader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.head.is_empty() {
            return self.inner.read(buf);
        }
        let len = buf.len().min(self.head.len());
        buf[..len].copy_from_slice(&self.head.split_to(len));
        Ok(len)
    }
}

impl SnapshotRead for Reader<'_> {
    fn len(&self) -> u64 {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stored(io::Cursor<Vec<u8>>);

    impl Read for Stored {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            // In small pieces, as a file may give them.
            let len = buf.len().min(3);
            self.0.read(&mut buf[..len])
        }
    }

    impl SnapshotRead for Stored {
        fn len(&self) -> u64 {
            self.0.get_ref().len() as u64
        }
    }

    fn stored(sessions: &Sessions, pieces: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, sessions);
        pieces.iter().for_each(|piece| writer.write_all(piece).unwrap());
        writer.finish().unwrap();
        bytes
    }

    fn restored(bytes: Vec<u8>) -> Result<(Vec<u8>, Sessions)> {
        let mut stored = Stored(io::Cursor::new(bytes));
        let (mut reader, sessions) = Reader::new(&mut stored)?;
        let mut data = Vec::new();
        let len = reader.len();
        reader.read_to_end(&mut data).unwrap();
        assert_eq!(data.len() as u64, len);
        Ok((data, sessions))
    }

    #[test]
    fn without_sessions_the_hosts_bytes_stand_alone() {
        let cases: [&[&[u8]]; 4] = [&[], &[b"x"], &[b"rfts", b"ess"], &[b"state machine", b" and more"]];
        for pieces in cases {
            assert_eq!(stored(&Sessions::default(), pieces), pieces.concat());
            assert_eq!(restored(pieces.concat()), Ok((pieces.concat(), Sessions::default())));
        }
    }

    #[test]
    fn sessions_and_bytes_that_look_like_them_come_back() {
        let mut sessions = Sessions::default();
        sessions.open(7);
        for sessions in [Sessions::default(), sessions] {
            let cases: [&[&[u8]]; 4] = [&[b"rftsess1"], &[b"rfts", b"ess1 and more"], &[b"x"], &[]];
            for pieces in cases {
                let bytes = stored(&sessions, pieces);
                assert_eq!(restored(bytes), Ok((pieces.concat(), sessions.clone())));
            }
        }
    }

    #[test]
    fn what_is_cut_off_within_the_sessions_is_told() {
        let mut sessions = Sessions::default();
        sessions.open(7);
        let bytes = stored(&sessions, &[]);
        for len in 8..bytes.len() {
            assert!(restored(bytes[..len].to_vec()).is_err(), "{len}");
        }
        let mut huge = b"rftsess1".to_vec();
        huge.extend(u64::MAX.to_le_bytes());
        assert!(restored(huge).is_err());
    }
}
