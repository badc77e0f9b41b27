//! [`Entry`], and [`Entries`]: consecutive entries that share their memory.

use std::fmt;

use super::run::Run;
use super::wire::{Field, Fields, NUMBER_LEN_MAX, is_next, varint, varint_len};
use crate::error::{Error, Result};
use bytes::{BufMut, Bytes};

/// What an [`Entry`] holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EntryType {
    /// Bytes of the host, or nothing: the entry with which a leader opens its term.
    #[default]
    Normal = 0,
    /// An encoded [`ConfChange`](super::conf_change::ConfChange).
    ConfChange = 1,
    /// An encoded [`ConfChangeV2`](super::conf_change::ConfChangeV2); no data at all leaves a joint configuration.
    ConfChangeV2 = 2,
}

impl TryFrom<u64> for EntryType {
    type Error = Error;

    fn try_from(value: u64) -> Result<Self> {
        match value {
            0 => Ok(EntryType::Normal),
            1 => Ok(EntryType::ConfChange),
            2 => Ok(EntryType::ConfChangeV2),
            other => Err(Error::Decode(format!("unknown entry type {other}"))),
        }
    }
}

/// One entry of the replicated log, by itself.
pub type Entry = EntryOf<Bytes>;

/// One entry of the replicated log, where it lies.
pub type EntryRef<'a> = EntryOf<&'a [u8]>;

/// One entry of the replicated log, whatever holds its payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryOf<D> {
    /// How `data` is to be read.
    pub entry_type: EntryType,
    /// The term of the leader that appended it; 0 in a proposal that has not been appended yet.
    pub term: u64,
    /// Its place in the log; 0 in a proposal that has not been appended yet.
    pub index: u64,
    /// The payload.
    pub data: D,
}

/// What the first byte of a varint holds of a number.
pub(super) const LOW_BITS: u64 = 0x7f;
/// The most bytes of an encoded entry before its payload.
pub(crate) const ENTRY_HEAD_LEN_MAX: usize = 2 + 3 * NUMBER_LEN_MAX;

impl<D> EntryOf<D> {
    /// The same with another payload.
    #[inline(always)]
    pub(super) fn with<E>(&self, data: E) -> EntryOf<E> {
        EntryOf { entry_type: self.entry_type, term: self.term, index: self.index, data }
    }
}

impl<D: AsRef<[u8]>> EntryOf<D> {
    /// The entry where it lies.
    #[inline(always)]
    pub fn view(&self) -> EntryRef<'_> {
        self.with(self.data.as_ref())
    }

    /// Bytes of the encoded entry, which the limits on message and page size count.
    pub fn encoded_len(&self) -> usize {
        let data = match self.data.as_ref().len() {
            0 => 0,
            len => 1 + varint_len(len as u64) + len,
        };
        2 + 1 + varint_len(self.term) + 1 + varint_len(self.index) + data
    }

    /// Appends the encoded entry to `buf`, without a length before it.
    pub fn encode(&self, buf: &mut impl BufMut) {
        let (head, len, _) = self.head();
        buf.put_slice(&head[..len]);
        buf.put_slice(self.data.as_ref());
    }

    /// What stands before the payload, how long that is, and where in it the index begins.
    #[inline(always)]
    pub(crate) fn head(&self) -> ([u8; ENTRY_HEAD_LEN_MAX], usize, usize) {
        let mut head = Fields::new();
        let index_at = self.put_head(&mut head);
        let (head, len) = head.into_parts();
        (head, len, index_at)
    }

    /// The entry that may follow this one as its like, with the length of its payload.
    #[inline(always)]
    pub(crate) fn next_like(&self) -> EntryOf<usize> {
        EntryOf { index: self.index.wrapping_add(1), ..self.with(self.data.as_ref().len()) }
    }

    /// Whether this is that entry: what stands before the payload differs from that of the last in the first byte of the
    /// index only, which is one greater.
    #[inline(always)]
    pub(crate) fn is_like(&self, next: &EntryOf<usize>) -> bool {
        self.index & LOW_BITS != 0
            && self.index == next.index
            && (self.term, self.entry_type) == (next.term, next.entry_type)
            && self.data.as_ref().len() == next.data
    }

    /// Puts that there; says where the index begins.
    #[inline(always)]
    pub(super) fn put_head<const N: usize>(&self, head: &mut Fields<N>) -> usize {
        head.number(0x08, self.entry_type as u64);
        head.number(0x10, self.term);
        head.put(0x18);
        let index_at = head.len();
        head.varint(self.index);
        let len = self.data.as_ref().len();
        if len != 0 {
            head.number(0x22, len as u64);
        }
        index_at
    }
}

impl Entry {
    /// Reads an entry from all of `buf`; the payload goes on sharing its memory.
    pub fn decode(buf: Bytes) -> Result<Self> {
        let entry = EntryRef::read(&buf)?;
        Ok(entry.with(buf.slice_ref(entry.data)))
    }
}

