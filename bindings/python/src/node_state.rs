//! [`NodeState`]: the core's node with what it handed out, and the membership that its snapshots need.

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
use raft_core::raftpb::message::{Message, MessageType, Snapshot, SnapshotMetadata};

use crate::fault::{Checked, Fault};
use crate::settings::Settings;
use crate::store_state::StoreState;

/// A node of the node layer.
pub(crate) struct NodeState {
    pub(crate) raw: RawNode<MemoryStorage>,
    pub(crate) proposal_bytes_max: usize,
    trailing: u64,
    // Whether a ready has to be saved before it is advanced.
    durable: bool,
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

/// What a node wants done. The tickets themselves stay with the node.
pub(crate) struct Wanted<'a> {
    pub(crate) messages: Vec<Message>,
    pub(crate) reads: Vec<ReadState>,
    pub(crate) append: Option<&'a AppendTicket>,
    pub(crate) apply: Option<&'a ApplyTicket>,
    pub(crate) soft_state: SoftState,
}

impl NodeState {
    /// A node in memory, of a new cluster of the configuration's voters.
    pub(crate) fn in_memory(settings: &Settings) -> Checked<Self> {
        let memory = match settings.voters.is_empty() {
            true => MemoryStorage::new(),
            false => MemoryStorage::bootstrapped(ConfState::of_voters(settings.voters.iter().copied())),
        };
        NodeState::new(settings, memory, false, 0, None)
    }

    /// A node that goes on where its store stands.
    pub(crate) fn recovered(settings: &Settings, store: &mut StoreState) -> Checked<Self> {
        if store.node_id() != settings.id {
            return Err(Fault::Invalid(format!("the store is node {}'s", store.node_id())));
        }
        // The state machine's bytes stay at hand for peers that need them, like those of a later snapshot.
        let data = store.snapshot_data()?;
        let recovered = store.take_recovered()?;
        let mut memory =
            MemoryStorage::recovered(recovered.hard_state, recovered.snapshot.clone(), Entries::new());
        let snapshot = Snapshot { data, metadata: recovered.snapshot };
        memory.append((!snapshot.is_empty()).then_some(&snapshot), &recovered.entries)?;
        let lost = recovered.lost.map(|loss| Lost { last: loss.last, term: loss.term });
        let mut node = NodeState::new(settings, memory, true, recovered.store_id, lost)?;
        node.raw.learn_stores(&recovered.known_stores);
        Ok(node)
    }

    fn new(
        settings: &Settings,
        memory: MemoryStorage,
        durable: bool,
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
            proposal_bytes_max: settings.size("proposal_bytes_max"),
            trailing: settings.get("snapshot_trailing"),
            durable,
            released: Vec::new(),
            memberships: vec![(start.index, start.conf_state)],
            outstanding: None,
        })
    }

    /// Which disk each member is known to stand on.
    pub(crate) fn known_stores(&self) -> &[(u64, u64)] {
        self.raw.known_stores()
    }

    pub(crate) fn step(&mut self, encoded: Bytes) -> Checked<()> {
        let message = Message::decode(encoded)?;
        // An engine sends a long snapshot in chunks, and says so in the context: a chunk is no snapshot.
        if message.msg_type == MessageType::MsgSnap && !message.context.is_empty() {
            let text = "a chunk of a snapshot, which only an engine understands";
            return Err(Error::Decode(text.to_owned()).into());
        }
        Ok(self.raw.step(message)?)
    }

    /// The index of the first payload, none when they were sent on to the leader.
    pub(crate) fn propose(&mut self, payloads: Vec<Bytes>) -> Checked<Option<u64>> {
        if payloads.is_empty() {
            return Err(Fault::Invalid("there is no payload".to_owned()));
        }
        payloads.iter().try_for_each(|payload| self.check_len(payload))?;
        Ok(self.raw.propose(payloads)?.map(|first| first.index))
    }

    pub(crate) fn propose_change(&mut self, change: &ConfChangeV2) -> Checked<()> {
        self.check_len(&change.context)?;
        self.raw.propose_conf_change(change)?;
        Ok(())
    }

    fn check_len(&self, payload: &Bytes) -> Checked<()> {
        let (len, max) = (payload.len(), self.proposal_bytes_max);
        if len > max { Err(Error::TooLarge { len, max }.into()) } else { Ok(()) }
    }

    pub(crate) fn has_ready(&self) -> bool {
        self.outstanding.is_none()
            && (self.raw.has_ready() || (!self.released.is_empty() && self.raw.failure().is_none()))
    }

    /// Takes what is to be done, if there is something.
    pub(crate) fn ready(&mut self) -> Checked<Option<Wanted<'_>>> {
        if self.outstanding.is_some() {
            return Err(Fault::Misuse("the last ready is not advanced"));
        }
        // A node that has failed has nothing ready, and has to say why.
        if !self.has_ready() && self.raw.failure().is_none() {
            return Ok(None);
        }
        let ready = self.raw.ready()?;
        self.soft_state = ready.soft_state.unwrap_or(self.soft_state);
        let mut messages = std::mem::take(&mut self.released);
        messages.extend(ready.messages);
        let saved = ready.append.is_none();
        let outstanding =
            self.outstanding.insert(Outstanding { append: ready.append, apply: ready.apply, saved });
        Ok(Some(Wanted {
            messages,
            reads: ready.read_states,
            append: outstanding.append.as_ref(),
            apply: outstanding.apply.as_ref(),
            soft_state: self.soft_state,
        }))
    }

    pub(crate) fn advance(&mut self) -> Checked<()> {
        let outstanding = self.outstanding.as_ref().ok_or(Fault::Misuse("there is no ready to advance"))?;
        if self.durable && !outstanding.saved {
            return Err(Fault::Misuse("the ready is not saved"));
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

    /// Has `store` write what is handed out, unless that is done already.
    pub(crate) fn save(&mut self, store: &mut StoreState) -> Checked<()> {
        let outstanding = self.outstanding.as_mut().ok_or(Fault::Misuse("there is no ready to save"))?;
        if !outstanding.saved
            && let Some(ticket) = &outstanding.append
        {
            store.save(ticket)?;
        }
        outstanding.saved = true;
        store.forget_loss(self.raw.lost().is_some())?;
        store.keep_known_stores(self.known_stores())
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
            return Err(Fault::Misuse("a snapshot has arrived and is not advanced"));
        }
        if index > self.raw.status().applied {
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
}

/// A snapshot of a host, which the one that a cluster starts from is not.
pub(crate) fn host_snapshot(metadata: &SnapshotMetadata, data: &Bytes) -> Option<crate::data::Snapshot> {
    (metadata.index > BOOTSTRAP_INDEX).then(|| crate::data::Snapshot {
        index: metadata.index,
        term: metadata.term,
        data: data.clone(),
    })
}
