//! [`RaftLog`]: the whole log of a node, and its cursors.

use super::entry_id::EntryId;
use super::storage::Storage;
use super::unstable::Unstable;
use crate::consensus::mutants::{Mutant, is_planted};
use crate::error::{Error, Result};
use crate::raftpb::entry::Entries;
use crate::raftpb::message::{HardState, Snapshot};

/// The log of one node: stable entries in a [`Storage`], the rest in [`Unstable`].
///
/// `applied <= applying <= committed <= last_index` always holds.
#[derive(Debug)]
pub(crate) struct RaftLog<S> {
    storage: S,
    unstable: Unstable,
    /// The highest entry known to be on stable storage of a quorum.
    committed: u64,
    /// The highest entry handed out to be applied.
    applying: u64,
    /// The highest entry that the state machine holds.
    applied: u64,
    // Encoded bytes handed out to be applied and not handed back, and their limit.
    applying_bytes: u64,
    applying_bytes_max: u64,
    // The last page was cut short, or the limit is reached: wait for an `applied`.
    applying_paused: bool,
}

impl<S: Storage> RaftLog<S> {
    /// The log as `storage` has it; nothing behind the snapshot is taken for committed.
    pub(crate) fn new(storage: S, applying_bytes_max: u64) -> Self {
        let snapshot = storage.first_index() - 1;
        let unstable = Unstable::new(storage.last_index() + 1);
        RaftLog {
            storage,
            unstable,
            committed: snapshot,
            applying: snapshot,
            applied: snapshot,
            applying_bytes: 0,
            applying_bytes_max,
            applying_paused: false,
        }
    }

    /// Takes up the commit index that was saved.
    pub(crate) fn load(&mut self, state: &HardState) -> Result<()> {
        if state.commit < self.committed || state.commit > self.last_index() {
            return Err(Error::Invariant(format!(
                "saved commit {} is outside of the log [{}, {}]",
                state.commit,
                self.committed,
                self.last_index()
            )));
        }
        self.committed = state.commit;
        Ok(())
    }

    pub(crate) fn storage(&self) -> &S {
        &self.storage
    }

    pub(crate) fn storage_mut(&mut self) -> &mut S {
        &mut self.storage
    }

    pub(crate) fn committed(&self) -> u64 {
        self.committed
    }

    pub(crate) fn applied(&self) -> u64 {
        self.applied
    }

    pub(crate) fn first_index(&self) -> u64 {
        match self.unstable.snapshot() {
            Some(snapshot) => snapshot.metadata.index + 1,
            None => self.storage.first_index(),
        }
    }

    pub(crate) fn last_index(&self) -> u64 {
        self.unstable.last_index().unwrap_or_else(|| self.storage.last_index())
    }

    /// `Compacted` before the entry that precedes the first index, `Unavailable` behind the last.
    pub(crate) fn term(&self, index: u64) -> Result<u64> {
        if let Some(term) = self.unstable.term(index) {
            return Ok(term);
        }
        if index + 1 < self.first_index() {
            return Err(Error::Compacted);
        }
        if index > self.last_index() {
            return Err(Error::Unavailable);
        }
        self.storage.term(index)
    }

    /// The term at `index`, or 0 where the log does not reach.
    pub(crate) fn term_or_zero(&self, index: u64) -> Result<u64> {
        match self.term(index) {
            Err(Error::Compacted | Error::Unavailable) => Ok(0),
            other => other,
        }
    }

    pub(crate) fn last_id(&self) -> Result<EntryId> {
        let index = self.last_index();
        Ok(EntryId::new(self.term(index)?, index))
    }

    /// The last entry of this log that is known to be durable.
    pub(crate) fn last_durable_id(&self) -> Result<EntryId> {
        let index = self.last_index().min(self.unstable.offset() - 1);
        Ok(EntryId::new(self.term(index)?, index))
    }

    /// Whether this log holds `id`.
    pub(crate) fn contains(&self, id: EntryId) -> bool {
        id.index <= self.last_index() && self.term(id.index).is_ok_and(|term| term == id.term)
    }

    /// The entries from `lo` on as far as they encode to `bytes_max`, one at the least if there is one.
    pub(crate) fn entries_from(&self, lo: u64, bytes_max: u64) -> Result<Entries> {
        let hi = self.last_index() + 1;
        if lo >= hi { Ok(Entries::new()) } else { self.slice(lo, hi, bytes_max) }
    }

