//! Allocations of a proposal in the steady state. They are exact: what is dearer than `steady/allocations.txt` fails, and
//! `UPDATE=1` takes what is now. A binary of its own, because it counts all that this process allocates.

#![allow(clippy::unwrap_used, clippy::print_stdout, unsafe_code)]

#[path = "steady/cells.rs"]
mod cells;
#[path = "support/trio.rs"]
#[allow(dead_code)]
mod trio;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell as Counter;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use cells::{CELLS, COMPACT_EVERY, Cell};

thread_local! {
    static COUNT: Counter<u64> = const { Counter::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to the system's allocator as it is; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Proposals that are counted, after as many that fill what is used again.
const PROPOSALS: u64 = 4 * COMPACT_EVERY;

fn allocations(cell: &Cell) -> u64 {
    let mut group = cell.group();
    cell.run(&mut group, PROPOSALS);
    let before = COUNT.get();
    cell.run(&mut group, PROPOSALS);
    COUNT.get() - before
}

#[test]
fn a_proposal_allocates_no_more_than_it_did() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/steady/allocations.txt");
    let found: Vec<(&str, u64)> = CELLS.iter().map(|cell| (cell.name, allocations(cell))).collect();
    if std::env::var_os("UPDATE").is_some() {
        let mut text = format!("# Allocations of {PROPOSALS} proposals. Written by `make gate-renew`.\n");
        found.iter().for_each(|(name, count)| writeln!(text, "{name} {count}").unwrap());
        fs::write(path, text).unwrap();
        return;
    }
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let known: BTreeMap<&str, u64> = lines
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, count)| (name, count.parse().unwrap()))
        .collect();
    let mut dearer = String::new();
    for (name, count) in found {
        let known = known.get(name).copied().unwrap_or(0);
        if count > known {
            writeln!(dearer, "{name}: {count} allocations for {PROPOSALS} proposals, {known} before")
                .unwrap();
        } else if count < known {
            println!("{name}: {count} allocations instead of {known}; `make gate-renew` keeps it so");
        }
    }
    assert!(dearer.is_empty(), "{dearer}");
}
