//! [`Loss`]: what a disk may have lost of what its node had promised, kept in the file `lost` until it is made good.

use std::path::Path;

use super::sealed;
use super::volume::Volume;
use crate::error::Result;

const NAME: &str = "lost";
const MARK: &[u8; 8] = b"rftlost1";

/// Entries that this disk may have held and acknowledged, and holds no more.
///
/// As long as there is one, the node must not help to elect anybody: it can no longer tell who lacks an entry that
/// was committed with its help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The first index that was lost.
    pub first: u64,
    /// The last one that may have been lost; `u64::MAX` if nobody can tell.
    pub last: u64,
    /// The newest term that the node had seen when the loss was found: it acknowledged nothing in a later one.
    pub term: u64,
}

impl Loss {
    /// Both losses as one.
    pub(super) fn and(self, other: Loss) -> Loss {
        Loss {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            term: self.term.max(other.term),
        }
    }
}

/// Keeps it durably.
pub(super) fn save(volume: &dyn Volume, dir: &Path, loss: Loss) -> Result<()> {
    sealed::replace(volume, dir, NAME, &sealed::seal(MARK, [loss.first, loss.last, loss.term]))
}

/// What was kept. From a damaged file it is still clear that there was a loss: then everything may be lost, in any
/// term up to `u64::MAX`, which the caller bounds by the node's own.
pub(super) fn load(volume: &dyn Volume, dir: &Path) -> Result<Option<Loss>> {
    let Some(bytes) = sealed::read(volume, dir, NAME)? else { return Ok(None) };
    Ok(Some(match sealed::unseal(MARK, &bytes).as_deref() {
        Some(&[first, last, term]) => Loss { first, last, term },
        _ => Loss { first: 1, last: u64::MAX, term: u64::MAX },
    }))
}

/// The loss is made good.
pub(super) fn remove(volume: &dyn Volume, dir: &Path) -> Result<()> {
    let path = dir.join(NAME);
    if !volume.exists(&path)? {
        return Ok(());
    }
    volume.remove(&path)?;
    volume.sync_dir(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::os::OsVolume;

    #[test]
    fn a_damaged_file_is_still_a_loss() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load(&OsVolume, dir.path()), Ok(None));
        let loss = Loss { first: 7, last: 9, term: 3 };
        save(&OsVolume, dir.path(), loss).unwrap();
        assert_eq!(load(&OsVolume, dir.path()), Ok(Some(loss)));
        let path = dir.path().join(NAME);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            for content in [&damaged[..], &whole[..at]] {
                std::fs::write(&path, content).unwrap();
                assert_eq!(load(&OsVolume, dir.path()).unwrap().map(|loss| loss.last), Some(u64::MAX));
            }
        }
        remove(&OsVolume, dir.path()).unwrap();
        remove(&OsVolume, dir.path()).unwrap();
        assert_eq!(load(&OsVolume, dir.path()), Ok(None));
    }
}