impl<'a> EntryRef<'a> {
    /// Reads an entry from all of `part`.
    #[inline(always)]
    pub(super) fn read(part: &'a [u8]) -> Result<Self> {
        match EntryRef::read_plain(part) {
            Some((entry, _)) => Ok(entry),
            None => EntryRef::read_any(part),
        }
    }

    /// The same, whatever the order of the fields; raft 3.7 leaves out those that are zero.
    #[inline(never)]
    pub(super) fn read_any(part: &'a [u8]) -> Result<Self> {
        let mut entry = EntryRef::default();
        Field::each(part, |field| {
            match field.number {
                1 => entry.entry_type = EntryType::try_from(field.varint()?)?,
                2 => entry.term = field.varint()?,
                3 => entry.index = field.varint()?,
                4 => entry.data = field.part()?,
                _ => field.skip()?,
            }
            Ok(())
        })?;
        Ok(entry)
    }

    /// Reads an entry whose fields stand in order, each of them once, as this library and raft up to 3.6 leave them; says
    /// where the index begins. None: it takes a closer look.
    #[inline(always)]
    pub(super) fn read_plain(part: &'a [u8]) -> Option<(Self, usize)> {
        let [0x08, entry_type, 0x10, rest @ ..] = part else { return None };
        let entry_type = EntryType::try_from(u64::from(*entry_type)).ok()?;
        let mut rest = rest;
        let term = varint(&mut rest).ok()?;
        if !is_next(0x18, &mut rest) {
            return None;
        }
        let index_at = part.len() - rest.len();
        let index = varint(&mut rest).ok()?;
        if is_next(0x22, &mut rest) {
            if varint(&mut rest).ok()? != rest.len() as u64 {
                return None;
            }
        } else if !rest.is_empty() {
            return None;
        }
        Some((EntryRef { entry_type, term, index, data: rest }, index_at))
    }
}

/// Entries in order, as a list of shared [`Run`]s.
///
/// Cloning one clones no entry: log, messages, write-ahead log and state machine all hold the same memory. One run
/// is the usual case and lives without an allocation of its own.
#[derive(Clone)]
pub struct Entries {
    runs: Runs,
}

// No run in it is empty, and a list holds two at the least: it is rare, and out of line, so that entries are two words.
#[derive(Clone)]
#[allow(clippy::box_collection)]
enum Runs {
    One(Run),
    NoneOrMany(Option<Box<Vec<Run>>>),
}

impl Default for Entries {
    fn default() -> Self {
        Entries { runs: Runs::NoneOrMany(None) }
    }
}

impl Entries {
    /// No entries.
    pub fn new() -> Self {
        Entries::default()
    }

    /// Proposals that have neither term nor index yet, one for each payload.
    pub fn proposals(payloads: Vec<Bytes>) -> Self {
        payloads.into_iter().map(|data| Entry { data, ..Entry::default() }).collect()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.sum(Run::len)
    }

    /// One run, the usual case, is not walked as a list.
    #[inline(always)]
    fn sum(&self, of: impl Fn(&Run) -> usize) -> usize {
        match &self.runs {
            Runs::One(run) => of(run),
            Runs::NoneOrMany(None) => 0,
            Runs::NoneOrMany(Some(runs)) => runs.iter().map(of).sum(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        matches!(self.runs, Runs::NoneOrMany(None))
    }

    /// The first entry.
    #[inline(always)]
    pub fn first(&self) -> Option<EntryRef<'_>> {
        self.runs().first().and_then(|run| run.first())
    }

    /// The last entry.
    #[inline(always)]
    pub fn last(&self) -> Option<EntryRef<'_>> {
        self.runs().last().and_then(|run| run.last())
    }

