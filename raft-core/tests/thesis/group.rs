//! A few nodes in one thread, whose messages move only when a test says so.

use bytes::Bytes;
use raft_core::consensus::config::Config;
use raft_core::consensus::log::memory_storage::MemoryStorage;
use raft_core::consensus::log::storage::Storage;
use raft_core::consensus::raw_node::RawNode;
use raft_core::consensus::ready::{AppendTicket, ReadState};
use raft_core::consensus::status::{RoleKind, Status};
use raft_core::error::Result;
use raft_core::raftpb::conf_change::{ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState};
use raft_core::raftpb::entry::{Entries, Entry, EntryType};
use raft_core::raftpb::message::{HardState, Message, MessageType, SnapshotMetadata};

/// The first index behind the snapshot that every group starts from.
pub const FIRST: u64 = 2;

pub struct Group {
    pub nodes: Vec<RawNode<MemoryStorage>>,
    /// On their way.
    pub mail: Vec<Message>,
    /// What each node has applied: the payloads that are not empty.
    pub applied: Vec<Vec<Bytes>>,
    pub reads: Vec<Vec<ReadState>>,
    /// Messages between these pairs are lost.
    pub cut: Vec<(u64, u64)>,
}

/// Small numbers, and nothing that a test did not ask for.
pub fn plain(id: u64) -> Config {
    Config { check_quorum: false, pre_vote: false, ..Config::new(id) }
}

/// A storage with entries of these terms behind the first snapshot, saved in `term`.
pub fn log_of(voters: &[u64], term: u64, entry_terms: &[u64]) -> MemoryStorage {
    let conf_state = ConfState::of_voters(voters.iter().copied());
    let entries: Entries = entry_terms
        .iter()
        .zip(FIRST..)
        .map(|(&term, index)| Entry {
            term,
            index,
            data: format!("{term}.{index}").into(),
            ..Entry::default()
        })
        .collect();
    let hard_state = HardState { term, vote: 0, commit: FIRST - 1 };
    MemoryStorage::recovered(hard_state, SnapshotMetadata { conf_state, index: FIRST - 1, term: 1 }, entries)
}

impl Group {
    pub fn new(size: u64) -> Self {
        Group::with(size, plain)
    }

    pub fn with(size: u64, config: impl Fn(u64) -> Config) -> Self {
        let voters: Vec<u64> = (1..=size).collect();
        let nodes = voters.iter().map(|&id| (config(id), log_of(&voters, 1, &[]))).collect();
        Group::of(nodes)
    }

    /// Nodes with these entries in their logs, by term.
    pub fn with_logs(logs: &[(u64, &[u64])]) -> Self {
        let voters: Vec<u64> = (1..=logs.len() as u64).collect();
        Group::of(
            logs.iter().zip(&voters).map(|(log, &id)| (plain(id), log_of(&voters, log.0, log.1))).collect(),
        )
    }

    pub fn of(nodes: Vec<(Config, MemoryStorage)>) -> Self {
        let nodes: Vec<_> =
            nodes.into_iter().map(|(config, storage)| RawNode::new(config, storage).unwrap()).collect();
        let (applied, reads) = (vec![Vec::new(); nodes.len()], vec![Vec::new(); nodes.len()]);
        Group { nodes, mail: Vec::new(), applied, reads, cut: Vec::new() }
    }

    /// A node crashes, and starts again from what it has written. `saved` is the term and vote that survived.
    pub fn restart(&mut self, id: u64, saved: HardState) {
        let storage = self.node(id).storage();
        let metadata = storage.snapshot_metadata().clone();
        let entries = storage.entries(FIRST, storage.last_index() + 1, u64::MAX).unwrap();
        let storage = MemoryStorage::recovered(saved, metadata, entries);
        self.nodes[id as usize - 1] = RawNode::new(plain(id), storage).unwrap();
        self.applied[id as usize - 1].clear();
    }

    /// Adds a node that knows nothing, and its id.
    pub fn add_blank(&mut self) -> u64 {
        let id = self.nodes.len() as u64 + 1;
        self.nodes.push(RawNode::new(plain(id), MemoryStorage::new()).unwrap());
        self.applied.push(Vec::new());
        self.reads.push(Vec::new());
        id
    }

    pub fn node(&mut self, id: u64) -> &mut RawNode<MemoryStorage> {
        &mut self.nodes[id as usize - 1]
    }

    pub fn status(&self, id: u64) -> Status {
        self.nodes[id as usize - 1].status()
    }

