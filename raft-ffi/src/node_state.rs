//! What an `rft_node_t` points to: the core's node, and the arrays that its host reads until it advances.

use std::ptr;
use std::sync::Arc;

use bytes::Bytes;
use raft_core::consensus::confchange::restore::conf_state_after;
use raft_core::consensus::config::Config;
use raft_core::consensus::log::memory_storage::{BOOTSTRAP_INDEX, MemoryStorage};
use raft_core::consensus::log::storage::Storage;
use raft_core::consensus::lost::Lost;
use raft_core::consensus::raw_node::RawNode;
use raft_core::consensus::ready::{AppendTicket, ApplyTicket, ReadState, SoftState};
use raft_core::error::Error;
use raft_core::raftpb::conf_change::{ConfChangeV2, ConfState};
use raft_core::raftpb::entry::{Entries, Entry, EntryType};
use raft_core::raftpb::message::{HardState, Message, MessageType, Snapshot, SnapshotMetadata};

use crate::boundary::{Checked, Failure, Noun};
use crate::config::Settings;
use crate::config::rft_config_key::*;
use crate::data::{rft_entry_t, rft_entry_type, rft_member_t, rft_node_status_t};
use crate::membership;
use crate::outgoing::Outgoing;
use crate::payload::{self, pointer};
use crate::ready::{rft_hard_state_t, rft_node_t, rft_read_t, rft_ready_t, rft_snapshot_t};
use crate::store_state::StoreState;

/// A node of the node layer.
pub(crate) struct NodeState {
    pub(crate) raw: RawNode<MemoryStorage>,
    pub(crate) proposal_bytes_max: usize,
    trailing: u64,
    // The store it was created from: both hold the same one.
    store: Option<Arc<()>>,
    soft_state: SoftState,
    // Messages that the last advance released.
    released: Vec<Message>,
    // The membership from each of these indices on, the newest last: what a snapshot there has to say.
    memberships: Vec<(u64, ConfState)>,
    outstanding: Option<Outstanding>,
    arrays: Arrays,
}

/// What was handed out and not handed back.
struct Outstanding {
    append: Option<AppendTicket>,
    apply: Option<ApplyTicket>,
    saved: bool,
}

/// What the pointers of a ready point to, reused from one to the next.
#[derive(Default)]
struct Arrays {
    outgoing: Outgoing,
    entries: Vec<rft_entry_t>,
    committed: Vec<rft_entry_t>,
    reads: Vec<rft_read_t>,
    // The contexts of membership changes among the entries.
    contexts: Vec<Bytes>,
}

impl Noun for NodeState {
    type Opaque = rft_node_t;
    const MAGIC: u64 = u64::from_le_bytes(*b"rft node");
    const NAME: &'static str = "node";
}

impl NodeState {
    /// A node without a store.
    pub(crate) fn in_memory(settings: &Settings) -> Checked<Self> {
        let memory = match settings.voters.is_empty() {
            true => MemoryStorage::new(),
            false => MemoryStorage::bootstrapped(ConfState::of_voters(settings.voters.iter().copied())),
        };
        NodeState::new(settings, memory, None, 0, None)
    }

    /// A node that goes on where its store stands.
    pub(crate) fn recovered(settings: &Settings, store: &mut StoreState) -> Checked<Self> {
        if store.node_id() != settings.get(RFT_CONFIG_ID) {
            return Err(Failure::invalid(format!("the store is node {}'s", store.node_id())));
        }
        // The state machine's bytes stay at hand for peers that need them, like those of a later snapshot.
        let data = store.snapshot_data()?;
        let recovered = store.take_recovered()?;
        let mut memory =
            MemoryStorage::recovered(recovered.hard_state, recovered.snapshot.clone(), Entries::new());
        let snapshot = Snapshot { data, metadata: recovered.snapshot };
        memory.append((!snapshot.is_empty()).then_some(&snapshot), &recovered.entries)?;
        let lost = recovered.lost.map(|loss| Lost { last: loss.last, term: loss.term });
        let mut node = NodeState::new(settings, memory, Some(store.token()), recovered.store_id, lost)?;
        node.raw.learn_stores(&recovered.known_stores);
        Ok(node)
    }

    /// Which disk each member is known to stand on.
    pub(crate) fn known_stores(&self) -> &[(u64, u64)] {
        self.raw.known_stores()
    }

    /// Whether the disk is known to lack what the node had acknowledged.
    pub(crate) fn is_recovering(&self) -> bool {
        self.raw.lost().is_some()
    }

