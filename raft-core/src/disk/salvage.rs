//! [`salvage`]: what can be made of a log of which something in the middle is unreadable.

use super::record::SnapshotRecord;
use super::wal::replay::Log;
use crate::raftpb::entry::Entry;
use crate::raftpb::message::HardState;

/// What of a log is good, as one log.
#[derive(Debug, Default)]
pub(super) struct Saved {
    /// Behind it the entries begin. 0, or the index of the first of `snapshots`.
    pub(super) base: u64,
    pub(super) entries: Vec<Entry>,
    /// Recorded, committed and readable, in the order of the index.
    pub(super) snapshots: Vec<SnapshotRecord>,
    /// Its commit lies in the log.
    pub(super) hard_state: HardState,
    /// The log goes on behind what is unreadable: it has all that was ever written, or what overwrote it.
    pub(super) goes_on_behind: bool,
}

impl Saved {
    /// The last entry's index, or the base.
    pub(super) fn last(&self) -> u64 {
        self.base + self.entries.len() as u64
    }

    /// A log that starts from one of `usable` or from the very beginning; none if it can start from nothing.
    /// Up to `committed` its entries are those that were committed.
    fn new(
        log: Log,
        usable: &[SnapshotRecord],
        newest: HardState,
        committed: u64,
        goes_on_behind: bool,
    ) -> Option<Self> {
        let last = log.last();
        let fits = |record: &&SnapshotRecord| {
            let known = log.term(record.index);
            // No entry behind a snapshot is of an older term.
            let next = log.term(record.index.saturating_add(1));
            (log.base..=last).contains(&record.index)
                && known.is_none_or(|term| term == record.term)
                && next.is_none_or(|term| term >= record.term)
        };
        let snapshots: Vec<SnapshotRecord> = usable.iter().filter(fits).cloned().collect();
        let Log { mut base, entries, .. } = log;
        let mut entries = entries.into_vec();
        if base > 0 {
            let start = snapshots.first()?.index;
            entries.drain(..(start - base) as usize);
            base = start;
        }
        // A snapshot holds what was committed, whether or not the log says so.
        let committed = committed.max(snapshots.last().map_or(base, |record| record.index));
        let hard_state = HardState { commit: committed.min(last), ..newest };
        Some(Saved { base, entries, snapshots, hard_state, goes_on_behind })
    }
}

/// Puts together what lies before the first unreadable record, what begins with the first entry behind the last, and the
/// snapshots that can be read. None if a node could not start from any of it.
///
/// What is unreadable may have overwritten what was kept above `kept_commit`: a commit index behind it is not of these
/// entries.
pub(super) fn salvage(
    kept: Log,
    kept_commit: u64,
    behind: Option<Log>,
    mut usable: Vec<SnapshotRecord>,
    newest: HardState,
) -> Option<Saved> {
    usable.sort_by_key(|record| (record.index, record.term));
    usable.dedup_by_key(|record| record.index);
    let mut best = None;
    if let Some(behind) = behind {
        if let Some(joint) = join(&kept, &behind) {
            best = Saved::new(joint, &usable, newest, newest.commit, true);
        }
        if best.is_none() {
            best = Saved::new(behind, &usable, newest, newest.commit, true);
        }
    }
    // A snapshot alone, if the log does not reach so far.
    let alone = usable.last().map(|record| Log::behind(record.index, record.term));
    for log in [Some(kept), alone].into_iter().flatten() {
        let other = Saved::new(log, &usable, newest, kept_commit, false);
        if other.as_ref().map(Saved::last) > best.as_ref().map(Saved::last) {
            best = other;
        }
    }
    best
}

/// One log of both, where it is certain that nothing unreadable has overwritten what was kept: an entry that overwrites
/// is of a newer term than the one in its place, and none behind it is of an older.
fn join(kept: &Log, behind: &Log) -> Option<Log> {
    let first = behind.entries.first()?;
    let count = usize::try_from(behind.base.checked_sub(kept.base)?).ok()?;
    if kept.term(behind.base) != Some(first.term) {
        return None;
    }
    let mut joint = kept.clone();
    joint.entries.truncate(count);
    behind.entries.iter().for_each(|entry| joint.entries.push(entry.clone()));
    Some(joint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(base: u64, terms: &[u64]) -> Log {
        let mut log = Log::behind(base, 0);
        for (at, term) in terms.iter().enumerate() {
            log.entries.push(Entry { term: *term, index: base + 1 + at as u64, ..Entry::default() });
        }
        log
    }

    fn snapshot(index: u64, term: u64) -> SnapshotRecord {
        SnapshotRecord { index, term, conf_state: None }
    }

    fn saved(kept: Log, behind: Option<Log>, usable: &[SnapshotRecord]) -> Option<(u64, Vec<u64>, bool)> {
        let newest = HardState { term: 9, vote: 1, commit: 4 };
        let saved = salvage(kept, 2, behind, usable.to_vec(), newest)?;
        let committed = if saved.goes_on_behind { 4 } else { saved.base.max(2) };
        assert_eq!(saved.hard_state.commit, committed.min(saved.last()));
        Some((saved.base, saved.entries.iter().map(|entry| entry.term).collect(), saved.goes_on_behind))
    }

    #[test]
    fn what_connects_is_joined_and_what_may_be_stale_is_not() {
        let kept = || log(0, &[1, 1, 1]);
        // A HardState was lost, say, between entries 3 and 4.
        assert_eq!(saved(kept(), Some(log(3, &[1, 2])), &[]), Some((0, vec![1, 1, 1, 1, 2], true)));
        // Entry 3 is there twice, and the second time the same.
        assert_eq!(saved(kept(), Some(log(2, &[1, 1])), &[]), Some((0, vec![1, 1, 1, 1], true)));
        // Entry 3 may have been overwritten by what is unreadable.
        assert_eq!(saved(kept(), Some(log(3, &[2, 2])), &[]), Some((0, vec![1, 1, 1], false)));
        // Entry 4 is lost.
        assert_eq!(saved(kept(), Some(log(4, &[1])), &[]), Some((0, vec![1, 1, 1], false)));
    }

    #[test]
    fn a_snapshot_bridges_what_is_unreadable() {
        let kept = || log(0, &[1, 1]);
        assert_eq!(saved(kept(), Some(log(3, &[1, 2])), &[snapshot(4, 1)]), Some((4, vec![2], true)));
        assert_eq!(saved(kept(), None, &[snapshot(4, 1)]), Some((4, vec![], false)));
        assert_eq!(saved(log(3, &[1]), None, &[snapshot(3, 1), snapshot(4, 2)]), Some((3, vec![1], false)));
        assert_eq!(saved(log(3, &[1]), None, &[]), None);
    }
}
