//! The core rows of this library, and the floors below them: `bench-core MODE LEN BATCH`.

mod arena;
mod ours;
mod rc;
#[path = "../../../raft-core/tests/support/trio.rs"]
#[allow(dead_code)]
mod trio;

use bench_harness::group::{self, COMPACT_EVERY, Group};

fn main() {
    group::main(|mode| -> Option<Box<dyn Group>> {
        match mode {
            "ours" => Some(Box::new(trio::Trio::new(false, COMPACT_EVERY))),
            "ours-wire" => Some(Box::new(trio::Trio::new(true, COMPACT_EVERY))),
            "arena" => Some(Box::new(arena::Arena::new())),
            "rc" => Some(Box::new(rc::Rc::new())),
            _ => None,
        }
    });
}
