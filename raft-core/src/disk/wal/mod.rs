//! The write-ahead log: segments that hold one chain of records.

pub(super) mod behind;
pub(super) mod entry_list;
pub(super) mod log;
pub(super) mod reader;
pub(super) mod replay;
pub(super) mod segment;
mod spare;
mod tail;
pub(super) mod writer;
