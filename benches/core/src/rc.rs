//! A floor: the least work of a correct commit on three nodes that share each payload by a count of references.

use std::collections::VecDeque;
use std::sync::Arc;

use bench_harness::group::{COMPACT_EVERY, Group, payload};

const TERM: u64 = 1;

#[derive(Clone)]
struct Entry {
    term: u64,
    data: Arc<[u8]>,
}

#[derive(Default)]
struct Node {
    /// Index of the last entry that is gone.
    offset: u64,
    log: VecDeque<Entry>,
    commit: u64,
    applied: u64,
    bytes: u64,
}

struct Append {
    term: u64,
    prev: (u64, u64),
    commit: u64,
    entries: Vec<Entry>,
}

impl Node {
    fn last_index(&self) -> u64 {
        self.offset + self.log.len() as u64
    }

    fn term(&self, index: u64) -> u64 {
        if index == self.offset { TERM } else { self.log[(index - self.offset) as usize - 1].term }
    }

    fn apply(&mut self) {
        while self.applied < self.commit {
            self.bytes += self.log[(self.applied - self.offset) as usize].data.len() as u64;
            self.applied += 1;
        }
    }

    /// Takes over what follows an entry that both have, and tells how far both agree.
    fn append(&mut self, message: Append) -> Option<u64> {
        let (term, prev) = message.prev;
        if message.term != TERM || self.last_index() < prev || self.term(prev) != term {
            return None;
        }
        let known = (self.last_index() - prev) as usize;
        self.log.extend(message.entries.into_iter().skip(known));
        self.commit = self.commit.max(message.commit.min(self.last_index()));
        self.apply();
        Some(self.last_index())
    }
}

pub struct Rc {
    nodes: [Node; 3],
    /// How far each node's log is known to be like the leader's.
    matched: [u64; 3],
    payload: Vec<u8>,
}

impl Rc {
    pub fn new() -> Self {
        Rc { nodes: Default::default(), matched: [0; 3], payload: payload() }
    }

    /// One round to both followers, with all that they lack.
    fn replicate(&mut self) {
        for at in 1..3 {
            let (leader, prev) = (&self.nodes[0], self.matched[at]);
            let entries = leader.log.range((prev - leader.offset) as usize..).cloned().collect();
            let message =
                Append { term: TERM, prev: (leader.term(prev), prev), commit: leader.commit, entries };
            let acknowledged = self.nodes[at].append(message).unwrap();
            self.acknowledge(at, acknowledged);
        }
    }

    fn acknowledge(&mut self, at: usize, index: u64) {
        self.matched[at] = self.matched[at].max(index);
        let mut sorted = self.matched;
        sorted.sort_unstable();
        let leader = &mut self.nodes[0];
        if sorted[1] > leader.commit && leader.term(sorted[1]) == TERM {
            leader.commit = sorted[1];
            leader.apply();
        }
    }
}

impl Group for Rc {
    fn commit(&mut self, batch: usize, len: usize) {
        let target = self.nodes[0].applied + batch as u64;
        let bytes = self.nodes[0].bytes + (batch * len) as u64;
        for _ in 0..batch {
            self.nodes[0].log.push_back(Entry { term: TERM, data: Arc::from(&self.payload[..len]) });
        }
        let last = self.nodes[0].last_index();
        self.acknowledge(0, last);
        self.replicate();
        self.replicate(); // how far it is committed
        assert!(self.nodes.iter().all(|node| (node.applied, node.bytes) == (target, bytes)));
        if self.nodes[0].log.len() as u64 >= COMPACT_EVERY {
            for node in &mut self.nodes {
                node.offset = node.last_index();
                node.log.clear();
            }
        }
    }
}
