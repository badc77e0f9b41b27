//! The blocking-thread engine: consensus and disk brought together for a host that brings transport and state machine.
//!
//! [`node::Engine`] is the handle. Behind it work three threads. The driver owns consensus and the clock, and never
//! touches a file. The writer owns the store. The applier calls the state machine, and reads and writes snapshots.

mod applier;
mod backlog;
mod checkpoint;
mod clock;
pub mod code;
mod courier;
mod driver;
pub mod event;
mod forward;
pub mod host;
mod inbox;
pub mod metrics;
#[cfg(feature = "mutants")]
pub mod mutants;
#[cfg(not(feature = "mutants"))]
mod mutants;
pub mod node;
pub mod options;
pub mod outcome;
mod pending;
mod report;
mod requests;
mod session;
mod shared;
mod start;
mod work;
mod writer;
