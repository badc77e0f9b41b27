//! The core rows of OmniPaxos (sequence Paxos, the same work without Raft): `bench-omnipaxos MODE LEN BATCH`.
//! The mode is the library's own batch size.

use bench_harness::group::{self, COMPACT_EVERY, Group, payload};
use bytes::{Bytes, BytesMut};
use omnipaxos::messages::Message;
use omnipaxos::storage::{Entry, NoSnapshot};
use omnipaxos::util::LogEntry;
use omnipaxos::{ClusterConfig, OmniPaxos, OmniPaxosConfig, ServerConfig};
use omnipaxos_storage::memory_storage::MemoryStorage;

fn main() {
    group::main(|mode| Some(Box::new(Omni::new(mode.parse().ok()?)) as Box<dyn Group>));
}

/// A slice of the buffer of its batch, as ours has it: memory of its own for each was dearer in every cell.
#[derive(Clone, Debug)]
struct Payload(Bytes);

impl Entry for Payload {
    type Snapshot = NoSnapshot;
}

struct Omni {
    nodes: Vec<OmniPaxos<Payload, MemoryStorage<Payload>>>,
    mail: Vec<Message<Payload>>,
    applied: [usize; 3],
    bytes: [u64; 3],
    payload: Vec<u8>,
}

/// An election ends long before.
const TICKS_MAX: usize = 10_000;

impl Omni {
    fn new(batch_size: usize) -> Self {
        let nodes = (1..=3)
            .map(|pid| {
                let leader_priority = if pid == 1 { 2 } else { 1 };
                OmniPaxosConfig {
                    cluster_config: ClusterConfig {
                        configuration_id: 1,
                        nodes: vec![1, 2, 3],
                        ..ClusterConfig::default()
                    },
                    server_config: ServerConfig {
                        pid,
                        batch_size,
                        leader_priority,
                        ..ServerConfig::default()
                    },
                }
                .build(MemoryStorage::default())
                .unwrap()
            })
            .collect();
        let mut group = Omni { nodes, mail: Vec::new(), applied: [0; 3], bytes: [0; 3], payload: payload() };
        let mut ticks = 0;
        while group.nodes.iter().any(|node| node.get_current_leader() != Some((1, true))) {
            assert!(ticks < TICKS_MAX, "no leader");
            ticks += 1;
            group.nodes.iter_mut().for_each(OmniPaxos::tick);
            group.pump();
        }
        group
    }

    fn pump(&mut self) {
        loop {
            for at in 0..3 {
                self.nodes[at].take_outgoing_messages(&mut self.mail);
            }
            if self.mail.is_empty() {
                return;
            }
            for message in std::mem::take(&mut self.mail) {
                self.nodes[message.get_receiver() as usize - 1].handle_incoming(message);
            }
            for at in 0..3 {
                self.apply(at);
            }
        }
    }

    fn apply(&mut self, at: usize) {
        if self.nodes[at].get_decided_idx() <= self.applied[at] {
            return;
        }
        for entry in self.nodes[at].read_decided_suffix(self.applied[at]).unwrap() {
            let LogEntry::Decided(payload) = entry else { panic!("an entry that is not decided") };
            self.applied[at] += 1;
            self.bytes[at] += payload.0.len() as u64;
        }
    }
}

impl Group for Omni {
    fn commit(&mut self, batch: usize, len: usize) {
        let target = self.applied[0] + batch;
        let bytes = self.bytes[0] + (batch * len) as u64;
        let mut buffer = BytesMut::with_capacity(batch * len);
        for _ in 0..batch {
            buffer.extend_from_slice(&self.payload[..len]);
        }
        let mut buffer = buffer.freeze();
        for _ in 0..batch {
            self.nodes[0].append(Payload(buffer.split_to(len))).unwrap();
        }
        self.pump();
        assert_eq!((self.applied, self.bytes), ([target; 3], [bytes; 3]));
        if (target - self.nodes[0].get_compacted_idx()) as u64 >= COMPACT_EVERY {
            self.nodes[0].trim(Some(target)).unwrap();
            self.pump();
            assert!(self.nodes.iter().all(|node| node.get_compacted_idx() == target));
        }
    }
}
