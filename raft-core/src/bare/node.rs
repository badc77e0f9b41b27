//! [`BareNode`]: the core's node with what it handed out, and the membership that its snapshots need.

use std::sync::Arc;

use bytes::Bytes;

use super::store::BareStore;
use crate::consensus::confchange::restore::conf_state_after;
use crate::consensus::config::Config;
use crate::consensus::log::memory_storage::MemoryStorage;
use crate::consensus::log::storage::Storage;
use crate::consensus::lost::Lost;
use crate::consensus::raw_node::RawNode;
use crate::consensus::ready::{AppendTicket, ApplyTicket, ReadState, SoftState};
use crate::disk::loss::Loss;
use crate::error::{Error, Result};
use crate::raftpb::conf_change::{ConfChangeV2, ConfState};
use crate::raftpb::entry::{Entries, EntryRef, EntryType};
use crate::raftpb::message::{Message, MessageType, Snapshot, SnapshotMetadata};

/// A node whose host takes one [`Wanted`] after another: sends, saves, applies, advances.
///
/// One thread at a time. Calls out of order are [`Error::Misuse`], and change nothing.
pub struct BareNode {
    raw: RawNode<MemoryStorage>,
    trailing: u64,
    // The store it was created from: both hold the same one.
    store: Option<Arc<()>>,
    soft_state: SoftState,
    // Messages that the last advance released.
    released: Vec<Message>,
    // The membership from each of these indices on, the newest last: what a snapshot there has to say.
    memberships: Vec<(u64, ConfState)>,
    outstanding: Option<Outstanding>,
}

/// What was handed out and not handed back.
struct Outstanding {
    append: Option<AppendTicket>,
    apply: Option<ApplyTicket>,
    saved: bool,
}

/// What a node wants done. The tickets stay with the node until it advances.
pub struct Wanted<'a> {
    /// To send. They may leave at once, before anything is saved.
    pub messages: Vec<Message>,
    /// To answer, each as soon as its index is applied.
    pub reads: Vec<ReadState>,
    /// To save.
    pub append: Option<&'a AppendTicket>,
    /// To apply, once it is saved.
    pub apply: Option<&'a ApplyTicket>,
    /// The leader that the node knows, and what it is itself.
    pub soft_state: SoftState,
}

impl BareNode {
    /// A node without a store, of a new cluster of `voters`; without any, one that waits to be added. Behind a snapshot
    /// `trailing` entries are kept for slow followers.
    pub fn in_memory(config: Config, voters: &[u64], trailing: u64) -> Result<Self> {
        let memory = match voters.is_empty() {
            true => MemoryStorage::new(),
            false => MemoryStorage::bootstrapped(ConfState::of_voters(voters.iter().copied())),
        };
        BareNode::new(config, memory, trailing)
    }

    /// A node that goes on where its store stands. A store has one node.
    pub fn recovered(config: Config, store: &mut BareStore, trailing: u64) -> Result<Self> {
        // The state machine's bytes stay at hand for peers that need them, like those of a later snapshot.
        let data = store.snapshot_data()?;
        let recovered = store.take_recovered()?;
        let mut memory =
            MemoryStorage::recovered(recovered.hard_state, recovered.snapshot.clone(), Entries::new());
        let snapshot = Snapshot { data, metadata: recovered.snapshot };
        memory.append((!snapshot.is_empty()).then_some(&snapshot), recovered.entries.clone())?;
        let lost = recovered.lost.map(|loss| Lost { last: loss.last, term: loss.term });
        let config = Config { store_id: recovered.store_id, lost, ..config };
        let mut node = BareNode::new(config, memory, trailing)?;
        node.raw.learn_stores(&recovered.known_stores);
        node.store = Some(Arc::clone(store.token()));
        Ok(node)
    }

    fn new(config: Config, memory: MemoryStorage, trailing: u64) -> Result<Self> {
        let start = memory.snapshot_metadata().clone();
        let config = Config { applied: start.index, apply_unstable: true, ..config };
        let raw = RawNode::new(config, memory)?;
        let status = raw.status();
        Ok(BareNode {
            soft_state: SoftState { leader: status.leader, role: status.role },
            raw,
            trailing,
            store: None,
            released: Vec::new(),
            memberships: vec![(start.index, start.conf_state)],
            outstanding: None,
        })
    }

