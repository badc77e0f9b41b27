//! [`Segments`]: the files of a log, built record by record with lengths and checksums that fit.
//!
//! Mutation alone never finds a checksum. This writes the format of `docs/disk-format.md` a second time, as plainly as
//! can be, and what it is told to write need not make sense.

use std::path::PathBuf;

use prost::Message;
use raft_core::disk::recovered::Identity;
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::entry::Entry;
use raft_core::raftpb::message::HardState;

const METADATA: u8 = 1;
const ENTRY: u8 = 2;
const STATE: u8 = 3;
const CRC: u8 = 4;
const SNAPSHOT: u8 = 5;

/// etcdserverpb.Metadata and walpb.Snapshot, as far as they are needed.
#[derive(Message)]
struct Metadata {
    #[prost(uint64, required, tag = "1")]
    node_id: u64,
    #[prost(uint64, required, tag = "2")]
    cluster_id: u64,
}

#[derive(Message)]
struct SnapshotRecord {
    #[prost(uint64, required, tag = "1")]
    index: u64,
    #[prost(uint64, required, tag = "2")]
    term: u64,
    #[prost(message, optional, tag = "3")]
    conf_state: Option<ConfState>,
}

/// The path of a segment in the store's directory `dir`.
pub(crate) fn path(dir: &str, sequence: u64, index: u64) -> PathBuf {
    PathBuf::from(format!("{dir}/wal/{sequence:016x}-{index:016x}.wal"))
}

/// Segments in the making, the last of them open.
pub(crate) struct Segments {
    identity: Identity,
    // Sequence, index and content.
    all: Vec<(u64, u64, Vec<u8>)>,
    // The data of all records: the chain is its checksum.
    chained: Vec<u8>,
}

impl Segments {
    /// A log whose first segment is open, with the two records that open it.
    pub(crate) fn new(identity: Identity, sequence: u64, index: u64) -> Self {
        let mut segments = Segments { identity, all: Vec::new(), chained: Vec::new() };
        segments.begin(sequence, index);
        segments
    }

    /// Goes on in another segment.
    pub(crate) fn cut(&mut self, index: u64) {
        let sequence = self.all.last().map_or(0, |(sequence, ..)| sequence.wrapping_add(1));
        self.begin(sequence, index);
    }

    fn begin(&mut self, sequence: u64, index: u64) {
        self.all.push((sequence, index, Vec::new()));
        let mut body = vec![0x08, CRC, 0x10];
        prost::encoding::encode_varint(crc_fast::crc32_iscsi(&self.chained).into(), &mut body);
        self.frame(&body);
        let Identity { cluster_id, node_id } = self.identity;
        self.record(METADATA, &Metadata { node_id, cluster_id }.encode_to_vec());
    }

    pub(crate) fn entry(&mut self, entry: &Entry) {
        let mut data = Vec::new();
        entry.encode(&mut data);
        self.record(ENTRY, &data);
    }

    pub(crate) fn state(&mut self, state: &HardState) {
        self.record(STATE, &state.encode_to_vec());
    }

    pub(crate) fn snapshot(&mut self, term: u64, index: u64) {
        let record = SnapshotRecord { index, term, conf_state: Some(ConfState::of_voters([1])) };
        self.record(SNAPSHOT, &record.encode_to_vec());
    }

    /// A record of any type with any data.
    pub(crate) fn record(&mut self, record_type: u8, data: &[u8]) {
        self.chained.extend_from_slice(data);
        let mut body = vec![0x08, record_type, 0x10];
        prost::encoding::encode_varint(crc_fast::crc32_iscsi(&self.chained).into(), &mut body);
        body.push(0x1a);
        prost::encoding::encode_varint(data.len() as u64, &mut body);
        body.extend_from_slice(data);
        self.frame(&body);
    }

    /// Length word, record, zeros up to a multiple of eight.
    fn frame(&mut self, body: &[u8]) {
        let padding = body.len().wrapping_neg() % 8;
        let top = if padding == 0 { 0 } else { 0x80 | padding as u64 };
        self.raw(&(body.len() as u64 | top << 56).to_le_bytes());
        self.raw(body);
        self.raw(&[0; 8][..padding]);
    }

    /// Bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.last().extend_from_slice(bytes);
    }

    /// The content of the last segment.
    pub(crate) fn last(&mut self) -> &mut Vec<u8> {
        &mut self.all.last_mut().unwrap().2
    }

    /// Sequence, index and content of each.
    pub(crate) fn finish(self) -> Vec<(u64, u64, Vec<u8>)> {
        self.all
    }
}
