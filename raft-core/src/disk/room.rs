//! [`Room`]: how much of the disk may be used, and for what.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::volume::Volume;
use crate::error::{Error, Result};

/// The last bytes of a disk are for the log, which cannot do without: a part of the space is a reserve that snapshots
/// use half of, and segments made ready ahead nothing of.
#[derive(Clone)]
pub(in crate::disk) struct Room {
    volume: Arc<dyn Volume>,
    dir: PathBuf,
    reserve: u64,
}

impl Room {
    /// Of the disk that `dir` lies on. A reserve of 0 is none.
    pub(in crate::disk) fn new(volume: Arc<dyn Volume>, dir: &Path, reserve: u64) -> Self {
        Room { volume, dir: dir.to_owned(), reserve }
    }

    /// Bytes that are left; `u64::MAX` where nobody knows.
    pub(in crate::disk) fn free_bytes(&self) -> Result<u64> {
        self.volume.free_bytes(&self.dir)
    }

    /// Whether a snapshot may grow by `len` bytes: `DiskFull` if not.
    pub(in crate::disk) fn check_snapshot(&self, len: usize) -> Result<()> {
        self.check(len as u64, self.reserve / 2)
    }

    /// Whether a segment of `len` bytes may be made ready ahead: `DiskFull` if not.
    pub(in crate::disk) fn check_spare(&self, len: u64) -> Result<()> {
        self.check(len, self.reserve)
    }

    fn check(&self, len: u64, left: u64) -> Result<()> {
        if self.reserve == 0 {
            return Ok(());
        }
        // A disk that cannot be asked says so when it is written to.
        let free = self.free_bytes().unwrap_or(u64::MAX);
        if free < len.saturating_add(left) {
            return Err(Error::DiskFull { free, reserve: self.reserve });
        }
        Ok(())
    }
}
