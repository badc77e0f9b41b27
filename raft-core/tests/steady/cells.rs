//! What must not become dearer: a proposal, committed and applied on three nodes. `scripts/instructions.py` knows the names.

use crate::trio::Trio;

/// Small, so that a short run has whole rounds of it.
pub(crate) const COMPACT_EVERY: u64 = 1024;

pub(crate) struct Cell {
    pub(crate) name: &'static str,
    wire: bool,
    len: usize,
    batch: usize,
}

const fn cell(name: &'static str, wire: bool, len: usize, batch: usize) -> Cell {
    Cell { name, wire, len, batch }
}

pub(crate) const CELLS: &[Cell] = &[
    cell("plain/16B/1", false, 16, 1),
    cell("plain/16B/64", false, 16, 64),
    cell("plain/256B/1", false, 256, 1),
    cell("plain/256B/64", false, 256, 64),
    cell("wire/16B/1", true, 16, 1),
    cell("wire/16B/64", true, 16, 64),
    cell("wire/256B/1", true, 256, 1),
    cell("wire/256B/64", true, 256, 64),
];

impl Cell {
    pub(crate) fn group(&self) -> Trio {
        Trio::new(self.wire, COMPACT_EVERY)
    }

    /// So many proposals, which is a multiple of the batch.
    pub(crate) fn run(&self, group: &mut Trio, count: u64) {
        for _ in 0..count / self.batch as u64 {
            group.commit(self.batch, self.len);
        }
    }
}
