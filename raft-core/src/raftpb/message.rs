//! [`Message`], and what travels inside of it.

use bytes::{BufMut, Bytes};
use prost::Message as _;
use prost::encoding::encode_varint;

use super::conf_change::ConfState;
use super::entry::{Entries, EntryRef};
use super::row::{Row, entries_len, put_entries, take_entries};
use super::run::{Run, Span};
use super::wire::{Field, Fields, NUMBER_LEN_MAX, is_next, malformed, varint, varint_len};
use crate::error::{Error, Result};

/// The kinds of [`Message`], with etcd's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)] // the names are the thesis's and etcd's
pub enum MessageType {
    #[default]
    MsgHup = 0,
    MsgBeat = 1,
    MsgProp = 2,
    MsgApp = 3,
    MsgAppResp = 4,
    MsgVote = 5,
    MsgVoteResp = 6,
    MsgSnap = 7,
    MsgHeartbeat = 8,
    MsgHeartbeatResp = 9,
    MsgUnreachable = 10,
    MsgSnapStatus = 11,
    MsgCheckQuorum = 12,
    MsgTransferLeader = 13,
    MsgTimeoutNow = 14,
    MsgReadIndex = 15,
    MsgReadIndexResp = 16,
    MsgPreVote = 17,
    MsgPreVoteResp = 18,
    MsgStorageAppend = 19,
    MsgStorageAppendResp = 20,
    MsgStorageApply = 21,
    MsgStorageApplyResp = 22,
    MsgForgetLeader = 23,
}

impl MessageType {
    /// Every kind, in the order of its number.
    pub const ALL: [MessageType; 24] = {
        use MessageType::*;
        [
            MsgHup,
            MsgBeat,
            MsgProp,
            MsgApp,
            MsgAppResp,
            MsgVote,
            MsgVoteResp,
            MsgSnap,
            MsgHeartbeat,
            MsgHeartbeatResp,
            MsgUnreachable,
            MsgSnapStatus,
            MsgCheckQuorum,
            MsgTransferLeader,
            MsgTimeoutNow,
            MsgReadIndex,
            MsgReadIndexResp,
            MsgPreVote,
            MsgPreVoteResp,
            MsgStorageAppend,
            MsgStorageAppendResp,
            MsgStorageApply,
            MsgStorageApplyResp,
            MsgForgetLeader,
        ]
    };

    /// Whether only the node itself may step it: never taken from a peer.
    pub fn is_local(self) -> bool {
        use MessageType::*;
        matches!(
            self,
            MsgHup
                | MsgBeat
                | MsgUnreachable
                | MsgSnapStatus
                | MsgCheckQuorum
                | MsgStorageAppend
                | MsgStorageAppendResp
                | MsgStorageApply
                | MsgStorageApplyResp
        )
    }

    /// Whether it answers another message: taken only from a known member.
    pub fn is_response(self) -> bool {
        use MessageType::*;
        matches!(
            self,
            MsgAppResp
                | MsgVoteResp
                | MsgHeartbeatResp
                | MsgUnreachable
                | MsgReadIndexResp
                | MsgPreVoteResp
                | MsgStorageAppendResp
                | MsgStorageApplyResp
        )
    }
}

impl TryFrom<u64> for MessageType {
    type Error = Error;

    fn try_from(value: u64) -> Result<Self> {
        usize::try_from(value)
            .ok()
            .and_then(|at| MessageType::ALL.get(at).copied())
            .ok_or_else(|| Error::Decode(format!("unknown message type {value}")))
    }
}

/// What must survive a crash beside the log.
#[derive(Clone, Copy, PartialEq, Eq, ::prost::Message)]
pub struct HardState {
    /// The newest term this node has seen.
    #[prost(uint64, required, tag = "1")]
    pub term: u64,
    /// Whom it voted for in that term; 0 is nobody.
    #[prost(uint64, required, tag = "2")]
    pub vote: u64,
    /// How far the log is known to be committed.
    #[prost(uint64, required, tag = "3")]
    pub commit: u64,
}

