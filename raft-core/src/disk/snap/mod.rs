//! Snapshot files, written and read as streams.

pub(super) mod chosen;
pub mod dir;
pub mod reader;
pub mod writer;
