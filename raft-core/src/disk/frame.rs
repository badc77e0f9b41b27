//! The frame around each record: a length word before it, zeros behind it up to a multiple of eight bytes.

/// Bytes of the length word.
pub(super) const WORD: usize = 8;

/// The unit that a disk writes whole or not at all.
pub(super) const SECTOR: u64 = 512;

/// How many zeros follow a record of `len` bytes.
pub(super) fn padding(len: usize) -> usize {
    len.wrapping_neg() % 8
}

/// The length word of a record of `len` bytes. Its top byte tells the padding, so that the word is never zero.
pub(super) fn word(len: usize) -> u64 {
    match padding(len) {
        0 => len as u64,
        padding => len as u64 | (0x80 | padding as u64) << 56,
    }
}

/// The length of the record behind a length word; none if no writer writes such a word.
pub(super) fn record_len(word: u64) -> Option<u64> {
    let len = word & ((1 << 56) - 1);
    let padding = len.wrapping_neg() % 8;
    let top = if padding == 0 { 0 } else { 0x80 | padding };
    (len != 0 && word >> 56 == top).then_some(len)
}

/// Splits `bytes`, which stand at byte `offset` of a file, at the file's sectors.
fn sectors(mut bytes: &[u8], offset: u64) -> impl Iterator<Item = &[u8]> {
    let mut room = (SECTOR - offset % SECTOR) as usize;
    std::iter::from_fn(move || {
        let (sector, rest) = bytes.split_at(room.min(bytes.len()));
        bytes = rest;
        room = SECTOR as usize;
        (!sector.is_empty()).then_some(sector)
    })
}

/// Whether one of the sectors that `bytes` at `offset` lie in was never written: it is zero, as far as they reach.
pub(super) fn is_torn(bytes: &[u8], offset: u64) -> bool {
    sectors(bytes, offset).any(is_zero)
}

/// Whether there is nothing but zeros.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    // Comparing with zeros is fast in every build, unlike a loop.
    static ZEROS: [u8; 4096] = [0; 4096];
    bytes.chunks(ZEROS.len()).all(|chunk| chunk == &ZEROS[..chunk.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_format() {
        assert_eq!(word(4).to_le_bytes(), [4, 0, 0, 0, 0, 0, 0, 0x84]);
        assert_eq!(word(0x0e).to_le_bytes(), [0x0e, 0, 0, 0, 0, 0, 0, 0x82]);
        assert_eq!(word(0x10), 0x10);
        for len in 1..100 {
            assert_eq!(record_len(word(len)), Some(len as u64));
            assert_eq!((len + padding(len)) % 8, 0);
        }
    }

    #[test]
    fn a_flipped_bit_in_the_top_byte_or_the_last_three_is_seen() {
        for len in 1..64 {
            for bit in (0..3).chain(56..64) {
                assert_eq!(record_len(word(len) ^ 1 << bit), None, "length {len}, bit {bit}");
            }
        }
        assert_eq!(record_len(0), None);
    }

    #[test]
    fn torn_is_a_sector_of_zeros_and_nothing_less() {
        let mut bytes = vec![1; 1200];
        assert!(!is_torn(&bytes, 8));
        bytes[504..1015].fill(0); // one byte short of the sector from 512 to 1024, at offset 8
        assert!(!is_torn(&bytes, 8));
        bytes[1015] = 0;
        assert!(is_torn(&bytes, 8));
        assert!(is_torn(&[0, 0, 7], 510)); // two sectors, the first of them zero as far as the bytes reach
    }
}