    /// The entries `[lo, hi)` as far as they encode to `bytes_max`, one at the least.
    pub(crate) fn slice(&self, lo: u64, hi: u64, bytes_max: u64) -> Result<Entries> {
        if lo < self.first_index() {
            return Err(Error::Compacted);
        }
        if lo > hi || hi > self.last_index() + 1 {
            return Err(Error::Invariant(format!(
                "entries [{lo}, {hi}) of a log that ends at {}",
                self.last_index()
            )));
        }
        let offset = self.unstable.offset();
        if lo >= offset {
            return Ok(self.unstable.slice(lo, hi, bytes_max));
        }
        if hi <= offset {
            return self.storage.entries(lo, hi, bytes_max);
        }
        let mut entries = self.storage.entries(lo, offset, bytes_max)?;
        if (entries.len() as u64) < offset - lo {
            return Ok(entries);
        }
        let bytes: u64 = entries.iter().map(|entry| entry.encoded_len() as u64).sum();
        let rest = self.unstable.slice(offset, hi, bytes_max.saturating_sub(bytes));
        let next = rest.first().map_or(0, |entry| entry.encoded_len() as u64);
        // The slice gives one entry whatever its size; only the first of a page has that right.
        if bytes.saturating_add(next) <= bytes_max {
            entries.extend(rest);
        }
        Ok(entries)
    }

    /// What a follower does with entries from its leader (thesis 3.5): if the log holds `prev`, takes them in, drops
    /// what conflicts, moves the commit index up to what they cover, and tells the last index that is known to match.
    pub(crate) fn maybe_append(
        &mut self,
        prev: EntryId,
        entries: Entries,
        commit: u64,
    ) -> Result<Option<u64>> {
        if prev.index < self.committed {
            // Late, or the leader does not know yet how far this log is.
            std::iter::once(prev)
                .chain(entries.iter().map(|entry| EntryId::from(&entry)))
                .take_while(|id| id.index <= self.committed)
                .try_for_each(|id| self.check_committed(id))?;
            return Ok(Some(self.committed));
        }
        if !self.contains(prev) && !is_planted(Mutant::AppendWithoutMatch) {
            return Ok(None);
        }
        let last = prev.index + entries.len() as u64;
        let truncates = is_planted(Mutant::TruncateWithoutConflict);
        // Mostly all of them are new.
        let from = match prev.index == self.last_index() {
            true => entries.first().map(|entry| entry.index),
            false => {
                let mut entries = entries.iter();
                entries
                    .find(|entry| truncates || !self.contains(EntryId::from(entry)))
                    .map(|entry| entry.index)
            }
        };
        if let Some(from) = from {
            self.append(suffix(entries, from))?;
        }
        let known = if is_planted(Mutant::CommitBehindMatch) { self.last_index() } else { last };
        self.commit_to(commit.min(known))?;
        Ok(Some(last))
    }

