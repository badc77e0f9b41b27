//! A proposal against members, length of the log and entries in flight; and what a log takes of memory.

use bench_harness::group::COMPACT_EVERY;
use bench_harness::{memory, sample};

use crate::trio::Trio;

const LEN: usize = 16;
const FILL: usize = 64;

pub fn nodes(nodes: u64, batch: usize) {
    let mut group = Trio::of(nodes, false, COMPACT_EVERY);
    sample::take(batch as u64, || group.commit(batch, LEN));
}

/// Behind each compaction so many entries stay.
pub fn length(length: u64) {
    let mut group = filled(3, length);
    sample::take(1, || group.commit(1, LEN));
}

/// So many proposals on their way before the first answer comes.
pub fn flight(flight: usize) {
    let mut group = Trio::new(false, COMPACT_EVERY);
    sample::take(flight as u64, || {
        (0..flight).for_each(|_| group.launch(1, LEN));
        group.settle();
    });
}

/// Memory that the log of one node takes.
pub fn entries(entries: u64) {
    let before = memory::status("VmRSS");
    let group = filled(1, entries);
    let grown = memory::status("VmRSS").saturating_sub(before).max(1);
    println!("{{\"value\": {grown}}}");
    drop(group);
}

fn filled(nodes: u64, length: u64) -> Trio {
    let mut group = Trio::of(nodes, false, COMPACT_EVERY).keep(length);
    (0..length / FILL as u64).for_each(|_| group.commit(FILL, LEN));
    group
}
