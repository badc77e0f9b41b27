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

/// A part of one shared block of consecutive entries. Two plain words: it is moved often, and they stay in registers.
#[derive(Clone)]
pub struct Run {
    block: Arc<Block>,
    part: Part,
}

/// A half-open range of a block, the lower end in the lower half. A run longer than u32::MAX entries cannot be built.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Part(u64);

impl Part {
    fn new(lo: u32, hi: u32) -> Self {
        Part(u64::from(hi) << 32 | u64::from(lo))
    }

    fn lo(self) -> u32 {
        self.0 as u32
    }

    fn hi(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

struct Block {
    held: Held,
    len: u32,
    // Whether there is anything but bytes of the host, and the payload of all: known, so that a batch is not walked again at
    // each step on its way.
    has_changes: bool,
    payload_len: usize,
}

enum Held {
    /// One that was proposed by itself, without memory of its own beside the block.
    One(Entry),
    /// Each payload holds its memory, as those that were proposed together.
    Apart(Box<[Entry]>),
    /// One buffer holds them all, as those that came in one message: nobody counts who holds the single ones. The list is
    /// without room for more: the log may keep it for long.
    Joined(Box<[EntryOf<Span>]>, Bytes),
}

/// Where a payload lies in its buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    at: u32,
    len: u32,
}

impl Span {
    /// Whether all of `whole` can be told. [`Run::joined`] refuses what is longer.
    pub(super) fn can_tell(whole: &[u8]) -> bool {
        u32::try_from(whole.len()).is_ok()
    }

    /// That of `part`, which lies in `whole`.
    #[inline(always)]
    pub(super) fn of(whole: &[u8], part: &[u8]) -> Span {
        let at = if part.is_empty() { 0 } else { part.as_ptr() as usize - whole.as_ptr() as usize };
        Span::new(at, part.len())
    }

    #[inline(always)]
    pub(super) fn new(at: usize, len: usize) -> Span {
        Span { at: at as u32, len: len as u32 }
    }

    /// The payload, in the buffer it lies in.
    #[inline(always)]
    pub(super) fn of_whole(self, whole: &[u8]) -> &[u8] {
        // Where nobody looks at the payload this costs nothing, which a check that may panic would.
        whole.get(self.range()).unwrap_or_default()
    }

    #[inline(always)]
    fn range(self) -> Range<usize> {
        self.at as usize..self.at as usize + self.len as usize
    }
}

#[inline(always)]
fn view<'a>(entry: &EntryOf<Span>, buffer: &'a Bytes) -> EntryRef<'a> {
    entry.with(entry.data.of_whole(buffer))
}

fn has_changes<D>(entries: &[EntryOf<D>]) -> bool {
    entries.iter().any(|entry| entry.entry_type != EntryType::Normal)
}

impl Run {
    /// An entry by itself.
    pub(super) fn one(entry: Entry) -> Self {
        let (has_changes, payload_len) = (entry.entry_type != EntryType::Normal, entry.data.len());
        Run::of(Block { held: Held::One(entry), len: 1, has_changes, payload_len })
    }

    pub(super) fn apart(entries: Box<[Entry]>) -> Self {
        let len = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let (has_changes, payload_len) = (has_changes(&entries), payload_len(&entries));
        Run::of(Block { held: Held::Apart(entries), len, has_changes, payload_len })
    }

    /// Entries whose payloads lie in `buffer`.
    pub(super) fn joined(entries: Vec<EntryOf<Span>>, buffer: Bytes) -> Result<Self> {
        if !Span::can_tell(&buffer) {
            return Err(Error::Decode(format!(
                "{} bytes are too many for one buffer of entries",
                buffer.len()
            )));
        }
        let (len, has_changes, payload_len) =
            (entries.len() as u32, has_changes(&entries), spans_len(&entries));
        Ok(Run::of(Block { held: Held::Joined(entries.into(), buffer), len, has_changes, payload_len }))
    }

    fn of(block: Block) -> Self {
        let part = Part::new(0, block.len);
        Run { block: Arc::new(block), part }
    }

    /// The whole block, of which this is a part; what is joined in one buffer comes with that.
    #[inline(always)]
    fn held(&self) -> std::result::Result<&[Entry], (&[EntryOf<Span>], &Bytes)> {
        match &self.block.held {
            Held::One(entry) => Ok(slice::from_ref(entry)),
            Held::Apart(entries) => Ok(entries),
            Held::Joined(entries, buffer) => Err((entries, buffer)),
        }
    }

    #[inline(always)]
    fn range(&self) -> Range<usize> {
        self.part.lo() as usize..self.part.hi() as usize
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        (self.part.hi() - self.part.lo()) as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.part.lo() == self.part.hi()
    }

    /// The term of the entry at this place of the run.
    pub fn term(&self, at: usize) -> Option<u64> {
        match self.held() {
            Ok(entries) => entries.get(self.place(at)?).map(|entry| entry.term),
            Err((entries, _)) => entries.get(self.place(at)?).map(|entry| entry.term),
        }
    }

    /// Where in the block an entry of the run stands.
    #[inline(always)]
    fn place(&self, at: usize) -> Option<usize> {
        (at < self.len()).then_some(self.part.lo() as usize + at)
    }

