//! [`ReadQueue`]: reads that wait for a leader to be sure that it still is one, and the lease that spares the wait.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::consensus::mutants::{Mutant, is_planted};
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

/// Reads in the order in which they came, and the rounds of heartbeats that confirm them.
///
/// Each round has a number, which its heartbeats carry and their answers bring back. A quorum that has answered a round
/// had not elected anybody else when that round was sent. The numbers are the leader's own: were they the contexts
/// of the requests, as in raft before 3.7, a context used twice would be confirmed by a late answer to its first use,
/// and the read be stale.
#[derive(Debug, Default)]
pub(super) struct ReadQueue {
    /// Waiting for a quorum to answer `round` or a later one, at the commit index of when they came.
    unconfirmed: VecDeque<Unconfirmed>,
    /// The newest round sent.
    round: u64,
    /// The newest round that each member has answered.
    acks: Vec<(u64, u64)>,
    /// When each of the latest rounds was sent, back to the newest that a quorum has answered.
    sent: VecDeque<(u64, u64)>,
    /// Waiting for the first commit of the term, before which the commit index may be out of date.
    postponed: Vec<ReadRequest>,
}

#[derive(Debug)]
struct Unconfirmed {
    round: u64,
    index: u64,
    request: ReadRequest,
}

impl ReadQueue {
    pub(super) fn postpone(&mut self, request: ReadRequest) {
        self.postponed.push(request);
    }

    pub(super) fn take_postponed(&mut self) -> Vec<ReadRequest> {
        std::mem::take(&mut self.postponed)
    }

    /// Queues a read at `index`: the next round confirms it.
    pub(super) fn push(&mut self, index: u64, request: ReadRequest) {
        self.unconfirmed.push_back(Unconfirmed { round: self.round + 1, index, request });
    }

    /// Begins a round at time `now`. Returns what its heartbeats carry: the number in eight bytes, little endian, or
    /// nothing if nobody waits for an answer.
    pub(super) fn begin_round(&mut self, now: u64, has_lease: bool) -> Bytes {
        if self.unconfirmed.is_empty() && !has_lease {
            return Bytes::new();
        }
        self.round += 1;
        if has_lease {
            self.sent.push_back((self.round, now));
        }
        if is_planted(Mutant::ReadByContext)
            && let Some(entry) = self.unconfirmed.back().and_then(|read| read.request.entries.owned().next())
        {
            return entry.data;
        }
        Bytes::copy_from_slice(&self.round.to_le_bytes())
    }

    /// Takes a member's answer to a heartbeat. A context that no heartbeat carried is ignored.
    pub(super) fn acknowledge(&mut self, from: u64, context: &[u8]) {
        let Ok(mut round) = <[u8; 8]>::try_from(context).map(u64::from_le_bytes) else { return };
        if is_planted(Mutant::ReadByContext) {
            let is_meant =
                |read: &&Unconfirmed| read.request.entries.first().is_some_and(|it| it.data == context);
            round = self.unconfirmed.iter().rev().find(is_meant).map_or(round, |read| read.round);
        }
        if round > self.round {
            return;
        }
        match self.acks.iter_mut().find(|(id, _)| *id == from) {
            Some((_, acked)) => *acked = round.max(*acked),
            None => self.acks.push((from, round)),
        }
    }

    /// The newest round that a quorum has answered; the leader `id` itself answers every one.
    fn confirmed_round(&self, id: u64, voters: &JointConfig) -> u64 {
        let acked = |voter| match self.acks.iter().find(|(acked, _)| *acked == voter) {
            _ if voter == id => Some(self.round),
            Some((_, round)) => Some(*round),
            None => None,
        };
        voters.committed_index(acked).min(self.round)
    }

    /// Takes out the reads that a quorum has confirmed, with their indices.
    pub(super) fn advance(&mut self, id: u64, voters: &JointConfig) -> Vec<(u64, ReadRequest)> {
        let confirmed = self.confirmed_round(id, voters);
        while self.sent.get(1).is_some_and(|(round, _)| *round <= confirmed) {
            self.sent.pop_front();
        }
        let count = self.unconfirmed.partition_point(|read| read.round <= confirmed);
        self.unconfirmed.drain(..count).map(|read| (read.index, read.request)).collect()
    }

    /// When the newest round was sent that a quorum has answered.
    pub(super) fn confirmed_at(&self, id: u64, voters: &JointConfig) -> Option<u64> {
        let confirmed = self.confirmed_round(id, voters);
        self.sent.iter().rev().find(|(round, _)| *round <= confirmed).map(|(_, at)| *at)
    }

    /// Forgets when rounds were sent: whoever was paused cannot say how long ago that is.
    pub(super) fn forget_rounds(&mut self) {
        self.sent.clear();
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

    fn indices(reads: Vec<(u64, ReadRequest)>) -> Vec<u64> {
        reads.into_iter().map(|(index, _)| index).collect()
    }

    #[test]
    fn a_late_answer_to_an_earlier_read_does_not_confirm_one_with_the_same_context() {
        let mut reads = ReadQueue::default();
        reads.push(10, request(b"same"));
        let first = reads.begin_round(0, false);
        reads.acknowledge(2, &first);
        assert_eq!(indices(reads.advance(1, &voters())), [10]);
        reads.push(20, request(b"same"));
        let second = reads.begin_round(0, false);
        reads.acknowledge(3, &first);
        assert_eq!(indices(reads.advance(1, &voters())), [0; 0]);
        reads.acknowledge(3, &second);
        assert_eq!(indices(reads.advance(1, &voters())), [20]);
    }

    #[test]
    fn an_answer_to_the_round_before_a_read_does_not_confirm_it() {
        let mut reads = ReadQueue::default();
        reads.push(10, request(b"a"));
        let before = reads.begin_round(0, false);
        reads.push(11, request(b"b"));
        reads.acknowledge(2, &before);
        assert_eq!(indices(reads.advance(1, &voters())), [10]);
        let after = reads.begin_round(0, false);
        reads.acknowledge(2, &after);
        assert_eq!(indices(reads.advance(1, &voters())), [11]);
    }

    #[test]
    fn a_context_that_was_never_sent_is_ignored() {
        let mut reads = ReadQueue::default();
        reads.push(10, request(b"r"));
        reads.begin_round(0, false);
        reads.acknowledge(2, b"short");
        reads.acknowledge(2, &99u64.to_le_bytes());
        assert!(reads.advance(1, &voters()).is_empty());
    }

    #[test]
    fn the_lease_counts_from_the_sending_of_the_round_that_a_quorum_answered() {
        let mut reads = ReadQueue::default();
        assert_eq!(reads.confirmed_at(1, &voters()), None);
        let first = reads.begin_round(5, true);
        let second = reads.begin_round(6, true);
        reads.acknowledge(2, &first);
        assert_eq!(reads.confirmed_at(1, &voters()), Some(5));
        reads.acknowledge(3, &second);
        reads.advance(1, &voters());
        assert_eq!(reads.confirmed_at(1, &voters()), Some(6));
        reads.forget_rounds();
        assert_eq!(reads.confirmed_at(1, &voters()), None);
    }
}