    /// The node of the core, to look at.
    pub fn raw(&self) -> &RawNode<MemoryStorage> {
        &self.raw
    }

    /// The node of the core, for all that hands out no ticket: ticks, proposals, changes, reads, reports.
    pub fn raw_mut(&mut self) -> &mut RawNode<MemoryStorage> {
        &mut self.raw
    }

    /// Whether it was created from this store.
    pub fn is_of(&self, store: &BareStore) -> bool {
        self.store.as_ref().is_some_and(|token| Arc::ptr_eq(token, store.token()))
    }

    /// Takes a message from a peer.
    pub fn step(&mut self, message: Message) -> Result<()> {
        // An engine sends a long snapshot in chunks, and says so in the context: a chunk is no snapshot.
        if message.msg_type == MessageType::MsgSnap && !message.context.is_empty() {
            let text = "a chunk of a snapshot, which only an engine understands";
            return Err(Error::Decode(text.to_owned()));
        }
        self.raw.step(message)
    }

    /// Asks for the index at which a read is linearizable. `request` comes back with it, see [`request_of`].
    pub fn read_index(&mut self, request: u64) -> Result<()> {
        self.raw.read_index(Bytes::copy_from_slice(&request.to_be_bytes()))
    }

    /// Whether [`ready`](Self::ready) has something to say.
    pub fn has_ready(&self) -> bool {
        self.outstanding.is_none()
            && (self.raw.has_ready() || (!self.released.is_empty() && self.raw.failure().is_none()))
    }

    /// Whether a ready is out that is not advanced.
    pub fn is_waiting(&self) -> bool {
        self.outstanding.is_some()
    }

    /// Takes what is to be done, which may be nothing.
    pub fn ready(&mut self) -> Result<Wanted<'_>> {
        if self.outstanding.is_some() {
            return Err(Error::Misuse("the last ready is not advanced"));
        }
        let ready = self.raw.ready()?;
        self.soft_state = ready.soft_state.unwrap_or(self.soft_state);
        let mut messages = std::mem::take(&mut self.released);
        messages.extend(ready.messages);
        let saved = ready.append.is_none();
        let outstanding =
            self.outstanding.insert(Outstanding { append: ready.append, apply: ready.apply, saved });
        Ok(Wanted {
            messages,
            reads: ready.read_states,
            append: outstanding.append.as_ref(),
            apply: outstanding.apply.as_ref(),
            soft_state: self.soft_state,
        })
    }

    /// Has its store write what is handed out, unless that is done already.
    pub fn save(&mut self, store: &mut BareStore) -> Result<()> {
        self.check_store(store)?;
        let outstanding = self.outstanding.as_mut().ok_or(Error::Misuse("there is no ready to save"))?;
        if !outstanding.saved
            && let Some(ticket) = &outstanding.append
        {
            store.save(ticket)?;
        }
        outstanding.saved = true;
        let (_, _, last_index) = self.raw.cursors();
        let lost = self.raw.lost().map(|Lost { last, term }| Loss { first: last_index + 1, last, term });
        store.follow(lost, self.raw.known_stores())
    }

    /// Says that all that was handed out is saved and applied.
    pub fn advance(&mut self) -> Result<()> {
        let outstanding = self.outstanding.as_ref().ok_or(Error::Misuse("there is no ready to advance"))?;
        if self.store.is_some() && !outstanding.saved {
            return Err(Error::Misuse("the ready is not saved in the node's store"));
        }
        let Some(Outstanding { append, apply, .. }) = self.outstanding.take() else { return Ok(()) };
        if let Some(snapshot) = append.as_ref().and_then(AppendTicket::snapshot) {
            self.memberships = vec![(snapshot.metadata.index, snapshot.metadata.conf_state.clone())];
        }
        for entry in apply.iter().flat_map(|ticket| ticket.entries().iter()) {
            self.follow_membership(entry)?;
        }
        self.released = self.raw.advance(append, apply)?;
        Ok(())
    }

    /// Notes the membership behind an applied entry that changes it.
    fn follow_membership(&mut self, entry: EntryRef<'_>) -> Result<()> {
        if entry.entry_type == EntryType::Normal {
            return Ok(());
        }
        let change = ConfChangeV2::of(&entry)?;
        let before = self.memberships.last().map(|(_, conf_state)| conf_state.clone()).unwrap_or_default();
        // A change that is not possible has no effect, here as in consensus.
        if let Ok(conf_state) = conf_state_after(&before, &change) {
            self.memberships.push((entry.index, conf_state));
        }
        Ok(())
    }

    /// Takes the host's snapshot of the state machine at `index`, and drops the log before it. With a store it is durable
    /// then.
    ///
    /// `Unavailable`: not applied that far; `SnapshotOutOfDate`: not newer than the last.
    pub fn snapshot(&mut self, store: Option<&mut BareStore>, index: u64, data: Bytes) -> Result<()> {
        let arriving = self.outstanding.as_ref().and_then(|ready| ready.append.as_ref()?.snapshot());
        if arriving.is_some() {
            return Err(Error::Misuse("a snapshot has arrived and is not advanced"));
        }
        if index > self.raw.status().applied {
            return Err(Error::Unavailable);
        }
        if index <= self.raw.storage().snapshot_metadata().index {
            return Err(Error::SnapshotOutOfDate);
        }
        let at = self.memberships.partition_point(|(from, _)| *from <= index).saturating_sub(1);
        let conf_state =
            self.memberships.get(at).map(|(_, conf_state)| conf_state.clone()).unwrap_or_default();
        if let Some(store) = store {
            self.check_store(store)?;
            let term = self.raw.storage().term(index)?;
            store.write_snapshot(&SnapshotMetadata { conf_state: conf_state.clone(), index, term }, &data)?;
        }
        let storage = self.raw.storage_mut();
        storage.create_snapshot(index, conf_state, data)?;
        let compact = index.saturating_sub(self.trailing);
        if compact >= storage.first_index() {
            storage.compact(compact)?;
        }
        self.memberships.drain(..at);
        Ok(())
    }

    fn check_store(&self, store: &BareStore) -> Result<()> {
        if self.is_of(store) {
            Ok(())
        } else {
            Err(Error::Misuse("the node was not created from this store"))
        }
    }
}