    /// Every entry, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = EntryRef<'_>> + Clone {
        self.runs().iter().flat_map(Run::iter)
    }

    /// Every entry by itself, in order. Its payload goes on sharing the memory it lies in.
    pub fn owned(&self) -> impl Iterator<Item = Entry> {
        self.runs().iter().flat_map(Run::owned)
    }

    /// The shared pieces, in order, none of them empty.
    pub fn runs(&self) -> &[Run] {
        match &self.runs {
            Runs::One(run) => std::slice::from_ref(run),
            Runs::NoneOrMany(runs) => runs.as_deref().map_or(&[], Vec::as_slice),
        }
    }

    /// The same, handed over: as one, which is the usual case, or a list of several or none.
    pub(crate) fn into_one(self) -> std::result::Result<Run, Vec<Run>> {
        match self.runs {
            Runs::One(run) => Ok(run),
            Runs::NoneOrMany(runs) => Err(runs.map_or_else(Vec::new, |runs| *runs)),
        }
    }

    /// Adds what another one holds behind the last entry.
    pub(crate) fn extend(&mut self, entries: Entries) {
        match entries.into_one() {
            Ok(run) => self.push(run),
            Err(runs) => runs.into_iter().for_each(|run| self.push(run)),
        }
    }

    /// Adds a run behind the last one.
    pub fn push(&mut self, run: Run) {
        if run.is_empty() {
            return;
        }
        match &mut self.runs {
            Runs::One(first) => self.runs = Runs::NoneOrMany(Some(Box::new(vec![first.clone(), run]))),
            Runs::NoneOrMany(None) => self.runs = Runs::One(run),
            Runs::NoneOrMany(Some(runs)) => runs.push(run),
        }
    }

    /// Bytes of payload, which the limits on uncommitted and in-flight data count.
    pub fn payload_len(&self) -> usize {
        self.sum(Run::payload_len)
    }

    /// The entries that are no bytes of the host but changes of the membership.
    pub fn changes(&self) -> impl Iterator<Item = EntryRef<'_>> {
        let runs = self.runs().iter().filter(|run| run.has_changes());
        runs.flat_map(Run::iter).filter(|entry| entry.entry_type != EntryType::Normal)
    }

    /// Whether these are those of `other`, in the same memory.
    pub(super) fn is_same(&self, other: &Entries) -> bool {
        let (runs, others) = (self.runs(), other.runs());
        runs.len() == others.len() && runs.iter().zip(others).all(|(run, other)| run.is_same(other))
    }

    /// At least what the entries encode to, without looking at each number in them.
    pub(crate) fn encoded_bound(&self) -> u64 {
        self.sum(Run::encoded_bound) as u64
    }

    /// Gives the entries `term` and the indices from `first_index` on: what a leader does when it appends.
    /// The memory is reused where nobody else holds it.
    pub fn number(mut self, term: u64, first_index: u64) -> Self {
        if let Runs::One(run) = &mut self.runs
            && run.number(term, first_index)
        {
            return self;
        }
        (first_index..).zip(self.owned()).map(|(index, entry)| Entry { term, index, ..entry }).collect()
    }
}

impl From<Run> for Entries {
    fn from(run: Run) -> Self {
        Entries { runs: if run.is_empty() { Runs::NoneOrMany(None) } else { Runs::One(run) } }
    }
}

impl From<Vec<Entry>> for Entries {
    fn from(entries: Vec<Entry>) -> Self {
        match <[Entry; 1]>::try_from(entries) {
            Ok([entry]) => Entries::from(entry),
            Err(entries) => Entries::from(Run::apart(entries.into())),
        }
    }
}

impl From<Entry> for Entries {
    fn from(entry: Entry) -> Self {
        Entries::from(Run::one(entry))
    }
}

impl FromIterator<Entry> for Entries {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut entries = entries.into_iter();
        match (entries.next(), entries.next()) {
            (None, _) => Entries::new(),
            (Some(one), None) => Entries::from(one),
            (Some(first), Some(second)) => {
                Entries::from(Run::apart([first, second].into_iter().chain(entries).collect()))
            }
        }
    }
}

impl PartialEq for Entries {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Entries {}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(count: u64) -> Vec<Entry> {
        (1..=count).map(|index| Entry { term: 1, index, ..Entry::default() }).collect()
    }

    #[test]
    fn numbering_reuses_memory_that_nobody_shares() {
        let proposals = Entries::proposals(vec![Bytes::from_static(b"a"), Bytes::from_static(b"b")]);
        let before = proposals.first().map(|entry| entry.data.as_ptr());
        let numbered = proposals.number(3, 7);
        assert_eq!(numbered.first().map(|entry| entry.data.as_ptr()), before);
        assert_eq!(numbered.iter().map(|e| (e.term, e.index)).collect::<Vec<_>>(), [(3, 7), (3, 8)]);
    }

    #[test]
    fn numbering_copies_memory_that_somebody_shares() {
        let proposals = Entries::from(entries(3));
        let shared = proposals.clone();
        let numbered = proposals.number(9, 1);
        assert_eq!(shared.last().map(|e| e.term), Some(1));
        assert_eq!(numbered.last().map(|e| e.term), Some(9));
    }

    #[test]
    fn an_entry_comes_back_as_it_was_and_its_length_is_foretold() {
        for (term, index, data) in [(0, 0, ""), (1, 3, ""), (1, 4, "x"), (u64::MAX, 1 << 40, "payload")] {
            let entry = Entry { entry_type: EntryType::Normal, term, index, data: data.into() };
            let mut buf = Vec::new();
            entry.encode(&mut buf);
            assert_eq!(buf.len(), entry.encoded_len());
            assert_eq!(Entry::decode(buf.into()).unwrap(), entry);
        }
    }

    #[test]
    fn a_lying_length_is_an_error_and_allocates_nothing() {
        let buf = [0x22, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert!(matches!(Entry::decode(Bytes::copy_from_slice(&buf)), Err(Error::Decode(_))));
    }
}
