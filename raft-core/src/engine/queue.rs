//! A queue of jobs for one thread. Its owner sleeps until there is something, and takes all that is there under one lock;
//! only the job that finds it asleep costs a wakeup. A channel that yields the processor for a while before it sleeps
//! takes it from the other nodes of a small machine each time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lock::{Condvar, Mutex};

struct Shared<T> {
    state: Mutex<State<T>>,
    more: Condvar,
}

struct State<T> {
    jobs: VecDeque<T>,
    is_asleep: bool,
    // The sender is gone.
    is_closed: bool,
}

/// Where jobs go in. Dropping it ends the receiver, once that has taken what is there.
pub(super) struct Sender<T>(Arc<Shared<T>>);

/// Where jobs come out, in order.
pub(super) struct Receiver<T> {
    shared: Arc<Shared<T>>,
    taken: VecDeque<T>,
}

/// Why there is no job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoJob {
    /// The time has passed.
    TimedOut,
    /// There will be none any more.
    Closed,
}

/// An empty queue.
pub(super) fn queue<T>() -> (Sender<T>, Receiver<T>) {
    let state = State { jobs: VecDeque::new(), is_asleep: false, is_closed: false };
    let shared = Arc::new(Shared { state: Mutex::new(state), more: Condvar::default() });
    (Sender(Arc::clone(&shared)), Receiver { shared, taken: VecDeque::new() })
}

impl<T> Sender<T> {
    /// Queues a job.
    pub(super) fn send(&self, job: T) {
        let mut state = self.0.state.lock();
        state.jobs.push_back(job);
        let was_asleep = std::mem::take(&mut state.is_asleep);
        drop(state);
        if was_asleep {
            self.0.more.notify_one();
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.state.lock().is_closed = true;
        self.0.more.notify_one();
    }
}

impl<T> Receiver<T> {
    /// The next job, which it waits for. None: the sender is gone.
    pub(super) fn recv(&mut self) -> Option<T> {
        self.recv_until(None).ok()
    }

    /// The next job, which it waits for as long as this.
    pub(super) fn recv_timeout(&mut self, time: Duration) -> Result<T, NoJob> {
        self.recv_until(Instant::now().checked_add(time))
    }

    /// The next job, if there is one by now.
    pub(super) fn try_recv(&mut self) -> Option<T> {
        if self.taken.is_empty() {
            std::mem::swap(&mut self.shared.state.lock().jobs, &mut self.taken);
        }
        self.taken.pop_front()
    }

    fn recv_until(&mut self, deadline: Option<Instant>) -> Result<T, NoJob> {
        if let Some(job) = self.taken.pop_front() {
            return Ok(job);
        }
        let mut state = self.shared.state.lock();
        let mut is_late = false;
        while state.jobs.is_empty() {
            if state.is_closed {
                return Err(NoJob::Closed);
            }
            if is_late {
                return Err(NoJob::TimedOut);
            }
            state.is_asleep = true;
            state = self.shared.more.wait_until(state, deadline);
            state.is_asleep = false;
            is_late = deadline.is_some_and(|deadline| deadline <= Instant::now());
        }
        std::mem::swap(&mut state.jobs, &mut self.taken);
        drop(state);
        self.taken.pop_front().ok_or(NoJob::TimedOut)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn jobs_come_out_in_order_and_then_the_end() {
        let (sender, mut receiver) = queue();
        assert_eq!(receiver.try_recv(), None);
        assert_eq!(receiver.recv_timeout(Duration::from_millis(1)), Err(NoJob::TimedOut));
        (1..=3).for_each(|job| sender.send(job));
        assert_eq!(receiver.recv(), Some(1));
        sender.send(4);
        assert_eq!((receiver.try_recv(), receiver.recv(), receiver.try_recv()), (Some(2), Some(3), Some(4)));
        sender.send(5);
        drop(sender);
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok(5));
        assert_eq!(receiver.recv_timeout(Duration::MAX), Err(NoJob::Closed));
        assert_eq!(receiver.recv(), None);
    }

    #[test]
    fn whoever_sleeps_is_woken_by_a_job_and_by_the_end() {
        let (sender, mut receiver) = queue();
        let sleeps = Arc::clone(&receiver.shared);
        let until_asleep = || while !sleeps.state.lock().is_asleep {};
        let thread = thread::spawn(move || (receiver.recv(), receiver.recv()));
        until_asleep();
        sender.send(7);
        until_asleep();
        drop(sender);
        assert_eq!(thread.join().unwrap(), (Some(7), None));
    }
}
