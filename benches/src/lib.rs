//! Three-node groups in one thread, of this library and of its peers, behind one face.

pub mod ours;
pub mod raft_engine;
pub mod raft_rs;

/// A group whose first node leads. Time stands still: only proposals move it.
pub trait Group {
    /// Proposes `batch` payloads of `len` bytes in one call, and pumps until all three nodes have applied them.
    fn commit(&mut self, batch: usize, len: usize);
}

/// Logs are compacted when they hold this many entries, so that a run of any length keeps one size.
pub const COMPACT_EVERY: u64 = 4096;
