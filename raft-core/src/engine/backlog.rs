//! [`Backlog`]: what was appended and is not applied yet, so that a slow state machine cannot make the log grow for ever.

use std::collections::VecDeque;

use crate::raftpb::entry::Entries;

/// Counts the payload behind the applied index. A leader bounds what it takes from clients by itself; a follower takes
/// what is committed without it, so what waits there for a state machine that stands still has to be bounded here.
#[derive(Debug)]
pub(super) struct Backlog {
    parts: VecDeque<Part>,
    bytes: u64,
    items_max: u64,
    bytes_max: u64,
}

/// Consecutive entries that were appended together, up to `last`.
#[derive(Debug)]
struct Part {
    last: u64,
    bytes: u64,
}

impl Backlog {
    pub(super) fn new(items_max: u64, bytes_max: u64) -> Self {
        Backlog { parts: VecDeque::new(), bytes: 0, items_max, bytes_max }
    }

    /// These entries were appended, in place of those that were at their indices and behind.
    pub(super) fn appended(&mut self, entries: &Entries) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
        while let Some(part) = self.parts.back()
            && part.last >= first.index
        {
            self.bytes -= part.bytes;
            self.parts.pop_back();
        }
        let bytes = entries.payload_len() as u64;
        self.bytes = self.bytes.saturating_add(bytes);
        self.parts.push_back(Part { last: last.index, bytes });
    }

    /// The state machine holds all up to `index`.
    pub(super) fn applied(&mut self, index: u64) {
        while let Some(part) = self.parts.front()
            && part.last <= index
        {
            self.bytes -= part.bytes;
            self.parts.pop_front();
        }
    }

    /// The log was replaced by a snapshot: nothing that was in it waits any more.
    pub(super) fn clear(&mut self) {
        self.parts.clear();
        self.bytes = 0;
    }

    /// Whether as much is committed and waits to be applied as may. What is not committed does not count: a leader may
    /// have to replace it before anything can be applied again.
    pub(super) fn is_full(&self, applied: u64, committed: u64) -> bool {
        if committed.saturating_sub(applied) >= self.items_max {
            return true;
        }
        if self.bytes < self.bytes_max {
            return false;
        }
        let waiting = self.parts.iter().take_while(|part| part.last <= committed);
        waiting.fold(0u64, |sum, part| sum.saturating_add(part.bytes)) >= self.bytes_max
    }

    /// Whether so many more may be appended behind `applied`, in a log that ends at `last`.
    pub(super) fn has_room(&self, applied: u64, last: u64, more: usize) -> bool {
        last.saturating_sub(applied).saturating_add(more as u64) <= self.items_max
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn entries(first: u64, lens: &[usize]) -> Entries {
        Entries::proposals(lens.iter().map(|&len| Bytes::from(vec![0; len])).collect()).number(1, first)
    }

    #[test]
    fn what_is_committed_and_not_applied_is_bounded_in_items_and_bytes() {
        let mut backlog = Backlog::new(4, 100);
        backlog.appended(&entries(1, &[60]));
        backlog.appended(&entries(2, &[60]));
        assert!(!backlog.is_full(0, 0), "nothing is committed");
        assert!(!backlog.is_full(0, 1));
        assert!(backlog.is_full(0, 2));
        backlog.applied(1);
        assert!(!backlog.is_full(1, 2));
        assert!(backlog.is_full(1, 5), "four entries");
        assert!(backlog.has_room(1, 2, 3));
        assert!(!backlog.has_room(1, 2, 4));
    }

    #[test]
    fn what_is_replaced_counts_no_more() {
        let mut backlog = Backlog::new(100, 100);
        backlog.appended(&entries(1, &[10, 90]));
        backlog.appended(&entries(3, &[90]));
        backlog.appended(&entries(2, &[5]));
        assert_eq!(
            backlog.bytes, 5,
            "a part that is replaced in part is forgotten: too little is counted, never too much"
        );
        backlog.applied(9);
        assert_eq!(backlog.bytes, 0);
    }

    #[test]
    fn nothing_waits_behind_a_snapshot_that_replaced_the_log() {
        let mut backlog = Backlog::new(100, 100);
        backlog.appended(&entries(1, &[90, 90]));
        assert!(backlog.is_full(0, 2));
        backlog.clear();
        assert!(!backlog.is_full(50, 50));
        backlog.appended(&entries(51, &[90]));
        assert!(!backlog.is_full(50, 51));
        backlog.appended(&entries(52, &[10]));
        assert!(backlog.is_full(50, 52));
    }
}
