//! From a directory to an open log: what a crash has left is mended, what is damaged is put aside if that is allowed.
//!
//! First everything is read and judged, and nothing changed; see [`examine`](super::examine).

use std::cmp::Ordering;
use std::mem;
use std::sync::Arc;

use prost::Message as _;

use super::ballot::{Ballot, BallotFile};
use super::damage::OnDamage;
use super::examine::{Examined, Site, examine};
use super::loss;
use super::record::{Metadata, SnapshotRecord};
use super::recovered::Recovered;
use super::rescue;
use super::store::{StoreOptions, drawn};
use super::volume::Access;
use super::wal::log::WalLog;
use super::wal::replay::Log;
use super::wal::segment;
use super::wal::writer::{Position, Reach, Sizes, WalWriter};
use crate::error::{Error, Result};
use crate::raftpb::entry::Entries;
use crate::raftpb::message::HardState;
use crate::raftpb::store_number::{compare, next_run};

/// A log that can be written, and what there is.
pub(super) struct Recovery {
    pub(super) wal: WalWriter,
    pub(super) ballots: BallotFile,
    /// Index and term of the snapshots to restart from, in the order of the index.
    pub(super) usable: Vec<(u64, u64)>,
    pub(super) content: Recovered,
}

/// Reads and mends what is there, or begins a log.
///
/// `known` are the numbers of the members' disks that this node has heard of.
pub(super) fn recover(site: &Site, options: &StoreOptions, known: &[(u64, u64)]) -> Result<Recovery> {
    let mut found = examine(site, Some(options.identity))?;
    let is_alone = rescue::is_alone(&found, options.identity.node_id, known);
    check_allowed(site, &found, options.on_damage, is_alone)?;
    let first = Ballot {
        identity: options.identity,
        store_id: found.store_id,
        term: 0,
        vote: 0,
        end: Default::default(),
        is_closed: false,
    };
    let mut ballots = BallotFile::new(&site.dir, &found.kept, found.kept.newest.unwrap_or(first));
    if found.is_fresh {
        return begin(site, found, ballots, options, known);
    }
    let is_given_up = options.on_damage == OnDamage::Repair && is_alone;
    if is_given_up {
        found.loss = None;
    }
    let mut notes = mem::take(&mut found.notes);
    let saved = found.log.as_mut().map_or_else(Log::default, |log| mem::take(&mut log.replay.log));
    let mut opened = match &found.log {
        Some(log) => go_on(site, &found, log, saved, &mut ballots, options, &mut notes)?,
        None => begin_anew(site, &found, &mut ballots, options, &mut notes)?,
    };
    found.chosen.tidy(&site.snapshots, &mut notes)?;
    for name in &found.leftover {
        site.volume.remove(&site.wal_dir.join(name.file_name()))?;
        notes.push(format!("removed {}, which had been released", name.file_name()));
    }
    site.volume.sync_dir(&site.wal_dir)?;
    // A directory of etcd, or one from before there were numbers. The file `vote` keeps it.
    if opened.content.store_id == 0 {
        opened.content.store_id = options.store_id;
    }
    opened.content.store_id = this_run(&found, opened.content.store_id, options.identity.node_id, known);
    save_ballot(site, &mut ballots, &opened)?;
    if is_given_up {
        loss::remove(&*site.volume, &site.dir)?;
    }
    opened.content.notes = notes;
    opened.content.lost = found.loss;
    opened.content.damages = found.damages;
    let OpenedLog { wal, content, .. } = opened;
    Ok(Recovery { wal, ballots, usable: found.chosen.usable, content })
}

/// Refuses what the host has not allowed: a loss takes somebody to make it good.
fn check_allowed(site: &Site, found: &Examined, on_damage: OnDamage, is_alone: bool) -> Result<()> {
    let refuses = match on_damage {
        OnDamage::Refuse => true,
        OnDamage::Recover => is_alone,
        OnDamage::Repair => false,
    };
    if !refuses {
        return Ok(());
    }
    match (found.damages.first(), found.loss) {
        (Some(damage), _) => Err(damage.refuse(&site.dir)),
        (None, Some(_)) => {
            let what = "entries were lost here and not made good yet; the store opens only for a node that then \
                        does not vote";
            Err(Error::corrupt(&site.dir, 0, what))
        }
        (None, None) => Ok(()),
    }
}

/// What comes of a log that is opened.
struct OpenedLog {
    wal: WalWriter,
    content: Recovered,
}

