//! [`Process`]: in which process an engine was opened. Its threads do not follow into one that is forked off.

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// How often this process was forked off, counted from the first engine on. The one thing that engines share, because
/// the system tells of a fork only those who asked before it.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// The process in which something was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process(u64);

impl Process {
    /// This one.
    pub(super) fn current() -> Self {
        static WATCH: Once = Once::new();
        WATCH.call_once(hook::install);
        Process(FORKS.load(Ordering::Relaxed))
    }

    /// Whether this still is the process in which it was made.
    pub(super) fn is_current(self) -> bool {
        self.0 == FORKS.load(Ordering::Relaxed)
    }

    /// `Forked` in a process that was forked off: the engine is at work in the other one.
    pub(super) fn check(self) -> Result<()> {
        if self.is_current() { Ok(()) } else { Err(Error::Forked) }
    }
}

#[allow(unsafe_code)]
mod hook {
    use super::{FORKS, Ordering};

    extern "C" fn in_child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }

    /// Has every fork counted, in the process that it makes.
    pub(super) fn install() {
        // SAFETY: the function lives as long as the process, and adding to an atomic is allowed in a fork's child. That
        // there is no memory for the entry leaves forks unnoticed, as they were before.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    }
}
