//! [`Replay`]: what the records of a log amount to.

use std::mem;

use super::entry_list::EntryList;
use crate::disk::record::{Record, RecordType, SnapshotRecord};
use crate::raftpb::entry::Entry;
use crate::raftpb::message::HardState;

/// What is wrong with a record, as words.
pub(in crate::disk) type Verdict<T> = std::result::Result<T, String>;

/// Entries behind `base`.
#[derive(Clone, Debug, Default)]
pub(in crate::disk) struct Log {
    /// The index before the first entry: that of a snapshot, or what the first segment's name promises.
    pub(in crate::disk) base: u64,
    /// The term at `base`, where a snapshot has told it.
    base_term: Option<u64>,
    pub(in crate::disk) entries: EntryList,
}

impl Log {
    /// No entries behind a snapshot of this index and term; a term of 0 is not known.
    pub(in crate::disk) fn behind(index: u64, term: u64) -> Self {
        Log { base: index, base_term: (term > 0).then_some(term), entries: EntryList::default() }
    }

    /// The index of the last entry, or of the base.
    pub(in crate::disk) fn last(&self) -> u64 {
        self.base + self.entries.len() as u64
    }

    /// The term at `index`, as far as it is known.
    pub(in crate::disk) fn term(&self, index: u64) -> Option<u64> {
        if index == self.base {
            return self.base_term;
        }
        let at = index.checked_sub(self.base)?.checked_sub(1)?;
        self.entries.get(usize::try_from(at).ok()?).map(|entry| entry.term)
    }

    /// Whether an entry of this index has its place in the log or right behind it.
    fn takes(&self, index: u64) -> bool {
        self.base < index && index - 1 <= self.last()
    }

    /// Puts the entry in its place; all behind it is overwritten.
    fn put(&mut self, entry: Entry) -> Verdict<()> {
        let at = (entry.index - self.base - 1) as usize;
        if self.entries.get(at).is_some_and(|old| old.term == entry.term && *old != entry) {
            return Err(format!("a second entry {} of term {}", entry.index, entry.term));
        }
        self.entries.truncate(at);
        let before = self.term(entry.index - 1).unwrap_or(0);
        if entry.term < before {
            return Err(format!("entry {} of term {} behind one of term {before}", entry.index, entry.term));
        }
        self.entries.push(entry);
        Ok(())
    }
}

/// The state of a log as it is read, record by record.
#[derive(Debug, Default)]
pub(in crate::disk) struct Replay {
    pub(in crate::disk) hard_state: HardState,
    /// Every snapshot that was recorded, in order; some of them may never have been committed.
    pub(in crate::disk) snapshots: Vec<SnapshotRecord>,
    pub(in crate::disk) log: Log,
    /// A snapshot that was received, and the log it replaces. Only a HardState that has its index committed makes
    /// the replacement good; a crash before that leaves the node with its old log.
    displaced: Option<(u64, Log)>,
}

impl Replay {
    /// Begins before an entry of index `first_index`, 0 and 1 being the same.
    pub(in crate::disk) fn new(first_index: u64) -> Self {
        let log = Log { base: first_index.saturating_sub(1), ..Log::default() };
        Replay { log, ..Replay::default() }
    }

    /// Takes in a record. Metadata and checksums are not its business.
    pub(in crate::disk) fn take(&mut self, record: Record) -> Verdict<()> {
        match record.record_type {
            RecordType::Entry => self.entry(Entry::decode(record.data).map_err(|error| error.to_string())?),
            RecordType::State => self.state(decode(record)?),
            RecordType::Snapshot => self.snapshot(decode(record)?),
            RecordType::Metadata | RecordType::Crc => Err("a record that only opens a segment".into()),
        }
    }

