//! [`Front`]: what stands before the payload of a record in the log, and [`EntryRow`], which seldom makes a new one.

use super::crc::Crc;
use super::frame;
use super::record::{HEAD_LEN_MAX, RecordType};
use crate::raftpb::entry::{ENTRY_HEAD_LEN_MAX, EntryOf, EntryRef};

/// A crc is one to five bytes as varint, and five for all but one in sixteen values.
pub(super) const CRC_LEN_MAX: usize = 5;
/// Behind the length word, the record's type and the tag.
const CRC_AT: usize = frame::WORD + 3;

/// The most bytes that stand before a payload: word, record's head, entry's head.
const LEN_MAX: usize = frame::WORD + HEAD_LEN_MAX + ENTRY_HEAD_LEN_MAX;

/// What stands before a record's payload, with room for a crc of the usual length.
///
/// Nothing is changed in it from one record to the next but a byte that is not read before the next: what has only just been
/// written is slow to copy.
pub(super) struct Front {
    bytes: [u8; LEN_MAX],
    len: usize,
    // Where the record's data begins: that of an entry with a head of its own, any other with the payload.
    data_at: usize,
}

impl Front {
    /// That of a record whose data is so long.
    pub(super) fn new(record_type: RecordType, data_len: usize) -> Front {
        let mut bytes = [0; LEN_MAX];
        bytes[frame::WORD..CRC_AT].copy_from_slice(&[0x08, record_type as u8, 0x10]);
        let tag_at = CRC_AT + CRC_LEN_MAX;
        bytes[tag_at] = 0x1a;
        let data_at = tag_at + 1 + put_varint(&mut bytes[tag_at + 1..], data_len as u64);
        put_word(&mut bytes, data_at + data_len);
        Front { bytes, len: data_at, data_at }
    }

    /// That of a record with this entry, and where the entry's index begins.
    fn of(entry: EntryRef<'_>) -> (Front, usize) {
        let (head, head_len, index_at) = entry.head();
        let mut front = Front::new(RecordType::Entry, head_len + entry.data.len());
        front.bytes[front.data_at..front.data_at + ENTRY_HEAD_LEN_MAX].copy_from_slice(&head);
        front.len += head_len;
        let index_at = front.data_at + index_at;
        (front, index_at)
    }

    /// Appends a framed record to `buf`: this, then `payload`. `chain` takes in its data.
    pub(super) fn put(&self, buf: &mut Vec<u8>, chain: &mut Crc, payload: &[u8]) {
        // Of where they come from: the copies have only just been written.
        chain.update(&self.bytes[self.data_at..self.len]);
        let crc = chain.update(payload);
        let start = buf.len();
        buf.reserve(LEN_MAX + payload.len() + frame::WORD);
        // A copy of a length that is known costs little, even if it is too long.
        buf.extend_from_slice(&self.bytes);
        let len = if crc >> 28 != 0 {
            let [first, second, third, fourth] =
                [crc, crc >> 7, crc >> 14, crc >> 21].map(|bits| bits as u8 | 0x80);
            let place = start + CRC_AT..start + CRC_AT + CRC_LEN_MAX;
            buf[place].copy_from_slice(&[first, second, third, fourth, (crc >> 28) as u8]);
            self.len
        } else {
            self.shorten(&mut buf[start..], crc, payload.len())
        };
        buf.truncate(start + len);
        buf.extend_from_slice(payload);
        buf.extend_from_slice(&[0; frame::WORD]);
        let record_len = len - frame::WORD + payload.len();
        buf.truncate(start + frame::WORD + record_len + frame::padding(record_len));
    }

    /// Puts a shorter crc into a copy, where all behind it moves up; says how long it is then.
    fn shorten(&self, copy: &mut [u8], crc: u32, payload_len: usize) -> usize {
        let end = CRC_AT + put_varint(&mut copy[CRC_AT..], u64::from(crc));
        copy.copy_within(CRC_AT + CRC_LEN_MAX..self.len, end);
        let len = self.len - (CRC_AT + CRC_LEN_MAX - end);
        put_word(copy, len + payload_len);
        len
    }
}

/// Puts the length word of a record that ends at `end` where it begins.
fn put_word(record: &mut [u8], end: usize) {
    record[..frame::WORD].copy_from_slice(&frame::word(end - frame::WORD).to_le_bytes());
}

/// Puts a number at the beginning of `to`; says how long it is.
fn put_varint(to: &mut [u8], mut value: u64) -> usize {
    let mut len = 0;
    while value >= 0x80 {
        to[len] = value as u8 | 0x80;
        value >>= 7;
        len += 1;
    }
    to[len] = value as u8;
    len + 1
}

/// Entries that are put one behind the other: what stands before the payload of one is mostly that of the last, with one byte
/// of the index greater by one.
pub(super) struct EntryRow {
    // What the next entry is if that holds of it; at first, what no entry is.
    next: EntryOf<usize>,
    front: Front,
    index_at: usize,
}

impl EntryRow {
    pub(super) fn new() -> Self {
        EntryRow { next: EntryOf::default(), front: Front::new(RecordType::Entry, 0), index_at: 0 }
    }

    /// Appends a framed record of this entry, which `chain` takes in.
    pub(super) fn put(&mut self, buf: &mut Vec<u8>, chain: &mut Crc, entry: EntryRef<'_>) {
        if entry.is_like(&self.next) {
            self.next.index = self.next.index.wrapping_add(1);
        } else {
            (self.front, self.index_at) = Front::of(entry);
            self.next = entry.next_like();
        }
        self.front.put(buf, chain, entry.data);
        // Long before it is read. Where it wraps, no like follows.
        self.front.bytes[self.index_at] = self.front.bytes[self.index_at].wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::record::Record;
    use crate::raftpb::entry::Entry;

    #[test]
    fn a_row_is_the_same_as_its_entries_one_by_one() {
        let entry = |term, index, len| Entry { term, index, data: vec![7; len].into(), ..Entry::default() };
        let of_one_kind = (16_300..16_500).map(|index| entry(3, index, 200));
        let mixed = [(3, 16_500, 200), (3, 16_501, 9), (4, 16_502, 9), (4, 16_502, 9), (4, 16_503, 9)];
        let entries: Vec<Entry> =
            of_one_kind.chain(mixed.map(|(term, index, len)| entry(term, index, len))).collect();
        let (mut plain, mut chain) = (Vec::new(), Crc::from(5));
        entries.iter().for_each(|entry| Record::put_entry(&mut plain, &mut chain, entry));
        let (mut buf, mut chain, mut row) = (Vec::new(), Crc::from(5), EntryRow::new());
        entries.iter().for_each(|entry| row.put(&mut buf, &mut chain, entry.view()));
        assert_eq!(buf, plain);
    }
}
