//! [`Clock`]: when the next tick is due, and whether the driver was held up.

use std::time::Duration;

use super::uptime::Uptime;

/// Ticks made up for at once after the driver was held up. More would let a node that was stopped for a while campaign
/// before it has read what its leader sent meanwhile.
const LATE_TICKS_MAX: u64 = 3;

pub(super) struct Clock {
    interval: Duration,
    /// Of how many ticks an election timeout is, at the least.
    election_ticks: u64,
    next: Uptime,
    /// When it was last looked at.
    looked: Uptime,
}

/// What time has brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// Ticks to make now.
    pub(super) ticks: u64,
    /// Whether more are due than are made: the others are forgotten, and nothing that was measured in ticks still holds.
    pub(super) forgets: bool,
    /// How long nobody looked, if that is longer than half an election timeout.
    pub(super) pause: Option<Duration>,
}

impl Clock {
    pub(super) fn new(interval: Duration, election_ticks: u64, now: Uptime) -> Self {
        Clock { interval, election_ticks, next: now.plus(interval), looked: now }
    }

    /// How long to wait at the most before looking again.
    pub(super) fn wait(&self, now: Uptime) -> Duration {
        self.next.since(now)
    }

    /// The ticks that are due, a few at the most; what is beyond them is forgotten.
    pub(super) fn due(&mut self, now: Uptime) -> Due {
        let late = now.since(self.next);
        let gap = now.since(self.looked);
        self.looked = now;
        let mut due = Due::default();
        // As many as to leave some patience to a follower that has just heard of its leader.
        let most = LATE_TICKS_MAX.min(self.election_ticks / 2).max(1);
        while self.next <= now && due.ticks < most {
            self.next = self.next.plus(self.interval);
            due.ticks += 1;
        }
        if self.next <= now {
            self.next = now.plus(self.interval);
            due.forgets = true;
        }
        let half = self.interval.saturating_mul(u32::try_from(self.election_ticks).unwrap_or(u32::MAX)) / 2;
        due.pause = (late > half).then_some(gap);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(10);

    fn ticks(ticks: u64) -> Due {
        Due { ticks, ..Due::default() }
    }

    #[test]
    fn ticks_keep_their_grid() {
        let start = Uptime::now();
        let at = |tenths: u32| start.plus(TICK / 10 * tenths);
        let mut clock = Clock::new(TICK, 10, start);
        assert_eq!(clock.due(start), ticks(0));
        assert_eq!(clock.wait(at(4)), TICK / 10 * 6);
        assert_eq!(clock.due(at(25)), ticks(2));
        assert_eq!(clock.wait(at(25)), TICK / 2);
        assert_eq!(clock.wait(at(77)), Duration::ZERO);
        assert_eq!(clock.due(at(30)), ticks(1));
    }

    #[test]
    fn a_pause_is_told_and_brings_a_few_ticks() {
        let start = Uptime::now();
        let mut clock = Clock::new(TICK, 10, start);
        // Due since one tick: late by five of the ten.
        assert_eq!(clock.due(start.plus(TICK * 6)), Due { ticks: 3, forgets: true, pause: None });
        let gap = TICK * 6 + Duration::from_millis(1);
        let resumed = start.plus(TICK * 6 + gap);
        assert_eq!(clock.due(resumed), Due { ticks: 3, forgets: true, pause: Some(gap) });
        assert_eq!(clock.wait(resumed), TICK);
        assert_eq!(clock.due(resumed.plus(TICK)), ticks(1));
    }

    #[test]
    fn what_is_made_up_for_leaves_a_short_election_timeout_alone() {
        let start = Uptime::now();
        for (election_ticks, most) in [(2, 1), (3, 1), (4, 2), (6, 3), (100, 3)] {
            let mut clock = Clock::new(TICK, election_ticks, start);
            assert_eq!(clock.due(start.plus(TICK * 1000)).ticks, most, "{election_ticks}");
        }
    }
}
