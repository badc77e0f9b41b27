//! [`Gathering`]: a leader's proposals that wait for a moment, to leave with others as one append.
//!
//! An append for each proposal as it comes costs every node a message, a turn and a write. So while entries are on their way
//! to a majority, fewer than these wait until as many have come or the way is free, as small segments do in TCP (RFC 896).
//! Whoever proposes one after the other never waits, and on a long way nobody does for a noticeable part of it.

use std::time::{Duration, Instant};

/// How long a proposal waits.
const HOLD: Duration = Duration::from_millis(1);

/// Since when proposals wait.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    since: Option<Instant>,
}

impl Gathering {
    /// Whether so many proposals wait on, while `under_way` entries are not committed.
    pub(super) fn holds(&mut self, proposals: usize, under_way: u64, now: Instant) -> bool {
        let are_few = proposals > 0 && (proposals as u64) < under_way;
        let since = self.since.take().unwrap_or(now);
        if are_few && now.duration_since(since) < HOLD {
            self.since = Some(since);
        }
        self.since.is_some()
    }

    /// How long the driver may sleep on their account.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.since.map_or(Duration::MAX, |since| HOLD.saturating_sub(now.duration_since(since)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_wait_for_as_many_as_are_under_way_or_for_their_time() {
        let now = Instant::now();
        let mut gathering = Gathering::default();
        // One after the other, and what comes to one that is under way.
        assert!(!gathering.holds(1, 0, now) && !gathering.holds(1, 1, now));
        assert!(gathering.holds(1, 3, now));
        let later = now + HOLD / 2;
        assert!(gathering.holds(2, 3, later));
        assert_eq!(gathering.wait(later), HOLD / 2);
        // As many have come.
        assert!(!gathering.holds(3, 3, later));
        assert_eq!(gathering.wait(later), Duration::MAX);
        // The way has become free.
        assert!(gathering.holds(1, 6, later) && !gathering.holds(1, 0, later));
        // Their time is over; that of the next begins anew.
        assert!(gathering.holds(1, 6, later) && !gathering.holds(2, 6, later + HOLD));
        assert!(gathering.holds(1, 8, later + HOLD));
        assert_eq!(gathering.wait(later + HOLD), HOLD);
        // None are left.
        assert!(!gathering.holds(0, 8, later + HOLD));
    }
}
