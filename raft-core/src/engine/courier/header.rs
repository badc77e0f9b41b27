//! [`Header`]: what a chunk of a snapshot says about itself, and the answer about what is wanted next.
//!
//! ```text
//! 0        8        16        24       32      36
//! rftsnap1 | nonce  | offset  | total  | crc  |      integers are little-endian
//! ```

use bytes::{BufMut, Bytes, BytesMut};

const MAGIC: [u8; 8] = *b"rftsnap1";
const LEN: usize = 36;

/// The context of a `MsgSnap` with a chunk, and of a `MsgSnapStatus` that answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Tells one run of the sender from another, so that parts of different files are never put together.
    pub(crate) nonce: u64,
    /// The chunk's first byte; in an answer, the byte that is wanted next.
    pub(crate) offset: u64,
    /// Bytes of the snapshot.
    pub(crate) total: u64,
    /// The CRC-32 of the chunk; 0 in an answer.
    pub(crate) crc: u32,
}

impl Header {
    pub(crate) fn to_bytes(self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(LEN);
        bytes.put_slice(&MAGIC);
        bytes.put_u64_le(self.nonce);
        bytes.put_u64_le(self.offset);
        bytes.put_u64_le(self.total);
        bytes.put_u32_le(self.crc);
        bytes.freeze()
    }

    /// The header in `context`, if there is one.
    pub(crate) fn read(context: &[u8]) -> Option<Self> {
        let fields = context.strip_prefix(&MAGIC).filter(|_| context.len() == LEN)?;
        let number = |at: usize| Some(u64::from_le_bytes(fields.get(at..at + 8)?.try_into().ok()?));
        let crc = u32::from_le_bytes(fields.get(24..28)?.try_into().ok()?);
        Some(Header { nonce: number(0)?, offset: number(8)?, total: number(16)?, crc })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_and_nothing_else_is_taken_for_it() {
        let header = Header { nonce: u64::MAX, offset: 7, total: 1 << 40, crc: 0x0102_0304 };
        let bytes = header.to_bytes();
        assert_eq!(Header::read(&bytes), Some(header));
        assert_eq!(bytes[32..], [4, 3, 2, 1]);
        for len in 0..LEN {
            assert_eq!(Header::read(&bytes[..len]), None);
        }
        assert_eq!(Header::read(&[bytes.as_ref(), &[0]].concat()), None);
        assert_eq!(Header::read(&[0; LEN]), None);
    }
}