    fn new(
        settings: &Settings,
        memory: MemoryStorage,
        store: Option<Arc<()>>,
        store_id: u64,
        lost: Option<Lost>,
    ) -> Checked<Self> {
        let start = memory.snapshot_metadata().clone();
        let config =
            Config { applied: start.index, apply_unstable: true, store_id, lost, ..settings.consensus() };
        let raw = RawNode::new(config, memory)?;
        let status = raw.status();
        Ok(NodeState {
            soft_state: SoftState { leader: status.leader, role: status.role },
            raw,
            proposal_bytes_max: settings.size(RFT_CONFIG_PROPOSAL_BYTES_MAX),
            trailing: settings.get(RFT_CONFIG_SNAPSHOT_TRAILING),
            store,
            released: Vec::new(),
            memberships: vec![(start.index, start.conf_state)],
            outstanding: None,
            arrays: Arrays::default(),
        })
    }

    pub(crate) fn step(&mut self, encoded: Bytes) -> Checked<()> {
        let message = payload::decode(encoded)?;
        // An engine sends a long snapshot in chunks, and says so in the context: a chunk is no snapshot.
        if message.msg_type == MessageType::MsgSnap && !message.context.is_empty() {
            return Err(
                Error::Decode("a chunk of a snapshot, which only an engine understands".to_owned()).into()
            );
        }
        Ok(self.raw.step(message)?)
    }

    /// The index of the first payload, 0 when they were sent on to the leader.
    pub(crate) fn propose(&mut self, payloads: Vec<Bytes>) -> Checked<u64> {
        if payloads.is_empty() {
            return Err(Failure::invalid("there is no payload"));
        }
        Ok(self.raw.propose(payloads)?.map_or(0, |first| first.index))
    }

    pub(crate) fn read_index(&mut self, request: u64) -> Checked<()> {
        Ok(self.raw.read_index(Bytes::copy_from_slice(&request.to_be_bytes()))?)
    }

    pub(crate) fn has_ready(&self) -> bool {
        self.outstanding.is_none()
            && (self.raw.has_ready() || (!self.released.is_empty() && self.raw.failure().is_none()))
    }

    pub(crate) fn ready(&mut self) -> Checked<rft_ready_t> {
        if self.outstanding.is_some() {
            return Err(Failure::Misuse("the last ready is not advanced"));
        }
        let ready = self.raw.ready()?;
        self.soft_state = ready.soft_state.unwrap_or(self.soft_state);
        let saved = ready.append.is_none();
        let outstanding = Outstanding { append: ready.append, apply: ready.apply, saved };
        self.arrays.fill(&self.released, &ready.messages, &ready.read_states, &outstanding);
        self.released.clear();
        let out = self.arrays.ready(&outstanding, self.soft_state);
        self.outstanding = Some(outstanding);
        Ok(out)
    }

