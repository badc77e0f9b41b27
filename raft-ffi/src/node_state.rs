//! What an `rft_node_t` points to: the core's node, and the arrays that its host reads until it advances.

use std::ptr;

use bytes::Bytes;
use raft_core::bare::node::{BareNode, Wanted, request_of};
use raft_core::consensus::log::memory_storage::BOOTSTRAP_INDEX;
use raft_core::consensus::ready::{AppendTicket, ReadState};
use raft_core::raftpb::arena::Arena;
use raft_core::raftpb::conf_change::ConfChangeV2;
use raft_core::raftpb::entry::{EntryRef, EntryType};
use raft_core::raftpb::message::{HardState, Snapshot};

use crate::boundary::{Checked, Failure, Noun};
use crate::config::Settings;
use crate::config::rft_config_key::*;
use crate::data::{rft_entry_t, rft_entry_type, rft_member_t, rft_node_status_t};
use crate::membership;
use crate::outgoing::Outgoing;
use crate::payload::pointer;
use crate::ready::{rft_hard_state_t, rft_node_t, rft_read_t, rft_ready_t, rft_snapshot_t};
use crate::store_state::StoreState;

/// A node of the node layer.
pub(crate) struct NodeState {
    pub(crate) bare: BareNode,
    pub(crate) proposal_bytes_max: usize,
    pub(crate) arena: Arena,
    arrays: Arrays,
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
    /// A node without a store, or one that goes on where its store stands.
    pub(crate) fn new(settings: &Settings, store: Option<&mut StoreState>) -> Checked<Self> {
        let (config, trailing) = (settings.consensus(), settings.get(RFT_CONFIG_SNAPSHOT_TRAILING));
        let bare = match store {
            None => BareNode::in_memory(config, &settings.voters, trailing)?,
            Some(StoreState(store)) => {
                if store.node_id() != config.id {
                    return Err(Failure::invalid(format!("the store is node {}'s", store.node_id())));
                }
                BareNode::recovered(config, store, trailing)?
            }
        };
        let proposal_bytes_max = settings.size(RFT_CONFIG_PROPOSAL_BYTES_MAX);
        Ok(NodeState { bare, proposal_bytes_max, arena: Arena::default(), arrays: Arrays::default() })
    }

    /// The index of the first payload, 0 when they were sent on to the leader.
    pub(crate) fn propose(&mut self, payloads: Vec<Bytes>) -> Checked<u64> {
        if payloads.is_empty() {
            return Err(Failure::invalid("there is no payload"));
        }
        Ok(self.bare.raw_mut().propose(payloads)?.map_or(0, |first| first.index))
    }

    /// The same for one.
    pub(crate) fn propose_one(&mut self, payload: Bytes) -> Checked<u64> {
        Ok(self.bare.raw_mut().propose_one(payload)?.map_or(0, |first| first.index))
    }

    pub(crate) fn ready(&mut self) -> Checked<rft_ready_t> {
        Ok(self.arrays.fill(self.bare.ready()?))
    }

    pub(crate) fn advance(&mut self) -> Checked<()> {
        self.bare.advance()?;
        self.arrays.clear();
        Ok(())
    }

    /// Has `store` write what is handed out.
    pub(crate) fn save(&mut self, store: &mut StoreState) -> Checked<()> {
        self.check_store(store)?;
        Ok(self.bare.save(&mut store.0)?)
    }

    pub(crate) fn snapshot(
        &mut self,
        mut store: Option<&mut StoreState>,
        index: u64,
        data: Bytes,
    ) -> Checked<()> {
        if let Some(store) = store.as_deref_mut() {
            self.check_store(store)?;
        }
        Ok(self.bare.snapshot(store.map(|store| &mut store.0), index, data)?)
    }

    /// Two handles that do not belong together are a wrong argument rather than calls out of order.
    fn check_store(&self, store: &StoreState) -> Checked<()> {
        match self.bare.is_of(&store.0) {
            true => Ok(()),
            false => Err(Failure::invalid("the node was not created from this store")),
        }
    }

    pub(crate) fn status(&self) -> rft_node_status_t {
        let raw = self.bare.raw();
        membership::status(&raw.status(), raw.storage().snapshot_metadata().index, raw.failure())
    }

    pub(crate) fn members(&self) -> Vec<rft_member_t> {
        let raw = self.bare.raw();
        membership::members(&raw.conf_state(), &raw.status().progress)
    }
}

impl Arrays {
    /// The header's form of what a node wants done, pointing into these arrays and into the tickets.
    fn fill(&mut self, wanted: Wanted<'_>) -> rft_ready_t {
        let Wanted { messages, reads, append, apply, soft_state } = wanted;
        self.clear();
        self.outgoing.fill(messages.iter());
        let to_read = |read: &ReadState| Some(rft_read_t { index: read.index, request: request_of(read)? });
        self.reads.extend(reads.iter().filter_map(to_read));
        let contexts = &mut self.contexts;
        let entries = append.into_iter().flat_map(|ticket| ticket.entries().iter());
        self.entries.extend(entries.map(|entry| entry_of(entry, contexts)));
        let committed = apply.into_iter().flat_map(|ticket| ticket.entries().iter());
        self.committed.extend(committed.map(|entry| entry_of(entry, contexts)));
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
            snapshot: snapshot.map_or(NO_SNAPSHOT, snapshot_of),
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

/// The header's form of a snapshot, pointing at its bytes. The bootstrap one has no state.
pub(crate) fn snapshot_of(snapshot: &Snapshot) -> rft_snapshot_t {
    let Snapshot { data, metadata } = snapshot;
    let data = if metadata.index > BOOTSTRAP_INDEX { data.as_ref() } else { &[] };
    rft_snapshot_t { index: metadata.index, term: metadata.term, data: pointer(data), len: data.len() }
}

/// The header's form of an entry, pointing at its payload, or at the context that `contexts` keeps.
fn entry_of(entry: EntryRef<'_>, contexts: &mut Vec<Bytes>) -> rft_entry_t {
    let (kind, data, len) = match entry.entry_type {
        EntryType::Normal => (rft_entry_type::RFT_ENTRY_NORMAL, pointer(entry.data), entry.data.len()),
        EntryType::ConfChange | EntryType::ConfChangeV2 => {
            // One that cannot be read stops the node when it is applied: here it only has no context.
            let context = ConfChangeV2::of(&entry).map(|change| change.context).unwrap_or_default();
            // The bytes stay where they are while their handle moves.
            let (data, len) = (pointer(&context), context.len());
            contexts.push(context);
            (rft_entry_type::RFT_ENTRY_CONF_CHANGE, data, len)
        }
    };
    rft_entry_t {
        index: entry.index,
        term: entry.term,
        request: 0,
        data,
        len,
        r#type: kind as i32,
        reserved: 0,
        answer: ptr::null_mut(),
    }
}
