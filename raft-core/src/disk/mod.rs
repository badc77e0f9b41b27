//! The write-ahead log and the snapshot files.
