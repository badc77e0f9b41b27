//! What the criterion benches of the log share.

pub mod raft_engine;