/// Goes on with the log that was read, with the entries that are `saved` in it.
fn go_on(
    site: &Site,
    found: &Examined,
    log: &WalLog,
    saved: Log,
    ballots: &mut BallotFile,
    options: &StoreOptions,
    notes: &mut Vec<String>,
) -> Result<OpenedLog> {
    let volume = &site.volume;
    let (Some(end), Some(metadata)) = (&log.end, &log.metadata) else {
        return Err(Error::Invariant("a log without an end is gone on with".into()));
    };
    let tail = volume.open(&end.path, Access::Write)?;
    segment::lock(&*tail, &end.path)?;
    // Before all else: on a full disk they make room for the copy of what is cut off.
    segment::remove_drafts(&**volume, &site.wal_dir)?;
    if !found.damages.is_empty() {
        rescue::put_aside(site, found, ballots, Some(&*tail), notes)?;
    } else if log.is_torn {
        rescue::cut_off(site, log, &*tail, notes)?;
    }
    // A process that was killed may have left writes that no sync followed; what has been read must not vanish.
    tail.sync_data()?;
    volume.sync_dir(&site.wal_dir)?;

    let snapshot = &found.chosen.metadata;
    let entries = entries_behind(saved, snapshot.index, snapshot.term);
    let (last_index, last_term) =
        entries.last().map_or((snapshot.index, snapshot.term), |entry| (entry.index, entry.term));
    let position = Position {
        segments: log.segments.clone(),
        metadata: metadata.clone(),
        crc: end.crc,
        hard_state: log.replay.hard_state,
        last_index,
        last_term,
        offset: end.offset,
    };
    let is_recorded = snapshot.index <= log.replay.hard_state.commit
        && log
            .replay
            .snapshots
            .iter()
            .any(|record| (record.index, record.term) == (snapshot.index, snapshot.term));
    let wal = WalWriter::resume(Arc::clone(volume), &site.wal_dir, sizes(options), position, tail)?;
    complete(found, wal, is_recorded || snapshot.index == 0, entries)
}

/// Begins the log anew with the snapshot there is, or with nothing, for a node that keeps its term, its vote and the
/// number of its directory.
fn begin_anew(
    site: &Site,
    found: &Examined,
    ballots: &mut BallotFile,
    options: &StoreOptions,
    notes: &mut Vec<String>,
) -> Result<OpenedLog> {
    rescue::put_aside(site, found, ballots, None, notes)?;
    segment::remove_drafts(&*site.volume, &site.wal_dir)?;
    let store_id = if found.store_id == 0 { options.store_id } else { found.store_id };
    let wal = create(site, options, store_id)?;
    notes.push("the log begins anew".to_owned());
    let mut opened = complete(found, wal, found.chosen.metadata.index == 0, Entries::new())?;
    opened.content.store_id = store_id;
    Ok(opened)
}

/// Writes into the log what it does not say yet.
fn complete(found: &Examined, mut wal: WalWriter, is_recorded: bool, entries: Entries) -> Result<OpenedLog> {
    let snapshot = found.chosen.metadata.clone();
    if !is_recorded {
        let (index, term) = (snapshot.index, snapshot.term);
        wal.record_snapshot(&SnapshotRecord { index, term, conf_state: Some(snapshot.conf_state.clone()) })?;
    }
    let commit = found.hard_state.commit.max(snapshot.index);
    let hard_state = HardState { commit, term: found.hard_state.term.max(snapshot.term), ..found.hard_state };
    if wal.hard_state() != hard_state {
        wal.append(Some(&hard_state), &Entries::new(), Reach::Disk)?;
    }
    let content =
        Recovered { hard_state, snapshot, entries, store_id: found.store_id, ..Recovered::default() };
    Ok(OpenedLog { wal, content })
}

/// Begins a log where there is none, or one with nothing in it: a bootstrap that a crash interrupted is begun anew.
fn begin(
    site: &Site,
    found: Examined,
    mut ballots: BallotFile,
    options: &StoreOptions,
    known: &[(u64, u64)],
) -> Result<Recovery> {
    for (term, index) in site.snapshots.list()? {
        site.snapshots.remove(term, index)?;
    }
    site.snapshots.remove_drafts()?;
    site.snapshots.sync()?;
    for name in found.log.iter().flat_map(|log| &log.segments) {
        site.volume.remove(&site.wal_dir.join(name.file_name()))?;
    }
    segment::remove_drafts(&*site.volume, &site.wal_dir)?;
    // It may have told its number before it was interrupted.
    let store_id = if found.store_id == 0 { options.store_id } else { found.store_id };
    let wal = create(site, options, store_id)?;
    let store_id = this_run(&found, store_id, options.identity.node_id, known);
    let content = Recovered { fresh: true, store_id, ..Recovered::default() };
    let opened = OpenedLog { wal, content };
    save_ballot(site, &mut ballots, &opened)?;
    Ok(Recovery { wal: opened.wal, ballots, usable: Vec::new(), content: opened.content })
}

