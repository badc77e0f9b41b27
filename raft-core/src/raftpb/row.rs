//! Entries one behind the other, as a message carries them. Those of a batch mostly have one length, and what stands before
//! their payloads differs only in the index, which is one more each time: in one byte, but at each 128th entry.

use bytes::BufMut;
use smallvec::SmallVec;

use super::entry::{ENTRY_HEAD_LEN_MAX, Entries, EntryOf, EntryRef, LOW_BITS};
use super::run::Span;
use super::wire::{Fields, NUMBER_LEN_MAX, is_next, part, varint_len};
use crate::error::Result;

/// For how many entries there is room before they have been read.
const GUESSED_MAX: usize = 128;

/// Entries where they lie in a message. One alone, as a proposal that comes alone, takes no memory of its own.
pub(super) type Row = SmallVec<[EntryOf<Span>; 1]>;

/// Bytes of what [`put_entries`] puts, with a key of one byte.
pub(super) fn entries_len(entries: &Entries) -> usize {
    let mut next = EntryOf::default(); // which no entry is
    let (mut len, mut all) = (0, 0);
    entries.iter().for_each(|entry| {
        if !entry.is_like(&next) {
            let own = entry.encoded_len();
            len = 1 + varint_len(own as u64) + own;
            next = entry.next_like();
        } else {
            next.index = next.index.wrapping_add(1);
        }
        all += len;
    });
    all
}

/// Appends `entries` as the repeated field with this key of a message.
pub(super) fn put_entries(key: u8, entries: &Entries, buf: &mut impl BufMut) {
    let mut next = EntryOf::default(); // which no entry is
    let mut front = Fields::<{ NUMBER_LEN_MAX + ENTRY_HEAD_LEN_MAX }>::new();
    let mut index_at = 0;
    for run in entries.runs() {
        run.iter().for_each(|entry| {
            if entry.is_like(&next) {
                front.bytes_mut()[index_at] += 1;
                next.index = next.index.wrapping_add(1);
            } else {
                front = Fields::new();
                front.number(key, entry.encoded_len() as u64);
                index_at = entry.put_head(&mut front);
                next = entry.next_like();
            }
            front.copy_to(buf);
            buf.put_slice(entry.data);
        });
    }
}

/// Reads into `entries` what [`put_entries`] has put at the beginning of `rest`, with which `whole` ends.
pub(super) fn take_entries(
    key: u8,
    number: u32,
    whole: &[u8],
    rest: &mut &[u8],
    entries: &mut Row,
) -> Result<()> {
    loop {
        let begun = *rest;
        if !is_next(key, rest) {
            return Ok(());
        }
        let part = part(rest, number)?;
        if entries.is_empty() {
            // Mostly all are as long as the first; what is claimed costs no more memory than a few KiB.
            let all = begun.len() / (begun.len() - rest.len());
            entries.reserve_exact(all.clamp(1, GUESSED_MAX));
        }
        let plain = EntryRef::read_plain(part);
        let entry = match plain {
            Some((entry, _)) => entry,
            None => EntryRef::read_any(part)?,
        };
        entries.push(entry.with(Span::of(whole, entry.data)));
        if let Some((entry, index_at)) = plain
            && let Some(like) = Like::to(entry, begun, rest.len(), part.len() - index_at)
        {
            like.take(whole, rest, entries);
        }
    }
}

/// The bytes with which an entry has to begin to be like the one before, and what it is then.
struct Like {
    // As a number whose lowest byte is the first, without those behind the mask.
    front: u128,
    mask: u128,
    // What the next one is greater by: one, in the first byte of the index.
    step: u128,
    front_len: usize,
    data_len: usize,
    // The last one.
    entry: EntryOf<()>,
}

impl Like {
    /// Those that are like `entry`, which was read from the beginning of `begun` and left `rest_len` bytes, with so many of
    /// its own from its index on. None if it has too much before its payload.
    fn to(entry: EntryRef<'_>, begun: &[u8], rest_len: usize, from_index: usize) -> Option<Like> {
        let all = begun.len() - rest_len;
        let (front_len, index_at) = (all - entry.data.len(), all - from_index);
        let front = u128::from_le_bytes(*begun.first_chunk()?);
        let unused = 16usize.checked_sub(front_len)?;
        let mask = u128::MAX >> (8 * unused);
        Some(Like {
            front: front & mask,
            mask,
            step: 1 << (8 * index_at),
            front_len,
            data_len: entry.data.len(),
            entry: entry.with(()),
        })
    }

