//! Disks that are lost or brought back from a copy, and what the group does about it.

use std::cmp::Ordering;

use raft_core::consensus::log::memory_storage::BOOTSTRAP_INDEX;
use raft_core::raftpb::conf_change::ConfChangeType::{AddNode, RemoveNode};
use raft_core::raftpb::conf_change::{ConfChangeSingle, ConfChangeV2, ConfState};
use raft_core::raftpb::store_number::compare;

use super::coverage::Rare;
use super::disk::Disk;
use super::oracle::Check;
use super::world::World;

impl World {
    /// A node loses its disk, and comes back with an empty one, or with a copy from before its last start.
    pub(crate) fn wipe(&mut self) {
        if !self.rng.permille(self.settings.wipe) || !self.can_bear_a_loss() {
            return;
        }
        let id = self.rng.within(1, self.settings.ids);
        // What is known of it is forgotten where its removal is applied, a second time when that is replayed.
        if self.host(id).has_lost {
            return;
        }
        self.coverage.hit(Rare::DiskWiped);
        self.trace.line(self.now, || format!("{id} loses its disk"));
        let down = self.rng.within(1, self.settings.down);
        self.crash(id, false, down);
        let founders = ConfState::of_voters(1..=self.settings.nodes);
        let has_copy = self.rng.coin();
        let host = self.host_mut(id);
        (host.kept, host.is_wiped, host.has_lost) = (None, true, true);
        // A copy of the run that was lost has its number, and only what it has forgotten tells it from that.
        match host.copy.take().filter(|copy| has_copy && copy.store != host.store) {
            Some(copy) => {
                (host.disk, host.stores, host.store) = (copy.disk, copy.stores, copy.store);
                self.coverage.hit(Rare::DiskBroughtBack);
            }
            None => {
                host.disk = Disk::bootstrapped(founders);
                host.stores.clear();
                host.store += 100 << 32;
            }
        }
    }

    /// Whether everybody stands on a disk that everybody knows. A loss before that is not always noticed, and of two
    /// nodes that have lost their disks neither knows that of the other.
    fn can_bear_a_loss(&self) -> bool {
        let knows = |stores: &[(u64, u64)]| {
            self.hosts.iter().all(|host| stores.contains(&(host.id, host.store)) && !host.is_wiped)
        };
        let last_change = self.oracle.last_change().max(BOOTSTRAP_INDEX);
        self.hosts.iter().all(|host| {
            knows(&host.stores) && host.up.as_ref().is_some_and(|up| up.seen.applied >= last_change)
        })
    }

    /// What an operator does: takes out who has lost its disk, and adds it again.
    pub(crate) fn replace_wiped(&mut self) -> Check {
        let Some(leader) = self.leader().filter(|_| self.settings.wipe > 0) else { return Ok(()) };
        let members = self.up(leader).raw.conf_state();
        let known = self.up(leader).raw.known_stores().to_vec();
        // The leader says so too: what a node sent long ago may have been taken for its word after it was added again.
        let is_refused = |id: u64| {
            let is_gone = |known| compare(self.host(id).store, known).is_none_or(Ordering::is_lt);
            known.iter().any(|&(known, store)| known == id && is_gone(store))
        };
        let is_due = |id: &u64| self.host(*id).is_wiped || !members.contains(*id) || is_refused(*id);
        let Some(id) = (1..=self.settings.ids).find(is_due).filter(|_| self.may_change(leader)) else {
            return Ok(());
        };
        let kind = if members.contains(id) {
            RemoveNode
        } else {
            if std::mem::take(&mut self.host_mut(id).is_wiped) {
                self.coverage.hit(Rare::WipedNodeReturns);
            }
            AddNode
        };
        let change = ConfChangeV2::new(vec![ConfChangeSingle::new(kind, id)]);
        let result = self.up(leader).raw.propose_conf_change(&change);
        self.settle(leader, result)
    }
}
