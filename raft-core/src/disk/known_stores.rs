//! The file `stores`: which disk each member of the group stands on, as far as this node has heard.
//!
//! Eight bytes of mark, then id and number of each member in eight bytes each, then CRC-32C of all before; little endian.
//! It is written to a draft and renamed. What cannot be read is as good as not heard.

use std::path::Path;

use super::crc::Crc;
use super::volume::{Access, Volume};
use crate::error::Result;

const NAME: &str = "stores";
const DRAFT: &str = "stores.tmp";
const MARK: &[u8; 8] = b"rftstor1";

/// More members than any group has; a longer file is none of ours.
const LEN_MAX: u64 = 64 << 10;

pub(super) fn save(volume: &dyn Volume, dir: &Path, stores: &[(u64, u64)]) -> Result<()> {
    let mut bytes = MARK.to_vec();
    stores.iter().flat_map(|&(id, store)| [id, store]).for_each(|n| bytes.extend(n.to_le_bytes()));
    bytes.extend(checksum(&bytes).to_le_bytes());
    let draft = volume.open(&dir.join(DRAFT), Access::Create)?;
    draft.write_at(&bytes, 0)?;
    draft.sync_data()?;
    volume.rename(&dir.join(DRAFT), &dir.join(NAME))?;
    volume.sync_dir(dir)
}

/// What was saved last; none if it cannot be read. Removes a draft that a crash has left: it may be the same file under
/// its old name, which the next one would overwrite.
pub(super) fn load(volume: &dyn Volume, dir: &Path) -> Result<Option<Vec<(u64, u64)>>> {
    let draft = dir.join(DRAFT);
    if volume.exists(&draft)? {
        volume.remove(&draft)?;
        volume.sync_dir(dir)?;
    }
    let path = dir.join(NAME);
    if !volume.exists(&path)? {
        return Ok(Some(Vec::new()));
    }
    let file = volume.open(&path, Access::Read)?;
    let mut bytes = vec![0; file.len()?.min(LEN_MAX) as usize];
    let len = file.read_at(&mut bytes, 0)?;
    bytes.truncate(len);
    Ok(parse(&bytes))
}

fn parse(bytes: &[u8]) -> Option<Vec<(u64, u64)>> {
    let (content, crc) = bytes.split_last_chunk::<4>()?;
    let (pairs, []) = content.strip_prefix(MARK)?.as_chunks::<16>() else { return None };
    if checksum(content) != u32::from_le_bytes(*crc) {
        return None;
    }
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Some(pairs.iter().map(|pair| (number(&pair[..8]), number(&pair[8..]))).collect())
}

fn checksum(bytes: &[u8]) -> u32 {
    Crc::from(0).update(bytes)
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
