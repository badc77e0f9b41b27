//! [`Recovered`]: what a directory held, and [`Identity`]: whose it is.

use super::damage::Damage;
use super::loss::Loss;
use crate::error::{Error, Result};
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

impl Identity {
    /// `Foreign` if that is another one.
    pub(super) fn check(self, node_id: u64, cluster_id: u64) -> Result<()> {
        if (node_id, cluster_id) == (self.node_id, self.cluster_id) {
            return Ok(());
        }
        Err(Error::Foreign(format!(
            "it is of node {node_id} in cluster {cluster_id}, not of node {} in cluster {}",
            self.node_id, self.cluster_id
        )))
    }
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
    /// The number of this directory in this run, see [`StoreOptions::store_id`](super::store::StoreOptions::store_id); 0
    /// is none.
    pub store_id: u64,
    /// What [`Store::keep_known_stores`](super::store::Store::keep_known_stores) was given last: id and number of members.
    pub known_stores: Vec<(u64, u64)>,
    /// What this disk may have lost of what its node had acknowledged, now or before an earlier start. The node must not
    /// vote until it is made good: see [`Store::forget_loss`](super::store::Store::forget_loss).
    pub lost: Option<Loss>,
    /// The places that were found damaged this time, where the store opened in spite of them.
    pub damages: Vec<Damage>,
    /// What was found and mended, in plain sentences for a log.
    pub notes: Vec<String>,
}
