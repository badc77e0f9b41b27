//! [`Damage`]: a place on the disk that cannot be trusted, and what may be lost with it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::examine::{Site, examine};
use super::volume::Volume;
use crate::error::{Error, Result};

/// A place that holds what cannot have been written, or cannot be read, and is not the end of a write that a crash cut
/// short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file, or the directory where one is missing.
    pub path: PathBuf,
    /// Where in it, in bytes.
    pub offset: u64,
    /// What is wrong there.
    pub what: String,
    /// The first index that cannot be trusted.
    pub first_lost: u64,
    /// An upper bound of the last index that the disk may have held and acknowledged; `u64::MAX` if nobody can tell, and
    /// less than `first_lost` if no entry is lost.
    pub last_lost: u64,
}

/// What is done about damage when a store is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDamage {
    /// The store does not open, and nothing is changed.
    #[default]
    Refuse,
    /// What is damaged is put aside and the store opens with [`Recovered::lost`](super::recovered::Recovered::lost) set,
    /// for a node that has others to refill it. One that is the only voter does not open.
    Recover,
    /// The same, and the only voter opens without what is lost, as if that had never been there. For a person who has
    /// decided that.
    Repair,
}

impl Damage {
    /// Says that the store does not open because of it.
    pub(super) fn refuse(&self, dir: &Path) -> Error {
        let Damage { path, offset, what, .. } = self;
        let lost = self.lost();
        let what = format!("{what}; {lost}. Nothing was changed; see `rft log repair {}`", dir.display());
        Error::corrupt(path, *offset, what)
    }

    fn lost(&self) -> String {
        match (self.first_lost, self.last_lost) {
            (first, u64::MAX) => format!("all from entry {first} on may be lost"),
            (first, last) if last < first => "no entry is lost".to_owned(),
            (first, last) => format!("entries {first} to {last} may be lost"),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is damaged at byte {}: {}; {}",
            self.path.display(),
            self.offset,
            self.what,
            self.lost()
        )
    }
}

/// Lists what is damaged in the store in `dir`, which must not be open. Changes nothing, and locks nothing. A torn end
/// of the log, which the next open mends, is no damage.
pub fn survey(volume: Arc<dyn Volume>, dir: &Path) -> Result<Vec<Damage>> {
    let site = Site::new(volume, dir, 0);
    examine(&site, None).map(|examined| examined.all_damages(&site))
}
