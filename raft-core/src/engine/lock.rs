//! [`Mutex`] and [`Condvar`]: those of the standard library, for a library that answers for its panics.
//!
//! They keep what they need in themselves. Locks that keep the threads that wait in one table of the whole process are
//! faster when many wait, but a process that was forked off has that table with threads in it that it does not have,
//! and no engine could be opened there.

use std::sync::{self, MutexGuard, PoisonError};
use std::time::Instant;

/// A lock that is had whatever became of those who held it: what a panic left is found and answered elsewhere.
#[derive(Debug, Default)]
pub(super) struct Mutex<T>(sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(super) fn new(value: T) -> Self {
        Mutex(sync::Mutex::new(value))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where threads wait for a change of what a [`Mutex`] holds.
#[derive(Debug, Default)]
pub(super) struct Condvar(sync::Condvar);

impl Condvar {
    /// Waits while `condition` holds, until `deadline` at the most.
    pub(super) fn wait_while<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Instant,
        condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        let time = deadline.saturating_duration_since(Instant::now());
        self.0.wait_timeout_while(guard, time, condition).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits to be notified, until `deadline` if there is one. May also return for no reason.
    pub(super) fn wait_until<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Option<Instant>,
    ) -> MutexGuard<'a, T> {
        let Some(deadline) = deadline else {
            return self.0.wait(guard).unwrap_or_else(PoisonError::into_inner);
        };
        let time = deadline.saturating_duration_since(Instant::now());
        self.0.wait_timeout(guard, time).unwrap_or_else(PoisonError::into_inner).0
    }

    pub(super) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(super) fn notify_all(&self) {
        self.0.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_lock_is_had_after_a_panic_under_it() {
        let lock = Arc::new(Mutex::new(1));
        let own = Arc::clone(&lock);
        let panicked = thread::spawn(move || {
            let mut held = own.lock();
            *held += 1;
            panic!("under the lock");
        });
        assert!(panicked.join().is_err());
        assert_eq!(*lock.lock(), 2);
    }

    #[test]
    fn waiting_ends_with_the_condition_or_the_time() {
        let (lock, changed) = (Arc::new(Mutex::new(false)), Arc::new(Condvar::default()));
        let soon = Instant::now() + Duration::from_millis(1);
        assert!(!*changed.wait_while(lock.lock(), soon, |done| !*done));
        let (theirs, tell) = (Arc::clone(&lock), Arc::clone(&changed));
        let thread = thread::spawn(move || {
            *theirs.lock() = true;
            tell.notify_all();
        });
        let late = Instant::now() + Duration::from_secs(60);
        assert!(*changed.wait_while(lock.lock(), late, |done| !*done));
        thread.join().unwrap();
    }
}
