//! What is done to a damaged directory, so that a node can go on with what is left.
//!
//! The order is what makes it safe to stop anywhere: first it is durable that something was lost, then the second copy
//! of term and vote, only then anything is put aside. Whoever opens the directory in between finds the same damage or
//! the word of it, and ends where this would have ended.

use std::collections::BTreeSet;

use super::ballot::{Ballot, BallotFile, DurableEnd};
use super::examine::{Examined, Site};
use super::loss;
use super::volume::{Access, File};
use super::wal::log::WalLog;
use super::wal::reader::SegmentReader;
use super::wal::segment::SegmentName;
use crate::error::Result;
use crate::raftpb::conf_change::{ConfChangeSingle, ConfChangeType, ConfChangeV2};
use crate::raftpb::entry::{Entry, EntryType};

/// Whether no other node has what this one lost: by the newest membership that can still be read, it is the only voter.
/// False if none can, or if it has heard of a member that is in none of what can be read: then that is not the newest.
pub(super) fn is_alone(examined: &Examined, own: u64, known: &[(u64, u64)]) -> bool {
    let at = &examined.chosen.metadata;
    let conf_state = &at.conf_state;
    let mut voters: BTreeSet<u64> =
        conf_state.voters.iter().chain(&conf_state.voters_outgoing).copied().collect();
    let mut told: BTreeSet<u64> = voters.iter().chain(&conf_state.learners).chain([&own]).copied().collect();
    let entries = examined.log.iter().flat_map(|log| log.replay.log.entries.iter());
    for change in entries.filter(|entry| entry.index > at.index).flat_map(changes) {
        told.insert(change.node_id);
        if change.change_type == ConfChangeType::AddNode as i32 {
            voters.insert(change.node_id);
        } else if change.change_type != ConfChangeType::UpdateNode as i32 {
            voters.remove(&change.node_id);
        }
    }
    voters.iter().eq([&own]) && known.iter().all(|(id, _)| told.contains(id))
}

fn changes(entry: &Entry) -> Vec<ConfChangeSingle> {
    let change = match entry.entry_type {
        EntryType::Normal => return Vec::new(),
        EntryType::ConfChange | EntryType::ConfChangeV2 => ConfChangeV2::of(entry),
    };
    change.map(|change| change.changes).unwrap_or_default()
}

/// Puts aside what is damaged and what lies behind it: the segment that is still good at its beginning as a copy, the
/// others by their names. The log that is left ends where it can be trusted.
pub(super) fn put_aside(
    site: &Site,
    examined: &Examined,
    ballots: &mut BallotFile,
    tail: Option<&dyn File>,
    notes: &mut Vec<String>,
) -> Result<()> {
    if let Some(loss) = examined.loss {
        loss::save(&*site.volume, &site.dir, loss)?;
    }
    let end = examined.log.as_ref().and_then(|log| log.end.as_ref());
    // What the file told of the end of the log is what was lost.
    let durable = end.map_or_else(DurableEnd::default, |end| DurableEnd {
        sequence: end.name.sequence,
        offset: end.offset,
        last_index: 0,
    });
    let (term, vote) = (examined.hard_state.term, examined.hard_state.vote);
    let store_id = examined.store_id;
    let ballot = Ballot { store_id, term, vote, end: durable, is_closed: false, ..ballots.ballot };
    ballots.save(&*site.volume, ballot)?;

    notes.extend(examined.damages.iter().map(ToString::to_string));
    // From the last on, so that a crash in between leaves no gap.
    for name in examined.distrusted.iter().rev().filter(|name| end.is_none_or(|end| end.name != **name)) {
        rename(site, *name)?;
        notes.push(format!("{} is now {}", name.file_name(), broken(*name)));
    }
    site.volume.sync_dir(&site.wal_dir)?;
    if let (Some(log), Some(end), Some(tail)) = (&examined.log, end, tail)
        && (log.is_torn || examined.distrusted.contains(&end.name))
    {
        cut_off(site, log, tail, notes)?;
    }
    Ok(())
}

fn broken(name: SegmentName) -> String {
    format!("{}.broken", name.file_name())
}

fn rename(site: &Site, name: SegmentName) -> Result<()> {
    site.volume.rename(&site.wal_dir.join(name.file_name()), &site.wal_dir.join(broken(name)))
}

/// Cuts the log off at its end, after copying the segment aside.
pub(super) fn cut_off(site: &Site, log: &WalLog, tail: &dyn File, notes: &mut Vec<String>) -> Result<()> {
    let Some(end) = &log.end else { return Ok(()) };
    let aside = site.wal_dir.join(broken(end.name));
    let mut reader = SegmentReader::open(&*site.volume, &end.path, true)?;
    reader.copy(&*site.volume.open(&aside, Access::Create)?)?;
    site.volume.sync_dir(&site.wal_dir)?;
    tail.set_len(end.offset)?;
    tail.sync_all()?;
    let why = if log.is_torn { " ended in a write that a crash cut short;" } else { " is" };
    notes.push(format!(
        "{}{why} cut off at byte {}, the whole is in {}",
        end.path.display(),
        end.offset,
        aside.display()
    ));
    Ok(())
}
