//! Raft as a pure state machine: no file, thread, clock or global random number.
//!
//! [`raw_node::RawNode`] is the way in. Time is [`tick`](raw_node::RawNode::tick), the network is
//! [`step`](raw_node::RawNode::step) and the messages of a [`ready::Ready`], the disk is its tickets.
//! Section numbers are those of Ongaro's thesis, "Consensus: Bridging Theory and Practice" (2014).

pub mod confchange;
pub mod config;
pub mod describe;
pub mod log;
pub mod lost;
#[cfg(feature = "mutants")]
pub mod mutants;
#[cfg(not(feature = "mutants"))]
mod mutants;
pub mod quorum;
mod raft;
pub mod raw_node;
pub mod ready;
mod rng;
pub mod status;
pub mod trace;
pub mod tracker;
