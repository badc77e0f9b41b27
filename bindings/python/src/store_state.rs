//! [`StoreState`]: the disk wing's store, and what a node has not taken from it yet.

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

use crate::data::Snapshot;
use crate::fault::{Checked, Fault};
use crate::node_state::host_snapshot;
use crate::settings::Settings;

/// A store of the node layer.
pub(crate) struct StoreState {
    store: Store,
    dir: PathBuf,
    node_id: u64,
    recovered: Option<Recovered>,
    newest: SnapshotMetadata,
    // Which disk each member stands on, as it was kept last.
    known_stores: Vec<(u64, u64)>,
    // Whether the disk is known to lack what the node had acknowledged.
    is_recovering: bool,
    // The newest snapshot's bytes, once they were asked for.
    data: Option<Bytes>,
}

impl StoreState {
    pub(crate) fn open(settings: &Settings, dir: &Path) -> Checked<Self> {
        let identity = Identity { cluster_id: settings.get("cluster_id"), node_id: settings.id };
        let segment_bytes = settings.get("segment_bytes");
        let options = StoreOptions {
            segment_bytes,
            zeroed_bytes: segment_bytes,
            reserve_bytes: settings.get("disk_reserve_bytes"),
            store_id: drawn_store_id(),
            on_damage: OnDamage::Recover,
            ..StoreOptions::new(identity)
        };
        let (store, recovered) = Store::open_member(Arc::new(OsVolume), dir, options, &settings.voters)?;
        Ok(StoreState {
            store,
            dir: dir.to_owned(),
            node_id: settings.id,
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

    pub(crate) fn take_recovered(&mut self) -> Checked<Recovered> {
        self.recovered.take().ok_or(Fault::Misuse("the store has its node already"))
    }

    /// The newest snapshot, if a host ever gave one.
    pub(crate) fn snapshot(&mut self) -> Checked<Option<Snapshot>> {
        let data = self.snapshot_data()?;
        Ok(host_snapshot(&self.newest, &data))
    }

    /// The newest snapshot's bytes.
    pub(crate) fn snapshot_data(&mut self) -> Checked<Bytes> {
        if let Some(data) = &self.data {
            return Ok(data.clone());
        }
        let mut read = Vec::new();
        if self.newest.index > BOOTSTRAP_INDEX {
            let mut reader = self.store.snapshots().open(self.newest.term, self.newest.index)?;
            reader.read_to_end(&mut read).map_err(|error| io_error("read", &self.dir, error))?;
        }
        let data = Bytes::from(read);
        self.data = Some(data.clone());
        Ok(data)
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
pub(crate) fn io_error(operation: &'static str, path: &Path, error: io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(own) => own.clone(),
        None => Error::io(operation, path, error),
    }
}
