//! Reading a directory: which snapshot counts, what the log amounts to, what a crash has left to mend.
//!
//! First everything is read, and nothing changed; only when it is known to be good is it mended.

use std::cmp::Reverse;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use super::crc::Crc;
use super::record::{Metadata, RecordType, SnapshotRecord};
use super::recovered::{Identity, Recovered};
use super::snap::dir::SnapDir;
use super::volume::{Access, File, Volume};
use super::wal::reader::{Next, SegmentReader};
use super::wal::replay::{Log, Replay};
use super::wal::segment::{self, SegmentName};
use super::wal::writer::{Position, Sizes, WalWriter};
use crate::error::{Error, Result};
use crate::raftpb::entry::Entries;
use crate::raftpb::message::SnapshotMetadata;

/// Term and index of a snapshot, as its file's name has them.
type SnapshotName = (u64, u64);

/// A log that can be written, and what there is.
pub(super) struct Recovery {
    pub(super) wal: WalWriter,
    /// Index and term of the snapshots to restart from, in the order of the index.
    pub(super) usable: Vec<(u64, u64)>,
    pub(super) content: Recovered,
}

/// Reads and mends what is there, or begins a log.
pub(super) fn recover(
    volume: Arc<dyn Volume>,
    wal_dir: &Path,
    snapshots: &SnapDir,
    identity: Identity,
    store_id_if_new: u64,
    sizes: Sizes,
) -> Result<Recovery> {
    let mut notes = Vec::new();
    let log = match WalLog::read(&*volume, wal_dir, identity, &mut notes)? {
        Some(log) if !log.is_fresh() => log,
        none => {
            let (wal, store_id) = begin(volume, wal_dir, none, snapshots, identity, store_id_if_new, sizes)?;
            let content = Recovered { fresh: true, store_id, notes, ..Recovered::default() };
            return Ok(Recovery { wal, usable: Vec::new(), content });
        }
    };
    let chosen = Chosen::find(&log, snapshots, &mut notes)?;
    log.check_commit(&chosen.metadata)?;

    let tail_path = log.tail.path().to_owned();
    let tail = volume.open(&tail_path, Access::Write)?;
    segment::lock(&*tail, &tail_path)?;
    chosen.tidy(snapshots, &mut notes)?;
    log.mend(&*volume, wal_dir, &*tail, &mut notes)?;
    // A process that was killed may have left writes that no sync followed; what has been read must not vanish.
    tail.sync_data()?;
    volume.sync_dir(wal_dir)?;

    let WalLog { segments, metadata, replay, crc, tail: reader, .. } = log;
    let snapshot = chosen.metadata;
    let metadata_of_log = metadata.clone();
    let position = Position {
        segments,
        metadata,
        crc,
        hard_state: replay.hard_state,
        last_index: replay.log.last().max(snapshot.index),
        offset: reader.offset(),
    };
    let content = Recovered {
        fresh: false,
        store_id: store_id(&metadata_of_log),
        known_stores: Vec::new(),
        hard_state: replay.hard_state,
        entries: entries_behind(replay.log, snapshot.index),
        snapshot,
        notes,
    };
    let wal = WalWriter::resume(volume, wal_dir, sizes, position, tail)?;
    Ok(Recovery { wal, usable: chosen.usable, content })
}

/// Begins a log where there is none, or one with nothing in it: a bootstrap that a crash interrupted is begun anew.
fn begin(
    volume: Arc<dyn Volume>,
    wal_dir: &Path,
    old: Option<WalLog>,
    snapshots: &SnapDir,
    identity: Identity,
    store_id_if_new: u64,
    sizes: Sizes,
) -> Result<(WalWriter, u64)> {
    let files = snapshots.list()?;
    if old.is_none() && !files.is_empty() {
        // Somebody has taken the log away; no crash does that.
        return Err(Error::corrupt(wal_dir, 0, "there are snapshots, and no log that records them"));
    }
    for (term, index) in files {
        snapshots.remove(term, index)?;
    }
    snapshots.remove_drafts()?;
    snapshots.sync()?;
    for name in old.iter().flat_map(|log| &log.segments) {
        volume.remove(&wal_dir.join(name.file_name()))?;
    }
    segment::remove_drafts(&*volume, wal_dir)?;
    // It may have told its number before it was interrupted.
    let told = old.as_ref().map_or(0, |log| store_id(&log.metadata));
    let store_id = if told == 0 { store_id_if_new } else { told };
    let metadata = Metadata { node_id: identity.node_id, cluster_id: identity.cluster_id, store_id };
    WalWriter::create(volume, wal_dir, sizes, metadata.encode_to_vec().into()).map(|wal| (wal, store_id))
}

fn store_id(metadata: &Bytes) -> u64 {
    Metadata::decode(&metadata[..]).map_or(0, |metadata| metadata.store_id)
}

fn entries_behind(mut log: Log, index: u64) -> Entries {
    let covered = index.saturating_sub(log.base).min(log.entries.len() as u64);
    Entries::from(log.entries.split_off(covered as usize))
}

