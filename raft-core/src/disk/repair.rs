//! [`Repair`]: makes a log of what can be read of a damaged one, at the word of somebody who knows what is lost.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::ballot::{self, Kept};
use super::crc::Crc;
use super::inspect::{Inspection, Loss as Lost, inspect};
use super::loss::{self, Loss};
use super::record::{Record, RecordType, SnapshotRecord};
use super::recovered::Identity;
use super::salvage::Saved;
use super::volume::{Access, File, Volume};
use super::wal::reader::Unread;
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
    // What the file `vote` beside the log says, if it is a store's.
    kept: Kept,
    // What the store is to remember. It may be no entry, where only the end of what was durable is gone.
    loss: Option<Lost>,
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
        let kept = wal_dir.parent().map_or(Ok(Kept::default()), |dir| Kept::load(&*volume, dir))?;
        let (wal_dir, loss) = (wal_dir.to_owned(), inspection.loss);
        let mut repair = Repair { volume, wal_dir, inspection, kept, loss, _locks: locks };
        repair.ask_the_store();
        Ok(repair)
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
        if !self.is_possible() {
            let what = "nothing is left to start from; the node has to be replaced";
            return Err(Error::corrupt(&self.wal_dir, 0, what));
        }
        self.tell_the_store()?;
        if self.inspection.is_only_torn() { self.cut_off() } else { self.rewrite() }
    }

    /// Adds what only the file `vote` knows: term and vote, and how far the log was durable, which a repair forgets.
    fn ask_the_store(&mut self) {
        let Inspection { owner, hard_state, reach, .. } = self.inspection;
        let of_owner = |identity: Identity| {
            owner.is_some_and(|owner| identity.check(owner.node_id, owner.cluster_id).is_ok())
        };
        let Some(ballot) = self.kept.newest.filter(|ballot| of_owner(ballot.identity)) else { return };
        // What is only too short is for the store alone.
        let Some(fault) = self.inspection.log_faults().last() else { return };
        let end = if fault.torn { fault.offset } else { reach.1 };
        let is_short = self.kept.promises_more_than(reach.0, end);
        let Some(saved) = &mut self.inspection.saved else { return };
        if is_short && !self.kept.is_sure && !self.inspection.vote_may_be_lost {
            // A HardState may have stood at the end that is gone, and its second copy in the slot that is damaged.
            self.inspection.vote_may_be_lost = true;
            saved.hard_state.term = saved.hard_state.term.saturating_add(1);
            saved.hard_state.vote = ballot.identity.node_id;
        }
        if self.inspection.vote_may_be_lost {
            match ballot::newer(hard_state, ballot.term, ballot.vote, &self.wal_dir) {
                Ok(HardState { term, vote, .. }) if self.kept.is_sure => {
                    (saved.hard_state.term, saved.hard_state.vote) = (term, vote);
                    self.inspection.vote_may_be_lost = false;
                }
                _ => saved.hard_state.term = saved.hard_state.term.max(ballot.term.saturating_add(1)),
            }
        }
        if !is_short {
            return;
        }
        let is_known = ballot.is_closed && self.kept.is_sure;
        let promised = if is_known { ballot.end.last_index } else { u64::MAX };
        let first = self.loss.map_or(saved.last().saturating_add(1), |loss| loss.first);
        let last = self.loss.map_or(promised, |loss| loss.last.max(promised));
        self.loss = Some(Lost { first, last });
        self.inspection.loss = self.loss.filter(|loss| loss.first <= loss.last);
    }

    /// A node must not take what it finds afterwards for all that it ever acknowledged.
    fn tell_the_store(&self) -> Result<()> {
        let Some(dir) = self.wal_dir.parent() else { return Ok(()) };
        if !self.kept.is_there() {
            return Ok(());
        }
        if let Some(Lost { first, last }) = self.loss {
            let terms = [self.kept.newest.map(|ballot| ballot.term), Some(self.inspection.hard_state.term)];
            let term = terms.into_iter().flatten().max().unwrap_or(0);
            let new = Loss { first, last, term };
            // A term that nobody can tell is not beyond that of now.
            let old = loss::load(&*self.volume, dir)?.map(|old| Loss { term: old.term.min(term), ..old });
            loss::save(&*self.volume, dir, old.map_or(new, |old| old.and(new)))?;
        }
        // Written to the slot that is damaged, if one is: nobody who comes after a crash can see then that it was.
        let saved = self.inspection.saved.as_ref().filter(|_| self.inspection.vote_may_be_lost);
        let decided = saved.map(|saved| (saved.hard_state.term, saved.hard_state.vote));
        ballot::forget_end(&*self.volume, dir, decided)
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
            return Err(Error::Invariant("a log is rewritten of which nothing is left".into()));
        };
        let old = segment::list(&*self.volume, &self.wal_dir)?;
        let path = |name: &SegmentName| self.wal_dir.join(name.file_name());
        let is_faulty =
            |name: &SegmentName| self.inspection.log_faults().any(|fault| fault.path == path(name));
        let mut notes = Vec::new();
        for name in &old {
            // Others may hold what does not connect any more, also before a gap in the sequence or a lost snapshot.
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

    /// Copies a file to a name that nothing reads. What cannot be read is zero in the copy.
    fn put_aside(&self, path: &Path) -> Result<PathBuf> {
        let aside = path.with_extension("wal.broken");
        let (from, to) = (self.volume.open(path, Access::Read)?, self.volume.open(&aside, Access::Create)?);
        let mut block = vec![0; FLUSH_LEN];
        let mut at = 0;
        loop {
            let read = Unread::default().read(&*from, &mut block, at)?;
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
