//! Segments: the names of the log's files, and a new file made ready.

use std::path::Path;

use crate::disk::volume::{Access, DIRECT_BLOCK, File, Volume, is_refused};
use crate::error::{Error, Result};

/// A segment's name: its place in the sequence, and the index that the first entry in it will have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::disk) struct SegmentName {
    pub(in crate::disk) sequence: u64,
    pub(in crate::disk) index: u64,
}

impl SegmentName {
    /// The name as a file has it.
    pub(in crate::disk) fn file_name(self) -> String {
        format!("{:016x}-{:016x}.wal", self.sequence, self.index)
    }

    fn parse(name: &str) -> Option<Self> {
        let (sequence, index) = parse_pair(name, ".wal")?;
        Some(SegmentName { sequence, index })
    }
}

/// Reads a name of two numbers of sixteen hexadecimal digits.
pub(in crate::disk) fn parse_pair(name: &str, suffix: &str) -> Option<(u64, u64)> {
    let (first, second) = name.strip_suffix(suffix)?.split_once('-')?;
    let number = |digits: &str| {
        let plain = digits.len() == 16 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        plain.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
    };
    Some((number(first)?, number(second)?))
}

/// The segments in `dir`, in their order.
pub(in crate::disk) fn list(volume: &dyn Volume, dir: &Path) -> Result<Vec<SegmentName>> {
    let mut names: Vec<SegmentName> =
        volume.list(dir)?.iter().filter_map(|name| SegmentName::parse(name)).collect();
    names.sort_unstable();
    Ok(names)
}

const BLOCK: u64 = DIRECT_BLOCK as u64;
/// The segments, in pieces that have no gap in the sequence.
pub(in crate::disk) fn runs_of(names: &[SegmentName]) -> Vec<&[SegmentName]> {
    names.chunk_by(|a, b| a.sequence.checked_add(1) == Some(b.sequence)).collect()
}

/// What is written at a time past the system's cache: little, so that a log that shares the disk hardly waits for it.
const DIRECT_STEP: u64 = 256 << 10;
/// And through the cache, where it is synced before the next, so that no other fdatasync has to wait for all of it.
const STEP: u64 = 1 << 20;

/// Creates the locked file `path` of `len` zeros, all of them durable.
///
/// They are written, not just reserved: an fdatasync of blocks that have been written before needs no change of
/// metadata, which halves its cost. Past the cache, where that is possible: to fill that takes a processor so long that
/// others wait for it. None if `stop` says so in between.
pub(super) fn prepare(
    volume: &dyn Volume,
    path: &Path,
    len: u64,
    mut stop: impl FnMut() -> bool,
) -> Result<Option<Box<dyn File>>> {
    let file = volume.open(path, Access::Create)?;
    lock(&*file, path)?;
    let zeros = vec![0; len.min(STEP) as usize + DIRECT_BLOCK];
    let zeros = &zeros[zeros.as_ptr().align_offset(DIRECT_BLOCK).min(DIRECT_BLOCK)..];
    let mut direct = volume.open_direct(path, false)?;
    let mut done = 0;
    while done < len {
        if stop() {
            return Ok(None);
        }
        let left = len - done;
        let past_cache = direct.as_ref().filter(|_| left >= BLOCK);
        let step = past_cache.map_or(left.min(STEP), |_| left.min(DIRECT_STEP) / BLOCK * BLOCK);
        let piece = &zeros[..step as usize];
        match past_cache.map(|past_cache| past_cache.write_at(piece, done)) {
            // The rest goes through the cache.
            Some(Err(error)) if is_refused(&error) => {
                direct = None;
                continue;
            }
            Some(written) => written?,
            None => {
                file.write_at(piece, done)?;
                file.sync_data()?;
            }
        }
        done += step;
    }
    file.sync_all()?;
    Ok(Some(file))
}

/// Removes the files in `dir` that were in the making when the process ended.
pub(in crate::disk) fn remove_drafts(volume: &dyn Volume, dir: &Path) -> Result<()> {
    for name in volume.list(dir)?.iter().filter(|name| name.ends_with(".tmp")) {
        volume.remove(&dir.join(name))?;
    }
    Ok(())
}

/// Locks a segment against etcd's tools, which know nothing of the store's own lock.
pub(in crate::disk) fn lock(file: &dyn File, path: &Path) -> Result<()> {
    if file.try_lock()? { Ok(()) } else { Err(Error::Locked(path.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written_as_etcd_does() {
        let name = SegmentName { sequence: 1, index: 0xab };
        assert_eq!(name.file_name(), "0000000000000001-00000000000000ab.wal");
        assert_eq!(SegmentName::parse(&name.file_name()), Some(name));
        for other in [
            "0.tmp",
            "0000000000000001-00000000000000ab.wal.broken",
            "0000000000000001-00000000000000AB.wal",
            "+000000000000001-00000000000000ab.wal",
            "1-2.wal",
            "0000000000000001.wal",
        ] {
            assert_eq!(SegmentName::parse(other), None, "{other}");
        }
    }
}