    pub fn role(&self, id: u64) -> RoleKind {
        self.status(id).role
    }

    pub fn term(&self, id: u64) -> u64 {
        self.status(id).hard_state.term
    }

    pub fn commit(&self, id: u64) -> u64 {
        self.status(id).hard_state.commit
    }

    /// The terms of the stable entries of a node.
    pub fn terms(&self, id: u64) -> Vec<u64> {
        let storage = self.nodes[id as usize - 1].storage();
        (storage.first_index()..=storage.last_index()).map(|index| storage.term(index).unwrap()).collect()
    }

    /// Lets a node do what it wants done, its write included.
    pub fn work(&mut self, id: u64) {
        while let Some(ticket) = self.work_without_write(id) {
            let messages = self.node(id).appended(ticket).unwrap();
            self.mail.extend(messages);
        }
    }

    /// The same, except for the write, whose ticket is returned.
    pub fn work_without_write(&mut self, id: u64) -> Option<AppendTicket> {
        while self.node(id).has_ready() {
            let ready = self.node(id).ready().unwrap();
            self.mail.extend(ready.messages);
            self.reads[id as usize - 1].extend(ready.read_states);
            if let Some(ticket) = ready.apply {
                let normal = ticket.entries().owned().filter(|entry| entry.entry_type == EntryType::Normal);
                let data = normal.map(|entry| entry.data).filter(|data| !data.is_empty());
                self.applied[id as usize - 1].extend(data);
                self.node(id).applied(ticket).unwrap();
            }
            if ready.append.is_some() {
                return ready.append;
            }
        }
        None
    }

    pub fn work_all(&mut self) {
        (1..=self.nodes.len() as u64).for_each(|id| self.work(id));
    }

    fn is_cut(&self, message: &Message) -> bool {
        self.cut.contains(&(message.from, message.to)) || message.to > self.nodes.len() as u64
    }

    /// Delivers what is on its way, once, and lets everybody answer. Says whether there was anything.
    pub fn exchange(&mut self) -> bool {
        self.work_all();
        let mail = std::mem::take(&mut self.mail);
        let any = !mail.is_empty();
        for message in mail {
            if !self.is_cut(&message) {
                let to = message.to;
                // A refusal is the node's good right; what it did or did not do is what a test looks at.
                let _ = self.node(to).step(message);
            }
        }
        self.work_all();
        any
    }

    /// Until nobody has anything to say.
    pub fn settle(&mut self) {
        for _ in 0..1000 {
            if !self.exchange() {
                return;
            }
        }
        panic!("the group does not come to rest");
    }

    pub fn tick(&mut self, id: u64, ticks: u64) {
        for _ in 0..ticks {
            self.node(id).tick().unwrap();
        }
    }

    /// A heartbeat interval passes for everybody.
    pub fn beat(&mut self) {
        (1..=self.nodes.len() as u64).for_each(|id| self.tick(id, 1));
        self.settle();
    }

    pub fn elect(&mut self, id: u64) {
        self.node(id).campaign().unwrap();
        self.settle();
        assert_eq!(self.role(id), RoleKind::Leader, "node {id}");
    }

    pub fn propose(&mut self, id: u64, data: &'static str) -> Result<()> {
        self.node(id).propose(vec![Bytes::from_static(data.as_bytes())]).map(|_| ())
    }

    pub fn change(&mut self, id: u64, steps: &[(ConfChangeType, u64)]) -> Result<()> {
        let steps = steps.iter().map(|&(kind, node)| ConfChangeSingle::new(kind, node)).collect();
        self.node(id).propose_conf_change(&ConfChangeV2::new(steps)).map(|_| ())
    }

    /// Nothing passes between `id` and anybody else.
    pub fn isolate(&mut self, id: u64) {
        for other in (1..=self.nodes.len() as u64).filter(|other| *other != id) {
            self.cut.extend([(id, other), (other, id)]);
        }
    }

    pub fn heal(&mut self) {
        self.cut.clear();
    }

    /// Takes the messages of a kind that are on their way, and leaves the others.
    pub fn take(&mut self, kind: MessageType) -> Vec<Message> {
        self.mail.extract_if(.., |message| message.msg_type == kind).collect()
    }
}

/// A message of a peer.
pub fn message(kind: MessageType, from: u64, to: u64, term: u64) -> Message {
    Message { from, term, ..Message::new(kind, to) }
}
