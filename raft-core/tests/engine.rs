//! Engines in one process, with an in-memory switchboard for a network and directories of their own.

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
