//! The records of the log: walpb.Record, and what its data may be.

use std::ops::Range;

use bytes::Bytes;
use prost::Message as _;
use prost::encoding::{decode_varint, encode_varint, encoded_len_varint};

use super::crc::Crc;
use super::frame;
use super::front::{CRC_LEN_MAX, EntryRow, Front};
use crate::raftpb::conf_change::ConfState;
use crate::raftpb::entry::Entry;
use crate::raftpb::message::HardState;

/// What a record's data is, with etcd's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordType {
    /// [`Metadata`]: whose log this is. The second record of each segment.
    Metadata = 1,
    /// An entry.
    Entry = 2,
    /// A HardState.
    State = 3,
    /// No data; the chain's value at the end of the segment before. The first record of each segment.
    Crc = 4,
    /// A [`SnapshotRecord`].
    Snapshot = 5,
}

/// A record, read.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) record_type: RecordType,
    /// The chain's value behind this record.
    pub(super) crc: u32,
    pub(super) data: Bytes,
}

/// etcdserverpb.Metadata: whose log it is.
#[derive(Clone, Copy, PartialEq, Eq, ::prost::Message)]
pub(super) struct Metadata {
    #[prost(uint64, required, tag = "1")]
    pub(super) node_id: u64,
    #[prost(uint64, required, tag = "2")]
    pub(super) cluster_id: u64,
    /// Not etcd's, which passes over it: see `StoreOptions::store_id`.
    #[prost(uint64, tag = "3")]
    pub(super) store_id: u64,
}

/// walpb.Snapshot: a snapshot file was complete when this was written. Index 0 stands at the beginning of a log.
#[derive(Clone, PartialEq, Eq, ::prost::Message)]
pub(super) struct SnapshotRecord {
    #[prost(uint64, required, tag = "1")]
    pub(super) index: u64,
    #[prost(uint64, required, tag = "2")]
    pub(super) term: u64,
    #[prost(message, optional, tag = "3")]
    pub(super) conf_state: Option<ConfState>,
}

/// The most bytes that can stand in a record before its data: three tags, type, crc, length.
pub(super) const HEAD_LEN_MAX: usize = 3 + 1 + CRC_LEN_MAX + 10;

/// What stands before a record's data.
pub(super) struct Head {
    type_number: u64,
    crc: u64,
    /// Of head and data together; what the length word has to agree with.
    pub(super) record_len: u64,
    data_len: u64,
}

impl Head {
    /// Reads the head of the record that starts with `bytes` and is `len` bytes long. A record without data ends
    /// behind its crc, which only `len` can tell. None if no writer writes such bytes.
    pub(super) fn parse(mut bytes: &[u8], len: u64) -> Option<Head> {
        let present = bytes.len();
        let type_number = field(0x08, &mut bytes)?;
        let crc = field(0x10, &mut bytes)?;
        let has_data = len != (present - bytes.len()) as u64;
        let data_len = if has_data { field(0x1a, &mut bytes)? } else { 0 };
        let record_len = data_len.checked_add((present - bytes.len()) as u64)?;
        Some(Head { type_number, crc, record_len, data_len })
    }
}

fn field(tag: u8, bytes: &mut &[u8]) -> Option<u64> {
    match bytes {
        [found, ..] if *found != tag => None,
        // Most numbers are small.
        [_, number @ ..0x80, rest @ ..] => {
            let number = u64::from(*number);
            *bytes = rest;
            Some(number)
        }
        [_, rest @ ..] => {
            *bytes = rest;
            decode_varint(bytes).ok()
        }
        [] => None,
    }
}

impl Record {
    /// Reads the record that lies in `block` at `place`. Stricter than protobuf: fields in order, none unknown, because
    /// only the data is under the checksum.
    pub(super) fn parse(block: &Bytes, place: Range<usize>) -> Option<Record> {
        let len = place.len() as u64;
        let head = Head::parse(&block[place.clone()], len)?;
        if head.record_len != len {
            return None;
        }
        let record_type = match head.type_number {
            1 => RecordType::Metadata,
            2 => RecordType::Entry,
            3 => RecordType::State,
            4 => RecordType::Crc,
            5 => RecordType::Snapshot,
            _ => return None,
        };
        if record_type == RecordType::Crc && head.data_len != 0 {
            return None;
        }
        let data = block.slice(place.end - head.data_len as usize..place.end);
        Some(Record { record_type, crc: u32::try_from(head.crc).ok()?, data })
    }