impl HardState {
    /// Whether nothing has happened yet.
    pub fn is_empty(&self) -> bool {
        *self == HardState::default()
    }
}

/// Where a snapshot stands in the log, and the membership there.
#[derive(Clone, PartialEq, Eq, ::prost::Message)]
pub struct SnapshotMetadata {
    /// The membership when `index` had been applied.
    #[prost(message, required, tag = "1")]
    pub conf_state: ConfState,
    /// The last entry that the snapshot covers.
    #[prost(uint64, required, tag = "2")]
    pub index: u64,
    /// That entry's term.
    #[prost(uint64, required, tag = "3")]
    pub term: u64,
}

/// The state machine at one index, or, with no data, the word that there is one to fetch.
#[derive(Clone, PartialEq, Eq, ::prost::Message)]
pub struct Snapshot {
    /// The host's bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub data: Bytes,
    /// Where it stands.
    #[prost(message, required, tag = "2")]
    pub metadata: SnapshotMetadata,
}

impl Snapshot {
    /// Whether there is none: index 0 is before the first entry.
    pub fn is_empty(&self) -> bool {
        self.metadata.index == 0
    }
}

/// What nodes say to each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // as in etcd; which kind uses which is told in docs/architecture.md
pub struct Message {
    pub msg_type: MessageType,
    pub to: u64,
    pub from: u64,
    pub term: u64,
    pub log_term: u64,
    pub index: u64,
    pub entries: Entries,
    pub commit: u64,
    pub vote: u64,
    // Rare, and large: kept out of line so that moving a message stays cheap.
    pub snapshot: Option<Box<Snapshot>>,
    pub reject: bool,
    pub reject_hint: u64,
    pub context: Bytes,
    /// Which disk the sender stands on, see `consensus/raft/stores.rs`; 0 is not told. Not etcd's: field 101, which
    /// its nodes pass over.
    pub store: u64,
    /// In a heartbeat and with a snapshot: the disks of the members, by id. Not etcd's: field 102.
    pub stores: Option<Box<[(u64, u64)]>>,
    /// The group that was made by force of a survivor, see `engine/force.rs`; 0 is the first one. Not etcd's: field 103.
    pub group: u64,
    /// In an append without entries whose receiver is known to hold all before it: it need not say so again. Not etcd's:
    /// field 104, which is left out where it is false.
    pub quiet: bool,
}

/// Keys of the fields that etcd does not have: a varint, sixteen bytes for each pair, a varint, and 1.
const STORE_KEY: [u8; 2] = [0xa8, 0x06];
const STORES_KEY: [u8; 2] = [0xb2, 0x06];
const GROUP_KEY: [u8; 2] = [0xb8, 0x06];
const QUIET: [u8; 3] = [0xc0, 0x06, 1];

/// More than all fields take but for what a snapshot, a context, entries and stores hold.
const FIELDS_LEN_MAX: usize = 17 * (1 + NUMBER_LEN_MAX);

impl Message {
    /// A message of kind `msg_type` to `to`, all else empty.
    pub fn new(msg_type: MessageType, to: u64) -> Self {
        Message { msg_type, to, ..Message::default() }
    }

    /// Bytes of the encoded message.
    pub fn encoded_len(&self) -> usize {
        let number = |value| 1 + varint_len(value);
        let delimited = |len: usize| 1 + varint_len(len as u64) + len;
        let entries = entries_len(&self.entries);
        let snapshot = self.snapshot.as_ref().map_or(0, |snapshot| delimited(snapshot.encoded_len()));
        let context = if self.context.is_empty() { 0 } else { delimited(self.context.len()) };
        let scalars = [self.to, self.from, self.term, self.log_term, self.index, self.commit]
            .into_iter()
            .chain([self.reject_hint, self.vote])
            .map(number)
            .sum::<usize>();
        let store = if self.store == 0 { 0 } else { 2 + varint_len(self.store) };
        let stores = self.stores.as_ref().map_or(0, |stores| 1 + delimited(16 * stores.len()));
        let group = if self.group == 0 { 0 } else { 2 + varint_len(self.group) };
        let quiet = if self.quiet { QUIET.len() } else { 0 };
        // type and reject are one byte each behind their tags
        4 + scalars + entries + snapshot + context + store + stores + group + quiet
    }

