//! The log: what is stable in a storage, what is not yet, and the cursors over both.

pub mod entry_id;
mod entry_queue;
pub mod memory_storage;
pub(super) mod raft_log;
pub mod storage;
mod unstable;
