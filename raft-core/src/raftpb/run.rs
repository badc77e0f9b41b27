//! [`Run`]: consecutive entries that share their memory.

use std::fmt;
use std::ops::Range;
use std::slice;
use std::sync::Arc;

use bytes::Bytes;

use super::entry::{Entry, EntryOf, EntryRef, EntryType};
use crate::error::{Error, Result};

/// A bound on the encoded length of an entry beyond its payload: type, term, index and length with their tags.
const ENTRY_OVERHEAD: usize = 2 + 11 + 11 + 11;

/// A part of one shared block of consecutive entries.
#[derive(Clone)]
pub struct Run {
    block: Block,
    // Half-open. A run longer than u32::MAX entries cannot be built.
    lo: u32,
    hi: u32,
    // Whether the block holds anything but bytes of the host, and the payload of the part: known, so that a batch is not
    // walked again at each step on its way.
    has_changes: bool,
    payload_len: usize,
}

#[derive(Clone)]
enum Block {
    /// Each payload holds its memory, as those that were proposed each by itself.
    Apart(Arc<[Entry]>),
    /// One buffer holds them all, as those that came in one message: nobody counts who holds the single ones.
    Joined(Arc<Joined>),
}

struct Joined {
    // Without room for more: the log may keep it for long.
    entries: Box<[EntryOf<Span>]>,
    buffer: Bytes,
}

/// Where a payload lies in its buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    at: u32,
    len: u32,
}

impl Span {
    /// That of `part`, which lies in `whole`. What is longer than u32 can tell is refused by [`Run::joined`].
    #[inline(always)]
    pub(super) fn of(whole: &[u8], part: &[u8]) -> Span {
        let at = if part.is_empty() { 0 } else { part.as_ptr() as usize - whole.as_ptr() as usize };
        Span::new(at, part.len())
    }

    #[inline(always)]
    pub(super) fn new(at: usize, len: usize) -> Span {
        Span { at: at as u32, len: len as u32 }
    }

    #[inline(always)]
    fn range(self) -> Range<usize> {
        self.at as usize..self.at as usize + self.len as usize
    }
}

impl Joined {
    #[inline(always)]
    fn view(&self, entry: &EntryOf<Span>) -> EntryRef<'_> {
        // Where nobody looks at the payload this costs nothing, which a check that may panic would.
        entry.with(self.buffer.get(entry.data.range()).unwrap_or_default())
    }
}

impl Run {
    pub(super) fn apart(entries: Arc<[Entry]>) -> Self {
        let hi = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let has_changes = entries.iter().any(|entry| entry.entry_type != EntryType::Normal);
        Run::of(Block::Apart(entries), hi, has_changes)
    }

    /// Entries whose payloads lie in `buffer`.
    pub(super) fn joined(entries: Vec<EntryOf<Span>>, buffer: Bytes) -> Result<Self> {
        if u32::try_from(buffer.len()).is_err() {
            return Err(Error::Decode(format!(
                "{} bytes are too many for one buffer of entries",
                buffer.len()
            )));
        }
        let hi = entries.len() as u32;
        let has_changes = entries.iter().any(|entry| entry.entry_type != EntryType::Normal);
        Ok(Run::of(Block::Joined(Arc::new(Joined { entries: entries.into(), buffer })), hi, has_changes))
    }

    fn of(block: Block, hi: u32, has_changes: bool) -> Self {
        let mut run = Run { block, lo: 0, hi, has_changes, payload_len: 0 };
        run.payload_len = run.count_payload();
        run
    }

    fn count_payload(&self) -> usize {
        match &self.block {
            Block::Apart(entries) => entries[self.range()].iter().map(|entry| entry.data.len()).sum(),
            Block::Joined(block) => {
                block.entries[self.range()].iter().map(|entry| entry.data.len as usize).sum()
            }
        }
    }

    #[inline(always)]
    fn range(&self) -> Range<usize> {
        self.lo as usize..self.hi as usize
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.range().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lo == self.hi
    }

