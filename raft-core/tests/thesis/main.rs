//! One test for each claim of the Raft paper's figures 2 and 3 and of the thesis, named by its section.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub)]

pub(crate) mod elections;
mod group;
mod membership;
pub(crate) mod reads;
mod recovery;
pub(crate) mod replication;
mod snapshots;
pub mod stores;
mod transfer;
