//! [`Process`]: in which process a handle was made. Threads and locks of a file do not follow into a fork.

use raft_core::error::Error;

use crate::fault::Checked;

/// The process that owns a handle.
#[derive(Clone, Copy)]
pub(crate) struct Process(u32);

impl Process {
    /// This one.
    pub(crate) fn current() -> Self {
        Process(std::process::id())
    }

    /// Whether this is the process in which the handle was made.
    pub(crate) fn is_current(self) -> bool {
        self.0 == std::process::id()
    }

    /// Refuses in a process that was forked off: the engine is at work in the other one.
    pub(crate) fn check(self) -> Checked<()> {
        if self.is_current() { Ok(()) } else { Err(Error::Forked.into()) }
    }
}
