//! The write-ahead log: segments that hold one chain of records.

pub(super) mod reader;
pub(super) mod replay;
pub(super) mod segment;
mod spare;
pub(super) mod writer;