    /// `Contradiction` if a leader has another entry where this one is committed here. A majority has lost what it had
    /// acknowledged then, and to say that the logs match would hide that this state machine differs from the others.
    pub(crate) fn check_committed(&self, id: EntryId) -> Result<()> {
        match self.term(id.index) {
            Ok(ours) if ours != id.term => Err(Error::Contradiction(format!(
                "entry {} of term {} where the committed one has term {ours}",
                id.index, id.term
            ))),
            Ok(_) | Err(Error::Compacted) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Puts entries at the end, in place of whatever is there from their first index on.
    pub(crate) fn append(&mut self, entries: Entries) -> Result<()> {
        match entries.first() {
            Some(first) if first.index <= self.committed => Err(Error::Invariant(format!(
                "entry {} appended below the committed {}",
                first.index, self.committed
            ))),
            _ => self.unstable.truncate_and_append(entries),
        }
    }

    /// The last place at or before `index` where this log may agree with one that has `term` at `index`, and the term
    /// there, 0 if it is not known. Terms never fall along a log, so a later place with a higher term cannot agree.
    pub(crate) fn find_conflict_by_term(&self, mut index: u64, term: u64) -> Result<EntryId> {
        while index > 0 {
            match self.term(index) {
                Ok(ours) if ours <= term => return Ok(EntryId::new(ours, index)),
                Ok(_) => index -= 1,
                Err(Error::Compacted | Error::Unavailable) => return Ok(EntryId::new(0, index)),
                Err(error) => return Err(error),
            }
        }
        Ok(EntryId::default())
    }

    /// Moves the commit index up to `index`; never down.
    pub(crate) fn commit_to(&mut self, index: u64) -> Result<()> {
        if index > self.last_index() {
            return Err(Error::Invariant(format!(
                "commit {index} behind the last entry {}",
                self.last_index()
            )));
        }
        self.committed = self.committed.max(index);
        Ok(())
    }

    /// A leader's commit rule (thesis 3.6.2): only an entry of its own term is committed by counting.
    pub(crate) fn maybe_commit(&mut self, id: EntryId) -> Result<bool> {
        if id.term == 0 || id.index <= self.committed || !self.contains(id) {
            return Ok(false);
        }
        self.commit_to(id.index)?;
        Ok(true)
    }

    /// Forgets all for a snapshot from the leader.
    pub(crate) fn restore(&mut self, snapshot: Snapshot) {
        self.committed = snapshot.metadata.index;
        self.unstable.restore(snapshot);
    }

    /// A snapshot for `to`, whatever of it is not durable yet included.
    pub(crate) fn snapshot(&mut self, to: u64) -> Result<Snapshot> {
        match self.unstable.snapshot() {
            Some(snapshot) => Ok(snapshot.clone()),
            None => self.storage.snapshot(to),
        }
    }

    /// Whether a snapshot has been received and is not durable yet.
    pub(crate) fn has_unstable_snapshot(&self) -> bool {
        self.unstable.snapshot().is_some()
    }

    /// The last entry, if it is not durable yet.
    pub(crate) fn last_unstable_id(&self) -> Option<EntryId> {
        self.unstable.last_id()
    }

    /// Whether there is anything to save that is not on its way.
    pub(crate) fn has_next_unstable(&self) -> bool {
        self.unstable.has_next_entries() || self.unstable.has_next_snapshot()
    }

    /// Takes the snapshot that is to be saved and not on its way yet.
    pub(crate) fn accept_unstable_snapshot(&mut self) -> Option<Box<Snapshot>> {
        self.unstable.accept_snapshot()
    }

    /// Takes the entries that are to be saved and not on their way yet.
    pub(crate) fn accept_unstable_entries(&mut self) -> Entries {
        self.unstable.accept_entries()
    }

    /// What was handed out is durable: the storage may show it.
    pub(crate) fn publish(&mut self, snapshot: Option<&Snapshot>, entries: Entries) -> Result<()> {
        self.storage.append(snapshot, entries)
    }

    /// The log up to `id` is durable and published.
    pub(crate) fn stable_to(&mut self, id: EntryId) {
        self.unstable.stable_to(id);
    }

    /// The snapshot at `index` is durable and published.
    pub(crate) fn stable_snapshot_to(&mut self, index: u64) {
        self.unstable.stable_snapshot_to(index);
    }

    fn appliable_index(&self, apply_unstable: bool) -> u64 {
        if apply_unstable { self.committed } else { self.committed.min(self.unstable.offset() - 1) }
    }

    /// Whether there are committed entries to hand out.
    pub(crate) fn has_next_committed(&self, apply_unstable: bool) -> bool {
        !self.applying_paused
            && !self.has_unstable_snapshot()
            && self.applying < self.appliable_index(apply_unstable)
    }

    /// Takes a page of committed entries to be applied, and its encoded bytes. There are some.
    pub(crate) fn accept_committed(&mut self, apply_unstable: bool) -> Result<(Entries, u64)> {
        let last = self.appliable_index(apply_unstable);
        let room = self.applying_bytes_max.saturating_sub(self.applying_bytes);
        let entries = self.slice(self.applying + 1, last + 1, room)?;
        let bytes = entries.encoded_bound();
        self.applying += entries.len() as u64;
        self.applying_bytes = self.applying_bytes.saturating_add(bytes);
        // A page cut short means that the next entry does not fit beside it.
        self.applying_paused = self.applying_bytes >= self.applying_bytes_max || self.applying < last;
        Ok((entries, bytes))
    }

    /// The state machine holds everything up to `index`; `bytes` of what was handed out are done with.
    pub(crate) fn applied_to(&mut self, index: u64, bytes: u64) -> Result<()> {
        if index < self.applied || index > self.committed {
            return Err(Error::Invariant(format!(
                "applied {index} is outside of [{}, {}]",
                self.applied, self.committed
            )));
        }
        self.applied = index;
        self.applying = self.applying.max(index);
        self.applying_bytes = self.applying_bytes.saturating_sub(bytes);
        self.applying_paused = self.applying_bytes >= self.applying_bytes_max;
        Ok(())
    }

    /// Whether a committed membership change has not been applied yet.
    pub(crate) fn has_unapplied_conf_change(&self, page_bytes: u64) -> Result<bool> {
        let mut lo = self.applied + 1;
        while lo <= self.committed {
            let page = self.slice(lo, self.committed + 1, page_bytes)?;
            if page.changes().next().is_some() {
                return Ok(true);
            }
            // A page holds at least one entry.
            lo += page.len().max(1) as u64;
        }
        Ok(false)
    }
}

/// The entries from index `from` on.
fn suffix(entries: Entries, from: u64) -> Entries {
    if entries.first().is_some_and(|first| first.index == from) {
        return entries;
    }
    let mut rest = Entries::new();
    for run in entries.runs() {
        let Some(first) = run.first() else { continue };
        rest.push(run.slice(from.saturating_sub(first.index) as usize, run.len()));
    }
    rest
}
