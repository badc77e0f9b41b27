//! What each fuzz target does with its bytes: nothing it is given may make it panic.
//!
//! `fuzz_targets` hands these functions to libFuzzer; `tests/corpus.rs` runs them over the seeds.

#[path = "../../tests/support/acts.rs"]
mod acts;
pub mod disk;
pub mod membership;
#[allow(dead_code)] // shared with the tests of the disk, which need the rest
#[path = "../../tests/support/memory_volume.rs"]
pub mod memory_volume;
pub mod node;
mod segments;
mod source;
pub mod tool;
pub mod wire;

/// A target takes any bytes and panics if they show a fault. It tells whether they were good for something: a message
/// that could be read, a log that opened, a node that committed.
pub type Target = fn(&[u8]) -> bool;

/// Every target by its name.
pub const TARGETS: [(&str, Target); 8] = [
    ("message", wire::message),
    ("entry", wire::entry),
    ("conf_change", membership::conf_change),
    ("step", node::step),
    ("wal", disk::wal),
    ("snap", disk::snap),
    ("repair", tool::repair),
    ("command_log", tool::command_log),
];
