//! The bytes on the wire: etcd's golden vectors, and a round trip of whatever a message can hold.
#![allow(clippy::unwrap_used, clippy::panic)]

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use raft_core::raftpb::conf_change::{ConfChange, ConfChangeV2, ConfState};
use raft_core::raftpb::entry::{Entries, Entry, EntryType};
use raft_core::raftpb::message::{HardState, Message, MessageType, Snapshot, SnapshotMetadata};

fn unhex(text: &str) -> Bytes {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn conf_change(entry: &Entry) -> Option<ConfChangeV2> {
    match entry.entry_type {
        EntryType::Normal => None,
        EntryType::ConfChange => Some(ConfChange::read(&entry.data).unwrap().into()),
        EntryType::ConfChangeV2 => Some(ConfChangeV2::read(&entry.data).unwrap()),
    }
}

/// What a prost type makes of both encodings, and that it writes the first.
fn same<M: prost::Message + Default + PartialEq + std::fmt::Debug>(v36: Bytes, v37: Option<Bytes>) {
    let value = M::decode(v36.clone()).unwrap();
    assert_eq!(value.encode_to_vec(), v36);
    if let Some(v37) = v37 {
        assert_eq!(M::decode(v37).unwrap(), value);
    }
}

fn same_entry(v36: Bytes, v37: Option<Bytes>) {
    let entry = Entry::decode(v36.clone()).unwrap();
    let mut bytes = Vec::new();
    entry.encode(&mut bytes);
    assert_eq!(bytes, v36);
    let Some(v37) = v37.map(|bytes| Entry::decode(bytes).unwrap()) else { return };
    // The payload of a membership change is itself encoded, in the profile of its writer.
    assert_eq!((entry.term, entry.index, entry.entry_type), (v37.term, v37.index, v37.entry_type));
    match conf_change(&entry) {
        None => assert_eq!(entry.data, v37.data),
        Some(change) => assert_eq!(Some(change), conf_change(&v37)),
    }
}

#[test]
fn golden_vectors_of_etcd_raft_are_read_and_those_of_3_6_are_written() {
    let mut count = 0;
    for line in include_str!("golden/raftpb.txt").lines().filter(|line| !line.starts_with('#')) {
        let [kind, v36, v37] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let (v36, v37) = (unhex(v36), (v37 != "-").then(|| unhex(v37)));
        match kind {
            "HardState" => same::<HardState>(v36, v37),
            "ConfState" => same::<ConfState>(v36, v37),
            "Snapshot" => same::<Snapshot>(v36, v37),
            "Entry" => same_entry(v36, v37),
            _ => {
                let message = Message::decode(v36.clone()).unwrap();
                assert_eq!(
                    (format!("{:?}", message.msg_type), message.to_vec()),
                    (kind.to_owned(), v36.to_vec())
                );
                v37.into_iter().for_each(|v37| assert_eq!(Message::decode(v37).unwrap(), message));
            }
        }
        count += 1;
    }
    assert_eq!(count, 40);
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry = (0u64..3, any::<u64>(), any::<u64>(), vec(any::<u8>(), 0..40)).prop_map(
        |(kind, term, index, data)| Entry {
            entry_type: EntryType::try_from(kind).unwrap(),
            term,
            index,
            data: data.into(),
        },
    );
    vec(entry, 0..5)
}

fn snapshots() -> impl Strategy<Value = Snapshot> {
    let ids = || vec(any::<u64>(), 0..4);
    ((ids(), ids(), ids(), ids(), any::<bool>()), any::<u64>(), any::<u64>(), vec(any::<u8>(), 0..40))
        .prop_map(|((voters, learners, voters_outgoing, learners_next, auto_leave), index, term, data)| {
            let conf_state = ConfState { voters, learners, voters_outgoing, learners_next, auto_leave };
            Snapshot { data: data.into(), metadata: SnapshotMetadata { conf_state, index, term } }
        })
}

fn messages() -> impl Strategy<Value = Message> {
    let snapshot =
        proptest::option::of(snapshots().prop_filter("empty is none", |s| *s != Snapshot::default()));
    let rest = (any::<bool>(), vec(any::<u8>(), 0..20), entries(), snapshot);
    let ours =
        (any::<u64>(), proptest::option::of(vec(any::<(u64, u64)>(), 0..3)), any::<u64>(), any::<bool>());
    (0u64..24, any::<[u64; 8]>(), rest, ours).prop_map(|(kind, numbers, rest, ours)| {
        let (store, stores, group, quiet) = ours;
        let (reject, context, entries, snapshot) = rest;
        let [to, from, term, log_term, index, commit, reject_hint, vote] = numbers;
        Message {
            msg_type: MessageType::try_from(kind).unwrap(),
            to,
            from,
            term,
            log_term,
            index,
            entries: Entries::from(entries),
            commit,
            vote,
            snapshot: snapshot.map(Box::new),
            reject,
            reject_hint,
            context: context.into(),
            store,
            stores: stores.map(Vec::into_boxed_slice),
            group,
            quiet,
        }
    })
}

proptest! {
    #[test]
    fn every_message_comes_back_as_it_was(message in messages()) {
        let bytes = message.to_vec();
        prop_assert_eq!(bytes.len(), message.encoded_len());
        prop_assert_eq!(Message::decode(bytes.into()).unwrap(), message);
    }

    #[test]
    fn fields_in_any_order_and_unknown_ones_are_read(message in messages(), unknown in vec(any::<u8>(), 0..9)) {
        // Field 99, delimited, in front of everything; then the type once more, which counts last.
        let mut bytes = vec![0x9a, 0x06, unknown.len() as u8];
        bytes.extend(unknown);
        bytes.extend(message.to_vec());
        bytes.extend([0x08, message.msg_type as u8]);
        prop_assert_eq!(Message::decode(bytes.into()).unwrap(), message);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = Message::decode(bytes.clone().into());
        let _ = Entry::decode(bytes.into());
    }

    #[test]
    fn a_damaged_message_is_another_message_or_an_error(message in messages(), at in any::<usize>(), bit in 0u8..8) {
        let mut bytes = message.to_vec();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let _ = Message::decode(bytes.clone().into());
        bytes.truncate(at);
        let _ = Message::decode(bytes.into());
    }
}