fn create(site: &Site, options: &StoreOptions, store_id: u64) -> Result<WalWriter> {
    let identity = options.identity;
    let metadata = Metadata { node_id: identity.node_id, cluster_id: identity.cluster_id, store_id };
    let metadata = metadata.encode_to_vec().into();
    WalWriter::create(Arc::clone(&site.volume), &site.wal_dir, sizes(options), metadata)
}

fn sizes(options: &StoreOptions) -> Sizes {
    let StoreOptions { segment_bytes, zeroed_bytes, reserve_bytes, direct_writes, .. } = *options;
    Sizes { segment: segment_bytes, zeroed: zeroed_bytes, reserve: reserve_bytes, direct: direct_writes }
}

/// The number of the directory for the run that begins, after `last`.
///
/// It counts on only once the group has taken the one before, which is in `known` then. An older copy is never taken, and
/// must not catch up by being started often.
fn this_run(found: &Examined, last: u64, own: u64, known: &[(u64, u64)]) -> u64 {
    let Some(&(_, heard)) = known.iter().find(|(id, _)| *id == own) else { return last };
    let is_taken = match compare(heard, last) {
        Some(Ordering::Equal) => true,
        // The slot that held the last number is damaged.
        Some(Ordering::Greater) => !found.kept.is_sure,
        Some(Ordering::Less) | None => false,
    };
    if is_taken { next_run(heard, drawn()) } else { last }
}

/// Brings the second copy of term and vote up to the log, which is about to be written again.
fn save_ballot(site: &Site, ballots: &mut BallotFile, opened: &OpenedLog) -> Result<()> {
    let HardState { term, vote, .. } = opened.content.hard_state;
    let store_id = opened.content.store_id;
    let ballot =
        Ballot { store_id, term, vote, end: opened.wal.durable_end(), is_closed: false, ..ballots.ballot };
    ballots.save(&*site.volume, ballot)
}

/// The entries behind a snapshot; none where the log does not agree with it.
fn entries_behind(log: Log, index: u64, term: u64) -> Entries {
    if index > log.last() || log.term(index).is_some_and(|known| index > 0 && known != term) {
        return Entries::new();
    }
    let covered = index.saturating_sub(log.base).min(log.entries.len() as u64);
    log.entries.into_entries(covered as usize)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::disk::crc::Crc;
    use crate::disk::os::OsVolume;
    use crate::disk::record::{Record, RecordType};
    use crate::disk::recovered::Identity;
    use crate::disk::store::Store;
    use crate::disk::wal::segment::SegmentName;
    use crate::raftpb::entry::Entry;

    const IDENTITY: Identity = Identity { cluster_id: 7, node_id: 1 };

    /// Opens a directory with one segment: entries of these terms and indices, then a HardState.
    fn open(entries: &[(u64, u64)], state: HardState) -> Result<Recovered> {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("wal")).unwrap();
        let (mut buf, mut chain) = (Vec::new(), Crc::from(0));
        Record::put_crc(&mut buf, &chain);
        let metadata = Metadata { node_id: 1, cluster_id: 7, store_id: 0 };
        let mut put = |record_type, data: Vec<u8>| {
            Record::put(&mut buf, &mut chain, record_type, &data);
        };
        put(RecordType::Metadata, metadata.encode_to_vec());
        for &(term, index) in entries {
            let mut data = Vec::new();
            Entry { term, index, ..Entry::default() }.encode(&mut data);
            put(RecordType::Entry, data);
        }
        put(RecordType::State, state.encode_to_vec());
        let name = SegmentName { sequence: 0, index: 0 }.file_name();
        fs::write(dir.path().join("wal").join(name), &buf).unwrap();
        let options = StoreOptions { zeroed_bytes: 0, ..StoreOptions::new(IDENTITY) };
        Store::open(Arc::new(OsVolume), dir.path(), options).map(|(_, recovered)| recovered)
    }

    fn what(outcome: Result<Recovered>) -> String {
        match outcome {
            Err(Error::Corrupt { what, .. }) => what.split(';').next().unwrap_or_default().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_log_that_contradicts_itself_is_refused() {
        let state = |commit| HardState { term: 2, vote: 1, commit };
        assert_eq!(open(&[(1, 1), (2, 2)], state(2)).unwrap().entries.len(), 2);
        assert!(what(open(&[(1, 1), (2, 2)], state(3))).contains("index 3 was committed"));
        assert_eq!(what(open(&[(1, 1), (2, 3)], state(0))), "entry 3 behind entry 1");
        assert_eq!(what(open(&[(2, 1), (1, 2)], state(0))), "entry 2 of term 1 behind one of term 2");
        assert_eq!(what(open(&[(0, 1)], state(0))), "an entry of index 1 and term 0");
    }
}