    pub(crate) fn advance(&mut self) -> Checked<()> {
        let outstanding = self.outstanding.as_ref().ok_or(Failure::Misuse("there is no ready to advance"))?;
        if self.store.is_some() && !outstanding.saved {
            return Err(Failure::Misuse("the ready is not saved in the node's store"));
        }
        let Some(Outstanding { append, apply, .. }) = self.outstanding.take() else { return Ok(()) };
        self.arrays.clear();
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
    fn follow_membership(&mut self, entry: &Entry) -> Checked<()> {
        if entry.entry_type == EntryType::Normal {
            return Ok(());
        }
        let change = ConfChangeV2::of(entry)?;
        let before = self.memberships.last().map(|(_, conf_state)| conf_state.clone()).unwrap_or_default();
        // A change that is not possible has no effect, here as in consensus.
        if let Ok(conf_state) = conf_state_after(&before, &change) {
            self.memberships.push((entry.index, conf_state));
        }
        Ok(())
    }

    /// Takes the host's snapshot of the state machine at `index`, and drops the log before it.
    pub(crate) fn snapshot(
        &mut self,
        store: Option<&mut StoreState>,
        index: u64,
        data: Bytes,
    ) -> Checked<()> {
        let arriving = self.outstanding.as_ref().and_then(|ready| ready.append.as_ref()?.snapshot());
        if arriving.is_some() {
            return Err(Failure::Misuse("a snapshot has arrived and is not advanced"));
        }
        let status = self.raw.status();
        if index > status.applied {
            return Err(Error::Unavailable.into());
        }
        if index <= self.raw.storage().snapshot_metadata().index {
            return Err(Error::SnapshotOutOfDate.into());
        }
        let at = self.memberships.partition_point(|(from, _)| *from <= index).saturating_sub(1);
        let conf_state =
            self.memberships.get(at).map(|(_, conf_state)| conf_state.clone()).unwrap_or_default();
        if let Some(store) = store {
            let term = self.raw.storage().term(index)?;
            self.check_store(store)?;
            store.write_snapshot(SnapshotMetadata { conf_state: conf_state.clone(), index, term }, &data)?;
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

    pub(crate) fn check_store(&self, store: &StoreState) -> Checked<()> {
        match &self.store {
            Some(token) if Arc::ptr_eq(token, &store.token()) => Ok(()),
            _ => Err(Failure::invalid("the node was not created from this store")),
        }
    }

    /// Has `save` write what is handed out, unless that is done already.
    pub(crate) fn save(&mut self, save: impl FnOnce(&AppendTicket) -> Checked<()>) -> Checked<()> {
        let outstanding = self.outstanding.as_mut().ok_or(Failure::Misuse("there is no ready to save"))?;
        if !outstanding.saved
            && let Some(ticket) = &outstanding.append
        {
            save(ticket)?;
        }
        outstanding.saved = true;
        Ok(())
    }

    pub(crate) fn status(&self) -> rft_node_status_t {
        let snapshot_index = self.raw.storage().snapshot_metadata().index;
        membership::status(&self.raw.status(), snapshot_index, self.raw.failure())
    }

    pub(crate) fn members(&self) -> Vec<rft_member_t> {
        membership::members(&self.raw.conf_state(), &self.raw.status().progress)
    }
}

impl Arrays {
    fn fill(
        &mut self,
        released: &[Message],
        messages: &[Message],
        reads: &[ReadState],
        outstanding: &Outstanding,
    ) {
        self.outgoing.fill(released.iter().chain(messages));
        let to_read = |read: &ReadState| {
            let request = <[u8; 8]>::try_from(read.context.as_ref()).ok()?;
            Some(rft_read_t { index: read.index, request: u64::from_be_bytes(request) })
        };
        self.reads.extend(reads.iter().filter_map(to_read));
        let contexts = &mut self.contexts;
        let entries = outstanding.append.iter().flat_map(|ticket| ticket.entries().iter());
        self.entries.extend(entries.map(|entry| entry_of(entry, contexts)));
        let committed = outstanding.apply.iter().flat_map(|ticket| ticket.entries().iter());
        self.committed.extend(committed.map(|entry| entry_of(entry, contexts)));
    }

    /// The header's form of what is outstanding, pointing into these arrays and into the tickets.
    fn ready(&self, outstanding: &Outstanding, soft_state: SoftState) -> rft_ready_t {
        let append = outstanding.append.as_ref();
        let hard_state = append.and_then(AppendTicket::hard_state);
        let snapshot = append.and_then(AppendTicket::snapshot);
        rft_ready_t {
            messages: pointer(self.outgoing.messages()),
            messages_len: self.outgoing.messages().len(),
            entries: pointer(&self.entries),
            entries_len: self.entries.len(),
            committed: pointer(&self.committed),
            committed_len: self.committed.len(),
            reads: pointer(&self.reads),
            reads_len: self.reads.len(),
            hard_state: hard_state_of(&hard_state.copied().unwrap_or_default()),
            snapshot: snapshot
                .map_or(NO_SNAPSHOT, |snapshot| snapshot_of(&snapshot.metadata, &snapshot.data)),
            has_hard_state: u8::from(hard_state.is_some()),
            has_snapshot: u8::from(snapshot.is_some()),
            must_sync: u8::from(append.is_some_and(AppendTicket::must_sync)),
            pad: [0; 5],
            leader: soft_state.leader,
            role: membership::role(soft_state.role),
            reserved0: 0,
            reserved: [0; 4],
        }
    }

    fn clear(&mut self) {
        self.outgoing.clear();
        self.entries.clear();
        self.committed.clear();
        self.reads.clear();
        self.contexts.clear();
    }
}

fn hard_state_of(state: &HardState) -> rft_hard_state_t {
    rft_hard_state_t { term: state.term, vote: state.vote, commit: state.commit }
}

const NO_SNAPSHOT: rft_snapshot_t = rft_snapshot_t { index: 0, term: 0, data: ptr::null(), len: 0 };

/// The header's form of a snapshot, pointing at `data`. The bootstrap one has no state.
pub(crate) fn snapshot_of(metadata: &SnapshotMetadata, data: &Bytes) -> rft_snapshot_t {
    let data = if metadata.index > BOOTSTRAP_INDEX { data.as_ref() } else { &[] };
    rft_snapshot_t { index: metadata.index, term: metadata.term, data: pointer(data), len: data.len() }
}

/// The header's form of an entry, pointing at its payload, or at the context that `contexts` keeps.
fn entry_of(entry: &Entry, contexts: &mut Vec<Bytes>) -> rft_entry_t {
    let (kind, data) = match entry.entry_type {
        EntryType::Normal => (rft_entry_type::RFT_ENTRY_NORMAL, entry.data.clone()),
        EntryType::ConfChange | EntryType::ConfChangeV2 => {
            // One that cannot be read stops the node when it is applied: here it only has no context.
            let context = ConfChangeV2::of(entry).map(|change| change.context).unwrap_or_default();
            contexts.push(context.clone());
            (rft_entry_type::RFT_ENTRY_CONF_CHANGE, context)
        }
    };
    rft_entry_t {
        index: entry.index,
        term: entry.term,
        request: 0,
        data: pointer(&data),
        len: data.len(),
        r#type: kind as i32,
        reserved: 0,
        answer: ptr::null_mut(),
    }
}
