//! Crate `raft` 0.7 over its own storage in memory, in each way it offers to propose a batch.

use bench_harness::group::{COMPACT_EVERY, Group, payload};
use bytes::{Bytes, BytesMut};
use raft::eraftpb::{Entry, Message, MessageType};
use raft::storage::MemStorage;
use raft::{Config, RawNode, Storage};

use crate::codec;

pub struct RaftRs {
    nodes: Vec<RawNode<MemStorage>>,
    mail: Vec<Message>,
    applied: [u64; 3],
    bytes: [u64; 3],
    payload: Vec<u8>,
    /// One message for a whole batch of proposals, instead of a call for each.
    multi: bool,
    wire: bool,
}

impl RaftRs {
    pub fn new(mode: &str) -> Option<Self> {
        let (batch_append, multi, wire) = match mode {
            "default" => (false, false, false),
            "batch-append" => (true, false, false),
            "multi" => (true, true, false),
            "wire" => (true, true, true),
            _ => return None,
        };
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let nodes = (1..=3)
            .map(|id| {
                let storage = MemStorage::new_with_conf_state((vec![1, 2, 3], vec![]));
                let config = Config {
                    id,
                    check_quorum: true,
                    max_size_per_msg: 1 << 20,
                    max_inflight_msgs: 256,
                    batch_append,
                    ..Config::default()
                };
                RawNode::new(&config, storage, &logger).unwrap()
            })
            .collect();
        let (applied, bytes) = ([0; 3], [0; 3]);
        let mut group = RaftRs { nodes, mail: Vec::new(), applied, bytes, payload: payload(), multi, wire };
        group.nodes[0].campaign().unwrap();
        group.pump();
        Some(group)
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
                let message = if self.wire { codec::through_wire(message) } else { message };
                self.nodes[message.to as usize - 1].step(message).unwrap();
            }
            if quiet {
                return;
            }
        }
    }

    fn turn(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let mut ready = node.ready();
        self.mail.append(&mut ready.take_messages());
        let (applied, bytes) = (&mut self.applied[at], &mut self.bytes[at]);
        let mut apply = |entries: Vec<Entry>| {
            for entry in entries {
                *applied = entry.index;
                *bytes += entry.data.len() as u64;
            }
        };
        apply(ready.take_committed_entries());
        let store = node.store().clone();
        store.wl().append(ready.entries()).unwrap();
        if let Some(hard_state) = ready.hs() {
            store.wl().set_hardstate(hard_state.clone());
        }
        self.mail.append(&mut ready.take_persisted_messages());
        let mut light = node.advance(ready);
        if let Some(commit) = light.commit_index() {
            store.wl().mut_hard_state().commit = commit;
        }
        self.mail.append(&mut light.take_messages());
        apply(light.take_committed_entries());
        node.advance_apply();
    }

    fn propose(&mut self, payloads: impl Iterator<Item = Bytes>) {
        if !self.multi {
            for data in payloads {
                self.nodes[0].propose(vec![], data.to_vec()).unwrap();
            }
            return;
        }
        let mut message = Message { from: 1, to: 1, ..Message::default() };
        message.set_msg_type(MessageType::MsgPropose);
        let entry = |data| Entry { data: codec::payload(data), ..Entry::default() };
        message.entries = payloads.map(entry).collect::<Vec<_>>().into();
        self.nodes[0].step(message).unwrap();
    }
}

impl Group for RaftRs {
    fn commit(&mut self, batch: usize, len: usize) {
        let target = self.applied[0] + batch as u64;
        let bytes = self.bytes[0] + (batch * len) as u64;
        let mut buffer = BytesMut::with_capacity(batch * len);
        for _ in 0..batch {
            buffer.extend_from_slice(&self.payload[..len]);
        }
        let mut buffer = buffer.freeze();
        self.propose((0..batch).map(|_| buffer.split_to(len)));
        self.pump();
        assert_eq!((self.applied, self.bytes), ([target; 3], [bytes; 3]));
        for node in &mut self.nodes {
            let store = node.store().clone();
            if store.last_index().unwrap() - store.first_index().unwrap() >= COMPACT_EVERY {
                store.wl().compact(target).unwrap();
            }
        }
    }
}
