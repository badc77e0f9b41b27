//! [`Recovered`]: what a directory held, and [`Identity`]: whose it is.

use crate::raftpb::entry::Entries;
use crate::raftpb::message::{HardState, SnapshotMetadata};

/// Whose store it is. It stands in every segment, so that a directory is never taken for another node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster.
    pub cluster_id: u64,
    /// The node in it.
    pub node_id: u64,
}

/// What a store held when it was opened. All of it is durable.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovered {
    /// There is nothing yet: [`Store::bootstrap`](super::store::Store::bootstrap) it, or wait to be added to a cluster.
    pub fresh: bool,
    /// The last one written; its commit lies between the snapshot and the last entry.
    pub hard_state: HardState,
    /// The newest snapshot that is readable. Index 0: none.
    pub snapshot: SnapshotMetadata,
    /// All entries behind the snapshot. Those above the commit may never have been committed.
    pub entries: Entries,
    /// The number of this directory, see [`StoreOptions::store_id`](super::store::StoreOptions::store_id); 0 is none.
    pub store_id: u64,
    /// What [`Store::keep_known_stores`](super::store::Store::keep_known_stores) was given last: id and number of members.
    pub known_stores: Vec<(u64, u64)>,
    /// What was found and mended, in plain sentences for a log.
    pub notes: Vec<String>,
}
