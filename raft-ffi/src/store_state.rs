//! What an `rft_store_t` points to: the disk wing's store, and what a node has not taken from it yet.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use raft_core::consensus::log::memory_storage::BOOTSTRAP_INDEX;
use raft_core::consensus::ready::AppendTicket;
use raft_core::disk::damage::OnDamage;
use raft_core::disk::os::OsVolume;
use raft_core::disk::recovered::{Identity, Recovered};
use raft_core::disk::store::{Store, StoreOptions, drawn_store_id};
use raft_core::error::Error;
use raft_core::raftpb::message::SnapshotMetadata;

use crate::boundary::{Checked, Failure, Noun};
use crate::config::Settings;
use crate::config::rft_config_key::*;
use crate::node_state::snapshot_of;
use crate::ready::{rft_snapshot_t, rft_store_t};

/// A store of the node layer.
pub(crate) struct StoreState {
    store: Store,
    dir: PathBuf,
    node_id: u64,
    // The same one as in the node that was created from it.
    token: Arc<()>,
    recovered: Option<Recovered>,
    newest: SnapshotMetadata,
    // Which disk each member stands on, as it was kept last.
    known_stores: Vec<(u64, u64)>,
    // Whether the disk is known to lack what the node had acknowledged.
    is_recovering: bool,
    // The newest snapshot's bytes, once they were asked for.
    data: Option<Bytes>,
}

impl Noun for StoreState {
    type Opaque = rft_store_t;
    const MAGIC: u64 = u64::from_le_bytes(*b"rft stor");
    const NAME: &'static str = "store";
}

impl StoreState {
    pub(crate) fn open(settings: &Settings, dir: &Path) -> Checked<Self> {
        let node_id = settings.get(RFT_CONFIG_ID);
        let identity = Identity { cluster_id: settings.get(RFT_CONFIG_CLUSTER_ID), node_id };
        let segment_bytes = settings.get(RFT_CONFIG_SEGMENT_BYTES);
        let options = StoreOptions {
            segment_bytes,
            zeroed_bytes: segment_bytes,
            reserve_bytes: settings.get(RFT_CONFIG_DISK_RESERVE_BYTES),
            store_id: drawn_store_id(),
            on_damage: OnDamage::Recover,
            ..StoreOptions::new(identity)
        };
        let (store, recovered) = Store::open_member(Arc::new(OsVolume), dir, options, &settings.voters)?;
        Ok(StoreState {
            store,
            dir: dir.to_owned(),
            node_id,
            token: Arc::new(()),
            newest: recovered.snapshot.clone(),
            known_stores: recovered.known_stores.clone(),
            is_recovering: recovered.lost.is_some(),
            recovered: Some(recovered),
            data: None,
        })
    }

    pub(crate) fn node_id(&self) -> u64 {
        self.node_id
    }

    pub(crate) fn token(&self) -> Arc<()> {
        Arc::clone(&self.token)
    }

    pub(crate) fn take_recovered(&mut self) -> Checked<Recovered> {
        self.recovered.take().ok_or(Failure::Misuse("the store has its node already"))
    }

    /// The newest snapshot's bytes.
    pub(crate) fn snapshot_data(&mut self) -> Checked<Bytes> {
        if let Some(data) = &self.data {
            return Ok(data.clone());
        }
        let data = if self.newest.index > BOOTSTRAP_INDEX { self.read_snapshot()? } else { Bytes::new() };
        self.data = Some(data.clone());
        Ok(data)
    }

    fn read_snapshot(&self) -> Checked<Bytes> {
        let mut reader = self.store.snapshots().open(self.newest.term, self.newest.index)?;
        let mut data = Vec::new();
        reader.read_to_end(&mut data).map_err(|error| io_error("read", &self.dir, error))?;
        Ok(data.into())
    }

    pub(crate) fn snapshot(&mut self) -> Checked<rft_snapshot_t> {
        let data = self.snapshot_data()?;
        Ok(snapshot_of(&self.newest, &data))
    }

    /// Makes what a node handed out durable.
    pub(crate) fn save(&mut self, ticket: &AppendTicket) -> Checked<()> {
        if let Some(snapshot) = ticket.snapshot() {
            self.write_file(&snapshot.metadata, &snapshot.data)?;
            self.store.record_snapshot(&snapshot.metadata)?;
        }
        self.store.append(ticket.hard_state(), ticket.entries(), ticket.must_sync())?;
        if let Some(snapshot) = ticket.snapshot() {
            self.store.release(snapshot.metadata.index)?;
            self.newest = snapshot.metadata.clone();
            self.data = Some(snapshot.data.clone());
        }
        Ok(())
    }

    /// Keeps which disk each member stands on, if there is news.
    pub(crate) fn keep_known_stores(&mut self, known: &[(u64, u64)]) -> Checked<()> {
        if self.known_stores != known {
            self.store.keep_known_stores(known)?;
            self.known_stores = known.to_vec();
        }
        Ok(())
    }

    /// Forgets that the disk had lost something, once the node says that nothing is missing any more.
    pub(crate) fn forget_loss(&mut self, is_recovering: bool) -> Checked<()> {
        if self.is_recovering && !is_recovering {
            self.store.forget_loss()?;
            self.is_recovering = false;
        }
        Ok(())
    }

    /// Makes a snapshot of the host's durable, and drops what it makes superfluous.
    pub(crate) fn write_snapshot(&mut self, metadata: SnapshotMetadata, data: &Bytes) -> Checked<()> {
        self.write_file(&metadata, data)?;
        self.store.record_snapshot(&metadata)?;
        self.store.release(metadata.index)?;
        self.newest = metadata;
        self.data = Some(data.clone());
        Ok(())
    }

    fn write_file(&self, metadata: &SnapshotMetadata, data: &Bytes) -> Checked<()> {
        let mut writer = self.store.snapshots().create(metadata.clone())?;
        writer.write_all(data).map_err(|error| io_error("write", &self.dir, error))?;
        writer.finish()?;
        Ok(())
    }
}

/// What a stream of the disk wing says: its own error, or the system's.
pub(crate) fn io_error(operation: &'static str, dir: &Path, error: io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(own) => own.clone(),
        None => Error::io(operation, dir, error),
    }
}
