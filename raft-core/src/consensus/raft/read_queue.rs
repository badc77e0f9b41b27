//! [`ReadQueue`]: reads that wait for a leader to be sure that it still is one.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::consensus::quorum::joint::JointConfig;
use crate::raftpb::entry::Entries;

/// One read, of this node or of a follower.
#[derive(Debug)]
pub(super) struct ReadRequest {
    /// The follower that forwarded it; 0 or this node itself is a read of its own.
    pub(super) from: u64,
    /// One entry, whose data is the context of the request; it goes back as it came.
    pub(super) entries: Entries,
}

/// Reads in the order in which they came. A heartbeat carries the number of the newest; a member that answers it
/// confirms that number and all before.
///
/// The numbers are the leader's own. Were they the contexts of the requests, as in raft before 3.7, a context used
/// twice would be confirmed by a late answer to its first use, and the read be stale.
#[derive(Debug, Default)]
pub(super) struct ReadQueue {
    /// Waiting for a quorum, each with the commit index when it came.
    unconfirmed: VecDeque<(u64, ReadRequest)>,
    /// How many left `unconfirmed` before: the number of its first read, less one.
    confirmed: u64,
    /// The highest number that each member has answered.
    acks: Vec<(u64, u64)>,
    /// Waiting for the first commit of the term, before which the commit index may be out of date.
    postponed: Vec<ReadRequest>,
}

impl ReadQueue {
    pub(super) fn postpone(&mut self, request: ReadRequest) {
        self.postponed.push(request);
    }

    pub(super) fn take_postponed(&mut self) -> Vec<ReadRequest> {
        std::mem::take(&mut self.postponed)
    }

    /// Queues a read at `index`, confirmed by the node `id` itself.
    pub(super) fn push(&mut self, id: u64, index: u64, request: ReadRequest) {
        self.unconfirmed.push_back((index, request));
        self.acknowledge(id, self.newest());
    }

    fn newest(&self) -> u64 {
        self.confirmed + self.unconfirmed.len() as u64
    }

    /// What heartbeats carry: the number of the newest read in eight bytes, little endian, or nothing.
    pub(super) fn heartbeat_context(&self) -> Bytes {
        if self.unconfirmed.is_empty() {
            return Bytes::new();
        }
        Bytes::copy_from_slice(&self.newest().to_le_bytes())
    }

    /// Takes a member's answer to a heartbeat. A context that no heartbeat carried is ignored.
    pub(super) fn acknowledge_context(&mut self, from: u64, context: &[u8]) {
        let Ok(number) = <[u8; 8]>::try_from(context).map(u64::from_le_bytes) else { return };
        if number <= self.newest() {
            self.acknowledge(from, number);
        }
    }

    fn acknowledge(&mut self, from: u64, number: u64) {
        match self.acks.iter_mut().find(|(id, _)| *id == from) {
            Some((_, acked)) => *acked = number.max(*acked),
            None => self.acks.push((from, number)),
        }
    }

    /// Takes out the reads that a quorum has confirmed.
    pub(super) fn advance(&mut self, voters: &JointConfig) -> Vec<(u64, ReadRequest)> {
        if self.unconfirmed.is_empty() {
            return Vec::new();
        }
        let acked = |id| self.acks.iter().find(|(acked, _)| *acked == id).map(|(_, number)| *number);
        let confirmed = voters.committed_index(acked).min(self.newest());
        let count = confirmed.saturating_sub(self.confirmed);
        self.confirmed += count;
        self.unconfirmed.drain(..count as usize).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::quorum::majority::MajorityConfig;

    fn request(context: &'static [u8]) -> ReadRequest {
        ReadRequest { from: 0, entries: Entries::proposals(vec![Bytes::from_static(context)]) }
    }

    fn voters() -> JointConfig {
        JointConfig { incoming: MajorityConfig::from_ids([1, 2, 3]), outgoing: MajorityConfig::default() }
    }

    #[test]
    fn a_late_answer_to_an_earlier_read_does_not_confirm_one_with_the_same_context() {
        let mut reads = ReadQueue::default();
        reads.push(1, 10, request(b"same"));
        let first = reads.heartbeat_context();
        reads.acknowledge_context(2, &first);
        assert_eq!(reads.advance(&voters()).len(), 1);
        reads.push(1, 20, request(b"same"));
        reads.acknowledge_context(3, &first);
        assert!(reads.advance(&voters()).is_empty());
        reads.acknowledge_context(3, &reads.heartbeat_context());
        assert_eq!(reads.advance(&voters()).iter().map(|read| read.0).collect::<Vec<_>>(), [20]);
    }

    #[test]
    fn a_context_that_was_never_sent_is_ignored() {
        let mut reads = ReadQueue::default();
        reads.push(1, 10, request(b"r"));
        reads.acknowledge_context(2, b"short");
        reads.acknowledge_context(2, &99u64.to_le_bytes());
        assert!(reads.advance(&voters()).is_empty());
    }
}