    /// The term of the entry at this place of the run.
    pub fn term(&self, at: usize) -> Option<u64> {
        match &self.block {
            Block::Apart(entries) => entries[self.range()].get(at).map(|entry| entry.term),
            Block::Joined(block) => block.entries[self.range()].get(at).map(|entry| entry.term),
        }
    }

    /// The entry at this place of the run.
    #[inline(always)]
    pub fn get(&self, at: usize) -> Option<EntryRef<'_>> {
        match &self.block {
            Block::Apart(entries) => entries[self.range()].get(at).map(EntryOf::view),
            Block::Joined(block) => block.entries[self.range()].get(at).map(|entry| block.view(entry)),
        }
    }

    /// The first entry.
    #[inline(always)]
    pub fn first(&self) -> Option<EntryRef<'_>> {
        self.get(0)
    }

    /// The last entry.
    #[inline(always)]
    pub fn last(&self) -> Option<EntryRef<'_>> {
        self.get(self.len().checked_sub(1)?)
    }

    /// Every entry, in order.
    #[inline(always)]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = EntryRef<'_>> + ExactSizeIterator + Clone {
        match &self.block {
            Block::Apart(entries) => Iter::Apart(entries[self.range()].iter()),
            Block::Joined(block) => Iter::Joined(block.entries[self.range()].iter(), block),
        }
    }

    /// Every entry by itself, in order. Its payload goes on sharing the memory it lies in.
    pub fn owned(&self) -> impl Iterator<Item = Entry> {
        self.range().map(|at| match &self.block {
            Block::Apart(entries) => entries[at].clone(),
            Block::Joined(block) => {
                let entry = &block.entries[at];
                entry.with(block.buffer.slice(entry.data.range()))
            }
        })
    }

    /// The entries at the half-open range `[lo, hi)` of this run, or of what there is of it.
    pub fn slice(&self, lo: usize, hi: usize) -> Run {
        let mut part = self.clone();
        part.cut(lo, hi);
        part
    }

    /// Keeps what [`slice`](Self::slice) would give.
    pub(crate) fn cut(&mut self, lo: usize, hi: usize) {
        let hi = hi.min(self.len());
        let lo = lo.min(hi);
        if (lo, hi) != (0, self.len()) {
            self.hi = self.lo + hi as u32;
            self.lo += lo as u32;
            self.payload_len = self.count_payload();
        }
    }

    /// Whether these are those of `other`, in the same memory.
    pub(super) fn is_same(&self, other: &Run) -> bool {
        let is_block = match (&self.block, &other.block) {
            (Block::Apart(own), Block::Apart(other)) => Arc::ptr_eq(own, other),
            (Block::Joined(own), Block::Joined(other)) => Arc::ptr_eq(own, other),
            _ => false,
        };
        is_block && self.range() == other.range()
    }

    /// Gives the entries `term` and the indices from `index` on, where nobody else holds the block: else nothing is done.
    pub(super) fn number(&mut self, term: u64, index: u64) -> bool {
        let range = self.range();
        match &mut self.block {
            Block::Apart(entries) if range.len() == entries.len() => {
                Arc::get_mut(entries).map(|entries| number(entries, term, index)).is_some()
            }
            Block::Joined(block) if range.len() == block.entries.len() => {
                Arc::get_mut(block).map(|block| number(&mut block.entries, term, index)).is_some()
            }
            _ => false,
        }
    }

    /// Whether there may be anything but bytes of the host.
    pub(super) fn has_changes(&self) -> bool {
        self.has_changes
    }

    /// Bytes of payload.
    pub fn payload_len(&self) -> usize {
        self.payload_len
    }

    /// At least what the entries encode to, without looking at each number in them.
    pub(crate) fn encoded_bound(&self) -> u64 {
        (self.payload_len + ENTRY_OVERHEAD * self.len()) as u64
    }
}

