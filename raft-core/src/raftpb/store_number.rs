//! The number of a directory: which disk a node stands on, and in which of its runs.
//!
//! The upper half is drawn when the directory is made. Below it 24 bits count how often it was opened, and 8 bits are
//! drawn each time. So a directory that was brought back from an older copy counts less than its group has seen, or,
//! where it has caught up in number, differs in what was drawn. 0 is no number.

use std::cmp::Ordering;

const COUNT_SHIFT: u32 = 8;
const COUNT_MAX: u64 = (1 << 24) - 1;

/// Whether both are of the same disk.
pub fn is_same_disk(one: u64, other: u64) -> bool {
    one >> 32 == other >> 32
}

fn count(number: u64) -> u64 {
    number >> COUNT_SHIFT & COUNT_MAX
}

/// How the runs of one disk follow each other; none if they are of different disks, or if the disk was copied and both
/// have gone their own way.
pub fn compare(one: u64, other: u64) -> Option<Ordering> {
    let ordering = count(one).cmp(&count(other));
    let is_torn = ordering == Ordering::Equal && one != other;
    (is_same_disk(one, other) && !is_torn).then_some(ordering)
}

/// The number of the run after `number`; `drawn` is any number. One that counts no further, after sixteen million runs,
/// stays.
pub fn next_run(number: u64, drawn: u64) -> u64 {
    let next = count(number).saturating_add(1);
    if number == 0 || next > COUNT_MAX {
        return number;
    }
    number >> 32 << 32 | next << COUNT_SHIFT | drawn & 0xff
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: u64 = 77 << 32;

    #[test]
    fn runs_of_a_disk_are_ordered_and_copies_are_told_apart() {
        let run = |count: u64, drawn| next_run(DISK | (count - 1) << COUNT_SHIFT, drawn);
        assert_eq!(run(1, 0xabcd), DISK | 1 << 8 | 0xcd);
        assert_eq!(compare(run(1, 3), run(2, 3)), Some(Ordering::Less));
        assert_eq!(compare(run(2, 3), run(1, 9)), Some(Ordering::Greater));
        assert_eq!(compare(run(2, 3), run(2, 3)), Some(Ordering::Equal));
        assert_eq!(compare(run(2, 3), run(2, 4)), None);
        assert_eq!(compare(run(2, 3), 78 << 32), None);
        assert!(is_same_disk(run(2, 3), DISK) && !is_same_disk(DISK, 0));
    }

    #[test]
    fn none_stays_none_and_the_last_run_stays_the_last() {
        assert_eq!(next_run(0, 5), 0);
        let last = DISK | COUNT_MAX << COUNT_SHIFT | 7;
        assert_eq!(next_run(last, 9), last);
    }
}
