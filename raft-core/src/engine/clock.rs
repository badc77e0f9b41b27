//! [`Clock`]: when the next tick is due, on a clock that never goes back.

use std::time::{Duration, Instant};

/// Ticks made up for at once after the driver was held up. More would let a node that was stopped for a while campaign
/// before it has read what its leader sent meanwhile.
const LATE_TICKS_MAX: u32 = 3;

pub(super) struct Clock {
    interval: Duration,
    next: Instant,
}

/// What time has brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// Ticks to make now.
    pub(super) ticks: u32,
    /// How long after its time the first of them is.
    pub(super) late: Duration,
}

impl Clock {
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        Clock { interval, next: now + interval }
    }

    /// When to look again.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// The ticks that are due, a few at the most; what is beyond them is forgotten.
    pub(super) fn due(&mut self, now: Instant) -> Due {
        let late = now.saturating_duration_since(self.next);
        let mut ticks = 0;
        while self.next <= now && ticks < LATE_TICKS_MAX {
            self.next += self.interval;
            ticks += 1;
        }
        if self.next <= now {
            self.next = now + self.interval;
        }
        Due { ticks, late }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(10);

    #[test]
    fn ticks_keep_their_grid_and_a_pause_brings_a_few() {
        let start = Instant::now();
        let mut clock = Clock::new(TICK, start);
        assert_eq!(clock.due(start), Due { ticks: 0, late: Duration::ZERO });
        assert_eq!(clock.due(start + TICK * 5 / 2), Due { ticks: 2, late: TICK * 3 / 2 });
        assert_eq!(clock.next(), start + TICK * 3);
        let late = start + TICK * 1000;
        assert_eq!(clock.due(late).ticks, LATE_TICKS_MAX);
        assert_eq!(clock.next(), late + TICK);
    }
}
