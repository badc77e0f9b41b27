//! [`Progress`]: how far one follower is, as its leader sees it.

use std::fmt;

use super::inflights::Inflights;
use crate::error::{Error, Result};

/// How a leader sends to a follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressState {
    /// Where the logs meet is not known: one append with entries a heartbeat, to find out.
    Probe,
    /// The logs meet: appends follow each other without waiting, as far as the window allows.
    Replicate,
    /// The entries it needs are compacted away: a snapshot is on its way, and nothing else is sent.
    Snapshot {
        /// The index of that snapshot; 0 once it is known to have failed.
        pending: u64,
    },
}

impl fmt::Display for ProgressState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProgressState::Probe => "StateProbe",
            ProgressState::Replicate => "StateReplicate",
            ProgressState::Snapshot { .. } => "StateSnapshot",
        })
    }
}

/// How far one follower is, as its leader sees it. `matched < next` holds at any time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Up to here its log is known to be the leader's.
    pub matched: u64,
    /// The next entry to send; those between `matched` and it are on their way.
    pub next: u64,
    /// The highest commit index on its way. A rejection takes it back, because that append was not applied.
    pub sent_commit: u64,
    /// How the leader sends to it.
    pub state: ProgressState,
    /// Whether anything came from it since the leader last checked its quorum.
    pub recent_active: bool,
    /// Whether appends wait for a heartbeat's response: after a probe, and behind a full window.
    pub msg_app_flow_paused: bool,
    /// The appends on their way; in use in `Replicate`.
    pub inflights: Inflights,
    /// Whether it is a learner.
    pub is_learner: bool,
}

impl Progress {
    /// A follower of which nothing is known, probed from `next` on, which is at least 1. It starts as inactive.
    pub fn new(next: u64, inflights: Inflights, is_learner: bool) -> Self {
        Progress {
            matched: 0,
            next: next.max(1),
            sent_commit: 0,
            state: ProgressState::Probe,
            recent_active: false,
            msg_app_flow_paused: false,
            inflights,
            is_learner,
        }
    }

    /// Takes over all that `other` says, in the memory there is.
    pub(in crate::consensus) fn copy_from(&mut self, other: &Progress) {
        let Progress {
            matched,
            next,
            sent_commit,
            state,
            recent_active,
            msg_app_flow_paused,
            inflights,
            is_learner,
        } = self;
        (*matched, *next, *sent_commit, *state) = (other.matched, other.next, other.sent_commit, other.state);
        (*recent_active, *msg_app_flow_paused) = (other.recent_active, other.msg_app_flow_paused);
        inflights.copy_from(&other.inflights);
        *is_learner = other.is_learner;
    }

    fn become_state(&mut self, state: ProgressState, next: u64) {
        self.state = state;
        self.next = next;
        self.msg_app_flow_paused = false;
        self.inflights.reset();
    }

    /// Goes to `Probe`, from the first entry that is not known to match; behind a snapshot that was sent, from its
    /// end, because that is where the follower now is.
    pub fn become_probe(&mut self) {
        let reached = match self.state {
            ProgressState::Snapshot { pending } => self.matched.max(pending),
            ProgressState::Probe | ProgressState::Replicate => self.matched,
        };
        self.become_state(ProgressState::Probe, reached.saturating_add(1));
        self.regress_sent_commit();
    }

    /// Goes to `Replicate`, from the first entry that is not known to match.
    pub fn become_replicate(&mut self) {
        self.become_state(ProgressState::Replicate, self.matched.saturating_add(1));
    }

    /// Goes to `Snapshot`, with the one at `index` on its way. It brings the commit index along.
    pub fn become_snapshot(&mut self, index: u64) {
        // A snapshot behind what matches is of no use to anyone, yet it may not break matched < next.
        let next = index.max(self.matched).saturating_add(1);
        self.become_state(ProgressState::Snapshot { pending: index }, next);
        self.sent_commit = index;
    }