/// The number that was given to [`BareNode::read_index`], if the read is one of those.
pub fn request_of(read: &ReadState) -> Option<u64> {
    let request = <[u8; 8]>::try_from(read.context.as_ref()).ok()?;
    Some(u64::from_be_bytes(request))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::raftpb::conf_change::{ConfChangeSingle, ConfChangeType};

    fn single() -> BareNode {
        let mut node = BareNode::in_memory(Config::new(1), &[1], 0).unwrap();
        node.raw_mut().campaign().unwrap();
        while node.has_ready() {
            node.ready().unwrap();
            node.advance().unwrap();
        }
        node
    }

    fn is_misuse(result: Result<()>) -> bool {
        matches!(result, Err(Error::Misuse(_)))
    }

    #[test]
    fn calls_out_of_order_are_refused_and_change_nothing() {
        let mut node = single();
        assert!(is_misuse(node.advance()));
        node.raw_mut().propose(vec![Bytes::from_static(b"x")]).unwrap();
        assert_eq!(node.ready().unwrap().append.map(|ticket| ticket.entries().len()), Some(1));
        assert!(node.is_waiting() && !node.has_ready());
        assert!(is_misuse(node.ready().map(|_| ())));
        node.advance().unwrap();
        assert!(node.has_ready());
    }

    #[test]
    fn a_snapshot_has_the_membership_as_of_its_index() {
        let mut node = single();
        let before = node.raw().status().applied;
        let add = ConfChangeSingle::new(ConfChangeType::AddLearnerNode, 2);
        node.raw_mut().propose_conf_change(&ConfChangeV2::new(vec![add])).unwrap();
        while node.has_ready() {
            node.ready().unwrap();
            node.advance().unwrap();
        }
        let after = node.raw().status().applied;
        assert!(matches!(node.snapshot(None, after + 1, Bytes::new()), Err(Error::Unavailable)));
        for (index, learners) in [(before, vec![]), (after, vec![2])] {
            node.snapshot(None, index, Bytes::from_static(b"state")).unwrap();
            assert_eq!(node.raw().storage().snapshot_metadata().conf_state.learners, learners);
        }
        assert!(matches!(node.snapshot(None, after, Bytes::new()), Err(Error::SnapshotOutOfDate)));
    }
}
