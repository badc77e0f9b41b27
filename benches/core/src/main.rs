//! The core rows of this library: `bench-core MODE LEN BATCH`.

mod ours;

use bench_harness::group::{self, Group};

fn main() {
    group::main(|mode| -> Option<Box<dyn Group>> {
        match mode {
            "ours" => Some(Box::new(ours::Ours::new(false))),
            "ours-wire" => Some(Box::new(ours::Ours::new(true))),
            _ => None,
        }
    });
}
