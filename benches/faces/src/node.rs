//! A node of the node layer, alone in its group: its proposals are committed as soon as they are saved.

use bytes::{Bytes, BytesMut};
use raft_core::bare::node::BareNode;
use raft_core::consensus::config::Config;

use crate::thread_ns;

/// After how many entries the log is cut off.
const COMPACT_EVERY: u64 = 1024;

pub(crate) struct Alone {
    node: BareNode,
    compacted: u64,
}

// SAFETY: one thread at a time has it, behind a lock.
unsafe impl Send for Alone {}

impl Alone {
    pub(crate) fn new() -> Self {
        let mut node = BareNode::in_memory(Config::new(1), &[1], 0).expect("a node");
        node.raw_mut().campaign().expect("to campaign");
        let mut alone = Alone { node, compacted: 1 };
        alone.settle();
        alone
    }

    /// The payloads lie ready: a host in Rust hands over what it has.
    pub(crate) fn propose(&mut self, calls: usize, batch: usize, len: usize) -> u64 {
        let proposals = proposals(calls, batch, len);
        let begun = thread_ns();
        for payloads in proposals {
            self.node.raw_mut().propose(payloads).expect("to propose");
        }
        let took = thread_ns() - begun;
        self.settle();
        took
    }

    fn settle(&mut self) {
        while self.node.has_ready() {
            self.node.ready().expect("a ready");
            self.node.advance().expect("to advance");
        }
        let applied = self.node.raw().status().applied;
        if applied - self.compacted >= COMPACT_EVERY {
            self.node.snapshot(None, applied, Bytes::from_static(b"s")).expect("a snapshot");
            self.compacted = applied;
        }
    }
}

/// Payloads as the boundary makes them: those of one call lie in one buffer.
pub(crate) fn proposals(calls: usize, batch: usize, len: usize) -> Vec<Vec<Bytes>> {
    let one = |_| {
        let mut buffer = BytesMut::zeroed(batch * len).freeze();
        (0..batch).map(|_| buffer.split_to(len)).collect()
    };
    (0..calls).map(one).collect()
}
