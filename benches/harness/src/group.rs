//! Three-node groups in one thread, of this library and of its peers, behind one face.

use crate::sample;

/// A group whose first node leads. Time stands still: only proposals move it.
pub trait Group {
    /// Proposes `batch` payloads of `len` bytes in one call, and pumps until all three nodes have applied them.
    fn commit(&mut self, batch: usize, len: usize);
}

/// Logs are compacted when they hold this many entries, so that a run of any length keeps one size.
pub const COMPACT_EVERY: u64 = sample::CYCLE;

/// What each payload is cut from, in the harness of each peer.
pub fn payload() -> Vec<u8> {
    vec![0x55; 1 << 20]
}

/// The program of a suite: `PROGRAM MODE LEN BATCH`, with the group that `make` makes of the mode.
pub fn main(make: impl Fn(&str) -> Option<Box<dyn Group>>) {
    let args: Vec<String> = std::env::args().collect();
    let [_, mode, len, batch] = &args[..] else { panic!("usage: PROGRAM MODE LEN BATCH") };
    let mut group = make(mode).unwrap_or_else(|| panic!("there is no mode {mode}"));
    let (len, batch) = (len.parse().expect("a length"), batch.parse().expect("a batch"));
    sample::take(batch as u64, || group.commit(batch, len));
}