    /// At least [`encoded_len`](Self::encoded_len), without looking at each entry.
    pub fn encoded_bound(&self) -> usize {
        let snapshot = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.encoded_len());
        let stores = self.stores.as_ref().map_or(0, |stores| 16 * stores.len());
        let entries = usize::try_from(self.entries.encoded_bound()).unwrap_or(usize::MAX);
        let parts = [entries, snapshot, self.context.len(), stores];
        parts.into_iter().fold(FIELDS_LEN_MAX, usize::saturating_add)
    }

    /// Appends the encoded message to `buf`, without a length before it.
    pub fn encode(&self, buf: &mut impl BufMut) {
        self.encode_around(buf, |buf| self.encode_entries(buf));
    }

    /// What stands where the entries belong.
    pub(super) fn encode_entries(&self, buf: &mut impl BufMut) {
        put_entries(0x3a, &self.entries, buf);
    }

    /// The same, with what `put_entries` puts in the place of the entries.
    #[inline(always)]
    pub(super) fn encode_around<B: BufMut>(&self, buf: &mut B, put_entries: impl FnOnce(&mut B)) {
        let mut front = Fields::<{ 6 * NUMBER_LEN_MAX }>::new();
        front.number(0x08, self.msg_type as u64);
        front.number(0x10, self.to);
        front.number(0x18, self.from);
        front.number(0x20, self.term);
        front.number(0x28, self.log_term);
        front.number(0x30, self.index);
        front.copy_to(buf);
        put_entries(buf);
        let mut middle = Fields::<{ 5 * NUMBER_LEN_MAX }>::new();
        middle.number(0x40, self.commit);
        if let Some(snapshot) = &self.snapshot {
            middle.number(0x4a, snapshot.encoded_len() as u64);
            middle.copy_to(buf);
            snapshot.encode_raw(buf);
            middle = Fields::new();
        }
        middle.number(0x50, u64::from(self.reject));
        middle.number(0x58, self.reject_hint);
        if !self.context.is_empty() {
            middle.number(0x62, self.context.len() as u64);
            middle.copy_to(buf);
            buf.put_slice(&self.context);
            middle = Fields::new();
        }
        middle.number(0x68, self.vote);
        if self.store != 0 {
            middle.put(STORE_KEY[0]);
            middle.number(STORE_KEY[1], self.store);
        }
        middle.copy_to(buf);
        if let Some(stores) = &self.stores {
            buf.put_slice(&STORES_KEY);
            encode_varint(16 * stores.len() as u64, buf);
            stores.iter().flat_map(|&(id, store)| [id, store]).for_each(|number| buf.put_u64_le(number));
        }
        if self.group != 0 {
            buf.put_slice(&GROUP_KEY);
            encode_varint(self.group, buf);
        }
        if self.quiet {
            buf.put_slice(&QUIET);
        }
    }

    /// The encoded message in a vector of its own.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut buf = Vec::with_capacity(self.encoded_len());
        self.encode(&mut buf);
        buf
    }

    /// Reads a message from all of `buf`; payloads go on sharing its memory.
    ///
    /// Field 14, `responses`, belongs to etcd's storage messages, which never leave a process: it is passed over.
    pub fn decode(buf: Bytes) -> Result<Self> {
        let mut message = Message::default();
        message.fill(&buf, |part| buf.slice_ref(part))?;
        Ok(message)
    }

    /// The same from memory that is only lent: payloads, of which most messages have none, are copied.
    pub fn read(buf: &[u8]) -> Result<Self> {
        let mut message = Message::default();
        message.read_over(buf)?;
        Ok(message)
    }

    /// The same into a message that stays where it lies, in place of what is there. On an error that is anything.
    pub fn read_over(&mut self, buf: &[u8]) -> Result<()> {
        *self = Message::default();
        self.fill(buf, Bytes::copy_from_slice)
    }

    /// Reads all of `buf` into an empty message.
    fn fill(&mut self, buf: &[u8], keep: impl Fn(&[u8]) -> Bytes) -> Result<()> {
        let message = self;
        let mut rest = buf;
        // The way it mostly comes, straight ahead; whatever comes another way is found below.
        if is_next(0x08, &mut rest) {
            message.msg_type = MessageType::try_from(varint(&mut rest)?)?;
        }
        let Message { to, from, term, log_term, index, .. } = message;
        for (key, number) in [(0x10, to), (0x18, from), (0x20, term), (0x28, log_term), (0x30, index)] {
            if is_next(key, &mut rest) {
                *number = varint(&mut rest)?;
            }
        }
        let mut entries = Row::new();
        take_entries(0x3a, 7, buf, &mut rest, &mut entries)?;
        if is_next(0x40, &mut rest) {
            message.commit = varint(&mut rest)?;
        }
        if is_next(0x50, &mut rest) {
            message.reject = varint(&mut rest)? != 0;
        }
        if is_next(0x58, &mut rest) {
            message.reject_hint = varint(&mut rest)?;
        }
        if is_next(0x68, &mut rest) {
            message.vote = varint(&mut rest)?;
        }
        Field::each(rest, |field| {
            match field.number {
                1 => message.msg_type = MessageType::try_from(field.varint()?)?,
                2 => message.to = field.varint()?,
                3 => message.from = field.varint()?,
                4 => message.term = field.varint()?,
                5 => message.log_term = field.varint()?,
                6 => message.index = field.varint()?,
                7 => {
                    let entry = EntryRef::read(field.part()?)?;
                    entries.push(entry.with(Span::of(buf, entry.data)));
                }
                8 => message.commit = field.varint()?,
                9 => message.snapshot = read_snapshot(keep(field.part()?))?,
                10 => message.reject = field.varint()? != 0,
                11 => message.reject_hint = field.varint()?,
                12 => message.context = keep(field.part()?),
                13 => message.vote = field.varint()?,
                101 => message.store = field.varint()?,
                102 => message.stores = Some(read_stores(field.part()?)?),
                103 => message.group = field.varint()?,
                104 => message.quiet = field.varint()? != 0,
                _ => field.skip()?,
            }
            Ok(())
        })?;
        message.entries = match &entries[..] {
            [] => Entries::new(),
            [entry] if Span::can_tell(buf) => Entries::from(entry.with(keep(entry.data.of_whole(buf)))),
            _ => Entries::from(Run::joined(entries.into_vec(), keep(buf))?),
        };
        Ok(())
    }
}

