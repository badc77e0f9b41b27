//! What all programs of the benchmarks share: a counting allocator, the clock of the process, and one way to take samples.

pub mod alloc;
pub mod clock;
pub mod group;
pub mod log;
pub mod memory;
pub mod sample;
