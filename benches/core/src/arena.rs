//! A floor: the least work of a correct commit on three nodes, each with a copy of its own in one contiguous log.
//!
//! No elections, no snapshots, no flow control; but terms, the match of what comes before, a quorum of three acknowledgements,
//! and every payload looked at when it is applied. Messages are encoded into buffers that are used again.

use bench_harness::group::{COMPACT_EVERY, Group, payload};

const TERM: u64 = 1;

/// Payloads behind each other, with what is known of each.
#[derive(Default)]
struct Log {
    /// Index of the last entry that is gone.
    offset: u64,
    bytes: Vec<u8>,
    /// Term, and where the payload ends in `bytes`.
    entries: Vec<(u64, usize)>,
}

impl Log {
    fn last_index(&self) -> u64 {
        self.offset + self.entries.len() as u64
    }

    fn term(&self, index: u64) -> u64 {
        if index == self.offset { TERM } else { self.entries[(index - self.offset) as usize - 1].0 }
    }

    /// Where the payload of the entry behind `index` begins.
    fn end(&self, index: u64) -> usize {
        if index == self.offset { 0 } else { self.entries[(index - self.offset) as usize - 1].1 }
    }

    fn push(&mut self, term: u64, data: &[u8]) {
        self.bytes.extend_from_slice(data);
        self.entries.push((term, self.bytes.len()));
    }

    fn clear(&mut self) {
        self.offset = self.last_index();
        self.bytes.clear();
        self.entries.clear();
    }
}

#[derive(Default)]
struct Node {
    log: Log,
    commit: u64,
    applied: u64,
    bytes: u64,
}

impl Node {
    fn apply(&mut self) {
        while self.applied < self.commit {
            let from = self.log.end(self.applied);
            self.applied += 1;
            self.bytes += (self.log.end(self.applied) - from) as u64;
        }
    }

    /// Takes over what follows an entry that both have, and tells how far both agree.
    fn append(&mut self, message: &Append) -> Option<u64> {
        if message.term != TERM
            || self.log.last_index() < message.prev.1
            || self.log.term(message.prev.1) != message.prev.0
        {
            return None;
        }
        let known = (self.log.last_index() - message.prev.1) as usize;
        let mut from = if known == 0 { 0 } else { message.entries[known - 1].1 };
        for &(term, end) in &message.entries[known..] {
            self.log.push(term, &message.bytes[from..end]);
            from = end;
        }
        self.commit = self.commit.max(message.commit.min(self.log.last_index()));
        self.apply();
        Some(self.log.last_index())
    }
}

/// What the leader says to one follower.
#[derive(Default)]
struct Append {
    term: u64,
    prev: (u64, u64),
    commit: u64,
    bytes: Vec<u8>,
    entries: Vec<(u64, usize)>,
}

pub struct Arena {
    nodes: [Node; 3],
    /// How far each node's log is known to be like the leader's.
    matched: [u64; 3],
    message: Append,
    payload: Vec<u8>,
}

impl Arena {
    pub fn new() -> Self {
        Arena { nodes: Default::default(), matched: [0; 3], message: Append::default(), payload: payload() }
    }

    /// One round to both followers, with all that they lack.
    fn replicate(&mut self) {
        for at in 1..3 {
            let (leader, message) = (&self.nodes[0], &mut self.message);
            let prev = self.matched[at];
            message.term = TERM;
            message.prev = (leader.log.term(prev), prev);
            message.commit = leader.commit;
            let from = leader.log.end(prev);
            message.bytes.clear();
            message.bytes.extend_from_slice(&leader.log.bytes[from..]);
            message.entries.clear();
            let fresh = &leader.log.entries[(prev - leader.log.offset) as usize..];
            message.entries.extend(fresh.iter().map(|&(term, end)| (term, end - from)));
            let acknowledged = self.nodes[at].append(&self.message).unwrap();
            self.acknowledge(at, acknowledged);
        }
    }

    fn acknowledge(&mut self, at: usize, index: u64) {
        self.matched[at] = self.matched[at].max(index);
        let mut sorted = self.matched;
        sorted.sort_unstable();
        let leader = &mut self.nodes[0];
        if sorted[1] > leader.commit && leader.log.term(sorted[1]) == TERM {
            leader.commit = sorted[1];
            leader.apply();
        }
    }
}

impl Group for Arena {
    fn commit(&mut self, batch: usize, len: usize) {
        let target = self.nodes[0].applied + batch as u64;
        let bytes = self.nodes[0].bytes + (batch * len) as u64;
        for _ in 0..batch {
            self.nodes[0].log.push(TERM, &self.payload[..len]);
        }
        let last = self.nodes[0].log.last_index();
        self.acknowledge(0, last);
        self.replicate();
        self.replicate(); // how far it is committed
        assert!(self.nodes.iter().all(|node| (node.applied, node.bytes) == (target, bytes)));
        if self.nodes[0].log.entries.len() as u64 >= COMPACT_EVERY {
            self.nodes.iter_mut().for_each(|node| node.log.clear());
        }
    }
}
