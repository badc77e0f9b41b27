//! What engines take of memory and threads: under far more work than disk and state machine take, and side by side in
//! one process. A binary of its own, because it counts every byte that the process holds.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "load/crowd.rs"]
mod crowd;
#[path = "engine/gate.rs"]
#[allow(dead_code)]
mod gate;
#[path = "engine/machine.rs"]
#[allow(dead_code)]
mod machine;
#[path = "support/memory_volume.rs"]
#[allow(dead_code)]
mod memory_volume;
#[path = "load/meter.rs"]
mod meter;
#[path = "load/overload.rs"]
mod overload;
#[path = "engine/world.rs"]
#[allow(dead_code)]
mod world;

use meter::Meter;

#[global_allocator]
static METER: Meter = Meter::new();

/// One after the other: both count what the whole process holds.
#[test]
fn overload_and_crowd() {
    overload::memory_stays_flat_under_ten_times_the_work();
    crowd::sixty_four_engines_share_a_process();
}
