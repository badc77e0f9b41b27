//! [`Source`]: numbers and choices out of the bytes of a fuzzer.

/// Bytes that are used up from the front. Where they end, there are zeros.
pub(crate) struct Source<'a> {
    rest: &'a [u8],
}

impl<'a> Source<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Source { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    pub(crate) fn number(&mut self) -> u64 {
        (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    /// At most `len` bytes.
    pub(crate) fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        bytes
    }

    /// Bytes behind a byte that tells how many.
    pub(crate) fn string(&mut self) -> &'a [u8] {
        let len = self.byte();
        self.bytes(len.into())
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        self.bytes(usize::MAX)
    }

    /// A number near one of `known`, small, at the end of the range, or any: one byte for all but the last.
    pub(crate) fn number_near(&mut self, known: &[u64]) -> u64 {
        let byte = self.byte();
        let low = u64::from(byte & 0x0f);
        match (byte >> 4, known.len()) {
            (0xf, _) => self.number(),
            (0xe, _) => u64::MAX - low,
            (0..8, _) | (_, 0) => low,
            (at, len) => known[usize::from(at) % len].wrapping_add(low).wrapping_sub(8),
        }
    }
}
