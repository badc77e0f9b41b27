//! [`Storage`]: what the log needs of the place where durable entries are.

use crate::error::Result;
use crate::raftpb::conf_change::ConfState;
use crate::raftpb::entry::Entries;
use crate::raftpb::message::{HardState, Snapshot};

/// The stable part of the log. [`MemoryStorage`](super::memory_storage::MemoryStorage) is the usual one.
///
/// An error other than those named at a method stops the node.
pub trait Storage {
    /// The state and the membership to start from.
    fn initial_state(&self) -> Result<(HardState, ConfState)>;

    /// The entries `[lo, hi)` as far as they encode to `bytes_max`, one at the least. `Compacted` if `lo` is before
    /// the first index.
    fn entries(&self, lo: u64, hi: u64, bytes_max: u64) -> Result<Entries>;

    /// The term of the entry at `index`, which may be one before the first index. `Compacted` before that,
    /// `Unavailable` behind the last.
    fn term(&self, index: u64) -> Result<u64>;

    /// The first index that `entries` can give: one behind the snapshot.
    fn first_index(&self) -> u64;

    /// The last index, or that of the snapshot if there is no entry.
    fn last_index(&self) -> u64;

    /// A snapshot for node `to`, which needs an entry before the first index. It may leave out the data, if the host
    /// fetches it by the metadata. `SnapshotTemporarilyUnavailable` makes the leader ask again later.
    fn snapshot(&mut self, to: u64) -> Result<Snapshot>;

    /// Publishes what the host has made durable: the snapshot, which replaces everything, and then the entries, which
    /// replace all from their first index on. Called by [`appended`](crate::consensus::raw_node::RawNode::appended).
    fn append(&mut self, snapshot: Option<&Snapshot>, entries: Entries) -> Result<()>;
}
