//! [`BareStore`]: the disk wing's store, and what a node has not taken from it yet.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::consensus::log::memory_storage::BOOTSTRAP_INDEX;
use crate::consensus::ready::AppendTicket;
use crate::disk::loss::Loss;
use crate::disk::os::OsVolume;
use crate::disk::recovered::Recovered;
use crate::disk::store::{Store, StoreOptions};
use crate::error::{Error, Result};
use crate::raftpb::message::{Snapshot, SnapshotMetadata};

/// The directory of a [`BareNode`](super::node::BareNode): its log and its snapshots.
///
/// Its newest snapshot's bytes lie in memory once they were asked for, like those in the node.
pub struct BareStore {
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
    data: Option<Bytes>,
}

impl BareStore {
    /// Opens the directory, and makes a fresh one a first member if there are `voters`.
    pub fn open(dir: &Path, options: StoreOptions, voters: &[u64]) -> Result<Self> {
        let node_id = options.identity.node_id;
        let (store, recovered) = Store::open_member(Arc::new(OsVolume), dir, options, voters)?;
        Ok(BareStore {
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

    /// Whose directory it is.
    pub fn node_id(&self) -> u64 {
        self.node_id
    }

    /// The newest snapshot. The one that a cluster starts from has no bytes; its index is `BOOTSTRAP_INDEX`, and 0 in a
    /// store that waits for its first.
    pub fn snapshot(&mut self) -> Result<Snapshot> {
        let data = self.snapshot_data()?;
        Ok(Snapshot { data, metadata: self.newest.clone() })
    }

    pub(super) fn token(&self) -> &Arc<()> {
        &self.token
    }

    pub(super) fn take_recovered(&mut self) -> Result<Recovered> {
        self.recovered.take().ok_or(Error::Misuse("the store has its node already"))
    }

    /// The newest snapshot's bytes. The one that a cluster starts from has none.
    pub(super) fn snapshot_data(&mut self) -> Result<Bytes> {
        if let Some(data) = &self.data {
            return Ok(data.clone());
        }
        let mut read = Vec::new();
        if self.newest.index > BOOTSTRAP_INDEX {
            let mut reader = self.store.snapshots().open(self.newest.term, self.newest.index)?;
            reader.read_to_end(&mut read).map_err(|error| Error::of_stream("read", &self.dir, error))?;
        }
        let data = Bytes::from(read);
        self.data = Some(data.clone());
        Ok(data)
    }

    /// Makes what a node handed out durable.
    pub(super) fn save(&mut self, ticket: &AppendTicket) -> Result<()> {
        if let Some(snapshot) = ticket.snapshot() {
            self.record(&snapshot.metadata, &snapshot.data)?;
        }
        self.store.append(ticket.hard_state(), ticket.entries(), ticket.must_sync())?;
        if let Some(snapshot) = ticket.snapshot() {
            self.take_for_newest(&snapshot.metadata, &snapshot.data)?;
        }
        Ok(())
    }

    /// Keeps what the node has learned of its own disk and of those of others.
    pub(super) fn follow(&mut self, lost: Option<Loss>, known_stores: &[(u64, u64)]) -> Result<()> {
        match lost {
            Some(loss) if !self.is_recovering => self.store.keep_loss(loss)?,
            None if self.is_recovering => self.store.forget_loss()?,
            Some(_) | None => {}
        }
        self.is_recovering = lost.is_some();
        if self.known_stores != known_stores {
            self.store.keep_known_stores(known_stores)?;
            self.known_stores = known_stores.to_vec();
        }
        Ok(())
    }

    /// Makes a snapshot of the host's durable, and drops what it makes superfluous.
    pub(super) fn write_snapshot(&mut self, metadata: &SnapshotMetadata, data: &Bytes) -> Result<()> {
        self.record(metadata, data)?;
        self.take_for_newest(metadata, data)
    }

    fn record(&mut self, metadata: &SnapshotMetadata, data: &Bytes) -> Result<()> {
        let mut writer = self.store.snapshots().create(metadata.clone())?;
        writer.write_all(data).map_err(|error| Error::of_stream("write", &self.dir, error))?;
        writer.finish()?;
        self.store.record_snapshot(metadata)
    }

    fn take_for_newest(&mut self, metadata: &SnapshotMetadata, data: &Bytes) -> Result<()> {
        self.store.release(metadata.index)?;
        self.newest = metadata.clone();
        self.data = Some(data.clone());
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;
    use crate::bare::node::BareNode;
    use crate::consensus::config::Config;
    use crate::disk::recovered::Identity;
    use crate::raftpb::conf_change::ConfState;
    use crate::raftpb::entry::Entry;
    use crate::raftpb::message::Message;
    use crate::raftpb::message::MessageType::{MsgApp, MsgHeartbeat, MsgSnap};

    fn open(dir: &Path, direct_writes: bool) -> BareStore {
        let identity = Identity { cluster_id: 1, node_id: 2 };
        let options = StoreOptions { direct_writes, ..StoreOptions::of_member(identity, 1 << 16, 0) };
        BareStore::open(dir, options, &[]).unwrap()
    }

    /// What a process that is killed now leaves behind.
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
            let to = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy(&entry.path(), &to);
            } else {
                fs::copy(entry.path(), to).unwrap();
            }
        }
    }

    /// What is there of a leader's snapshot 20, and of the entries that came with it, after a kill behind the save.
    fn after_a_kill(direct_writes: bool, entries: &[Entry], commit: u64) -> (Bytes, u64, u64) {
        let dirs = tempfile::tempdir().unwrap();
        let (live, left) = (dirs.path().join("live"), dirs.path().join("left"));
        let mut store = open(&live, direct_writes);
        let mut node = BareNode::recovered(Config::new(2), &mut store, 0).unwrap();
        let of_leader = |msg_type| Message { from: 1, term: 1, ..Message::new(msg_type, 2) };
        node.step(of_leader(MsgHeartbeat)).unwrap();
        node.ready().unwrap();
        node.save(&mut store).unwrap();
        node.advance().unwrap();

        // Neither term nor vote changes with it.
        let metadata = SnapshotMetadata { index: 20, term: 1, conf_state: ConfState::of_voters([1, 2]) };
        let snapshot = Some(Box::new(Snapshot { data: Bytes::from_static(b"state"), metadata }));
        node.step(Message { snapshot, ..of_leader(MsgSnap) }).unwrap();
        let entries = entries.to_vec().into();
        node.step(Message { index: 20, log_term: 1, entries, commit, ..of_leader(MsgApp) }).unwrap();
        let wanted = node.ready().unwrap();
        assert!(wanted.append.unwrap().must_sync());
        node.save(&mut store).unwrap();
        copy(&live, &left);

        let mut store = open(&left, direct_writes);
        let data = store.snapshot().unwrap().data;
        let node = BareNode::recovered(Config::new(2), &mut store, 0).unwrap();
        let status = node.raw().status();
        (data, status.hard_state.commit, status.last_index)
    }

    #[test]
    fn a_snapshot_of_a_leader_is_there_after_a_kill_as_soon_as_it_is_saved() {
        let entry = |index| Entry { index, term: 1, ..Entry::default() };
        let state = Bytes::from_static(b"state");
        for direct_writes in [false, true] {
            assert_eq!(after_a_kill(direct_writes, &[], 20), (state.clone(), 20, 20));
            // The commit of what came along may not be there yet.
            let (data, commit, last) = after_a_kill(direct_writes, &[entry(21), entry(22)], 22);
            assert!(data == state && commit >= 20 && last == 22, "direct: {direct_writes}: {commit} {last}");
        }
    }
}
