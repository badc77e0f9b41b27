//! Raft as a pure state machine.

pub mod confchange;
pub mod quorum;
pub mod tracker;
