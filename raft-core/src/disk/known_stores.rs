//! The file `stores`: which disk each member of the group stands on, as far as this node has heard.
//!
//! Id and number of each member. What cannot be read is as good as not heard.

use std::path::Path;

use super::sealed;
use super::volume::Volume;
use crate::error::Result;

const NAME: &str = "stores";
const MARK: &[u8; 8] = b"rftstor1";

pub(super) fn save(volume: &dyn Volume, dir: &Path, stores: &[(u64, u64)]) -> Result<()> {
    let numbers = stores.iter().flat_map(|&(id, store)| [id, store]);
    sealed::replace(volume, dir, NAME, &sealed::seal(MARK, numbers))
}

/// What was saved last; none if it cannot be read.
pub(super) fn load(volume: &dyn Volume, dir: &Path) -> Result<Option<Vec<(u64, u64)>>> {
    Ok(match sealed::read(volume, dir, NAME)? {
        Some(bytes) => parse(&bytes),
        None => Some(Vec::new()),
    })
}

fn parse(bytes: &[u8]) -> Option<Vec<(u64, u64)>> {
    let numbers = sealed::unseal(MARK, bytes)?;
    let (pairs, []) = numbers.as_chunks::<2>() else { return None };
    Some(pairs.iter().map(|&[id, store]| (id, store)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::os::OsVolume;

    #[test]
    fn what_was_heard_is_known_after_a_restart_and_damage_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load(&OsVolume, dir.path()), Ok(Some(Vec::new())));
        let stores = [(1, 77), (2, u64::MAX)];
        save(&OsVolume, dir.path(), &[(9, 9)]).unwrap();
        save(&OsVolume, dir.path(), &stores).unwrap();
        assert_eq!(load(&OsVolume, dir.path()), Ok(Some(stores.to_vec())));
        let path = dir.path().join(NAME);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(load(&OsVolume, dir.path()), Ok(None), "byte {at}");
            std::fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(load(&OsVolume, dir.path()), Ok(None), "length {at}");
        }
    }
}
