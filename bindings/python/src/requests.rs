//! [`Requests`]: who waits for which outcome. A thread waits for a group of them, an event loop is told by number.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use pyo3::prelude::*;
use raft_core::engine::outcome::Outcome;

/// How long a thread waits before it looks whether Ctrl-C was pressed meanwhile.
const SIGNALS_EVERY: Duration = Duration::from_millis(100);

/// The requests of one engine that have no outcome yet.
#[derive(Default)]
pub(crate) struct Requests {
    // By the number of the first in each.
    groups: Mutex<BTreeMap<u64, Arc<Group>>>,
    // How many numbers were given; 0 wants no outcome.
    given: AtomicU64,
}

/// Numbers from here on are an event loop's, which knows them itself.
const OF_LOOP: u64 = 1 << 63;

/// Requests that a thread waits for.
pub(crate) struct Group {
    first: u64,
    outcomes: Mutex<Outcomes>,
    decided: Condvar,
}

struct Outcomes {
    places: Vec<Option<Outcome>>,
    missing: usize,
}

impl Requests {
    /// Numbers for `count` requests that this thread will wait for.
    pub(crate) fn group(&self, count: usize) -> (Range<u64>, Arc<Group>) {
        let numbers = self.numbers(count);
        let outcomes = Outcomes { places: vec![None; count], missing: count };
        let group =
            Arc::new(Group { first: numbers.start, outcomes: Mutex::new(outcomes), decided: Condvar::new() });
        self.groups.lock().insert(numbers.start, Arc::clone(&group));
        (numbers, group)
    }

    /// Numbers for `count` requests of an event loop.
    pub(crate) fn of_loop(&self, count: usize) -> Range<u64> {
        let Range { start, end } = self.numbers(count);
        start | OF_LOOP..end | OF_LOOP
    }

    fn numbers(&self, count: usize) -> Range<u64> {
        let count = count as u64;
        let first = self.given.fetch_add(count.max(1), Ordering::Relaxed).saturating_add(1);
        first..first.saturating_add(count)
    }

    /// Nobody waits for these any more.
    pub(crate) fn forget(&self, numbers: Range<u64>) {
        self.groups.lock().remove(&numbers.start);
    }

    /// Wakes those who wait; returns the outcomes that are for the event loop.
    pub(crate) fn decided(&self, outcomes: &[Outcome]) -> Vec<Outcome> {
        let mut of_loop = Vec::new();
        let groups = self.groups.lock();
        for outcome in outcomes {
            if outcome.request >= OF_LOOP {
                of_loop.push(outcome.clone());
            } else if let Some((_, group)) = groups.range(..=outcome.request).next_back() {
                group.put(outcome);
            }
        }
        of_loop
    }
}

impl Group {
    fn put(&self, outcome: &Outcome) {
        let Ok(at) = usize::try_from(outcome.request.saturating_sub(self.first)) else { return };
        let mut outcomes = self.outcomes.lock();
        if let Some(place) = outcomes.places.get_mut(at)
            && place.replace(outcome.clone()).is_none()
        {
            outcomes.missing -= 1;
        }
        if outcomes.missing == 0 {
            self.decided.notify_all();
        }
    }

    /// Waits, without the interpreter, until all are decided or the time has passed; returns what there is by then.
    pub(crate) fn wait(&self, py: Python<'_>, timeout: Option<Duration>) -> PyResult<Vec<Option<Outcome>>> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        while !py.detach(|| self.wait_a_little(deadline)) {
            py.check_signals()?;
        }
        Ok(std::mem::take(&mut self.outcomes.lock().places))
    }

    /// Whether the waiting is over.
    fn wait_a_little(&self, deadline: Option<Instant>) -> bool {
        let now = Instant::now();
        let turn = now + SIGNALS_EVERY;
        let until = deadline.map_or(turn, |deadline| deadline.min(turn));
        let mut outcomes = self.outcomes.lock();
        while outcomes.missing > 0 {
            if self.decided.wait_until(&mut outcomes, until).timed_out() {
                break;
            }
        }
        outcomes.missing == 0 || deadline.is_some_and(|deadline| deadline <= Instant::now())
    }
}
