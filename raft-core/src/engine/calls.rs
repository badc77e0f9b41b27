//! [`Calls`]: since when the threads of an engine have been inside of the host or the disk. What does not come back
//! shows there, whoever it holds up.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::uptime::Uptime;

/// The threads that call the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Thread {
    Driver = 0,
    Writer = 1,
    Applier = 2,
    Saver = 3,
}

const THREADS: usize = 4;

thread_local! {
    static THREAD: Cell<Option<Thread>> = const { Cell::new(None) };
}

/// Each is the uptime in milliseconds at which a call began, 0 while there is none.
#[derive(Debug, Default)]
pub(super) struct Calls {
    host: [AtomicU64; THREADS],
    disk: AtomicU64,
}

/// A call that goes on until this is dropped.
pub(super) struct Inside<'a> {
    place: &'a AtomicU64,
    before: u64,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.place.store(self.before, Ordering::Relaxed);
    }
}

impl<'a> Inside<'a> {
    fn new(place: &'a AtomicU64) -> Self {
        let before = place.load(Ordering::Relaxed);
        // A call inside of a call is the older one.
        if before == 0 {
            place.store(Uptime::now().to_millis().max(1), Ordering::Relaxed);
        }
        Inside { place, before }
    }
}

impl Calls {
    /// The current thread is this one, of the engine whose [`Calls`] it will use.
    pub(super) fn enter(thread: Thread) {
        THREAD.set(Some(thread));
    }

    /// A call of the host begins, on a thread of the engine's own.
    pub(super) fn host(&self) -> Option<Inside<'_>> {
        THREAD.get().and_then(|thread| self.host.get(thread as usize)).map(Inside::new)
    }

    /// A write to the log begins.
    pub(super) fn disk(&self) -> Inside<'_> {
        Inside::new(&self.disk)
    }

    /// How long the host has been at the oldest call that it has not come back from; zero if there is none.
    pub(super) fn in_host(&self) -> Duration {
        let now = Uptime::now().to_millis();
        self.host.iter().map(|since| age(since, now)).max().unwrap_or_default()
    }

    /// How long the disk has been at a write to the log; zero if it is at none.
    pub(super) fn in_disk(&self) -> Duration {
        age(&self.disk, Uptime::now().to_millis())
    }
}

fn age(since: &AtomicU64, now: u64) -> Duration {
    match since.load(Ordering::Relaxed) {
        0 => Duration::ZERO,
        since => Duration::from_millis(now.saturating_sub(since)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_call_counts_until_it_ends() {
        let calls = Calls::default();
        assert!(calls.host().is_none(), "this thread is no engine's");
        Calls::enter(Thread::Applier);
        let outer = calls.host();
        let begun = calls.host[Thread::Applier as usize].load(Ordering::Relaxed);
        assert_ne!(begun, 0);
        drop(calls.host());
        assert_eq!(calls.host[Thread::Applier as usize].load(Ordering::Relaxed), begun);
        let age = || age(&calls.host[Thread::Applier as usize], begun + 70);
        assert_eq!(age(), Duration::from_millis(70));
        drop(outer);
        assert_eq!((age(), calls.in_host(), calls.in_disk()), Default::default());
        calls.host[0].store(begun.saturating_sub(5000).max(1), Ordering::Relaxed);
        drop(calls.disk());
        assert!(calls.in_host() > Duration::ZERO);
    }
}
