//! Snapshots that hosts take and send.

use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::message::{Message, Snapshot};

use super::oracle::Check;
use super::plant::Plant;
use super::world::World;

impl World {
    /// Takes a snapshot, and drops the log before it but for a trail.
    pub(crate) fn checkpoint(&mut self, id: u64, trail: u64) -> Check {
        let names_first = self.plant == Plant::SnapshotWithoutConfState;
        let founders = self.settings.nodes;
        let up = self.up(id);
        let index = up.seen.applied;
        if up.raw.storage().memory.snapshot_metadata().index >= index {
            return Ok(());
        }
        let conf_state = if names_first { ConfState::of_voters(1..=founders) } else { up.membership.clone() };
        let data = up.machine.save();
        let storage = &mut up.raw.storage_mut().memory;
        let taken = storage.create_snapshot(index, conf_state, data.clone());
        taken.map_err(|error| format!("node {id}: snapshot at {index}: {error}"))?;
        // It may have dropped more than this already.
        let _ = storage.compact(index.saturating_sub(trail));
        let snapshot = Snapshot { data, metadata: storage.snapshot_metadata().clone() };
        up.seen.compact(index);
        if !names_first {
            self.oracle.check_snapshot(&snapshot)?;
        }
        self.host_mut(id).disk.checkpoint(snapshot);
        self.trace.line(self.now, || format!("{id} takes a snapshot at {index}"));
        Ok(())
    }

    /// A peer needs a newer snapshot than there is.
    pub(crate) fn take_wanted(&mut self, id: u64) -> Check {
        let Some(up) = &mut self.host_mut(id).up else { return Ok(()) };
        if up.raw.storage_mut().memory.take_wanted().is_none() {
            return Ok(());
        }
        let trail = self.rng.below(10);
        self.checkpoint(id, trail)
    }

    /// After a restart the node knows its snapshot by name only: the bytes are on disk, unless a newer one is. Says
    /// whether there is something to send.
    pub(crate) fn attach_snapshot(&self, id: u64, message: &mut Message) -> bool {
        let on_disk = &self.host(id).disk.durable.snapshot;
        let Some(snapshot) = &mut message.snapshot else { return false };
        if snapshot.data.is_empty() && snapshot.metadata == on_disk.metadata {
            snapshot.data = on_disk.data.clone();
        }
        !snapshot.data.is_empty()
    }
}