fn read_stores(bytes: &[u8]) -> Result<Box<[(u64, u64)]>> {
    let (pairs, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(Error::Decode(format!("{} bytes are no list of stores", bytes.len())));
    }
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Ok(pairs.iter().map(|pair| (number(&pair[..8]), number(&pair[8..]))).collect())
}

/// Raft 3.5 writes an empty snapshot into every message: that is none.
fn read_snapshot(bytes: Bytes) -> Result<Option<Box<Snapshot>>> {
    let snapshot = Snapshot::decode(bytes).map_err(malformed)?;
    Ok((snapshot != Snapshot::default()).then(|| Box::new(snapshot)))
}

#[cfg(test)]
mod tests {
    use super::super::entry::Entry;
    use super::*;

    fn unhex(text: &str) -> Bytes {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    /// Bytes that etcd raft 3.6.0 wrote for these messages, and 3.7 wrote for the same.
    const GOLDEN: [(&str, &str); 8] = [
        ("0805100218012001280130024000500058006800", "080510021801200128013002"),
        ("0806100118022001280030004000500058006800", "0806100118022001"),
        (
            "0803100218012001280130023a060800100118034002500058006800",
            "0803100218012001280130023a04100118034002",
        ),
        ("0808100218012001280030004007500058006800", "08081002180120014007"),
        ("0802100118022000280030003a0b08001000180022036677644000500058006800", "0802100118023a052203667764"),
        ("08041002180320022801300c40005001580b6800", "08041002180320022801300c5001580b"),
        (
            "08051001180220022801300c400050005800621043616d706169676e5472616e736665726800",
            "08051001180220022801300c621043616d706169676e5472616e73666572",
        ),
        (
            "08071003180220022800300040004a1c0a08736e61706461746112100a0a0801080208031004280010101802500058006800",
            "08071003180220024a1c0a08736e61706461746112100a0a0801080208031004280010101802",
        ),
    ];

    #[test]
    fn bytes_equal_those_of_etcd_raft_3_6_and_those_of_3_7_mean_the_same() {
        for (v36, v37) in GOLDEN {
            let message = Message::decode(unhex(v36)).unwrap();
            assert_eq!(message.to_vec(), unhex(v36), "{message:?}");
            assert_eq!(message.encoded_len(), message.to_vec().len());
            assert_eq!(Message::decode(unhex(v37)).unwrap(), message);
        }
    }

    #[test]
    fn an_empty_snapshot_of_raft_3_5_is_no_snapshot() {
        let message = Message::decode(unhex("08031002180120014a0a12080a0228001000180050005800")).unwrap();
        assert_eq!(message.snapshot, None);
    }

    #[test]
    fn every_truncation_is_an_error_or_a_shorter_message_never_a_panic() {
        for (v36, _) in GOLDEN {
            let bytes = unhex(v36);
            for len in 0..bytes.len() {
                let _ = Message::decode(bytes.slice(..len));
            }
        }
    }

    #[test]
    fn what_etcd_does_not_have_is_passed_over_by_it_and_comes_back() {
        let plain = Message { from: 2, term: 3, commit: 7, ..Message::new(MessageType::MsgApp, 1) };
        let ours = Message { store: 300, group: 5, quiet: true, ..plain.clone() };
        let bytes = ours.to_vec();
        assert_eq!(bytes.len(), ours.encoded_len());
        assert_eq!(Message::decode(bytes.clone().into()).unwrap(), ours);
        let (theirs, rest) = bytes.split_at(plain.encoded_len());
        assert_eq!(Message::decode(Bytes::copy_from_slice(theirs)).unwrap(), plain);
        assert_eq!(rest, [0xa8, 0x06, 0xac, 0x02, 0xb8, 0x06, 5, 0xc0, 0x06, 1]);
    }

    #[test]
    fn there_is_room_for_the_longest_numbers() {
        let max = u64::MAX;
        let entry = Entry { term: max, index: max, data: Bytes::from_static(b"x"), ..Entry::default() };
        let metadata = SnapshotMetadata { index: max, term: max, ..SnapshotMetadata::default() };
        let snapshot = Snapshot { metadata, ..Snapshot::default() };
        let message = Message {
            msg_type: MessageType::MsgApp,
            to: max,
            from: max,
            term: max,
            log_term: max,
            index: max,
            entries: Entries::from(vec![entry.clone(), entry]),
            commit: max,
            vote: max,
            snapshot: Some(Box::new(snapshot)),
            reject: true,
            reject_hint: max,
            context: Bytes::from_static(b"context"),
            store: max,
            stores: Some(Box::new([(max, max)])),
            group: max,
            quiet: true,
        };
        let plain = Message { snapshot: None, context: Bytes::new(), ..message.clone() };
        for message in [message, plain] {
            let bytes = message.to_vec();
            assert_eq!(bytes.len(), message.encoded_len());
            assert!(bytes.len() <= message.encoded_bound());
            assert_eq!(Message::read(&bytes).as_ref(), Ok(&message));
            assert_eq!(Message::decode(bytes.into()), Ok(message));
        }
    }

    #[test]
    fn an_unknown_kind_is_named() {
        assert_eq!(
            Message::decode(unhex("08ff01")),
            Err(Error::Decode("unknown message type 255".to_owned()))
        );
    }
}
