//! The core rows of crate `raft` 0.7, with the codec that it was built for: `PROGRAM MODE LEN BATCH`.

mod codec;
mod raft_rs;

use bench_harness::group::{self, Group};

use crate::raft_rs::RaftRs;

fn main() {
    group::main(|mode| RaftRs::new(mode).map(|group| Box::new(group) as Box<dyn Group>));
}
