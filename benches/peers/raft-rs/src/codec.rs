//! What differs between the two codecs of the crate: who owns a payload, and the bytes on the wire.

use bytes::Bytes;
use raft::eraftpb::Message;

/// With protobuf a payload is shared like ours: one buffer for the batch.
#[cfg(feature = "protobuf")]
pub fn payload(shared: Bytes) -> Bytes {
    shared
}

#[cfg(feature = "prost")]
pub fn payload(shared: Bytes) -> Vec<u8> {
    shared.to_vec()
}

#[cfg(feature = "protobuf")]
pub fn through_wire(message: Message) -> Message {
    use protobuf::Message as _;
    let encoded = Bytes::from(message.write_to_bytes().unwrap());
    let mut decoded = Message::default();
    decoded.merge_from(&mut protobuf::CodedInputStream::from_carllerche_bytes(&encoded)).unwrap();
    decoded
}

#[cfg(feature = "prost")]
pub fn through_wire(message: Message) -> Message {
    use prost::Message as _;
    Message::decode(Bytes::from(message.encode_to_vec())).unwrap()
}
