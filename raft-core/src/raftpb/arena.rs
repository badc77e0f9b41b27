//! [`Arena`]: where the payloads of proposals are copied to, side by side.

use bytes::{Bytes, BytesMut};

/// How much is asked of the allocator at once.
const CHUNK: usize = 64 << 10;

/// Gives small payloads slices of one chunk after another, so that a proposal costs no allocation of its own, and those
/// that follow each other in the log lie beside each other in memory. A chunk is freed with the last payload in it, which
/// the log lets go in order: what one that is kept holds of others is a chunk at the most.
#[derive(Debug)]
pub struct Arena {
    chunk: BytesMut,
    // What is longer has a buffer of its own.
    small_max: usize,
}

impl Default for Arena {
    fn default() -> Self {
        Arena { chunk: BytesMut::new(), small_max: CHUNK / 4 }
    }
}

impl Arena {
    /// Without chunks: everything has a buffer of its own.
    pub fn none() -> Self {
        Arena { chunk: BytesMut::new(), small_max: 0 }
    }

    /// Copies pieces of `len` bytes together; returns all of them as one. None: there is not so much memory.
    pub fn join<'a>(&mut self, len: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> Option<Bytes> {
        if len > self.small_max {
            let mut own = Vec::new();
            own.try_reserve_exact(len).ok()?;
            pieces.into_iter().for_each(|piece| own.extend_from_slice(piece));
            return Some(Bytes::from(own));
        }
        if self.chunk.capacity() < len {
            self.chunk = BytesMut::with_capacity(CHUNK);
        }
        pieces.into_iter().for_each(|piece| self.chunk.extend_from_slice(piece));
        Some(self.chunk.split().freeze())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn small_payloads_lie_side_by_side_and_keep_what_they_hold() {
        let mut arena = Arena::default();
        let all: Vec<Bytes> =
            (0..2000_u32).map(|at| arena.join(256, [&at.to_le_bytes()[..], &[0x55; 252]]).unwrap()).collect();
        assert_eq!(all[0].as_ptr().wrapping_add(256), all[1].as_ptr());
        for (at, payload) in (0..2000_u32).zip(&all) {
            assert_eq!((payload.len(), &payload[..4]), (256, &at.to_le_bytes()[..]));
        }
    }

    #[test]
    fn what_is_long_or_without_chunks_has_a_buffer_of_its_own() {
        let mut arena = Arena::default();
        let small = arena.join(1, [&b"a"[..]]).unwrap();
        let long = arena.join(CHUNK, [&[7; CHUNK][..]]).unwrap();
        let next = arena.join(1, [&b"b"[..]]).unwrap();
        assert_eq!((long.len(), small.as_ptr().wrapping_add(1)), (CHUNK, next.as_ptr()));
        let own = Arena::none().join(1, [&b"c"[..]]).unwrap();
        assert!(own.is_unique());
        assert!(arena.join(usize::MAX, []).is_none());
    }
}
