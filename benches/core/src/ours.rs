//! raft-core, driven as the engine drives it: tickets, one shared buffer a batch.

use bench_harness::group::{COMPACT_EVERY, Group, payload};
use bytes::{Bytes, BytesMut};
use raft_core::consensus::config::Config;
use raft_core::consensus::log::memory_storage::MemoryStorage;
use raft_core::consensus::log::storage::Storage;
use raft_core::consensus::raw_node::RawNode;
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::message::Message;

pub struct Ours {
    nodes: Vec<RawNode<MemoryStorage>>,
    mail: Vec<Message>,
    applied: [u64; 3],
    /// Bytes applied: every entry is looked at on every node.
    bytes: [u64; 3],
    payload: Vec<u8>,
    /// Whether every message is encoded and decoded on its way.
    wire: bool,
}

impl Ours {
    pub fn new(wire: bool) -> Self {
        let nodes = (1..=3)
            .map(|id| {
                let storage = MemoryStorage::bootstrapped(ConfState::of_voters([1, 2, 3]));
                RawNode::new(Config { pre_vote: false, ..Config::new(id) }, storage).unwrap()
            })
            .collect();
        let mut group =
            Ours { nodes, mail: Vec::new(), applied: [1; 3], bytes: [0; 3], payload: payload(), wire };
        group.nodes[0].campaign().unwrap();
        group.pump();
        group
    }

    fn pump(&mut self) {
        loop {
            let mut quiet = true;
            for at in 0..3 {
                while self.nodes[at].has_ready() {
                    quiet = false;
                    self.turn(at);
                }
            }
            for message in std::mem::take(&mut self.mail) {
                quiet = false;
                let to = message.to as usize - 1;
                let message =
                    if self.wire { Message::decode(Bytes::from(message.to_vec())).unwrap() } else { message };
                self.nodes[to].step(message).unwrap();
            }
            if quiet {
                return;
            }
        }
    }

    fn turn(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let mut ready = node.ready().unwrap();
        self.mail.append(&mut ready.messages);
        if let Some(ticket) = ready.append {
            self.mail.append(&mut node.appended(ticket).unwrap());
        }
        if let Some(ticket) = ready.apply {
            for entry in ticket.entries().iter() {
                self.applied[at] = entry.index;
                self.bytes[at] += entry.data.len() as u64;
            }
            node.applied(ticket).unwrap();
        }
    }
}

impl Group for Ours {
    fn commit(&mut self, batch: usize, len: usize) {
        let target = self.applied[0] + batch as u64;
        let bytes = self.bytes[0] + (batch * len) as u64;
        let mut buffer = BytesMut::with_capacity(batch * len);
        for _ in 0..batch {
            buffer.extend_from_slice(&self.payload[..len]);
        }
        let mut buffer = buffer.freeze();
        let payloads = (0..batch).map(|_| buffer.split_to(len)).collect();
        self.nodes[0].propose(payloads).unwrap();
        self.pump();
        assert_eq!((self.applied, self.bytes), ([target; 3], [bytes; 3]));
        for node in &mut self.nodes {
            let storage = node.storage();
            if storage.last_index() - storage.first_index() >= COMPACT_EVERY {
                let conf_state = node.conf_state();
                let storage = node.storage_mut();
                storage.create_snapshot(target, conf_state, Bytes::new()).unwrap();
                storage.compact(target).unwrap();
            }
        }
    }
}