    /// Notes that the snapshot on its way did not arrive, so that [`become_probe`](Progress::become_probe) does not
    /// start behind it. Changes nothing in another state.
    pub fn forget_pending_snapshot(&mut self) {
        if let ProgressState::Snapshot { pending } = &mut self.state {
            *pending = 0;
        }
    }

    /// Notes an append with `count` entries from `next` on, which have `bytes` bytes.
    ///
    /// Fails with [`Error::Invariant`] in `Snapshot`, where nothing is sent, and with entries in `Replicate` when
    /// the window is full.
    pub fn sent_entries(&mut self, count: usize, bytes: u64) -> Result<()> {
        match self.state {
            ProgressState::Replicate => {
                if count > 0 {
                    let next = self
                        .next
                        .checked_add(count as u64)
                        .ok_or_else(|| Error::Invariant("the log has no index left".to_owned()))?;
                    self.inflights.add(next - 1, bytes)?;
                    self.next = next;
                }
                // The append that fills the window, or an empty one behind it, is a probe: the next waits for a
                // sign of life.
                self.msg_app_flow_paused = self.inflights.full();
            }
            ProgressState::Probe => {
                // An empty append costs nothing and carries a commit index, so it does not count as the probe.
                if count > 0 {
                    self.msg_app_flow_paused = true;
                }
            }
            ProgressState::Snapshot { pending } => {
                return Err(Error::Invariant(format!("append while snapshot {pending} is on its way")));
            }
        }
        Ok(())
    }

    /// Takes the word that the logs match up to `index`; false if that is no news.
    ///
    /// The caller knows its own log, and passes no index behind its end.
    pub fn maybe_update(&mut self, index: u64) -> bool {
        // No entry has the largest index: it could have no `next`.
        if index <= self.matched || index == u64::MAX {
            return false;
        }
        self.matched = index;
        self.next = self.next.max(index + 1);
        self.msg_app_flow_paused = false;
        true
    }

    /// Takes the rejection of the append that followed entry `rejected`, with the follower's hint where the logs
    /// may meet. Steps `next` back and returns true, or returns false if the rejection is stale.
    pub fn maybe_decr_to(&mut self, rejected: u64, match_hint: u64) -> bool {
        if self.state == ProgressState::Replicate {
            // An answer that was overtaken: what it rejects has been accepted since.
            if rejected <= self.matched {
                return false;
            }
            self.next = self.matched + 1;
        } else {
            // One probe at a time: only its own answer counts.
            if rejected != self.next - 1 {
                return false;
            }
            self.next = rejected.min(match_hint.saturating_add(1)).max(self.matched + 1);
            self.msg_app_flow_paused = false;
        }
        self.regress_sent_commit();
        true
    }

    fn regress_sent_commit(&mut self) {
        self.sent_commit = self.sent_commit.min(self.next - 1);
    }

    /// Whether no append with entries may be sent now.
    pub fn is_paused(&self) -> bool {
        match self.state {
            ProgressState::Probe | ProgressState::Replicate => self.msg_app_flow_paused,
            ProgressState::Snapshot { .. } => true,
        }
    }

    /// Whether sending the commit index `index` can move the follower's. It commits no further than it has entries,
    /// so nothing is gained once an index at or behind the last entry sent is on its way.
    pub fn can_bump_commit(&self, index: u64) -> bool {
        index > self.sent_commit && self.sent_commit < self.next - 1
    }

