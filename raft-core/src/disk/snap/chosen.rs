//! [`Chosen`]: the snapshot to restart from, and what is to be done about the others.

use std::cmp::Reverse;

use super::dir::SnapDir;
use crate::disk::record::SnapshotRecord;
use crate::disk::wal::log::WalLog;
use crate::disk::wal::replay::Replay;
use crate::error::{Error, Result};
use crate::raftpb::message::SnapshotMetadata;

/// Term and index of a snapshot, as its file's name has them.
pub(in crate::disk) type SnapshotName = (u64, u64);

/// What was found among the snapshot files.
#[derive(Default)]
pub(in crate::disk) struct Chosen {
    /// Index 0 is none.
    pub(in crate::disk) metadata: SnapshotMetadata,
    /// Index and term of this one and of older ones that would do, in the order of the index.
    pub(in crate::disk) usable: Vec<(u64, u64)>,
    pub(in crate::disk) unreadable: Vec<(SnapshotName, Error)>,
    orphans: Vec<SnapshotName>,
}

impl Chosen {
    /// Finds the newest snapshot that the log records and has committed, whose file is readable, and from which the
    /// log goes on. None if there is no such, and the log needs one.
    pub(in crate::disk) fn find(
        log: &WalLog,
        snapshots: &SnapDir,
        notes: &mut Vec<String>,
    ) -> Result<Option<Self>> {
        let entries = &log.replay.log;
        let valid = recorded(&log.replay);
        let mut found = Chosen::default();
        for record in valid.iter().filter(|record| record.index >= entries.base) {
            let (term, index) = (record.term, record.index);
            if entries.term(index).is_some_and(|known| known != term) || index > entries.last() {
                return Err(
                    log.corrupt(format!("the log contradicts its snapshot of term {term} and index {index}"))
                );
            }
            if !snapshots.exists(term, index)? {
                if found.metadata.index == 0 {
                    notes.push(format!("the snapshot of term {term} and index {index} is missing"));
                }
                continue;
            }
            if found.metadata.index == 0 && !found.try_open(snapshots, (term, index))? {
                continue;
            }
            found.usable.push((index, term));
        }
        found.usable.reverse();
        let is_recorded = |name: &SnapshotName| valid.iter().any(|r| (r.term, r.index) == *name);
        found.orphans = snapshots.list()?.into_iter().filter(|name| !is_recorded(name)).collect();
        // A log that begins at the beginning needs none.
        Ok((found.metadata.index > 0 || entries.base == 0).then_some(found))
    }

    /// Finds the newest readable snapshot, whether or not the log records it: after damage its record may be lost, and
    /// every complete file holds what was committed.
    pub(in crate::disk) fn newest(snapshots: &SnapDir) -> Result<Self> {
        let mut found = Chosen::default();
        for name in snapshots.list()? {
            // Nobody writes a snapshot of nothing.
            if found.metadata.index > 0 || name.0 == 0 || name.1 == 0 {
                found.orphans.push(name);
            } else {
                found.try_open(snapshots, name)?;
            }
        }
        found
            .usable
            .extend((found.metadata.index > 0).then_some((found.metadata.index, found.metadata.term)));
        Ok(found)
    }

    /// Keeps also those older ones that `log` records.
    pub(in crate::disk) fn keep_recorded(&mut self, log: &WalLog) {
        let valid = recorded(&log.replay);
        let is_recorded = |name: &SnapshotName| valid.iter().any(|r| (r.term, r.index) == *name);
        let kept = self.orphans.extract_if(.., |name| is_recorded(name));
        let base = log.replay.log.base;
        self.usable.extend(kept.filter(|(_, index)| *index >= base).map(|(term, index)| (index, term)));
        self.usable.sort_unstable();
    }

    fn try_open(&mut self, snapshots: &SnapDir, (term, index): SnapshotName) -> Result<bool> {
        match snapshots.open(term, index) {
            Ok(reader) => {
                self.metadata = reader.metadata().clone();
                Ok(true)
            }
            Err(error) if error.is_damage() => {
                self.unreadable.push(((term, index), error));
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Sets unreadable files aside and removes those that the log does not know.
    pub(in crate::disk) fn tidy(&self, snapshots: &SnapDir, notes: &mut Vec<String>) -> Result<()> {
        for ((term, index), error) in &self.unreadable {
            snapshots.set_aside(*term, *index)?;
            notes.push(format!("{error}; it was set aside as .broken"));
        }
        for (term, index) in &self.orphans {
            snapshots.remove(*term, *index)?;
            notes.push(format!(
                "removed a snapshot of term {term} and index {index}, which the log does not record"
            ));
        }
        snapshots.remove_drafts()?;
        snapshots.sync()
    }
}

/// The snapshots that are recorded and committed, the newest first.
fn recorded(replay: &Replay) -> Vec<&SnapshotRecord> {
    let Replay { hard_state, snapshots, .. } = replay;
    let mut valid: Vec<&SnapshotRecord> =
        snapshots.iter().filter(|record| record.index > 0 && record.index <= hard_state.commit).collect();
    valid.sort_by_key(|record| Reverse((record.index, record.term)));
    valid.dedup_by_key(|record| (record.index, record.term));
    valid
}
