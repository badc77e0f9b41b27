//! [`Replicated`]: what the engine itself keeps as replicated state, and how it travels in a snapshot: in front of the
//! host's bytes, as far as there is any.
//!
//! ```text
//! 0        8        16
//! rftmemb1 | length | members  rftsess1 | length | sessions  the host's bytes
//! ```
//!
//! Without members' bytes the first part is missing, without sessions the second: then a snapshot is the host's bytes
//! alone. Only where these happen to begin like a part, there are sessions in front of them, though none is open.

use std::io::{self, Read, Write};

use bytes::Bytes;

use super::host::SnapshotRead;
use super::members::Members;
use super::session::frame::MAGIC as SESSIONS;
use super::session::table::Sessions;
use crate::error::{Error, Result};

const MEMBERS: &[u8; 8] = b"rftmemb1";

/// The engine's own state as of the applied index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Replicated {
    pub(super) sessions: Sessions,
    pub(super) members: Members,
}

/// Writes the engine's own state before the host's first byte.
pub(super) struct Writer<'a> {
    inner: &'a mut dyn Write,
    own: &'a Replicated,
    // The host's first bytes, until it is known whether they begin like a part.
    head: Vec<u8>,
    is_begun: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(inner: &'a mut dyn Write, own: &'a Replicated) -> Self {
        Writer { inner, own, head: Vec::new(), is_begun: false }
    }

    /// The host has written all.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.begin()
    }

    fn begin(&mut self) -> io::Result<()> {
        if self.is_begun {
            return Ok(());
        }
        self.is_begun = true;
        let Replicated { sessions, members } = self.own;
        if !members.is_empty() {
            self.part(MEMBERS, &members.to_vec())?;
        }
        if !sessions.is_empty() || self.head == SESSIONS || self.head == MEMBERS {
            self.part(SESSIONS, &sessions.to_vec())?;
        }
        self.inner.write_all(&self.head)
    }

    fn part(&mut self, name: &[u8; 8], table: &[u8]) -> io::Result<()> {
        self.inner.write_all(name)?;
        self.inner.write_all(&(table.len() as u64).to_le_bytes())?;
        self.inner.write_all(table)
    }
}

impl Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_begun {
            return self.inner.write(bytes);
        }
        let taken = bytes.len().min(SESSIONS.len() - self.head.len());
        self.head.extend_from_slice(&bytes[..taken]);
        if self.head.len() == SESSIONS.len() {
            self.begin()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The host's bytes of a snapshot, behind the engine's own state.
pub(super) struct Reader<'a> {
    inner: &'a mut dyn SnapshotRead,
    // What was read to see whether a part follows, and is the host's.
    head: Bytes,
    len: u64,
}

impl<'a> Reader<'a> {
    /// Reads the engine's own state. `Decode` if it is malformed.
    pub(super) fn new(inner: &'a mut dyn SnapshotRead) -> Result<(Self, Replicated)> {
        let len = inner.len();
        let mut reader = Reader { inner, head: Bytes::new(), len };
        reader.fill_head()?;
        let mut own = Replicated::default();
        if reader.head == MEMBERS[..] {
            own.members = Members::read(reader.part()?)?;
            reader.fill_head()?;
        }
        if reader.head == SESSIONS[..] {
            own.sessions = Sessions::read(reader.part()?)?;
        }
        Ok((reader, own))
    }

    fn fill_head(&mut self) -> Result<()> {
        self.head = take(self.inner, self.len.min(SESSIONS.len() as u64))?;
        Ok(())
    }

    /// The table of the part whose name is the head.
    fn part(&mut self) -> Result<Bytes> {
        let field = take(self.inner, 8)?;
        let table = <[u8; 8]>::try_from(field.as_ref()).map_or(0, u64::from_le_bytes);
        let rest = self.len.checked_sub(16).and_then(|rest| rest.checked_sub(table));
        self.len =
            rest.ok_or_else(|| Error::Decode("a snapshot ends within the engine's own state".to_owned()))?;
        self.head = Bytes::new();
        take(self.inner, table)
    }
}

/// The next `len` bytes, as many as there really are.
fn take(from: &mut dyn SnapshotRead, len: u64) -> Result<Bytes> {
    let mut bytes = Vec::new();
    from.take(len).read_to_end(&mut bytes).map_err(|error| {
        Error::Decode(format!("the engine's own state in a snapshot cannot be read: {error}"))
    })?;
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
    use crate::raftpb::conf_change::{ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState};

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

    fn stored(own: &Replicated, pieces: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, own);
        pieces.iter().for_each(|piece| writer.write_all(piece).unwrap());
        writer.finish().unwrap();
        bytes
    }

    fn restored(bytes: Vec<u8>) -> Result<(Vec<u8>, Replicated)> {
        let mut stored = Stored(io::Cursor::new(bytes));
        let (mut reader, own) = Reader::new(&mut stored)?;
        let mut data = Vec::new();
        let len = reader.len();
        reader.read_to_end(&mut data).unwrap();
        assert_eq!(data.len() as u64, len);
        Ok((data, own))
    }

    /// With and without sessions and members.
    fn states() -> Vec<Replicated> {
        let mut both = Replicated::default();
        both.sessions.open(7);
        let update = ConfChangeV2 {
            context: Bytes::from_static(b"10.0.0.1:80"),
            ..ConfChangeV2::new(vec![ConfChangeSingle::new(ConfChangeType::UpdateNode, 1)])
        };
        both.members.follow(&update, &ConfState::of_voters([1]));
        let sessions = Replicated { members: Members::default(), ..both.clone() };
        let members = Replicated { sessions: Sessions::default(), ..both.clone() };
        vec![Replicated::default(), sessions, members, both]
    }

    #[test]
    fn with_nothing_of_the_engines_own_the_hosts_bytes_stand_alone() {
        let cases: [&[&[u8]]; 4] = [&[], &[b"x"], &[b"rfts", b"ess"], &[b"state machine", b" and more"]];
        for pieces in cases {
            assert_eq!(stored(&Replicated::default(), pieces), pieces.concat());
            assert_eq!(restored(pieces.concat()), Ok((pieces.concat(), Replicated::default())));
        }
    }

    #[test]
    fn all_of_it_and_bytes_that_look_like_it_come_back() {
        for own in states() {
            let cases: [&[&[u8]]; 6] = [
                &[b"rftsess1"],
                &[b"rfts", b"ess1 and more"],
                &[b"rftmemb1"],
                &[b"rftmemb1 more"],
                &[b"x"],
                &[],
            ];
            for pieces in cases {
                let bytes = stored(&own, pieces);
                assert_eq!(restored(bytes), Ok((pieces.concat(), own.clone())));
            }
        }
    }

    #[test]
    fn what_is_cut_off_within_is_told() {
        for own in states().into_iter().skip(1) {
            let bytes = stored(&own, &[]);
            // Between the two parts it is whole.
            let between = stored(&Replicated { sessions: Sessions::default(), ..own.clone() }, &[]).len();
            let lens = (8..bytes.len()).filter(|len| !(between..between + 8).contains(len));
            for len in lens {
                assert!(restored(bytes[..len].to_vec()).is_err(), "{len}");
            }
        }
        for name in [SESSIONS, MEMBERS] {
            let mut huge = name.to_vec();
            huge.extend(u64::MAX.to_le_bytes());
            assert!(restored(huge).is_err());
        }
    }
}
