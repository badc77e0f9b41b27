//! Some proposals and nothing else, for an instruction counter: `steady CELL COUNT`.

#![allow(clippy::unwrap_used)]

#[path = "cells.rs"]
mod cells;
#[path = "../support/trio.rs"]
#[allow(dead_code)]
mod trio;

fn main() {
    let mut args = std::env::args().skip(1);
    let (name, count) = (args.next().unwrap(), args.next().unwrap().parse().unwrap());
    let cell = cells::CELLS.iter().find(|cell| cell.name == name).unwrap();
    cell.run(&mut cell.group(), count);
}
