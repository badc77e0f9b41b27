//! A cluster on one thread, whose messages come late, in any order, or never.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use raft_core::consensus::config::Config;
use raft_core::consensus::log::memory_storage::MemoryStorage;
use raft_core::consensus::log::storage::Storage;
use raft_core::consensus::raw_node::RawNode;
use raft_core::consensus::status::RoleKind;
use raft_core::raftpb::conf_change::{ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState};
use raft_core::raftpb::message::Message;

const VOTERS: [u64; 3] = [1, 2, 3];

pub(crate) struct Cluster {
    nodes: BTreeMap<u64, RawNode<MemoryStorage>>,
    wire: Vec<Message>,
    lines: Arc<Mutex<Vec<String>>>,
    chance: u64,
}

impl Cluster {
    /// The trace of so many steps.
    pub(crate) fn run(seed: u64, steps: usize) -> Vec<String> {
        let mut cluster =
            Cluster { nodes: BTreeMap::new(), wire: Vec::new(), lines: Arc::default(), chance: seed };
        for id in VOTERS {
            let conf_state = ConfState { voters: VOTERS.to_vec(), ..ConfState::default() };
            cluster.start(id, MemoryStorage::bootstrapped(conf_state));
        }
        (0..steps).for_each(|_| cluster.step());
        cluster.lines.lock().unwrap().clone()
    }

    fn below(&mut self, n: usize) -> usize {
        self.chance = self.chance.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.chance >> 33) as usize % n
    }

    fn start(&mut self, id: u64, storage: MemoryStorage) {
        let mut config = Config::new(id);
        config.seed = self.chance ^ id;
        let mut node = RawNode::new(config, storage).unwrap();
        let lines = Arc::clone(&self.lines);
        node.trace_to(Arc::new(move |line| lines.lock().unwrap().push(line.to_owned())));
        self.nodes.insert(id, node);
    }

    fn step(&mut self) {
        let id = VOTERS[self.below(VOTERS.len())];
        match self.below(200) {
            0..90 if !self.wire.is_empty() => {
                let at = self.below(self.wire.len().min(8));
                let message = self.wire.remove(at);
                let is_lost = self.below(20) == 0;
                if let Some(node) = self.nodes.get_mut(&message.to).filter(|_| !is_lost) {
                    let to = message.to;
                    // What is refused has changed nothing.
                    let _ = node.step(message);
                    self.settle(to);
                    return;
                }
            }
            90..150 => self.nodes.get_mut(&id).unwrap().tick().unwrap(),
            150..190 => {
                let _ = self.nodes.get_mut(&id).unwrap().propose(vec![Bytes::from_static(b"x"); 2]);
            }
            190..196 => self.change(id),
            196 => {
                // The storage holds entries; term, vote and commit index a host keeps beside it.
                let node = &self.nodes[&id];
                let (storage, hard_state) = (node.storage(), node.status().hard_state);
                let (first, next) = (storage.first_index(), storage.last_index() + 1);
                let entries = storage.entries(first, next, u64::MAX).unwrap_or_default();
                let snapshot = storage.snapshot_metadata().clone();
                self.start(id, MemoryStorage::recovered(hard_state, snapshot, entries));
            }
            _ => self.nodes.get_mut(&id).unwrap().campaign().unwrap(),
        }
        self.settle(id);
    }

    /// Node 9, which never answers, comes as a learner or goes.
    fn change(&mut self, id: u64) {
        let kind = [ConfChangeType::AddLearnerNode, ConfChangeType::RemoveNode][self.below(2)];
        let node = self.nodes.get_mut(&id).unwrap();
        if node.status().role == RoleKind::Leader {
            let _ = node.propose_conf_change(&ConfChangeV2::new(vec![ConfChangeSingle::new(kind, 9)]));
        }
    }

    fn settle(&mut self, id: u64) {
        let node = self.nodes.get_mut(&id).unwrap();
        while node.has_ready() {
            let ready = node.ready().unwrap();
            self.wire.extend(ready.messages);
            self.wire.extend(node.advance(ready.append, ready.apply).unwrap());
        }
    }
}
