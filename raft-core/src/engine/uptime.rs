//! [`Uptime`]: a moment on the machine's own clock, which nobody sets.

use std::time::Duration;

/// A moment, as the time since the machine started.
///
/// Unlike [`Instant`](std::time::Instant) it also counts the time for which the machine was suspended, where the system
/// can tell: a lease ends meanwhile, and what was read before grows old. Setting the clock on the wall does not move it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Uptime(Duration);

impl Uptime {
    pub(super) fn now() -> Self {
        Uptime(clock::read())
    }

    /// How long `earlier` was before this; nothing if it was not.
    pub(super) fn since(self, earlier: Uptime) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment that is so much later.
    pub(super) fn plus(self, time: Duration) -> Self {
        Uptime(self.0.saturating_add(time))
    }

    /// In whole milliseconds, for an atomic.
    pub(super) fn to_millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

#[allow(unsafe_code)]
mod clock {
    use std::mem::MaybeUninit;
    use std::time::Duration;

    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: libc::clockid_t = libc::CLOCK_BOOTTIME;
    // Of the BSD family, macOS among them, it is this one that counts a sleep.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;

    /// The time on the clock. Asked through the system's own library, because the standard one has no clock like it.
    pub(super) fn read() -> Duration {
        read_one(CLOCK).or_else(|| read_one(libc::CLOCK_MONOTONIC)).unwrap_or_default()
    }

    /// None: the system does not have it, and never will.
    fn read_one(clock: libc::clockid_t) -> Option<Duration> {
        let mut time = MaybeUninit::<libc::timespec>::uninit();
        // SAFETY: the struct is there to be written to.
        if unsafe { libc::clock_gettime(clock, time.as_mut_ptr()) } != 0 {
            return None;
        }
        // SAFETY: the call has succeeded, and so has written all of it.
        let time = unsafe { time.assume_init() };
        Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_and_never_back() {
        let first = Uptime::now();
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(5) {
            std::thread::yield_now();
        }
        let second = Uptime::now();
        assert!(second.since(first) >= Duration::from_millis(5), "{first:?} {second:?}");
        assert_eq!(first.since(second), Duration::ZERO);
        assert_eq!(first.plus(second.since(first)), second);
    }
}
