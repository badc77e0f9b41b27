//! What an `rft_store_t` points to.

use std::path::Path;

use raft_core::bare::store::BareStore;
use raft_core::disk::recovered::Identity;
use raft_core::disk::store::StoreOptions;

use crate::boundary::{Checked, Noun};
use crate::config::Settings;
use crate::config::rft_config_key::*;
use crate::node_state::snapshot_of;
use crate::ready::{rft_snapshot_t, rft_store_t};

/// A store of the node layer.
pub(crate) struct StoreState(pub(crate) BareStore);

impl Noun for StoreState {
    type Opaque = rft_store_t;
    const MAGIC: u64 = u64::from_le_bytes(*b"rft stor");
    const NAME: &'static str = "store";
}

impl StoreState {
    pub(crate) fn open(settings: &Settings, dir: &Path) -> Checked<Self> {
        let identity = Identity {
            cluster_id: settings.get(RFT_CONFIG_CLUSTER_ID),
            node_id: settings.get(RFT_CONFIG_ID),
        };
        let (segment, reserve) =
            (settings.get(RFT_CONFIG_SEGMENT_BYTES), settings.get(RFT_CONFIG_DISK_RESERVE_BYTES));
        let options = StoreOptions {
            direct_writes: settings.get(RFT_CONFIG_DIRECT_WRITES) != 0,
            ..StoreOptions::of_member(identity, segment, reserve)
        };
        Ok(StoreState(BareStore::open(dir, options, &settings.voters)?))
    }

    /// The newest snapshot, whose bytes the store keeps.
    pub(crate) fn snapshot(&mut self) -> Checked<rft_snapshot_t> {
        Ok(snapshot_of(&self.0.snapshot()?))
    }
}
