//! The hand-written codecs: what they read, they write so that they read the same again.

use bytes::Bytes;
use raft_core::raftpb::entry::Entry;
use raft_core::raftpb::message::Message;

/// Bytes of a message.
pub fn message(data: &[u8]) -> bool {
    let Ok(message) = Message::decode(Bytes::copy_from_slice(data)) else { return false };
    let bytes = message.to_vec();
    assert_eq!(bytes.len(), message.encoded_len());
    assert_eq!(Message::decode(bytes.into()), Ok(message));
    true
}

/// Bytes of an entry.
pub fn entry(data: &[u8]) -> bool {
    let Ok(entry) = Entry::decode(Bytes::copy_from_slice(data)) else { return false };
    let mut bytes = Vec::new();
    entry.encode(&mut bytes);
    assert_eq!(bytes.len(), entry.encoded_len());
    assert_eq!(Entry::decode(bytes.into()), Ok(entry));
    true
}