    /// Whether its data is what its type says. The record that opens a segment, which has none, never is.
    pub(super) fn is_plausible(&self) -> bool {
        let data = self.data.clone();
        match self.record_type {
            RecordType::Metadata => Metadata::decode(data).is_ok(),
            RecordType::Entry => Entry::decode(data).is_ok_and(|entry| entry.index > 0 && entry.term > 0),
            RecordType::State => HardState::decode(data).is_ok(),
            RecordType::Snapshot => SnapshotRecord::decode(data).is_ok(),
            RecordType::Crc => false,
        }
    }

    /// Appends a framed record to `buf`, whose data is `data`, and which `chain` takes in.
    pub(super) fn put(buf: &mut Vec<u8>, chain: &mut Crc, record_type: RecordType, data: &[u8]) {
        Front::new(record_type, data.len()).put(buf, chain, data);
    }

    /// The same with an entry. Those that follow each other go through one [`EntryRow`].
    pub(super) fn put_entry(buf: &mut Vec<u8>, chain: &mut Crc, entry: &Entry) {
        EntryRow::new().put(buf, chain, entry.view());
    }

    /// Appends the framed record that opens a segment: the chain's value so far, without data.
    pub(super) fn put_crc(buf: &mut Vec<u8>, chain: &Crc) {
        let crc = u64::from(chain.value());
        let record_len = 3 + encoded_len_varint(crc);
        buf.extend_from_slice(&frame::word(record_len).to_le_bytes());
        buf.extend_from_slice(&[0x08, RecordType::Crc as u8, 0x10]);
        encode_varint(crc, buf);
        buf.resize(buf.len() + frame::padding(record_len), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_and_checksum_comes_back() {
        let mut chain = Crc::from(0);
        let mut short = 0;
        for len in (0..600).chain([16_000, 16_384, 20_000]) {
            let entry =
                Entry { term: 3, index: len, data: vec![len as u8; len as usize].into(), ..Entry::default() };
            let mut buf = vec![0xee; 8];
            Record::put_entry(&mut buf, &mut chain, &entry);
            assert_eq!(buf.len() % 8, 0);
            let mut encoded = Vec::new();
            entry.encode(&mut encoded);
            let word = u64::from_le_bytes(buf[8..16].try_into().unwrap());
            let record_len = frame::record_len(word).unwrap() as usize;
            assert_eq!(buf.len(), 16 + record_len + frame::padding(record_len));
            let record = Record::parse(&Bytes::from(buf), 16..16 + record_len).unwrap();
            assert_eq!((record.record_type, record.crc), (RecordType::Entry, chain.value()));
            assert_eq!(record.data, encoded);
            assert_eq!(Entry::decode(record.data).unwrap(), entry);
            short += u32::from(chain.value() < 1 << 28);
        }
        assert!(short > 10, "the checksums that move their data have been met {short} times");
    }

    #[test]
    fn the_first_records_are_those_of_etcd() {
        let mut buf = Vec::new();
        let mut chain = Crc::from(0);
        Record::put_crc(&mut buf, &chain);
        Record::put(&mut buf, &mut chain, RecordType::Metadata, b"meta");
        assert_eq!(buf[..16], [4, 0, 0, 0, 0, 0, 0, 0x84, 8, 4, 0x10, 0, 0, 0, 0, 0]);
        let metadata = b"\x08\x01\x10\x95\xa1\x9c\xd8\x01\x1a\x04meta\0\0";
        assert_eq!(buf[24..], metadata[..]);
    }

    #[test]
    fn what_no_writer_writes_is_refused() {
        let good = Bytes::from_static(b"\x08\x02\x10\x05\x1a\x02ab");
        assert!(Record::parse(&good, 0..good.len()).is_some());
        for at in 0..good.len() {
            assert!(Record::parse(&good, 0..at).is_none() || at == 4, "cut at {at}");
        }
        for bad in [
            &b"\x08\x06\x10\x05\x1a\x02ab"[..],                // an unknown type
            b"\x08\x04\x10\x05\x1a\x02ab",                     // a crc record with data
            b"\x08\x02\x10\x05\x1a\x03ab",                     // a length beyond the record
            b"\x08\x02\x10\xff\xff\xff\xff\xff\x01\x1a\x02ab", // a crc of more than 32 bits
            b"\x08\x02\x10\x05\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", // an absurd length
        ] {
            assert!(Record::parse(&Bytes::from_static(bad), 0..bad.len()).is_none(), "{bad:x?}");
        }
    }
}
