//! [`EntryQueue`]: consecutive entries as a queue of shared runs.

use std::collections::VecDeque;

use crate::error::{Error, Result};
use crate::raftpb::entry::{Entries, Entry, Run};

/// A bound on the encoded length of an entry beyond its payload: type, term, index and length with their tags.
const ENTRY_OVERHEAD: u64 = 2 + 11 + 11 + 11;

/// The entries of `[offset, next)`. Appending and slicing share memory: no entry is copied.
#[derive(Clone, Debug, Default)]
pub(crate) struct EntryQueue {
    // Where the queue starts, also when it is empty.
    offset: u64,
    // One past the last entry; runs cover [offset, next) without gap, none is empty.
    next: u64,
    runs: VecDeque<Run>,
}

impl EntryQueue {
    /// Nothing, with room from `offset` on.
    pub(crate) fn new(offset: u64) -> Self {
        EntryQueue { offset, next: offset, runs: VecDeque::new() }
    }

    /// The index at which the queue starts.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// One past the index at which it ends.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Whether it holds nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.offset == self.next
    }

    /// The entry at `index`, if it is here.
    pub(crate) fn get(&self, index: u64) -> Option<&Entry> {
        if index < self.offset || index >= self.next {
            return None;
        }
        let run = self.runs.get(self.run_of(index))?;
        run.get((index - run.first()?.index) as usize)
    }

    /// The position of the run that holds `index`, which lies in the queue. What is asked for is mostly new.
    fn run_of(&self, index: u64) -> usize {
        let last = self.runs.len().saturating_sub(1);
        match self.runs.back().and_then(|run| run.first()) {
            Some(first) if first.index <= index => last,
            _ => self.runs.partition_point(|run| run.last().is_some_and(|entry| entry.index < index)),
        }
    }

    /// Adds entries behind the last one.
    pub(crate) fn extend(&mut self, entries: &Entries) -> Result<()> {
        for run in entries.runs() {
            let Some(first) = run.first() else { continue };
            if first.index != self.next {
                return Err(Error::Invariant(format!(
                    "entry {} appended where {} is due",
                    first.index, self.next
                )));
            }
            self.next += run.len() as u64;
            self.runs.push_back(run.clone());
        }
        Ok(())
    }

    /// Drops the entries from `from` on.
    pub(crate) fn truncate(&mut self, from: u64) {
        let from = from.max(self.offset);
        while self.next > from {
            let Some(run) = self.runs.pop_back() else { break };
            let first = self.next - run.len() as u64;
            if first < from {
                self.runs.push_back(run.slice(0, (from - first) as usize));
                self.next = from;
            } else {
                self.next = first;
            }
        }
    }

    /// Drops the entries before `index`, at the most all; the queue then starts there.
    pub(crate) fn drop_before(&mut self, index: u64) {
        let index = index.min(self.next);
        while self.offset < index {
            let Some(run) = self.runs.pop_front() else { break };
            let next = self.offset + run.len() as u64;
            if next > index {
                self.runs.push_front(run.slice((index - self.offset) as usize, run.len()));
                self.offset = index;
            } else {
                self.offset = next;
            }
        }
    }

    /// The entries `[lo, hi)` as far as they encode to `bytes_max`, one at the least. The range lies in the queue.
    pub(crate) fn slice(&self, lo: u64, hi: u64, bytes_max: u64) -> Entries {
        let mut slice = Entries::new();
        let (lo, hi) = (lo.max(self.offset), hi.min(self.next));
        if lo >= hi {
            return slice;
        }
        let mut left = bytes_max;
        let mut at = lo;
        for run in self.runs.range(self.run_of(lo)..) {
            let Some(first) = run.first().map(|entry| entry.index) else { continue };
            let part = run.slice((at - first) as usize, (hi - first) as usize);
            at += part.len() as u64;
            if at == hi && bound(&part) <= left {
                slice.push(part);
                break;
            }
            let (count, bytes) = fitting(&part, left, slice.is_empty());
            let cut = count < part.len();
            slice.push(if cut { part.slice(0, count) } else { part });
            if cut || at == hi {
                break;
            }
            left = left.saturating_sub(bytes);
        }
        slice
    }
}

/// At least what the entries encode to, without looking at each number in them.
fn bound(entries: &[Entry]) -> u64 {
    let payload: u64 = entries.iter().map(|entry| entry.data.len() as u64).sum();
    payload.saturating_add(ENTRY_OVERHEAD.saturating_mul(entries.len() as u64))
}

/// How many entries from the front encode to at most `bytes_max`, and to how many bytes; `one` lets the first pass
/// whatever its size.
fn fitting(entries: &[Entry], bytes_max: u64, one: bool) -> (usize, u64) {
    let mut bytes = 0u64;
    for (count, entry) in entries.iter().enumerate() {
        let with = bytes.saturating_add(entry.encoded_len() as u64);
        if with > bytes_max && !(one && count == 0) {
            return (count, bytes);
        }
        bytes = with;
    }
    (entries.len(), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(indices: std::ops::Range<u64>) -> Entries {
        indices.map(|index| Entry { term: index / 10, index, ..Entry::default() }).collect()
    }

    fn queue(ends: &[u64]) -> EntryQueue {
        let mut queue = EntryQueue::new(ends[0]);
        for pair in ends.windows(2) {
            queue.extend(&run(pair[0]..pair[1])).unwrap();
        }
        queue
    }

    fn indices(entries: &Entries) -> Vec<u64> {
        entries.iter().map(|entry| entry.index).collect()
    }

    #[test]
    fn every_slice_of_every_layout_holds_what_was_asked_for() {
        for ends in [&[5, 6, 7, 8, 9][..], &[5, 9], &[5, 7, 9], &[5, 6, 9]] {
            let queue = queue(ends);
            for lo in 5..=9 {
                for hi in lo..=9 {
                    assert_eq!(indices(&queue.slice(lo, hi, u64::MAX)), (lo..hi).collect::<Vec<_>>());
                }
                assert_eq!(queue.get(lo).map(|entry| entry.index), (lo < 9).then_some(lo));
            }
            assert!(queue.get(4).is_none());
        }
    }

    #[test]
    fn truncating_and_dropping_keep_the_rest_in_every_layout() {
        for ends in [&[5, 6, 7, 8, 9][..], &[5, 9], &[5, 7, 9]] {
            for at in 3..=11 {
                let mut front = queue(ends);
                front.truncate(at);
                assert_eq!((front.offset(), front.next()), (5, at.clamp(5, 9)));
                assert_eq!(indices(&front.slice(5, 9, u64::MAX)), (5..at.clamp(5, 9)).collect::<Vec<_>>());
                let mut back = queue(ends);
                back.drop_before(at);
                assert_eq!((back.offset(), back.next()), (at.clamp(5, 9), 9));
                assert_eq!(indices(&back.slice(0, 9, u64::MAX)), (at.clamp(5, 9)..9).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_page_ends_at_its_size_and_holds_one_entry_at_the_least() {
        let queue = queue(&[5, 7, 12]);
        let one = run(5..6).iter().map(Entry::encoded_len).sum::<usize>() as u64;
        for (bytes, last) in
            [(0, 5), (1, 5), (one, 5), (2 * one - 1, 5), (2 * one, 6), (3 * one, 7), (99 * one, 11)]
        {
            assert_eq!(indices(&queue.slice(5, 12, bytes)), (5..=last).collect::<Vec<_>>(), "{bytes}");
        }
    }

    #[test]
    fn a_gap_is_refused() {
        assert!(queue(&[5, 7]).extend(&run(8..9)).is_err());
    }
}
