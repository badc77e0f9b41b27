//! [`Crc`]: the running CRC-32C that chains the records of a log.

use crc_fast::{CrcAlgorithm, Digest, checksum_combine};

/// A CRC-32C that grows with what it is shown.
#[derive(Clone)]
pub(super) struct Crc {
    digest: Digest,
}

impl Crc {
    /// Goes on from `value`, the checksum of what came before; 0 is the beginning.
    pub(super) fn from(value: u32) -> Self {
        // The register holds the complement of the checksum.
        Crc { digest: Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, u64::from(!value)) }
    }

    /// Takes in `bytes`; returns the checksum of all so far.
    pub(super) fn update(&mut self, bytes: &[u8]) -> u32 {
        self.digest.update(bytes);
        self.value()
    }

    /// The checksum of all so far.
    pub(super) fn value(&self) -> u32 {
        self.digest.finalize() as u32
    }
}

/// The checksum of some bytes followed by `len` others, from the checksums of the two.
pub(super) fn combine(first: u32, second: u32, len: u64) -> u32 {
    checksum_combine(CrcAlgorithm::Crc32Iscsi, u64::from(first), u64::from(second), len) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_the_checksum_of_everything() {
        assert_eq!(Crc::from(0).update(b"123456789"), 0xe306_9283); // the check value of CRC-32C
        let mut chain = Crc::from(0);
        let half = chain.update(b"1234");
        assert_eq!(chain.update(b"56789"), 0xe306_9283);
        assert_eq!(Crc::from(half).update(b"56789"), 0xe306_9283);
        assert_eq!(Crc::from(0).value(), 0);
    }

    #[test]
    fn two_parts_combine() {
        let (a, b) = (Crc::from(0).update(b"1234"), Crc::from(0).update(b"56789"));
        assert_eq!(combine(a, b, 5), 0xe306_9283);
    }
}