    /// Notes that the commit index `index` was sent.
    pub fn note_sent_commit(&mut self, index: u64) {
        self.sent_commit = index;
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} match={} next={}", self.state, self.matched, self.next)?;
        if self.is_learner {
            f.write_str(" learner")?;
        }
        if self.is_paused() {
            f.write_str(" paused")?;
        }
        if let ProgressState::Snapshot { pending: pending @ 1.. } = self.state {
            write!(f, " pendingSnap={pending}")?;
        }
        if !self.recent_active {
            f.write_str(" inactive")?;
        }
        let inflight = self.inflights.count();
        if inflight > 0 {
            let full = if self.inflights.full() { "[full]" } else { "" };
            write!(f, " inflight={inflight}{full}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn progress(state: ProgressState, matched: u64, next: u64) -> Progress {
        Progress { matched, state, ..Progress::new(next, Inflights::new(256, 0), false) }
    }

    #[test]
    fn it_prints_what_is_worth_knowing() {
        let mut it = progress(ProgressState::Snapshot { pending: 123 }, 1, 2);
        it.inflights = Inflights::new(1, 0);
        it.inflights.add(123, 1).unwrap();
        it.is_learner = true;
        let expected =
            "StateSnapshot match=1 next=2 learner paused pendingSnap=123 inactive inflight=1[full]";
        assert_eq!(it.to_string(), expected);
        it.forget_pending_snapshot();
        assert_eq!(it.to_string(), expected.replace(" pendingSnap=123", ""));

        let mut it = progress(ProgressState::Replicate, 3, 9);
        it.recent_active = true;
        it.inflights.add(8, 1).unwrap();
        assert_eq!(it.to_string(), "StateReplicate match=3 next=9 inflight=1");
        assert_eq!(progress(ProgressState::Probe, 0, 1).to_string(), "StateProbe match=0 next=1 inactive");
    }

    #[test]
    fn it_is_paused_by_a_probe_and_by_a_snapshot() {
        for (state, flow_paused, paused) in [
            (ProgressState::Probe, false, false),
            (ProgressState::Probe, true, true),
            (ProgressState::Replicate, false, false),
            (ProgressState::Replicate, true, true),
            (ProgressState::Snapshot { pending: 5 }, false, true),
            (ProgressState::Snapshot { pending: 5 }, true, true),
        ] {
            let mut it = progress(state, 0, 1);
            it.msg_app_flow_paused = flow_paused;
            assert_eq!(it.is_paused(), paused, "{it}");
        }
    }

    #[test]
    fn progress_resumes_on_an_update_and_on_a_rejection() {
        let mut it = progress(ProgressState::Probe, 0, 2);
        it.msg_app_flow_paused = true;
        assert!(it.maybe_decr_to(1, 1));
        assert!(!it.msg_app_flow_paused);
        it.msg_app_flow_paused = true;
        assert!(it.maybe_update(2));
        assert!(!it.msg_app_flow_paused);
    }

    #[test]
    fn a_probe_starts_behind_a_snapshot_that_arrived_and_not_behind_one_that_failed() {
        for (from, fails, next) in [
            (ProgressState::Replicate, false, 2),
            (ProgressState::Snapshot { pending: 10 }, false, 11),
            (ProgressState::Snapshot { pending: 10 }, true, 2),
        ] {
            let mut it = progress(from, 1, 5);
            it.sent_commit = 9;
            it.msg_app_flow_paused = true;
            if fails {
                it.forget_pending_snapshot();
            }
            it.become_probe();
            assert_eq!((it.state, it.matched, it.next), (ProgressState::Probe, 1, next));
            assert_eq!(it.sent_commit, 9.min(next - 1));
            assert!(!it.msg_app_flow_paused);
        }
    }

    #[test]
    fn replicate_and_snapshot_start_afresh() {
        let mut it = progress(ProgressState::Probe, 1, 5);
        it.msg_app_flow_paused = true;
        it.become_replicate();
        assert_eq!((it.state, it.matched, it.next), (ProgressState::Replicate, 1, 2));
        it.sent_entries(3, 30).unwrap();
        assert_eq!((it.next, it.inflights.count()), (5, 1));

        it.become_snapshot(10);
        assert_eq!((it.state, it.next, it.sent_commit), (ProgressState::Snapshot { pending: 10 }, 11, 10));
        assert_eq!(it.inflights.count(), 0);
        assert!(matches!(it.sent_entries(1, 1), Err(Error::Invariant(_))));
    }

    #[test]
    fn a_probe_with_entries_pauses_and_an_empty_one_does_not() {
        let mut it = progress(ProgressState::Probe, 0, 1);
        it.sent_entries(0, 0).unwrap();
        assert!(!it.is_paused());
        it.sent_entries(2, 20).unwrap();
        assert!(it.is_paused());
        assert_eq!((it.next, it.inflights.count()), (1, 0));
    }

    #[test]
    fn a_full_window_pauses_and_takes_one_more_empty_append() {
        let mut it = progress(ProgressState::Replicate, 0, 1);
        it.inflights = Inflights::new(2, 0);
        it.sent_entries(1, 1).unwrap();
        assert!(!it.is_paused());
        it.sent_entries(5, 1).unwrap();
        assert!(it.is_paused());
        // A heartbeat's response.
        it.msg_app_flow_paused = false;
        it.sent_entries(0, 0).unwrap();
        assert!(it.is_paused());
        assert_eq!(it.next, 7);
        assert!(matches!(it.sent_entries(1, 1), Err(Error::Invariant(_))));
        assert_eq!(it.next, 7);
    }

    #[test]
    fn an_update_moves_forward_only() {
        for (index, matched, next, news) in
            [(2, 3, 5, false), (3, 3, 5, false), (4, 4, 5, true), (5, 5, 6, true), (u64::MAX, 3, 5, false)]
        {
            let mut it = progress(ProgressState::Replicate, 3, 5);
            assert_eq!(it.maybe_update(index), news, "{index}");
            assert_eq!((it.matched, it.next), (matched, next), "{index}");
        }
    }

    #[test]
    fn a_rejection_steps_back_unless_it_is_stale() {
        use ProgressState::{Probe, Replicate};
        for (state, matched, next, rejected, hint, genuine, wanted) in [
            (Replicate, 5, 10, 5, 5, false, 10),
            (Replicate, 5, 10, 4, 4, false, 10),
            (Replicate, 5, 10, 9, 9, true, 6),
            (Probe, 0, 0, 0, 0, true, 1),
            (Probe, 0, 10, 5, 5, false, 10),
            (Probe, 0, 10, 9, 9, true, 9),
            (Probe, 0, 2, 1, 1, true, 1),
            (Probe, 0, 1, 0, 0, true, 1),
            (Probe, 0, 10, 9, 2, true, 3),
            (Probe, 0, 10, 9, 0, true, 1),
            (Probe, 4, 10, 9, 2, true, 5),
            (Probe, 0, 10, 9, u64::MAX, true, 9),
        ] {
            let mut it = progress(state, matched, next);
            it.sent_commit = 8;
            assert_eq!(it.maybe_decr_to(rejected, hint), genuine, "{it}: {rejected} {hint}");
            assert_eq!((it.matched, it.next), (matched, wanted), "{rejected} {hint}");
            assert_eq!(it.sent_commit, if genuine { 8.min(wanted - 1) } else { 8 });
        }
    }

    #[test]
    fn a_commit_index_is_sent_while_it_can_move_something() {
        let mut it = progress(ProgressState::Replicate, 3, 6);
        it.note_sent_commit(4);
        assert!(!it.can_bump_commit(4));
        assert!(it.can_bump_commit(5));
        it.note_sent_commit(5);
        // The follower has entries up to 5 at most.
        assert!(!it.can_bump_commit(9));
    }

    proptest! {
        #[test]
        fn whatever_arrives_matched_stays_below_next(
            steps in prop::collection::vec((0u8..8, any::<u64>(), any::<u64>(), any::<bool>()), 0..40),
        ) {
            let mut it = progress(ProgressState::Probe, 0, 1);
            for (what, a, b, small) in steps {
                // Small numbers meet the state there is, large ones the limits.
                let (a, b) = if small { (a % 16, b % 16) } else { (a, b) };
                match what {
                    0 => it.become_probe(),
                    1 => it.become_replicate(),
                    2 => it.become_snapshot(a.min(u64::MAX - 1)),
                    3 => drop(it.sent_entries(a as usize, b)),
                    4 => drop(it.maybe_update(a)),
                    5 => drop(it.maybe_decr_to(it.next - 1, b)),
                    6 => drop(it.maybe_decr_to(a, b)),
                    _ => it.inflights.free_le(a),
                }
                prop_assert!(it.matched < it.next, "{}", it);
            }
        }
    }
}