/// The log, as its segments hold it.
struct WalLog {
    segments: Vec<SegmentName>,
    // Segments that a release could not remove in time: something is missing between them and the others.
    leftover: Vec<SegmentName>,
    metadata: Bytes,
    replay: Replay,
    crc: u32,
    /// Stands behind the last whole record of the last segment.
    tail: SegmentReader,
    is_torn: bool,
}

impl WalLog {
    /// Reads all segments; none if there are none.
    fn read(
        volume: &dyn Volume,
        dir: &Path,
        identity: Identity,
        notes: &mut Vec<String>,
    ) -> Result<Option<Self>> {
        let mut leftover = segment::list(volume, dir)?;
        let gap =
            leftover.windows(2).rposition(|pair| pair[0].sequence.checked_add(1) != Some(pair[1].sequence));
        let segments = leftover.split_off(gap.map_or(0, |at| at + 1));
        let Some(first) = segments.first() else {
            return Ok(None);
        };
        let mut replay = Replay::new(first.index);
        let (mut chain, mut metadata, mut last) = (None, None, None);
        for (at, name) in segments.iter().enumerate() {
            let path = dir.join(name.file_name());
            let mut reader = SegmentReader::open(volume, &path, at + 1 == segments.len())?;
            let is_torn = read_segment(&mut reader, &mut chain, &mut metadata, &mut replay, identity)?;
            last = Some((reader, is_torn));
        }
        if let Some(index) = replay.abandon_displaced() {
            notes.push(format!(
                "the snapshot at index {index} was received but never committed; it is left out"
            ));
        }
        let (Some(metadata), Some(chain), Some((tail, is_torn))) = (metadata, chain, last) else {
            return Ok(None);
        };
        Ok(Some(WalLog { segments, leftover, metadata, replay, crc: chain.value(), tail, is_torn }))
    }

    /// Whether nothing has ever been promised from here. Later segments open with a HardState; one without has
    /// other reasons, and is no fresh log.
    fn is_fresh(&self) -> bool {
        let first = SegmentName { sequence: 0, index: 0 };
        self.segments == [first] && self.replay.hard_state.is_empty() && self.replay.log.entries.is_empty()
    }

    fn corrupt(&self, what: impl Into<String>) -> Error {
        self.tail.corrupt(what)
    }

    fn check_commit(&self, snapshot: &SnapshotMetadata) -> Result<()> {
        let last = self.replay.log.last().max(snapshot.index);
        let commit = self.replay.hard_state.commit;
        if (snapshot.index..=last).contains(&commit) {
            return Ok(());
        }
        Err(self.corrupt(format!(
            "the log ends here, at index {last} behind a snapshot at {}, and index {commit} was committed",
            snapshot.index
        )))
    }

    /// Removes what a crash has left behind the last record, after copying it aside, and what else it left here.
    fn mend(&self, volume: &dyn Volume, dir: &Path, tail: &dyn File, notes: &mut Vec<String>) -> Result<()> {
        if self.is_torn {
            let (path, offset) = (self.tail.path(), self.tail.offset());
            let aside = path.with_extension("wal.broken");
            self.copy(&*volume.open(&aside, Access::Create)?)?;
            volume.sync_dir(dir)?;
            tail.set_len(offset)?;
            tail.sync_all()?;
            notes.push(format!(
                "{} ended in a write that a crash cut short; cut off at byte {offset}, the whole is in {}",
                path.display(),
                aside.display()
            ));
        }
        for name in &self.leftover {
            volume.remove(&dir.join(name.file_name()))?;
            notes.push(format!("removed {}, which had been released", name.file_name()));
        }
        segment::remove_drafts(volume, dir)
    }

    /// Copies the last segment, without the zeros at its end.
    fn copy(&self, to: &dyn File) -> Result<()> {
        let mut block = vec![0; 1 << 20];
        let mut at = 0;
        while at < self.tail.len() {
            let read = self.tail.read_at(&mut block, at)?;
            let used = block[..read].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if used > 0 {
                to.write_at(&block[..used], at)?;
            }
            at += block.len() as u64;
        }
        to.sync_all()
    }
}

/// Reads one segment to its end; says whether that is torn.
fn read_segment(
    reader: &mut SegmentReader,
    chain: &mut Option<Crc>,
    metadata: &mut Option<Bytes>,
    replay: &mut Replay,
    identity: Identity,
) -> Result<bool> {
    let mut count = 0u64;
    loop {
        let (at, record) = match reader.next(chain)? {
            Next::Record(at, record) => (at, record),
            // Both opening records are synced before a segment has its name.
            Next::End | Next::Torn if count < 2 => return Err(reader.corrupt("a segment that does not open")),
            Next::End => return Ok(false),
            Next::Torn => return Ok(true),
        };
        let wrong = |what: String| Error::corrupt(reader.path(), at, what);
        match (count, record.record_type) {
            (0, RecordType::Crc) => {}
            (1, RecordType::Metadata) => match metadata {
                Some(first) if *first == record.data => {}
                Some(_) => return Err(wrong("metadata that differs from that of the segment before".into())),
                None => {
                    check_identity(&record.data, identity).map_err(|error| match error {
                        Error::Decode(what) => wrong(what),
                        other => other,
                    })?;
                    *metadata = Some(record.data);
                }
            },
            (0 | 1, _) => return Err(wrong("a segment that opens with other records".into())),
            _ => replay.take(record).map_err(wrong)?,
        }
        count += 1;
    }
}

