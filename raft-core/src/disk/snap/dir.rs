//! [`SnapDir`]: the directory of the snapshot files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::reader::SnapReader;
use super::writer::SnapWriter;
use crate::disk::latch::Latch;
use crate::disk::room::Room;
use crate::disk::volume::{File, Volume};
use crate::disk::wal::segment::parse_pair;
use crate::disk::wal::segment::remove_drafts;
use crate::error::{Error, Result};
use crate::raftpb::message::SnapshotMetadata;

/// The snapshot files of a store. Clones are cheap, and of use to any thread.
///
/// A file counts only once the log records it; see [`Store::record_snapshot`](crate::disk::store::Store::record_snapshot).
#[derive(Clone)]
pub struct SnapDir {
    volume: Arc<dyn Volume>,
    dir: PathBuf,
    // Two snapshots of one index can be in the making at a time, one taken and one received.
    drafts: Arc<AtomicU64>,
    room: Room,
    failed: Latch,
    // Of the store's directory: nobody else opens it as long as a thread may write here.
    _lock: Option<Arc<dyn File>>,
}

impl SnapDir {
    pub(in crate::disk) fn new(volume: Arc<dyn Volume>, dir: &Path, room: Room, failed: Latch) -> Self {
        SnapDir { volume, dir: dir.to_owned(), drafts: Arc::default(), room, failed, _lock: None }
    }

    /// A clone that keeps the store's directory locked as long as it is there.
    pub(in crate::disk) fn under(&self, lock: &Arc<dyn File>) -> Self {
        SnapDir { _lock: Some(Arc::clone(lock)), ..self.clone() }
    }

    /// Begins a snapshot file. It has its name only when [`SnapWriter::finish`] returns.
    ///
    /// `DiskFull`, here and from the writer: it would take what is kept for the log.
    pub fn create(&self, metadata: SnapshotMetadata) -> Result<SnapWriter> {
        if metadata.index == 0 || metadata.term == 0 {
            return Err(Error::Config("a snapshot needs an index and a term".into()));
        }
        self.failed.check()?;
        let draft = self.drafts.fetch_add(1, Ordering::Relaxed);
        let name = file_name(metadata.term, metadata.index);
        let draft = self.dir.join(format!("{name}.{draft}.tmp"));
        let (room, failed) = (self.room.clone(), self.failed.clone());
        SnapWriter::create(Arc::clone(&self.volume), room, failed, draft, self.dir.join(name), metadata)
    }

    /// Opens the snapshot of this term and index, and reads all of it to verify its checksum.
    pub fn open(&self, term: u64, index: u64) -> Result<SnapReader> {
        self.open_file(term, index, false)
    }

    /// Opens the snapshot that the store has found when it was opened just now, which read all of it to verify it.
    pub fn open_found(&self, term: u64, index: u64) -> Result<SnapReader> {
        self.open_file(term, index, true)
    }

    fn open_file(&self, term: u64, index: u64, is_verified: bool) -> Result<SnapReader> {
        let path = self.path(term, index);
        let reader = SnapReader::open(&*self.volume, &path, is_verified)?;
        let metadata = reader.metadata();
        if (metadata.term, metadata.index) != (term, index) {
            let what = format!("the snapshot of term {} and index {}", metadata.term, metadata.index);
            return Err(Error::corrupt(&path, 0, what));
        }
        Ok(reader)
    }

    /// Term and index of each snapshot file, the newest by index first.
    pub fn list(&self) -> Result<Vec<(u64, u64)>> {
        let names = self.volume.list(&self.dir)?;
        let mut all: Vec<(u64, u64)> = names.iter().filter_map(|name| parse_pair(name, ".snap")).collect();
        all.sort_unstable_by_key(|&(term, index)| std::cmp::Reverse((index, term)));
        Ok(all)
    }

    pub(in crate::disk) fn exists(&self, term: u64, index: u64) -> Result<bool> {
        self.volume.exists(&self.path(term, index))
    }

    pub(in crate::disk) fn remove(&self, term: u64, index: u64) -> Result<()> {
        self.volume.remove(&self.path(term, index))
    }

    /// Puts an unreadable file aside, where nothing takes it for a snapshot.
    pub(in crate::disk) fn set_aside(&self, term: u64, index: u64) -> Result<()> {
        let path = self.path(term, index);
        let aside = self.dir.join(format!("{}.broken", file_name(term, index)));
        self.volume.rename(&path, &aside)
    }

    /// Removes files that were in the making when the process ended.
    pub(in crate::disk) fn remove_drafts(&self) -> Result<()> {
        remove_drafts(&*self.volume, &self.dir)
    }

    pub(in crate::disk) fn sync(&self) -> Result<()> {
        self.volume.sync_dir(&self.dir)
    }

    pub(in crate::disk) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(in crate::disk) fn path(&self, term: u64, index: u64) -> PathBuf {
        self.dir.join(file_name(term, index))
    }
}

/// Term first, unlike a segment's name.
pub(in crate::disk) fn file_name(term: u64, index: u64) -> String {
    format!("{term:016x}-{index:016x}.snap")
}
