//! The words on the wire and on disk: etcd's `raftpb` schema.
//!
//! [`Message`](message::Message) and [`Entry`](entry::Entry) are encoded by hand, because every proposal passes
//! through them several times; the rest derives prost. Encoding follows the profile of etcd raft 3.6: a scalar
//! field is always written, also when it is zero, bytes are written when there are any. Decoding accepts the
//! profiles of 3.5, 3.6 and 3.7.

pub mod arena;
pub mod conf_change;
pub mod encoder;
pub mod entry;
pub mod message;
mod row;
pub mod run;
pub mod store_number;
mod wire;
