//! The core of raft-ffi: consensus, disk and engine, each usable alone.
//!
//! * [`raftpb`]: the words on the wire, etcd's schema.
//! * [`consensus`]: Raft as a pure state machine. No file, thread, clock or global random number.
//! * [`disk`]: the write-ahead log and the snapshot files, in etcd's format.
//! * [`engine`]: the threads that bring the two together for a host.
//!
//! `docs/architecture.md` is the tour.

pub mod consensus;
pub mod disk;
pub mod engine;
pub mod error;
pub mod raftpb;
