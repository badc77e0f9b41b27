//! One sample of an operation that only computes: the best of some runs, in processor time.

use crate::alloc::{allocations, keep_freed_memory};
use crate::clock::cpu_ns;

/// Runs are made of whole cycles of this many operations: what happens once a cycle (a log that is compacted) is in each.
pub const CYCLE: u64 = 4096;
const RUNS: usize = 5;
const RUN_NS_MIN: u64 = 10_000_000;
const CYCLES_MAX: u64 = 1 << 14;

/// Takes a sample of `call`, which does `operations` of them, and prints it. If BENCH_OPS is set it only does that many, for an
/// instruction counter.
pub fn take(operations: u64, mut call: impl FnMut()) {
    let mut run = |count: u64| (0..count / operations).for_each(|_| call());
    if let Ok(count) = std::env::var("BENCH_OPS") {
        return run(count.parse().expect("BENCH_OPS is a number"));
    }
    keep_freed_memory();
    run(2 * CYCLE);
    let mut cycles = 1;
    while cycles < CYCLES_MAX && timed(&mut run, cycles * CYCLE) < RUN_NS_MIN {
        cycles *= 2;
    }
    let count = cycles * CYCLE;
    let before = allocations();
    let best = (0..RUNS).map(|_| timed(&mut run, count)).min().expect("there are runs");
    let allocs = (allocations() - before) as f64 / (RUNS as u64 * count) as f64;
    let value = best as f64 / count as f64;
    println!("{{\"value\": {value:.2}, \"allocs_per_op\": {allocs:.4}}}");
}

fn timed(run: &mut impl FnMut(u64), count: u64) -> u64 {
    let start = cpu_ns();
    run(count);
    cpu_ns() - start
}
