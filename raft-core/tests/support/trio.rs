//! Three nodes in one thread, driven as the engine drives them: tickets, and one shared buffer for a batch. Time stands
//! still, so that only proposals move them.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use raft_core::consensus::config::Config;
use raft_core::consensus::log::memory_storage::MemoryStorage;
use raft_core::consensus::log::storage::Storage;
use raft_core::consensus::raw_node::RawNode;
use raft_core::consensus::ready::Ready;
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::encoder::Encoder;
use raft_core::raftpb::message::Message;

/// A group whose first node leads.
pub(crate) struct Trio {
    nodes: Vec<RawNode<MemoryStorage>>,
    ready: Ready,
    mail: Vec<Message>,
    /// Where mail is put while what came before is stepped.
    spare: Vec<Message>,
    /// Of each node: the index of the last entry applied, and the bytes of all payloads. Every entry is looked at.
    applied: Vec<(u64, u64)>,
    /// The same of what was proposed.
    proposed: (u64, u64),
    payload: Vec<u8>,
    /// Whether every message is encoded and decoded on its way.
    wire: bool,
    /// What a batch of messages is encoded to, and where in it the message for a node lies.
    encoded: Vec<u8>,
    parts: Vec<(usize, Range<usize>)>,
    /// The message that was decoded last.
    read: Message,
    /// Logs are compacted when they hold this many entries, so that a run of any length keeps one size.
    compact_every: u64,
    keep: u64,
}

impl Trio {
    pub(crate) fn new(wire: bool, compact_every: u64) -> Self {
        Trio::of(3, wire, compact_every)
    }

    /// A group of any size, by the same name.
    pub(crate) fn of(size: u64, wire: bool, compact_every: u64) -> Self {
        let nodes = (1..=size)
            .map(|id| {
                let storage = MemoryStorage::bootstrapped(ConfState::of_voters(1..=size));
                RawNode::new(Config { pre_vote: false, ..Config::new(id) }, storage).unwrap()
            })
            .collect();
        let applied = vec![(1, 0); size as usize];
        let (mail, spare, proposed, payload) = (Vec::new(), Vec::new(), (1, 0), vec![0x55; 1 << 20]);
        let keep = 0;
        let (encoded, parts) = (Vec::new(), Vec::new());
        let mut group = Trio {
            nodes,
            ready: Ready::default(),
            mail,
            spare,
            applied,
            proposed,
            payload,
            wire,
            encoded,
            parts,
            read: Message::default(),
            compact_every,
            keep,
        };
        group.nodes[0].campaign().unwrap();
        group.pump();
        group.proposed = group.applied[0];
        group
    }

    /// Keeps so many entries behind each compaction.
    pub(crate) fn keep(mut self, entries: u64) -> Self {
        self.keep = entries;
        self
    }

    /// Proposes `batch` payloads of `len` bytes in one call, and pumps until all nodes have applied them.
    pub(crate) fn commit(&mut self, batch: usize, len: usize) {
        self.propose(batch, len);
        self.settle();
    }

    /// Proposes, and has the leader write and send what it may send at once. It arrives with `settle`.
    pub(crate) fn launch(&mut self, batch: usize, len: usize) {
        self.propose(batch, len);
        self.turn(0);
    }

    fn propose(&mut self, batch: usize, len: usize) {
        let mut buffer = BytesMut::with_capacity(batch * len);
        for _ in 0..batch {
            buffer.extend_from_slice(&self.payload[..len]);
        }
        let mut buffer = buffer.freeze();
        let payloads = (0..batch).map(|_| buffer.split_to(len)).collect();
        self.nodes[0].propose(payloads).unwrap();
        self.proposed.0 += batch as u64;
        self.proposed.1 += (batch * len) as u64;
    }

    /// Pumps until nothing moves; then all nodes have applied all there is.
    pub(crate) fn settle(&mut self) {
        self.pump();
        assert!(self.applied.iter().all(|applied| *applied == self.proposed));
        let last = self.proposed.0;
        for node in &mut self.nodes {
            let storage = node.storage();
            if storage.last_index() - storage.first_index() >= self.keep + self.compact_every {
                let conf_state = node.conf_state();
                let storage = node.storage_mut();
                storage.create_snapshot(last, conf_state, Bytes::new()).unwrap();
                storage.compact(last - self.keep).unwrap();
            }
        }
    }

    fn pump(&mut self) {
        loop {
            let mut quiet = true;
            for at in 0..self.nodes.len() {
                while self.nodes[at].has_ready() {
                    quiet = false;
                    self.turn(at);
                }
            }
            let mut mail = std::mem::replace(&mut self.mail, std::mem::take(&mut self.spare));
            quiet &= mail.is_empty();
            if self.wire {
                self.deliver(&mail);
            } else {
                for message in &mut mail {
                    self.nodes[message.to as usize - 1].step_mut(message).unwrap();
                }
            }
            mail.clear();
            self.spare = mail;
            if quiet {
                return;
            }
        }
    }

    /// Delivers messages as bytes, of which each receiver gets its own.
    fn deliver(&mut self, mail: &[Message]) {
        self.encoded.clear();
        let mut encoder = Encoder::new(&mut self.encoded);
        self.parts.extend(mail.iter().map(|message| (message.to as usize - 1, encoder.put(message))));
        for (to, part) in self.parts.drain(..) {
            self.read.read_over(&self.encoded[part]).unwrap();
            self.nodes[to].step_mut(&mut self.read).unwrap();
        }
    }

    fn turn(&mut self, at: usize) {
        let Trio { nodes, ready, mail, applied, .. } = self;
        let node = &mut nodes[at];
        node.take_ready(ready).unwrap();
        if !ready.messages.is_empty() {
            mail.append(&mut ready.messages);
        }
        if let Some(ticket) = ready.append.take() {
            let mut messages = node.appended(ticket).unwrap();
            if !messages.is_empty() {
                mail.append(&mut messages);
            }
            node.recycle(messages);
        }
        if let Some(ticket) = ready.apply.take() {
            let (index, bytes) = &mut applied[at];
            ticket.entries().iter().for_each(|entry| {
                *index = entry.index;
                *bytes += entry.data.len() as u64;
            });
            node.applied(ticket).unwrap();
        }
    }
}