    /// Takes those that come next at the beginning of `rest`, with which `whole` ends.
    fn take(mut self, whole: &[u8], rest: &mut &[u8], entries: &mut Row) {
        let each = self.front_len + self.data_len;
        while let Some(begin) = rest.first_chunk()
            && each <= rest.len()
        {
            let front = u128::from_le_bytes(*begin) & self.mask;
            let index = self.entry.index.wrapping_add(1);
            if index & LOW_BITS == 0 || front != self.front + self.step {
                return;
            }
            (self.front, self.entry.index) = (front, index);
            let data = Span::new(whole.len() - rest.len() + self.front_len, self.data_len);
            entries.push(self.entry.with(data));
            *rest = &rest[each..];
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::entry::{Entry, EntryType};
    use super::super::run::Run;
    use super::*;

    const KEY: u8 = 0x3a;

    /// Encoded one by one.
    fn plainly(entries: &[Entry]) -> Vec<u8> {
        let mut buf = Vec::new();
        for entry in entries {
            let mut front = Fields::<{ NUMBER_LEN_MAX }>::new();
            front.number(KEY, entry.encoded_len() as u64);
            front.copy_to(&mut buf);
            entry.encode(&mut buf);
        }
        buf
    }

    /// What `take_entries` finds.
    fn taken(whole: &Bytes, rest: &mut &[u8]) -> Result<Vec<Entry>> {
        let mut entries = Row::new();
        take_entries(KEY, 7, whole, rest, &mut entries)?;
        Ok(Run::joined(entries.into_vec(), whole.clone())?.owned().collect())
    }

    fn check(entries: Vec<Entry>) {
        let plain = plainly(&entries);
        let mut buf = Vec::new();
        put_entries(KEY, &Entries::from(entries.clone()), &mut buf);
        assert_eq!(buf, plain);
        assert_eq!(entries_len(&Entries::from(entries.clone())), plain.len());
        buf.extend_from_slice(&[0x40, 7]);
        let whole = Bytes::from([&[9, 9][..], &buf].concat());
        let mut rest = &whole[2..];
        assert_eq!(taken(&whole, &mut rest).unwrap(), entries);
        assert_eq!(rest, [0x40, 7]);
    }

    fn entry(term: u64, index: u64, len: usize) -> Entry {
        Entry { term, index, data: vec![index as u8; len].into(), ..Entry::default() }
    }

    #[test]
    fn a_row_is_the_same_as_its_entries_one_by_one() {
        for (term, len) in [(1, 0), (1, 1), (1, 16), (300, 16), (1, 256), (70_000, 256), (u64::MAX, 200)] {
            for first in [1, 100, 16_300, 2_097_100, 268_435_400, 1 << 40, u64::MAX - 200] {
                check((first..first + 200).map(|index| entry(term, index, len)).collect());
            }
        }
    }

    #[test]
    fn what_is_not_like_the_one_before_is_read_for_itself() {
        let change = |index| Entry { entry_type: EntryType::ConfChangeV2, ..entry(3, index, 5) };
        check(vec![entry(3, 7, 5), entry(3, 8, 6), entry(3, 9, 5), entry(3, 10, 5)]);
        check(vec![entry(3, 7, 5), entry(3, 9, 5), entry(3, 10, 0), entry(3, 11, 0), entry(3, 12, 5)]);
        check(vec![entry(3, 7, 5), entry(4, 8, 5), change(9), change(10), entry(4, 11, 5), entry(4, 10, 5)]);
        check(vec![]);
    }

    #[test]
    fn a_number_that_is_longer_than_it_need_be_is_still_that_number() {
        let entries = [entry(1, 5, 16), entry(1, 6, 16), entry(1, 7, 16)];
        let mut buf = plainly(&entries[..1]);
        // The index of the second in two bytes, with a byte more in all.
        let second = plainly(&entries[1..2]);
        buf.extend_from_slice(&[KEY, second[1] + 1]);
        buf.extend_from_slice(&second[2..7]);
        buf.extend_from_slice(&[0x86, 0]);
        buf.extend_from_slice(&second[8..]);
        buf.extend_from_slice(&plainly(&entries[2..]));
        let whole = Bytes::from(buf);
        assert_eq!(taken(&whole, &mut &whole[..]).unwrap(), entries);
    }

    /// The same, found field by field.
    fn taken_plainly(whole: &Bytes) -> Result<(Vec<Entry>, usize)> {
        let (mut rest, mut entries) = (&whole[..], Vec::new());
        while is_next(KEY, &mut rest) {
            let entry = EntryRef::read_any(part(&mut rest, 7)?)?;
            entries.push(entry.with(whole.slice_ref(entry.data)));
        }
        Ok((entries, rest.len()))
    }

    #[test]
    fn whatever_a_byte_is_a_row_is_read_as_its_entries_are_one_by_one() {
        let row: Vec<Entry> = (126..132).map(|index| entry(300, index, 3)).collect();
        let bytes = plainly(&row);
        for at in 0..bytes.len() {
            for byte in 0..=u8::MAX {
                let mut bytes = bytes.clone();
                bytes[at] = byte;
                let whole = Bytes::from(bytes);
                let mut rest = &whole[..];
                let found = taken(&whole, &mut rest).map(|entries| (entries, rest.len()));
                assert_eq!(found, taken_plainly(&whole), "byte {at} is {byte:#x}");
            }
        }
    }

    #[test]
    fn what_is_cut_short_is_no_entry() {
        let whole = Bytes::from(plainly(&[entry(1, 5, 40), entry(1, 6, 40), entry(1, 7, 40)]));
        let each = whole.len() / 3;
        for len in (0..whole.len()).filter(|len| len % each != 0) {
            let cut = whole.slice(..len);
            assert!(taken(&cut, &mut &cut[..]).is_err(), "{len}");
        }
    }
}