fn check_identity(metadata: &Bytes, own: Identity) -> Result<()> {
    let found = Metadata::decode(&metadata[..]).map_err(|error| Error::Decode(error.to_string()))?;
    if (found.node_id, found.cluster_id) == (own.node_id, own.cluster_id) {
        return Ok(());
    }
    Err(Error::Foreign(format!(
        "it is of node {} in cluster {}, not of node {} in cluster {}",
        found.node_id, found.cluster_id, own.node_id, own.cluster_id
    )))
}

/// The snapshot to restart from, and what is to be done about the others.
struct Chosen {
    metadata: SnapshotMetadata,
    /// Index and term of this one and of older ones that would do, in the order of the index.
    usable: Vec<(u64, u64)>,
    unreadable: Vec<(SnapshotName, Error)>,
    orphans: Vec<SnapshotName>,
}

impl Chosen {
    /// Finds the newest snapshot that the log records and has committed, whose file is readable, and from which the
    /// log goes on.
    fn find(log: &WalLog, snapshots: &SnapDir, notes: &mut Vec<String>) -> Result<Self> {
        let Replay { hard_state, log: entries, snapshots: records, .. } = &log.replay;
        let mut valid: Vec<&SnapshotRecord> =
            records.iter().filter(|record| record.index > 0 && record.index <= hard_state.commit).collect();
        valid.sort_by_key(|record| Reverse((record.index, record.term)));
        valid.dedup_by_key(|record| (record.index, record.term));

        let mut chosen: Option<SnapshotMetadata> = None;
        let (mut usable, mut unreadable) = (Vec::new(), Vec::new());
        for record in valid.iter().filter(|record| record.index >= entries.base) {
            let (term, index) = (record.term, record.index);
            if entries.term(index).is_some_and(|known| known != term) || index > entries.last() {
                return Err(
                    log.corrupt(format!("the log contradicts its snapshot of term {term} and index {index}"))
                );
            }
            if !snapshots.exists(term, index)? {
                if chosen.is_none() {
                    notes.push(format!("the snapshot of term {term} and index {index} is missing"));
                }
                continue;
            }
            if chosen.is_none() {
                match snapshots.open(term, index) {
                    Ok(reader) => chosen = Some(reader.metadata().clone()),
                    Err(error @ Error::Corrupt { .. }) => {
                        unreadable.push(((term, index), error));
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            usable.push((index, term));
        }
        usable.reverse();
        let is_recorded = |name: &SnapshotName| valid.iter().any(|r| (r.term, r.index) == *name);
        let orphans = snapshots.list()?.into_iter().filter(|name| !is_recorded(name)).collect();
        match chosen {
            Some(metadata) => Ok(Chosen { metadata, usable, unreadable, orphans }),
            // A log that begins at the beginning needs none.
            None if entries.base == 0 => {
                Ok(Chosen { metadata: SnapshotMetadata::default(), usable, unreadable, orphans })
            }
            None => Err(log.corrupt(format!(
                "the log begins behind index {}, and no snapshot from there on is readable{}",
                entries.base,
                unreadable.first().map(|(_, error)| format!(": {error}")).unwrap_or_default()
            ))),
        }
    }

    /// Sets unreadable files aside and removes those that the log does not know.
    fn tidy(&self, snapshots: &SnapDir, notes: &mut Vec<String>) -> Result<()> {
        for ((term, index), error) in &self.unreadable {
            snapshots.set_aside(*term, *index)?;
            notes.push(format!("{error}; it was set aside as .broken"));
        }
        for (term, index) in &self.orphans {
            snapshots.remove(*term, *index)?;
            notes.push(format!(
                "removed a snapshot of term {term} and index {index}, which was never recorded"
            ));
        }
        snapshots.remove_drafts()?;
        snapshots.sync()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::disk::os::OsVolume;
    use crate::disk::record::Record;
    use crate::disk::store::{Store, StoreOptions};
    use crate::raftpb::entry::Entry;
    use crate::raftpb::message::HardState;

    const IDENTITY: Identity = Identity { cluster_id: 7, node_id: 1 };

    /// Opens a directory with one segment: entries of these terms and indices, then a HardState.
    fn open(entries: &[(u64, u64)], state: HardState) -> Result<Recovered> {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("wal")).unwrap();
        let (mut buf, mut chain) = (Vec::new(), Crc::from(0));
        Record::put_crc(&mut buf, &chain);
        let metadata = Metadata { node_id: 1, cluster_id: 7, store_id: 0 };
        let mut put = |record_type, data: Vec<u8>| {
            Record::put(&mut buf, &mut chain, record_type, data.len(), |buf| buf.extend_from_slice(&data));
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
            Err(Error::Corrupt { what, .. }) => what,
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
