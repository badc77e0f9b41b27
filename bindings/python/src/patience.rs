//! [`Patience`]: how a thread makes a request again that was refused for want of room.

use std::thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use raft_core::engine::code::Code;
use raft_core::engine::outcome::Outcome;

use crate::fault::Checked;

/// How long a call waits before it asks again, the first time and later.
const FIRST: Duration = Duration::from_millis(1);
const MOST: Duration = Duration::from_millis(20);

/// What is left of a timeout.
pub(crate) struct Patience {
    deadline: Option<Instant>,
    waits_for_room: bool,
    pause: Duration,
}

impl Patience {
    pub(crate) fn new(timeout: Option<Duration>, waits_for_room: bool) -> Self {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Patience { deadline, waits_for_room, pause: FIRST }
    }

    /// None is for ever.
    pub(crate) fn left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Whether to ask again, after a while that has passed when this returns.
    pub(crate) fn goes_on(
        &mut self,
        py: Python<'_>,
        outcomes: &Checked<Vec<Option<Outcome>>>,
    ) -> PyResult<bool> {
        if !self.waits_for_room || !is_refused_for_room(outcomes) {
            return Ok(false);
        }
        // Whoever has little time left would not hear of another try that nothing was taken.
        let rest = self.left().filter(|left| *left <= self.pause * 2);
        py.detach(|| thread::sleep(rest.unwrap_or(self.pause)));
        py.check_signals()?;
        self.pause = (self.pause * 2).min(MOST);
        Ok(rest.is_none())
    }
}

/// Whether all that was asked for was refused because a queue was full, so that nothing of it was taken.
fn is_refused_for_room(outcomes: &Checked<Vec<Option<Outcome>>>) -> bool {
    match outcomes {
        Err(fault) => fault.code() == Some(Code::Busy),
        Ok(outcomes) => {
            let is_refused =
                |outcome: &Option<Outcome>| outcome.as_ref().is_some_and(|it| it.code == Code::Busy);
            !outcomes.is_empty() && outcomes.iter().all(is_refused)
        }
    }
}
