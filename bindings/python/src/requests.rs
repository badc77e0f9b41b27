//! [`Requests`]: who waits for which outcome. A thread waits for a group of them, an event loop is told by number.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use pyo3::prelude::*;
use raft_core::engine::outcome::Outcome;

/// How long a thread waits before it looks whether Ctrl-C was pressed meanwhile.
const SIGNALS_EVERY: Duration = Duration::from_millis(100);

/// The requests of one engine that have no outcome yet.
#[derive(Default)]
pub(crate) struct Requests(Mutex<State>);

#[derive(Default)]
struct State {
    // The last number given; 0 wants no outcome.
    last: u64,
    waiting: HashMap<u64, Target>,
}

enum Target {
    /// A place in a group that a thread waits for.
    Group(Arc<Group>, usize),
    /// An event loop, which knows it by its number.
    Loop,
}

/// Requests that a thread waits for.
pub(crate) struct Group {
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
        let outcomes = Outcomes { places: vec![None; count], missing: count };
        let group = Arc::new(Group { outcomes: Mutex::new(outcomes), decided: Condvar::new() });
        let numbers = self.add(count, |at| Target::Group(Arc::clone(&group), at));
        (numbers, group)
    }

    /// Numbers for `count` requests of an event loop.
    pub(crate) fn of_loop(&self, count: usize) -> Range<u64> {
        self.add(count, |_| Target::Loop)
    }

    fn add(&self, count: usize, target: impl Fn(usize) -> Target) -> Range<u64> {
        let mut state = self.0.lock();
        let first = state.last.saturating_add(1);
        let numbers = first..first.saturating_add(count as u64);
        state.last = numbers.end.saturating_sub(1);
        for (at, number) in numbers.clone().enumerate() {
            state.waiting.insert(number, target(at));
        }
        numbers
    }

    /// Nobody waits for these any more.
    pub(crate) fn forget(&self, numbers: Range<u64>) {
        let mut state = self.0.lock();
        for number in numbers {
            state.waiting.remove(&number);
        }
    }

    /// Wakes those who wait; returns the outcomes that are for the event loop.
    pub(crate) fn decided(&self, outcomes: &[Outcome]) -> Vec<Outcome> {
        let mut of_loop = Vec::new();
        let mut state = self.0.lock();
        for outcome in outcomes {
            match state.waiting.remove(&outcome.request) {
                Some(Target::Group(group, at)) => group.put(at, outcome.clone()),
                Some(Target::Loop) => of_loop.push(outcome.clone()),
                None => {}
            }
        }
        of_loop
    }
}

impl Group {
    fn put(&self, at: usize, outcome: Outcome) {
        let mut outcomes = self.outcomes.lock();
        if let Some(place) = outcomes.places.get_mut(at)
            && place.replace(outcome).is_none()
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