    fn entry(&mut self, entry: Entry) -> Verdict<()> {
        if entry.index == 0 || entry.term == 0 {
            return Err(format!("an entry of index {} and term {}", entry.index, entry.term));
        }
        if entry.index <= self.hard_state.commit {
            return Err(format!(
                "entry {} again, although all up to {} was committed",
                entry.index, self.hard_state.commit
            ));
        }
        // Behind a snapshot no term falls: what does came from an older leader, after a restart with the old log.
        let falls = self.log.base_term.is_some_and(|term| entry.term < term);
        if (falls || !self.log.takes(entry.index))
            && let Some((_, log)) = self.displaced.take_if(|(_, log)| log.takes(entry.index))
        {
            self.log = log;
        }
        if entry.index <= self.log.base {
            // A segment's name may promise more than it keeps, after a snapshot that cut the log short.
            self.log = Log { base: entry.index - 1, ..Log::default() };
        }
        if !self.log.takes(entry.index) {
            return Err(format!("entry {} behind entry {}", entry.index, self.log.last()));
        }
        self.log.put(entry)
    }

    fn state(&mut self, state: HardState) -> Verdict<()> {
        let last = self.hard_state;
        if state.term < last.term || state.commit < last.commit {
            return Err(format!(
                "term {} and commit {} behind term {} and commit {}",
                state.term, state.commit, last.term, last.commit
            ));
        }
        self.hard_state = state;
        self.displaced.take_if(|(index, _)| *index <= state.commit);
        Ok(())
    }

    fn snapshot(&mut self, snapshot: SnapshotRecord) -> Verdict<()> {
        let SnapshotRecord { index, term, .. } = snapshot;
        if (index == 0) != (term == 0) {
            return Err(format!("a snapshot of index {index} and term {term}"));
        }
        // The one before was given up, or its HardState would stand between the two.
        self.abandon_displaced();
        let known = self.log.term(index);
        if index <= self.log.last()
            && known.is_some_and(|known| known != term)
            && index <= self.hard_state.commit
        {
            return Err(format!("a snapshot of index {index} and term {term}, which the log contradicts"));
        }
        // One that the log knows, or that lies before it, is our own. Any other has come from a leader.
        if index > self.log.base && known != Some(term) {
            let log = Log { base: index, base_term: Some(term), entries: EntryList::default() };
            let old = mem::replace(&mut self.log, log);
            if index > self.hard_state.commit {
                self.displaced = Some((index, old));
            }
        }
        self.snapshots.push(snapshot);
        Ok(())
    }

    /// Returns to the old log where a received snapshot was never committed; says which one.
    pub(in crate::disk) fn abandon_displaced(&mut self) -> Option<u64> {
        let (index, log) = self.displaced.take()?;
        self.log = log;
        Some(index)
    }
}

fn decode<M: prost::Message + Default>(record: Record) -> Verdict<M> {
    M::decode(record.data).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_an_older_leader_after_a_received_snapshot_goes_into_the_old_log() {
        let entry = |term, index| Entry { term, index, ..Entry::default() };
        let mut replay = Replay::new(0);
        replay.entry(entry(1, 1)).unwrap();
        replay.entry(entry(1, 2)).unwrap();
        // Of a leader of term 3, whose entry 2 is another; the machine stops before a HardState has it committed.
        replay.snapshot(SnapshotRecord { index: 2, term: 3, conf_state: None }).unwrap();
        // A late message of the leader of term 1 comes after the restart.
        replay.entry(entry(1, 3)).unwrap();
        assert_eq!(replay.abandon_displaced(), None);
        assert_eq!(replay.log.entries.into_vec(), [entry(1, 1), entry(1, 2), entry(1, 3)]);

        let mut replay = Replay::new(0);
        replay.entry(entry(1, 1)).unwrap();
        replay.snapshot(SnapshotRecord { index: 1, term: 3, conf_state: None }).unwrap();
        replay.entry(entry(3, 2)).unwrap();
        replay.state(HardState { term: 3, vote: 0, commit: 1 }).unwrap();
        assert_eq!((replay.log.base, replay.log.entries.into_vec()), (1, vec![entry(3, 2)]));
    }
}
