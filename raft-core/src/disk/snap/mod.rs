//! Snapshot files, written and read as streams.

pub mod dir;
pub mod reader;
pub mod writer;
