//! [`Progress`]: how far a long look has come, on a terminal and nowhere else.

use std::io::{IsTerminal, Write};

/// What takes no time needs no word.
const WORTH_TELLING: u64 = 32 << 20;

pub(crate) struct Progress {
    what: &'static str,
    total: u64,
    done: u64,
    told: Option<u64>,
    is_told: bool,
}

impl Progress {
    /// Of `total` bytes. `what` is being done to them.
    pub(crate) fn new(what: &'static str, total: u64) -> Self {
        let is_told = total > WORTH_TELLING && std::io::stderr().is_terminal();
        Progress { what, total, done: 0, told: None, is_told }
    }

    /// Goes on by so many bytes.
    pub(crate) fn advance(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes).min(self.total);
        let percent = u128::from(self.done) * 100 / u128::from(self.total.max(1));
        let percent = u64::try_from(percent).unwrap_or(100);
        if self.is_told && self.told != Some(percent) {
            self.told = Some(percent);
            let bar = "#".repeat(percent as usize / 4);
            // A terminal that is gone is no reason to stop.
            let _ = write!(std::io::stderr(), "\r{} [{bar:25}] {percent:3} %", self.what);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.told.is_some() {
            let _ = write!(std::io::stderr(), "\r{:60}\r", "");
        }
    }
}
