//! Small files of the library's own: a mark of eight bytes, numbers of eight bytes, CRC-32C of all before; little endian.

use std::path::Path;

use super::crc::Crc;
use super::volume::{Access, Volume};
use crate::error::Result;

/// More than any of these files needs; a longer one is none of ours.
const LEN_MAX: u64 = 64 << 10;

/// The bytes that hold these numbers.
pub(super) fn seal(mark: &[u8; 8], numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut bytes = mark.to_vec();
    numbers.into_iter().for_each(|number| bytes.extend(number.to_le_bytes()));
    bytes.extend(Crc::from(0).update(&bytes).to_le_bytes());
    bytes
}

/// The numbers in `bytes`; none if they are damaged, or those of another file.
pub(super) fn unseal(mark: &[u8; 8], bytes: &[u8]) -> Option<Vec<u64>> {
    let (content, crc) = bytes.split_last_chunk::<4>()?;
    let (numbers, []) = content.strip_prefix(mark)?.as_chunks::<8>() else { return None };
    let matches = Crc::from(0).update(content) == u32::from_le_bytes(*crc);
    matches.then(|| numbers.iter().map(|number| u64::from_le_bytes(*number)).collect())
}

/// Gives the file `name` in `dir` this content, durably: a crash leaves the old one or the new one.
pub(super) fn replace(volume: &dyn Volume, dir: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let draft = dir.join(format!("{name}.tmp"));
    unlink(volume, &draft)?;
    let file = volume.open(&draft, Access::Create)?;
    file.write_at(bytes, 0)?;
    file.sync_all()?;
    volume.rename(&draft, &dir.join(name))?;
    volume.sync_dir(dir)
}

/// Removes a name that a crash may have left, before it is used again: it may be a second name of a file that counts,
/// whose rename was only half done, and which would be overwritten under it.
fn unlink(volume: &dyn Volume, path: &Path) -> Result<()> {
    if !volume.exists(path)? {
        return Ok(());
    }
    volume.remove(path)?;
    path.parent().map_or(Ok(()), |dir| volume.sync_dir(dir))
}

/// The content of the file `name` in `dir`, as far as it is one of these; none if there is no such file.
pub(super) fn read(volume: &dyn Volume, dir: &Path, name: &str) -> Result<Option<Vec<u8>>> {
    let path = dir.join(name);
    if !volume.exists(&path)? {
        return Ok(None);
    }
    let file = volume.open(&path, Access::Read)?;
    let mut bytes = vec![0; file.len()?.min(LEN_MAX) as usize];
    let len = file.read_at(&mut bytes, 0)?;
    bytes.truncate(len);
    Ok(Some(bytes))
}
