//! [`EntryList`]: the entries of a log while it is read.

use crate::raftpb::entry::{Entries, Entry};

/// How many entries share their memory in the end: none of them gives any back before all have been compacted.
const RUN: usize = 1024;

/// Entries in runs, so that a long list neither moves as it grows nor is there twice when it is handed on.
#[derive(Clone, Debug, Default)]
pub(in crate::disk) struct EntryList {
    // All but the last are full, and none is empty.
    runs: Vec<Vec<Entry>>,
}

impl EntryList {
    pub(in crate::disk) fn len(&self) -> usize {
        self.runs.last().map_or(0, |last| (self.runs.len() - 1) * RUN + last.len())
    }

    pub(in crate::disk) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub(in crate::disk) fn get(&self, at: usize) -> Option<&Entry> {
        self.runs.get(at / RUN)?.get(at % RUN)
    }

    pub(in crate::disk) fn first(&self) -> Option<&Entry> {
        self.get(0)
    }

    pub(in crate::disk) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.runs.iter().flatten()
    }

    pub(in crate::disk) fn push(&mut self, entry: Entry) {
        match self.runs.last_mut() {
            Some(last) if last.len() < RUN => last.push(entry),
            _ => {
                // A short log takes little.
                let room = if self.runs.is_empty() { 16 } else { RUN };
                let mut run = Vec::with_capacity(room);
                run.push(entry);
                self.runs.push(run);
            }
        }
    }

    /// Keeps the first `len`.
    pub(in crate::disk) fn truncate(&mut self, len: usize) {
        if len >= self.len() {
            return;
        }
        self.runs.truncate(len.div_ceil(RUN));
        if let Some(last) = self.runs.last_mut() {
            last.truncate(len - (len - 1) / RUN * RUN);
        }
    }

    /// All but the first `count`, in memory that is shared from here on.
    pub(in crate::disk) fn into_entries(self, count: usize) -> Entries {
        let mut entries = Entries::new();
        let mut left_out = count;
        for mut run in self.runs {
            let here = left_out.min(run.len());
            left_out -= here;
            run.drain(..here);
            // The memory of each goes to the next.
            Entries::from(run).runs().iter().for_each(|run| entries.push(run.clone()));
        }
        entries
    }

    /// All of them.
    pub(in crate::disk) fn into_vec(self) -> Vec<Entry> {
        self.runs.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(len: u64) -> EntryList {
        let mut list = EntryList::default();
        (1..=len).for_each(|index| list.push(Entry { index, term: 1, ..Entry::default() }));
        list
    }

    #[test]
    fn entries_come_out_as_they_went_in() {
        for len in [0, 1, 1023, 1024, 1025, 5000] {
            let all = list(len);
            assert_eq!((all.len() as u64, all.is_empty()), (len, len == 0));
            assert!(all.iter().map(|entry| entry.index).eq(1..=len));
            assert_eq!(all.get(len as usize), None);
            assert_eq!(all.first().map_or(0, |entry| entry.index), len.min(1));
            for kept in [0, 1, len / 2, 1023, 1024, 1025, len].into_iter().filter(|kept| *kept <= len) {
                let mut cut = all.clone();
                cut.truncate(kept as usize);
                assert_eq!(cut.len() as u64, kept, "{kept} of {len}");
                cut.push(Entry { index: kept + 1, ..Entry::default() });
                assert_eq!(cut.get(kept as usize).map(|entry| entry.index), Some(kept + 1));
                let behind = all.clone().into_entries(kept as usize);
                assert!(behind.iter().map(|entry| entry.index).eq(kept + 1..=len), "{kept} of {len}");
            }
            assert_eq!(all.into_vec().len() as u64, len);
        }
    }
}
