//! The core of raft-ffi. Consensus and disk are usable alone; what brings them together stands above.
//!
//! * [`raftpb`]: the words on the wire, etcd's schema.
//! * [`consensus`]: Raft as a pure state machine. No file, thread, clock or global random number.
//! * [`disk`]: the write-ahead log and the snapshot files, in etcd's format.
//! * [`bare`]: a node and its store for a host that drives them from a loop of its own.
//! * [`engine`]: the threads that bring the two together for a host.
//!
//! `docs/architecture.md` is the tour.

pub mod bare;
pub mod consensus;
pub mod disk;
pub mod engine;
pub mod error;
pub mod raftpb;