fn number<D>(entries: &mut [EntryOf<D>], term: u64, first_index: u64) {
    for (index, entry) in (first_index..).zip(entries) {
        (entry.term, entry.index) = (term, index);
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[derive(Clone)]
enum Iter<'a> {
    Apart(slice::Iter<'a, Entry>),
    Joined(slice::Iter<'a, EntryOf<Span>>, &'a Joined),
}

impl<'a> Iterator for Iter<'a> {
    type Item = EntryRef<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<EntryRef<'a>> {
        match self {
            Iter::Apart(entries) => entries.next().map(EntryOf::view),
            Iter::Joined(entries, block) => entries.next().map(|entry| block.view(entry)),
        }
    }

    // Which kind of block it is, is looked at once, not at each entry.
    #[inline(always)]
    fn fold<B, F: FnMut(B, EntryRef<'a>) -> B>(self, first: B, mut visit: F) -> B {
        match self {
            Iter::Apart(entries) => entries.fold(first, |so_far, entry| visit(so_far, entry.view())),
            Iter::Joined(entries, block) => {
                entries.fold(first, |so_far, entry| visit(so_far, block.view(entry)))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Iter::Apart(entries) => entries.size_hint(),
            Iter::Joined(entries, _) => entries.size_hint(),
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> DoubleEndedIterator for Iter<'a> {
    fn next_back(&mut self) -> Option<EntryRef<'a>> {
        match self {
            Iter::Apart(entries) => entries.next_back().map(EntryOf::view),
            Iter::Joined(entries, block) => entries.next_back().map(|entry| block.view(entry)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(indices: Range<u64>) -> Vec<Entry> {
        indices
            .map(|index| Entry { term: 1, index, data: vec![index as u8; 3].into(), ..Entry::default() })
            .collect()
    }

    /// The same entries in either kind of block.
    fn runs(indices: Range<u64>) -> [Run; 2] {
        let apart = entries(indices);
        let buffer = Bytes::from(apart.iter().flat_map(|entry| entry.data.to_vec()).collect::<Vec<u8>>());
        let joined =
            apart.iter().zip(0..).map(|(entry, at)| entry.with(Span { at: 3 * at, len: 3 })).collect();
        [Run::apart(apart.into()), Run::joined(joined, buffer).unwrap()]
    }

    #[test]
    fn a_run_is_what_it_was_made_of_whatever_holds_it() {
        for run in runs(1..6) {
            assert!(run.iter().eq(entries(1..6).iter().map(Entry::view)));
            assert!(run.iter().rev().eq(entries(1..6).iter().rev().map(Entry::view)));
            assert!(run.owned().eq(entries(1..6)));
            assert_eq!((run.iter().len(), run.payload_len(), run.has_changes()), (5, 15, false));
            assert_eq!(run.get(1).map(|entry| entry.index), Some(2));
            assert_eq!((run.first().map(|e| e.index), run.last().map(|e| e.index)), (Some(1), Some(5)));
            assert_eq!(run.get(5), None);
        }
    }

    #[test]
    fn a_slice_is_clipped_to_its_run() {
        for run in runs(1..6) {
            let run = run.slice(1, 99);
            assert!(run.owned().eq(entries(2..6)));
            assert_eq!((run.slice(1, 3).payload_len(), run.slice(9, 12).payload_len()), (6, 0));
            assert!(run.slice(1, 3).iter().eq(entries(3..5).iter().map(Entry::view)));
            assert!(run.slice(9, 12).is_empty());
            assert_eq!((run.slice(9, 12).first(), run.slice(9, 12).last()), (None, None));
        }
    }

    #[test]
    fn only_a_block_that_nobody_shares_is_numbered_anew() {
        for run in runs(1..4) {
            let mut shared = run.clone();
            assert!(!shared.number(3, 7));
            drop(run);
            assert!(shared.number(3, 7));
            assert_eq!(
                shared.iter().map(|e| (e.term, e.index)).collect::<Vec<_>>(),
                [(3, 7), (3, 8), (3, 9)]
            );
            shared.cut(0, 2);
            assert!(!shared.number(4, 1));
        }
    }

    #[test]
    fn the_common_kind_of_block_costs_no_more_room_than_its_pointer() {
        assert_eq!(size_of::<Block>(), size_of::<Arc<[Entry]>>());
    }
}
