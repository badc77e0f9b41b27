//! Crate `raft` 0.7 in its best mode: one proposal message for a batch, `advance_append` and `advance_apply`.

use raft::eraftpb::{Entry, Message, MessageType};
use raft::storage::MemStorage;
use raft::{Config, RawNode, Storage};

use crate::{COMPACT_EVERY, Group};

pub struct RaftRs {
    nodes: Vec<RawNode<MemStorage>>,
    mail: Vec<Message>,
    applied: [u64; 3],
    payload: Vec<u8>,
}

impl Default for RaftRs {
    fn default() -> Self {
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let nodes = (1..=3)
            .map(|id| {
                let storage = MemStorage::new_with_conf_state((vec![1, 2, 3], vec![]));
                let config = Config {
                    id,
                    check_quorum: true,
                    max_size_per_msg: 1 << 20,
                    max_inflight_msgs: 256,
                    batch_append: true,
                    ..Config::default()
                };
                RawNode::new(&config, storage, &logger).unwrap()
            })
            .collect();
        let mut group = RaftRs { nodes, mail: Vec::new(), applied: [0; 3], payload: vec![0x55; 1 << 20] };
        group.nodes[0].campaign().unwrap();
        group.pump();
        group
    }
}

impl RaftRs {
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
        let apply = |applied: &mut u64, entries: Vec<Entry>| {
            if let Some(last) = entries.last() {
                *applied = last.index;
            }
        };
        apply(&mut self.applied[at], ready.take_committed_entries());
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
        apply(&mut self.applied[at], light.take_committed_entries());
        node.advance_apply();
    }
}

impl Group for RaftRs {
    fn commit(&mut self, batch: usize, len: usize) {
        let target = self.applied[0] + batch as u64;
        let mut message = Message { from: 1, to: 1, ..Message::default() };
        message.set_msg_type(MessageType::MsgPropose);
        let entry = |data: &[u8]| Entry { data: data.to_vec().into(), ..Entry::default() };
        message.entries = (0..batch).map(|_| entry(&self.payload[..len])).collect::<Vec<_>>().into();
        self.nodes[0].step(message).unwrap();
        self.pump();
        assert_eq!(self.applied, [target; 3]);
        for node in &mut self.nodes {
            let store = node.store().clone();
            if store.last_index().unwrap() - store.first_index().unwrap() >= COMPACT_EVERY {
                store.wl().compact(target).unwrap();
            }
        }
    }
}
