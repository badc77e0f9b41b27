//! [`Repair`]: makes a log of what can be read of a damaged one, at the word of somebody who knows what is lost.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::ballot;
use super::crc::Crc;
use super::inspect::{Inspection, Loss as Lost, inspect};
use super::loss::{self, Loss};
use super::record::{Record, RecordType, SnapshotRecord};
use super::salvage::Saved;
use super::volume::{Access, File, Volume};
use super::wal::segment::{self, SegmentName};
use super::wal::writer::{put_snapshot, put_state};
use crate::error::{Error, Result};
use crate::raftpb::message::HardState;

const DRAFT: &str = "repair.tmp";
const FLUSH_LEN: usize = 1 << 20;

/// A log that is locked and has been looked at. Dropping it changes nothing.
pub struct Repair {
    volume: Arc<dyn Volume>,
    wal_dir: PathBuf,
    inspection: Inspection,
    // Kept until the end: nobody may write meanwhile.
    _locks: Vec<Box<dyn File>>,
}

impl Repair {
    /// Locks the log in `wal_dir` against nodes and etcd's tools and looks at it, as [`inspect`] does.
    pub fn begin(
        volume: Arc<dyn Volume>,
        wal_dir: &Path,
        snap_dir: Option<&Path>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Self> {
        let mut paths = vec![wal_dir.parent().unwrap_or(Path::new(".")).join("LOCK")];
        paths.retain(|path| volume.exists(path).unwrap_or(true));
        paths.extend(segment::list(&*volume, wal_dir)?.last().map(|name| wal_dir.join(name.file_name())));
        let mut locks = Vec::new();
        for path in paths {
            let file = volume.open(&path, Access::Write)?;
            segment::lock(&*file, &path)?;
            locks.push(file);
        }
        let inspection = inspect(Arc::clone(&volume), wal_dir, snap_dir, true, progress)?;
        Ok(Repair { volume, wal_dir: wal_dir.to_owned(), inspection, _locks: locks })
    }

    /// What is wrong, and what a repair would lose.
    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    /// Whether anything is left that a node could start from.
    pub fn is_possible(&self) -> bool {
        self.inspection.saved.is_some() && self.inspection.metadata.is_some()
    }

    /// Repairs it, and tells in sentences what was done. A crash before the end leaves the log as it was, or repaired.
    ///
    /// Each file that is changed or given up is copied to `<name>.broken` before.
    pub fn apply(self) -> Result<Vec<String>> {
        if self.inspection.log_faults().next().is_none() {
            return Ok(Vec::new());
        }
        self.tell_the_store()?;
        if self.inspection.is_only_torn() { self.cut_off() } else { self.rewrite() }
    }

    /// A node must not take what it finds afterwards for all that it ever acknowledged.
    fn tell_the_store(&self) -> Result<()> {
        let Some(dir) = self.wal_dir.parent() else { return Ok(()) };
        let term = ballot::term(&*self.volume, dir)?;
        if let (Some(term), Some(Lost { first, last })) = (term, self.inspection.loss) {
            let term = term.max(self.inspection.hard_state.term);
            loss::save(&*self.volume, dir, Loss { first, last, term })?;
        }
        ballot::forget_end(&*self.volume, dir)
    }

    /// Cuts off the end of the last segment, which a crash has left half written.
    fn cut_off(&self) -> Result<Vec<String>> {
        let mut notes = Vec::new();
        for fault in self.inspection.log_faults() {
            let aside = self.put_aside(&fault.path)?;
            let file = self.volume.open(&fault.path, Access::Write)?;
            file.set_len(fault.offset)?;
            file.sync_all()?;
            notes.push(format!(
                "{} was cut off at byte {}; the whole of it is in {}",
                fault.path.display(),
                fault.offset,
                aside.display()
            ));
        }
        Ok(notes)
    }

    /// Writes what is saved into one segment behind all others, with a gap in the sequence between: what lies before
    /// such a gap counts as released from the moment the new one has its name.
    fn rewrite(&self) -> Result<Vec<String>> {
        let (Some(saved), Some(metadata)) = (&self.inspection.saved, &self.inspection.metadata) else {
            let what = "nothing is left to start from; the node has to be replaced";
            return Err(Error::corrupt(&self.wal_dir, 0, what));
        };
        let old = segment::list(&*self.volume, &self.wal_dir)?;
        let path = |name: &SegmentName| self.wal_dir.join(name.file_name());
        let is_faulty =
            |name: &SegmentName| self.inspection.log_faults().any(|fault| fault.path == path(name));
        let first = old.iter().position(is_faulty).unwrap_or(old.len().saturating_sub(1));
        let mut notes = Vec::new();
        for name in old.iter().skip(first) {
            // Those behind may hold what does not connect any more.
            if is_faulty(name) || !saved.goes_on_behind {
                let aside = self.put_aside(&path(name))?;
                notes.push(format!("{} was copied to {}", path(name).display(), aside.display()));
            }
        }
        let sequence = old.last().and_then(|last| last.sequence.checked_add(2));
        let sequence = sequence.ok_or_else(|| Error::corrupt(&self.wal_dir, 0, "no sequence is left"))?;
        let name = SegmentName { sequence, index: saved.base };
        self.write(&name, saved, metadata)?;
        for old in &old {
            self.volume.remove(&path(old))?;
        }
        self.volume.sync_dir(&self.wal_dir)?;
        notes.push(format!(
            "{} holds entries {} to {} now, and {} older segments are gone",
            path(&name).display(),
            saved.base.saturating_add(1),
            saved.last(),
            old.len()
        ));
        Ok(notes)
    }

    fn write(&self, name: &SegmentName, saved: &Saved, metadata: &Bytes) -> Result<()> {
        let draft = self.wal_dir.join(DRAFT);
        let mut segment = Segment {
            file: self.volume.open(&draft, Access::Create)?,
            offset: 0,
            buffer: Vec::new(),
            chain: Crc::from(0),
        };
        segment.fill(saved, metadata)?;
        segment.flush()?;
        segment.file.sync_all()?;
        self.volume.rename(&draft, &self.wal_dir.join(name.file_name()))?;
        self.volume.sync_dir(&self.wal_dir)
    }

    /// Copies a file to a name that nothing reads.
    fn put_aside(&self, path: &Path) -> Result<PathBuf> {
        let aside = path.with_extension("wal.broken");
        let (from, to) = (self.volume.open(path, Access::Read)?, self.volume.open(&aside, Access::Create)?);
        let mut block = vec![0; FLUSH_LEN];
        let mut at = 0;
        loop {
            let read = from.read_at(&mut block, at)?;
            if read == 0 {
                break;
            }
            to.write_at(&block[..read], at)?;
            at += read as u64;
        }
        to.sync_all()?;
        self.volume.sync_dir(&self.wal_dir)?;
        Ok(aside)
    }
}

/// The new segment.
struct Segment {
    file: Box<dyn File>,
    offset: u64,
    buffer: Vec<u8>,
    chain: Crc,
}

impl Segment {
    fn fill(&mut self, saved: &Saved, metadata: &Bytes) -> Result<()> {
        let Segment { buffer, chain, .. } = self;
        Record::put_crc(buffer, chain);
        Record::put(buffer, chain, RecordType::Metadata, metadata);
        put_snapshot(buffer, chain, &SnapshotRecord::default());
        let mut snapshots = saved.snapshots.iter();
        if saved.base > 0
            && let Some(first) = snapshots.next()
        {
            put_snapshot(buffer, chain, first);
            put_state(buffer, chain, &HardState { commit: saved.base, ..saved.hard_state });
        }
        for entry in &saved.entries {
            Record::put_entry(&mut self.buffer, &mut self.chain, entry);
            if self.buffer.len() >= FLUSH_LEN {
                self.flush()?;
            }
        }
        snapshots.for_each(|snapshot| put_snapshot(&mut self.buffer, &mut self.chain, snapshot));
        put_state(&mut self.buffer, &mut self.chain, &saved.hard_state);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.file.write_at(&self.buffer, self.offset)?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}
