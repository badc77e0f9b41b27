//! The blocking-thread engine: consensus and disk brought together for a host that brings transport and state machine.
//!
//! [`node::Engine`] is the handle. Behind it work three threads. The driver owns consensus and the clock, and never
//! touches a file. The writer owns the store. The applier calls the state machine, and reads and writes snapshots.

mod applier;
mod ask;
mod backlog;
mod calls;
mod checkpoint;
mod clock;
pub mod code;
mod courier;
mod driver;
pub mod event;
mod force;
mod forward;
mod gathering;
mod handover;
mod heard;
mod hold_ups;
pub mod host;
mod inbox;
mod lock;
pub mod members;
pub mod metrics;
#[cfg(feature = "mutants")]
pub mod mutants;
#[cfg(not(feature = "mutants"))]
mod mutants;
pub mod node;
pub mod options;
pub mod outcome;
mod pending;
mod process;
mod queue;
mod replace;
mod replicated;
mod report;
mod requests;
mod risk;
mod saver;
mod session;
mod shared;
mod start;
mod uptime;
mod words;
mod work;
mod writer;
