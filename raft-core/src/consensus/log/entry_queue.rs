//! [`EntryQueue`]: consecutive entries as a queue of shared runs.

use std::collections::VecDeque;

use crate::error::{Error, Result};
use crate::raftpb::entry::Entries;
use crate::raftpb::run::Run;

/// The entries of `[offset, next)`. Appending and slicing share memory: no entry is copied.
#[derive(Clone, Debug, Default)]
pub(crate) struct EntryQueue {
    // Where the queue starts, also when it is empty.
    offset: u64,
    // One past the last entry; pieces cover [offset, next) without gap, none is empty.
    next: u64,
    // That of the last entry, if there is one: what is asked for most.
    last_term: u64,
    pieces: VecDeque<Piece>,
}

/// A run and where it begins, which is told here too so that a search need not follow the run's pointer.
#[derive(Clone, Debug)]
struct Piece {
    first: u64,
    run: Run,
}

impl Piece {
    fn next(&self) -> u64 {
        self.first + self.run.len() as u64
    }
}

impl EntryQueue {
    /// Nothing, with room from `offset` on.
    pub(crate) fn new(offset: u64) -> Self {
        EntryQueue { offset, next: offset, last_term: 0, pieces: VecDeque::new() }
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

    /// The term of the entry at `index`, if it is here.
    pub(crate) fn term(&self, index: u64) -> Option<u64> {
        if index < self.offset || index >= self.next {
            return None;
        }
        if index + 1 == self.next {
            return Some(self.last_term);
        }
        let piece = self.pieces.get(self.piece_of(index))?;
        piece.run.term((index - piece.first) as usize)
    }

    /// The position of the piece that holds `index`, which lies in the queue. What is asked for is mostly in the last two.
    fn piece_of(&self, index: u64) -> usize {
        let mut at = self.pieces.len();
        for _ in 0..2 {
            at = at.saturating_sub(1);
            if self.pieces.get(at).is_some_and(|piece| piece.first <= index) {
                return at;
            }
        }
        self.pieces.partition_point(|piece| piece.first <= index).saturating_sub(1)
    }

    /// Adds entries behind the last one.
    pub(crate) fn extend(&mut self, entries: Entries) -> Result<()> {
        match entries.into_one() {
            Ok(run) => self.push(run),
            Err(runs) => runs.into_iter().try_for_each(|run| self.push(run)),
        }
    }

    fn push(&mut self, run: Run) -> Result<()> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(()) };
        let (first, last_term) = (first.index, last.term);
        if first != self.next {
            return Err(Error::Invariant(format!("entry {first} appended where {} is due", self.next)));
        }
        self.next += run.len() as u64;
        self.last_term = last_term;
        self.pieces.push_back(Piece { first, run });
        Ok(())
    }

    /// Drops the entries from `from` on.
    pub(crate) fn truncate(&mut self, from: u64) {
        let from = from.max(self.offset);
        if from >= self.next {
            return;
        }
        while self.next > from {
            let Some(piece) = self.pieces.back_mut() else { break };
            if piece.first < from {
                piece.run.cut(0, (from - piece.first) as usize);
                self.next = from;
            } else {
                self.next = piece.first;
                self.pieces.pop_back();
            }
        }
        self.last_term = self.pieces.back().and_then(|piece| piece.run.last()).map_or(0, |last| last.term);
    }

    /// Drops the entries before `index`, at the most all; the queue then starts there.
    pub(crate) fn drop_before(&mut self, index: u64) {
        let index = index.min(self.next);
        while self.offset < index {
            let Some(piece) = self.pieces.front_mut() else { break };
            if piece.next() > index {
                piece.run.cut((index - piece.first) as usize, piece.run.len());
                piece.first = index;
                self.offset = index;
            } else {
                self.offset = piece.next();
                self.pieces.pop_front();
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
        // Mostly it is the last piece.
        if let Some(piece) = self.pieces.back()
            && (lo, hi) == (piece.first, self.next)
            && piece.run.encoded_bound() as u64 <= bytes_max
        {
            return Entries::from(piece.run.clone());
        }
        let at = self.piece_of(lo);
        let is_all = self.is_bounded(at, hi, bytes_max);
        let mut left = bytes_max;
        for Piece { first, run } in self.pieces.range(at..) {
            if *first >= hi {
                break;
            }
            let mut part = run.slice(lo.saturating_sub(*first) as usize, (hi - first) as usize);
            if !is_all {
                let len = part.len();
                let (count, bytes) = fitting(&part, left, slice.is_empty());
                part.cut(0, count);
                left = left.saturating_sub(bytes);
                if count < len {
                    slice.push(part);
                    break;
                }
            }
            slice.push(part);
        }
        slice
    }

    /// Whether the entries from piece `at` up to `hi` certainly encode to at most `bytes_max`, which mostly can be told
    /// without a look at each of them.
    fn is_bounded(&self, at: usize, hi: u64, bytes_max: u64) -> bool {
        let pieces = self.pieces.range(at..).take_while(|piece| piece.first < hi);
        let mut left = bytes_max;
        for Piece { run, .. } in pieces {
            match left.checked_sub(run.encoded_bound() as u64) {
                Some(rest) => left = rest,
                None => return false,
            }
        }
        true
    }
}

/// How many entries from the front encode to at most `bytes_max`, and to how many bytes; `one` lets the first pass
/// whatever its size.
fn fitting(run: &Run, bytes_max: u64, one: bool) -> (usize, u64) {
    let mut bytes = 0u64;
    for (count, entry) in run.iter().enumerate() {
        let with = bytes.saturating_add(entry.encoded_len() as u64);
        if with > bytes_max && !(one && count == 0) {
            return (count, bytes);
        }
        bytes = with;
    }
    (run.len(), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raftpb::entry::Entry;

    fn run(indices: std::ops::Range<u64>) -> Entries {
        indices.map(|index| Entry { term: index / 3, index, ..Entry::default() }).collect()
    }

    fn queue(ends: &[u64]) -> EntryQueue {
        let mut queue = EntryQueue::new(ends[0]);
        for pair in ends.windows(2) {
            queue.extend(run(pair[0]..pair[1])).unwrap();
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
                assert_eq!(queue.term(lo), (lo < 9).then_some(lo / 3));
            }
            assert!(queue.term(4).is_none());
        }
    }

    #[test]
    fn truncating_and_dropping_keep_the_rest_in_every_layout() {
        for ends in [&[5, 6, 7, 8, 9][..], &[5, 9], &[5, 7, 9]] {
            for at in 3..=11 {
                let mut front = queue(ends);
                front.truncate(at);
                assert_eq!((front.offset(), front.next()), (5, at.clamp(5, 9)));
                assert!((5..9).all(|index| front.term(index) == (index < at).then_some(index / 3)));
                assert_eq!(indices(&front.slice(5, 9, u64::MAX)), (5..at.clamp(5, 9)).collect::<Vec<_>>());
                let mut back = queue(ends);
                back.drop_before(at);
                assert_eq!((back.offset(), back.next()), (at.clamp(5, 9), 9));
                assert!((5..9).all(|index| back.term(index) == (index >= at).then_some(index / 3)));
                assert_eq!(indices(&back.slice(0, 9, u64::MAX)), (at.clamp(5, 9)..9).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_page_ends_at_its_size_and_holds_one_entry_at_the_least() {
        let queue = queue(&[5, 7, 12]);
        let one = run(5..6).iter().map(|entry| entry.encoded_len()).sum::<usize>() as u64;
        for (bytes, last) in
            [(0, 5), (1, 5), (one, 5), (2 * one - 1, 5), (2 * one, 6), (3 * one, 7), (99 * one, 11)]
        {
            assert_eq!(indices(&queue.slice(5, 12, bytes)), (5..=last).collect::<Vec<_>>(), "{bytes}");
        }
    }

    #[test]
    fn a_gap_is_refused() {
        assert!(queue(&[5, 7]).extend(run(8..9)).is_err());
    }
}
