//! Engines in one process, with an in-memory switchboard for a network and directories of their own.

// A test may end at what it did not expect.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "engine/chaos.rs"]
mod chaos;
#[path = "engine/damage.rs"]
mod damage;
#[path = "engine/failing.rs"]
mod failing;
#[path = "engine/faults.rs"]
mod faults;
#[path = "engine/force.rs"]
mod force;
#[path = "engine/forward.rs"]
mod forward;
#[path = "engine/full.rs"]
mod full;
#[path = "engine/gate.rs"]
mod gate;
#[path = "engine/handover.rs"]
mod handover;
#[path = "engine/hold_ups.rs"]
mod hold_ups;
#[path = "engine/leases.rs"]
mod leases;
#[path = "support/linear.rs"]
mod linear;
#[path = "engine/machine.rs"]
mod machine;
#[path = "engine/members.rs"]
mod members;
#[path = "support/memory_volume.rs"]
#[allow(dead_code)]
mod memory_volume;
#[path = "engine/outcomes.rs"]
mod outcomes;
#[path = "engine/registers.rs"]
mod registers;
#[path = "engine/replace.rs"]
mod replace;
#[path = "engine/room.rs"]
mod room;
#[path = "engine/sessions.rs"]
mod sessions;
#[path = "engine/snapshots.rs"]
mod snapshots;
#[path = "engine/views.rs"]
mod views;
#[path = "engine/world.rs"]
mod world;
#[path = "engine/writes.rs"]
mod writes;