    /// The entry at this place of the run.
    #[inline(always)]
    pub fn get(&self, at: usize) -> Option<EntryRef<'_>> {
        match self.held() {
            Ok(entries) => entries.get(self.place(at)?).map(EntryOf::view),
            Err((entries, buffer)) => entries.get(self.place(at)?).map(|entry| view(entry, buffer)),
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
        match self.held() {
            Ok(entries) => Iter::Apart(entries[self.range()].iter()),
            Err((entries, buffer)) => Iter::Joined(entries[self.range()].iter(), buffer),
        }
    }

    /// Every entry by itself, in order. Its payload goes on sharing the memory it lies in.
    pub fn owned(&self) -> impl Iterator<Item = Entry> {
        self.range().map(|at| match self.held() {
            Ok(entries) => entries[at].clone(),
            Err((entries, buffer)) => entries[at].with(buffer.slice(entries[at].data.range())),
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
        let all = self.part.lo();
        self.part = Part::new(all + lo as u32, all + hi as u32);
    }

    /// Whether these are those of `other`, in the same memory.
    pub(super) fn is_same(&self, other: &Run) -> bool {
        Arc::ptr_eq(&self.block, &other.block) && self.range() == other.range()
    }

    /// Gives the entries `term` and the indices from `index` on, where nobody else holds the block: else nothing is done.
    pub(super) fn number(&mut self, term: u64, index: u64) -> bool {
        let is_whole = self.is_whole();
        let Some(block) = Arc::get_mut(&mut self.block).filter(|_| is_whole) else { return false };
        match &mut block.held {
            Held::One(entry) => (entry.term, entry.index) = (term, index),
            Held::Apart(entries) => number(entries, term, index),
            Held::Joined(entries, _) => number(entries, term, index),
        }
        true
    }

    fn is_whole(&self) -> bool {
        self.part.hi() - self.part.lo() == self.block.len
    }

    /// Whether there may be anything but bytes of the host.
    pub(super) fn has_changes(&self) -> bool {
        self.block.has_changes
    }

    /// Bytes of payload.
    pub fn payload_len(&self) -> usize {
        if self.is_whole() {
            return self.block.payload_len;
        }
        match self.held() {
            Ok(entries) => payload_len(&entries[self.range()]),
            Err((entries, _)) => spans_len(&entries[self.range()]),
        }
    }

    /// At least what the entries encode to, without looking at each number in them.
    pub(crate) fn encoded_bound(&self) -> usize {
        self.payload_len() + ENTRY_OVERHEAD * self.len()
    }
}

fn payload_len(entries: &[Entry]) -> usize {
    entries.iter().map(|entry| entry.data.len()).sum()
}

fn spans_len(entries: &[EntryOf<Span>]) -> usize {
    entries.iter().map(|entry| entry.data.len as usize).sum()
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
    Joined(slice::Iter<'a, EntryOf<Span>>, &'a Bytes),
}

impl<'a> Iterator for Iter<'a> {
    type Item = EntryRef<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<EntryRef<'a>> {
        match self {
            Iter::Apart(entries) => entries.next().map(EntryOf::view),
            Iter::Joined(entries, buffer) => entries.next().map(|entry| view(entry, buffer)),
        }
    }

    // Which kind of block it is, is looked at once, not at each entry.
    #[inline(always)]
    fn fold<B, F: FnMut(B, EntryRef<'a>) -> B>(self, first: B, mut visit: F) -> B {
        match self {
            Iter::Apart(entries) => entries.fold(first, |so_far, entry| visit(so_far, entry.view())),
            Iter::Joined(entries, buffer) => {
                entries.fold(first, |so_far, entry| visit(so_far, view(entry, buffer)))
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
            Iter::Joined(entries, buffer) => entries.next_back().map(|entry| view(entry, buffer)),
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

    /// The same entries in each kind of block that can hold them.
    fn runs(indices: Range<u64>) -> Vec<Run> {
        let apart = entries(indices);
        let buffer = Bytes::from(apart.iter().flat_map(|entry| entry.data.to_vec()).collect::<Vec<u8>>());
        let joined =
            apart.iter().zip(0..).map(|(entry, at)| entry.with(Span { at: 3 * at, len: 3 })).collect();
        let one = if let [entry] = &apart[..] { Some(Run::one(entry.clone())) } else { None };
        [Run::apart(apart.into()), Run::joined(joined, buffer).unwrap()].into_iter().chain(one).collect()
    }

    #[test]
    fn a_run_is_what_it_was_made_of_whatever_holds_it() {
        for (last, run) in
            [5, 1].into_iter().flat_map(|last| runs(1..last + 1).into_iter().map(move |run| (last, run)))
        {
            let (like, len) = (entries(1..last + 1), last as usize);
            assert!(run.iter().eq(like.iter().map(Entry::view)));
            assert!(run.iter().rev().eq(like.iter().rev().map(Entry::view)));
            assert!(run.owned().eq(like));
            assert_eq!((run.iter().len(), run.payload_len(), run.has_changes()), (len, 3 * len, false));
            assert_eq!((run.first().map(|e| e.index), run.last().map(|e| e.index)), (Some(1), Some(last)));
            assert_eq!((run.get(len - 1).map(|e| e.index), run.term(len - 1)), (Some(last), Some(1)));
            assert_eq!((run.get(len), run.term(len)), (None, None));
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
    fn a_run_and_a_list_of_them_are_two_words() {
        assert_eq!((size_of::<Run>(), size_of::<crate::raftpb::entry::Entries>()), (16, 16));
    }
}
