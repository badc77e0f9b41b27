//! [`Frame`]: what an entry's payload says about sessions.
//!
//! A payload is the host's own bytes, unless it begins like this; integers are little-endian:
//!
//! ```text
//! 0        8   9         17         25
//! rftsess1 | 0 | bytes                        the host's bytes, which happen to begin with rftsess1
//! rftsess1 | 1 |                              opens a session: its id is the index of this entry
//! rftsess1 | 2 | session | sequence | bytes   a command in a session
//! rftsess1 | 3 | session |                    closes a session
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};

pub(in crate::engine) const MAGIC: &[u8; 8] = b"rftsess1";

/// The most bytes that a frame adds to a payload.
pub(in crate::engine) const OVERHEAD: usize = 25;

/// What is to be done with a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Frame<'a> {
    /// The host's own bytes, outside of any session.
    Plain(&'a [u8]),
    Open,
    /// A command, once.
    Command {
        session: u64,
        sequence: u64,
        data: &'a [u8],
    },
    Close {
        session: u64,
    },
}

impl<'a> Frame<'a> {
    /// Any bytes mean something: what is no frame is plain, because another program may have written it.
    pub(in crate::engine) fn read(payload: &'a [u8]) -> Self {
        Frame::read_framed(payload).unwrap_or(Frame::Plain(payload))
    }

    fn read_framed(payload: &'a [u8]) -> Option<Self> {
        let mut rest = payload.strip_prefix(MAGIC)?;
        match rest.try_get_u8().ok()? {
            0 => Some(Frame::Plain(rest)),
            1 if rest.is_empty() => Some(Frame::Open),
            2 => {
                let session = rest.try_get_u64_le().ok()?;
                let sequence = rest.try_get_u64_le().ok()?;
                Some(Frame::Command { session, sequence, data: rest })
            }
            3 => {
                let session = rest.try_get_u64_le().ok()?;
                rest.is_empty().then_some(Frame::Close { session })
            }
            _ => None,
        }
    }

    /// The payload that says so. Copies what it holds.
    pub(in crate::engine) fn to_payload(self) -> Bytes {
        let mut payload = BytesMut::with_capacity(OVERHEAD);
        payload.put_slice(MAGIC);
        match self {
            Frame::Plain(data) => {
                payload.put_u8(0);
                payload.put_slice(data);
            }
            Frame::Open => payload.put_u8(1),
            Frame::Command { session, sequence, data } => {
                payload.put_u8(2);
                payload.put_u64_le(session);
                payload.put_u64_le(sequence);
                payload.put_slice(data);
            }
            Frame::Close { session } => {
                payload.put_u8(3);
                payload.put_u64_le(session);
            }
        }
        payload.freeze()
    }
}

/// The payload of a proposal outside of sessions: as it is, unless it would be taken for a frame.
pub(in crate::engine) fn plain(data: Bytes) -> Bytes {
    if data.starts_with(MAGIC) { Frame::Plain(&data).to_payload() } else { data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_and_bytes_that_are_none_are_plain() {
        let command = Frame::Command { session: 7, sequence: u64::MAX, data: b"x" };
        for frame in [Frame::Open, command, Frame::Close { session: 9 }, Frame::Plain(b"rftsess1?")] {
            let payload = frame.to_payload();
            assert_eq!(Frame::read(&payload), frame);
            assert!(payload.len() <= OVERHEAD + 9);
        }
        for payload in [
            &b""[..],
            b"x",
            b"rftsess1",
            b"rftsess1\x04",
            b"rftsess1\x01x",
            b"rftsess1\x02short",
            b"rftsess1\x03",
        ] {
            assert_eq!(Frame::read(payload), Frame::Plain(payload));
        }
        assert_eq!(plain(Bytes::from_static(b"data")), "data");
        for data in [&b"rftsess1"[..], b"rftsess1\x01", b"rftsess1\x02 0123456 0123456 rest"] {
            assert_eq!(Frame::read(&plain(Bytes::copy_from_slice(data))), Frame::Plain(data));
        }
    }
}
