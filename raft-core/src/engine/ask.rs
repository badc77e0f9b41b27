//! The way of a request from a caller's thread to the driver, and of its outcome back to a thread that waits.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::code::Code;
use super::inbox::Input;
use super::metrics::Counter;
use super::node::{Engine, after};
use super::outcome::{Outcome, Reply, Waiter};
use crate::error::{Error, Result};

/// How long a call waits before it asks again whether there is room for it by now.
const ROOM_EVERY: Duration = Duration::from_millis(5);

impl Engine {
    /// Makes a request and waits for its outcome. Where it may wait for room, it makes one again that was certainly not
    /// taken for want of it.
    pub(super) fn wait(&self, timeout: Duration, input: impl Fn(Reply) -> Input) -> Result<Outcome> {
        self.check_process()?;
        if self.shared.is_own_thread() {
            return Err(Error::Reentrant);
        }
        let deadline = after(timeout);
        loop {
            let outcome = self.wait_once(deadline, &input);
            let is_full = match &outcome {
                Ok(outcome) => outcome.code == Code::Busy,
                Err(error) => *error == Error::Busy,
            };
            if !is_full || !self.waits_for_room {
                return outcome;
            }
            // Too many are on their way to the leader, or wait for their outcome. Whoever has little time left would not
            // hear of another try that nothing was taken.
            let left = deadline.saturating_duration_since(Instant::now());
            let is_last = left <= ROOM_EVERY * 2;
            std::thread::sleep(if is_last { left } else { ROOM_EVERY });
            if is_last {
                return outcome;
            }
        }
    }

    fn wait_once(&self, deadline: Instant, input: impl Fn(Reply) -> Input) -> Result<Outcome> {
        let waiter = Arc::new(Waiter::default());
        let until = self.waits_for_room.then_some(deadline);
        self.push_until(input(Reply::Waiter(Arc::clone(&waiter))), until)?;
        if let Some(outcome) = waiter.wait_until(deadline) {
            return Ok(outcome);
        }
        self.shared.pending.lock().forget(&waiter);
        // It may have come in the last moment.
        waiter.take().ok_or(Error::TimedOut)
    }

    /// Queues a request.
    pub(super) fn push(&self, input: Input) -> Result<()> {
        self.push_until(input, None)
    }

    fn push_until(&self, input: Input, deadline: Option<Instant>) -> Result<()> {
        self.check_process()?;
        // Who has seen the failure is refused with it, also before the inbox is closed: the host's log hears of it first.
        if let Some(error) = self.shared.failure() {
            return Err(error.clone());
        }
        let untold = self.shared.untold.load(Ordering::Acquire);
        let result = match untold < self.untold_max {
            true => self.shared.inbox.push(input, deadline),
            false => Err(Error::Busy),
        };
        if result == Err(Error::Busy) {
            self.shared.metrics.add(Counter::Busy, 1);
        }
        result
    }
}
