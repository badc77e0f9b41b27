//! One test for each claim of the Raft paper's figures 2 and 3 and of the thesis, named by its section.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub)]

mod elections;
mod group;
mod membership;
mod reads;
mod recovery;
mod replication;
mod snapshots;
mod stores;
mod transfer;
