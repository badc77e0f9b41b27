//! The core rows of this library, and the floors below them: `bench-core MODE LEN BATCH`.

mod arena;
mod ours;
mod rc;

use bench_harness::group::{self, Group};

fn main() {
    group::main(|mode| -> Option<Box<dyn Group>> {
        match mode {
            "ours" => Some(Box::new(ours::Ours::new(false))),
            "ours-wire" => Some(Box::new(ours::Ours::new(true))),
            "arena" => Some(Box::new(arena::Arena::new())),
            "rc" => Some(Box::new(rc::Rc::new())),
            _ => None,
        }
    });
}
