//! Engines in one process, with an in-memory switchboard for a network and directories of their own.

// A test may end at what it did not expect.
#![allow(clippy::unwrap_used)]

#[path = "engine/chaos.rs"]
mod chaos;
#[path = "engine/damage.rs"]
mod damage;
#[path = "engine/faults.rs"]
mod faults;
#[path = "engine/gate.rs"]
mod gate;
#[path = "engine/machine.rs"]
mod machine;
#[path = "engine/outcomes.rs"]
mod outcomes;
#[path = "engine/snapshots.rs"]
mod snapshots;
#[path = "engine/world.rs"]
mod world;
#[path = "engine/writes.rs"]
mod writes;
