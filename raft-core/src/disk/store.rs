//! [`Store`]: the write-ahead log and the snapshot files as one durable thing.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::ballot::{Ballot, BallotFile};
use super::damage::OnDamage;
use super::examine::Site;
use super::known_stores;
use super::latch::Latch;
use super::loss::{self, Loss};
use super::record::SnapshotRecord;
use super::recover::{Recovery, recover};
use super::recovered::{Identity, Recovered};
use super::room::Room;
use super::snap::dir::{self, SnapDir};
use super::volume::{Access, File, Volume};
use super::wal::segment;
use super::wal::writer::{Reach, WalWriter};
use crate::error::{Error, Result};
use crate::raftpb::conf_change::ConfState;
use crate::raftpb::entry::Entries;
use crate::raftpb::message::{HardState, SnapshotMetadata};

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Whose store it is.
    pub identity: Identity,
    /// A segment of this many bytes is followed by another. At least 4096; 64,000,000 if nothing speaks against it.
    pub segment_bytes: u64,
    /// How many bytes of a segment are written with zeros before it is used, by a thread of the store: an fdatasync
    /// into such a segment costs half. 0: none, and no thread. As many as `segment_bytes` if nothing speaks against it.
    pub zeroed_bytes: u64,
    /// Bytes of the disk that are kept for the log: a snapshot that would leave less than half of them is not written,
    /// and no segment is made ready ahead that would leave less than all. 0: none.
    pub reserve_bytes: u64,
    /// A number for the directory, if it has none yet, that no other one has in its upper half, the others being 0: a group
    /// tells by it that a member has lost what it had. 0: none. See [`store_number`](crate::raftpb::store_number).
    pub store_id: u64,
    /// Whether the log is written past the system's cache, each write of it durable when it returns: less work for the
    /// processor, and less waiting. What is appended without a sync then waits in memory for the next one. Where the
    /// file system has no such thing it is written as if this were false, and a note says so.
    pub direct_writes: bool,
    /// From how many snapshots a restart stays possible, should the newer ones turn out unreadable. At least 1.
    pub snapshots_kept: usize,
    /// What is done if something on the disk is damaged.
    pub on_damage: OnDamage,
}

impl StoreOptions {
    /// The options of etcd, and three snapshots. Damage is refused.
    pub fn new(identity: Identity) -> Self {
        StoreOptions {
            identity,
            segment_bytes: 64_000_000,
            zeroed_bytes: 64_000_000,
            reserve_bytes: 0,
            store_id: 0,
            direct_writes: false,
            snapshots_kept: 3,
            on_damage: OnDamage::Refuse,
        }
    }

    /// The options of a node that goes on as a member, whatever its disk has lost: every segment is written with zeros
    /// before it is used, and then past the system's cache, and a fresh directory gets a number.
    pub fn of_member(identity: Identity, segment_bytes: u64, reserve_bytes: u64) -> Self {
        StoreOptions {
            segment_bytes,
            zeroed_bytes: segment_bytes,
            reserve_bytes,
            store_id: drawn_store_id(),
            direct_writes: true,
            on_damage: OnDamage::Recover,
            ..StoreOptions::new(identity)
        }
    }

    fn validate(&self) -> Result<()> {
        if self.segment_bytes < 4096 {
            return Err(Error::Config(format!(
                "segment_bytes is {}, at least 4096 is needed",
                self.segment_bytes
            )));
        }
        if self.snapshots_kept == 0 {
            return Err(Error::Config("snapshots_kept is 0, at least 1 is needed".into()));
        }
        Ok(())
    }
}

/// A number for a fresh directory: not 0, and as good as certainly none that another member has.
pub fn drawn_store_id() -> u64 {
    (drawn() >> 32).max(1) << 32
}

/// Any number.
pub(super) fn drawn() -> u64 {
    // The keys of a new hasher come from the system's randomness.
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    RandomState::new().hash_one(since_epoch)
}

/// A node's durable state in one directory, open for one handle at a time.
///
/// Used by one thread; [`SnapDir`] is for the others. The first write or sync that fails is final, that of a snapshot too:
/// what is on disk is then unknown, every later call returns the same error, and only opening the directory again
/// decides.
pub struct Store {
    volume: Arc<dyn Volume>,
    dir: PathBuf,
    wal: WalWriter,
    ballots: BallotFile,
    snapshots: SnapDir,
    room: Room,
    // Index and term of the snapshots that the log records and that are there, in the order of the index.
    recorded: Vec<(u64, u64)>,
    snapshots_kept: usize,
    fresh: bool,
    failed: Latch,
    // The last field: unlocked when all else is closed, and nobody has the snapshots any more.
    lock: Arc<dyn File>,
}

impl Store {
    /// Opens the store in `dir`, creating what is missing, and reads all of it.
    ///
    /// A write that a crash cut short is mended. Anything else that cannot have been written is damage: see
    /// [`StoreOptions::on_damage`]. Where that does not allow to open, it is [`Error::Corrupt`], and the directory is left
    /// as it is. So it is if term and vote are lost, of which there are two copies.
    pub fn open(volume: Arc<dyn Volume>, dir: &Path, options: StoreOptions) -> Result<(Store, Recovered)> {
        options.validate()?;
        create_dirs(&*volume, dir)?;
        let lock = volume.open(&dir.join("LOCK"), Access::Create)?;
        if !lock.try_lock()? {
            return Err(Error::Locked(dir.to_owned()));
        }
        let site = Site::new(Arc::clone(&volume), dir, options.reserve_bytes);
        let known = known_stores::load(&*volume, dir)?;
        let Recovery { wal, ballots, usable, mut content } =
            recover(&site, &options, known.as_deref().unwrap_or_default())?;
        match known {
            Some(stores) => content.known_stores = stores,
            None => {
                content.notes.push("The file of the members' disks is damaged and was passed over.".into())
            }
        }
        if options.direct_writes && !wal.is_direct() {
            content
                .notes
                .push("The log cannot be written past the system's cache here, and goes through it.".into());
        }
        let store = Store {
            volume,
            dir: dir.to_owned(),
            wal,
            ballots,
            snapshots: site.snapshots,
            room: site.room,
            recorded: usable,
            snapshots_kept: options.snapshots_kept,
            fresh: content.fresh,
            failed: site.failed,
            lock: Arc::from(lock),
        };
        Ok((store, content))
    }

    /// [`open`](Self::open), and makes a fresh store that of a first member of a cluster of these voters. Without voters it
    /// stays fresh, and waits to be added to a cluster.
    pub fn open_member(
        volume: Arc<dyn Volume>,
        dir: &Path,
        options: StoreOptions,
        voters: &[u64],
    ) -> Result<(Store, Recovered)> {
        let (mut store, mut recovered) = Store::open(volume, dir, options)?;
        if recovered.snapshot.index == 0 && !recovered.entries.is_empty() {
            return Err(Error::corrupt(dir, 0, "a log without the snapshot it follows"));
        }
        if recovered.fresh && !voters.is_empty() {
            recovered.snapshot = store.bootstrap(&ConfState::of_voters(voters.iter().copied()))?;
            recovered.hard_state = store.wal.hard_state();
        }
        Ok((store, recovered))
    }

    /// Makes a fresh store one that has applied index 1 of term 1, with this membership and no data. A crash before
    /// it returns leaves a fresh store.
    pub fn bootstrap(&mut self, conf_state: &ConfState) -> Result<SnapshotMetadata> {
        self.check_failed()?;
        if !self.fresh {
            return Err(Error::Config("only a fresh store can be bootstrapped".into()));
        }
        let metadata = SnapshotMetadata { conf_state: conf_state.clone(), index: 1, term: 1 };
        self.latched(|store| {
            store.snapshots.create(metadata.clone())?.finish()?;
            Ok(())
        })?;
        self.record_snapshot(&metadata)?;
        self.append(Some(&HardState { term: 1, vote: 0, commit: 1 }), &Entries::new(), true)?;
        Ok(metadata)
    }

    /// Appends `entries`, which follow the log's last entry or overwrite some above the commit, then `hard_state`.
    ///
    /// When it returns, they survive the end of the process, unless [`StoreOptions::direct_writes`] is set; with `must_sync`
    /// also that of the machine. It may be false where nothing but the commit changes.
    pub fn append(
        &mut self,
        hard_state: Option<&HardState>,
        entries: &Entries,
        must_sync: bool,
    ) -> Result<()> {
        self.append_to(if must_sync { Reach::Disk } else { Reach::System }, hard_state, entries)
    }

    /// [`append`](Self::append) of what nobody relies on before the next append has returned: it may wait in memory until
    /// then, so that several make one write.
    pub fn append_later(&mut self, hard_state: Option<&HardState>, entries: &Entries) -> Result<()> {
        self.append_to(Reach::Memory, hard_state, entries)
    }

    fn append_to(&mut self, reach: Reach, hard_state: Option<&HardState>, entries: &Entries) -> Result<()> {
        self.check_failed()?;
        // An empty one says nothing, and none is written before it.
        let hard_state = hard_state.filter(|state| !state.is_empty());
        self.check_append(hard_state, entries)?;
        if hard_state.is_none() && entries.is_empty() {
            return Ok(());
        }
        self.fresh = false;
        self.latched(|store| {
            store.wal.append(hard_state, entries, reach)?;
            let HardState { term, vote, .. } = store.wal.hard_state();
            let ballot = store.ballots.ballot;
            let is_news = reach == Reach::Disk && (term, vote) != (ballot.term, ballot.vote);
            // A segment that is gone with all that is in it should be missed.
            let has_cut = store.wal.durable_end().sequence != ballot.end.sequence;
            if is_news || has_cut { store.save_ballot(false) } else { Ok(()) }
        })
    }

    /// Keeps durably that this node has acknowledged what the directory does not hold.
    pub fn keep_loss(&mut self, loss: Loss) -> Result<()> {
        self.check_failed()?;
        self.latched(|store| loss::save(&*store.volume, &store.dir, loss))
    }

    /// What [`Recovered::lost`] told of is made good: the node has from a leader all that it may have acknowledged.
    pub fn forget_loss(&mut self) -> Result<()> {
        self.check_failed()?;
        self.latched(|store| loss::remove(&*store.volume, &store.dir))
    }

    /// Records durably that the snapshot file of `metadata` is complete. A snapshot of this node's own leaves the log
    /// as it is. One from a leader replaces it, as soon as a HardState that commits its index follows.
    pub fn record_snapshot(&mut self, metadata: &SnapshotMetadata) -> Result<()> {
        self.check_failed()?;
        let SnapshotMetadata { conf_state, index, term } = metadata;
        if *index == 0 || *term == 0 {
            return Err(Error::Invariant(format!("a snapshot of index {index} and term {term}")));
        }
        let record = SnapshotRecord { index: *index, term: *term, conf_state: Some(conf_state.clone()) };
        self.latched(|store| store.wal.record_snapshot(&record))?;
        if let Err(at) = self.recorded.binary_search(&(*index, *term)) {
            self.recorded.insert(at, (*index, *term));
        }
        Ok(())
    }

    /// Removes segments and snapshots that nobody needs any more: what lies before `index`, and before the oldest of
    /// the snapshots that are kept. The thread that makes segments ready does it, if there is one, soon after this has
    /// returned.
    pub fn release(&mut self, index: u64) -> Result<()> {
        self.check_failed()?;
        let commit = self.wal.hard_state().commit;
        // One that is not committed yet may turn out never to have been.
        let committed = self.recorded.iter().rev().filter(|(at, _)| *at <= commit);
        let Some((oldest, _)) = committed.take(self.snapshots_kept).last() else {
            return Ok(());
        };
        let floor = index.min(*oldest);
        self.latched(|store| {
            store.remove_snapshots_before(floor)?;
            store.wal.release(floor)
        })
    }

    /// Waits until all is done that a thread does beside the log: what was released is gone, and the next segment ready. At
    /// once if there is no such thread. What could not be done shows nowhere: the log can go on without it.
    pub fn settle(&self) {
        self.wal.settle();
    }

    /// Keeps durably which number each member's directory has.
    pub fn keep_known_stores(&mut self, stores: &[(u64, u64)]) -> Result<()> {
        self.check_failed()?;
        self.latched(|store| known_stores::save(&*store.volume, &store.dir, stores))
    }

    /// Bytes that are left on the disk; `u64::MAX` where nobody knows.
    pub fn free_bytes(&self) -> Result<u64> {
        self.room.free_bytes()
    }

    /// The snapshot files. The directory stays locked until they are dropped too.
    pub fn snapshots(&self) -> SnapDir {
        self.snapshots.under(&self.lock)
    }

    fn remove_snapshots_before(&mut self, floor: u64) -> Result<()> {
        let old = self.snapshots.list()?.into_iter().filter(|(_, index)| *index < floor);
        let names = old.map(|(term, index)| dir::file_name(term, index)).collect();
        self.recorded.retain(|(index, _)| *index >= floor);
        self.wal.remove(self.snapshots.dir(), names)
    }

    /// Refuses what replay would take for corruption.
    fn check_append(&self, hard_state: Option<&HardState>, entries: &Entries) -> Result<()> {
        let refuse = |what: String| Err(Error::Invariant(what));
        let known = self.wal.hard_state();
        let mut last = self.wal.last_index();
        if let Some(first) = entries.first() {
            if first.index <= known.commit || first.index > last.saturating_add(1) {
                let (index, commit) = (first.index, known.commit);
                return refuse(format!(
                    "entry {index} does not go between commit {commit} and last index {last}"
                ));
            }
            // Of what is overwritten only the reader knows the terms.
            let before = if first.index > last { self.wal.last_term() } else { 0 };
            let (mut index, mut term) = (first.index, before.max(1));
            entries.iter().try_for_each(|entry| {
                if entry.index != index || entry.term < term {
                    return refuse(format!("entry {} of term {} out of order", entry.index, entry.term));
                }
                last = index;
                index = index.saturating_add(1);
                term = entry.term;
                Ok(())
            })?;
        }
        if let Some(state) = hard_state
            && (state.term < known.term || state.commit < known.commit || state.commit > last)
        {
            return refuse(format!("{state:?} does not follow {known:?} with last index {last}"));
        }
        Ok(())
    }

    /// Keeps term, vote and the end of the log a second time.
    fn save_ballot(&mut self, is_closed: bool) -> Result<()> {
        let HardState { term, vote, .. } = self.wal.hard_state();
        let ballot = Ballot { term, vote, end: self.wal.durable_end(), is_closed, ..self.ballots.ballot };
        self.ballots.save(&*self.volume, ballot)
    }

    fn check_failed(&self) -> Result<()> {
        self.failed.check()
    }

    /// Does what may fail only once; the caller has seen that it has not yet.
    fn latched(&mut self, operation: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let outcome = operation(self);
        if let Err(error) = &outcome {
            self.failed.fail(error);
        }
        outcome
    }
}

impl Drop for Store {
    /// Says on the disk that nothing follows, so that a later loss of the log's end shows.
    fn drop(&mut self) {
        // Without it the next open knows less, and nothing wrong.
        if self.failed.check().is_ok() && self.wal.close().is_ok() {
            let _ = self.save_ballot(true);
        }
    }
}

/// Creates the directories that are missing, durably.
///
/// A process that was killed may have created them, or given a file in `dir` its name, and not come to the sync: what
/// this start finds is synced before anything is built on it.
fn create_dirs(volume: &dyn Volume, dir: &Path) -> Result<()> {
    let (wal, snap) = (dir.join("wal"), dir.join("snap"));
    let mut missing = 0;
    for above in dir.ancestors().take_while(|above| !above.as_os_str().is_empty()) {
        if volume.exists(above)? {
            break;
        }
        missing += 1;
    }
    volume.create_dir_all(&wal)?;
    volume.create_dir_all(&snap)?;
    volume.sync_dir(dir)?;
    // The first segment has its name only after this.
    if segment::list(volume, &wal)?.is_empty() {
        for created in dir.ancestors().take(missing.max(1)) {
            let parent = created.parent().filter(|parent| !parent.as_os_str().is_empty());
            volume.sync_dir(parent.unwrap_or(Path::new(".")))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;
    use crate::disk::os::OsVolume;
    use crate::raftpb::entry::Entry;

    const IDENTITY: Identity = Identity { cluster_id: 7, node_id: 1 };

    fn options() -> StoreOptions {
        StoreOptions { segment_bytes: 4096, zeroed_bytes: 0, ..StoreOptions::new(IDENTITY) }
    }

    fn open(dir: &Path) -> (Store, Recovered) {
        Store::open(Arc::new(OsVolume), dir, options()).unwrap()
    }

    fn entries(term: u64, indices: std::ops::RangeInclusive<u64>) -> Entries {
        indices
            .map(|index| Entry { term, index, data: vec![index as u8; 100].into(), ..Entry::default() })
            .collect()
    }

    fn state(term: u64, commit: u64) -> HardState {
        HardState { term, vote: 1, commit }
    }

    #[test]
    fn what_was_appended_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, recovered) = open(dir.path());
        assert!(recovered.fresh);
        let conf_state = ConfState::of_voters([1, 2, 3]);
        let metadata = store.bootstrap(&conf_state).unwrap();
        store.append(Some(&state(2, 1)), &entries(2, 2..=200), true).unwrap();
        store.append(Some(&state(2, 199)), &Entries::new(), false).unwrap();
        drop(store);

        let (store, recovered) = open(dir.path());
        assert_eq!(recovered.hard_state, state(2, 199));
        assert_eq!(recovered.snapshot, metadata);
        assert_eq!(recovered.entries, entries(2, 2..=200));
        assert_eq!((recovered.fresh, recovered.notes.len()), (false, 0));
        assert_eq!(store.snapshots().list().unwrap(), [(1, 1)]);
    }

    #[test]
    fn a_snapshot_is_restarted_from_and_releases_what_is_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, _) = open(dir.path());
        store.bootstrap(&ConfState::of_voters([1])).unwrap();
        let mut metadata = SnapshotMetadata::default();
        for round in 1..=5 {
            let (first, last) = (round * 100 - 98, round * 100 + 1);
            store.append(Some(&state(1, last)), &entries(1, first..=last), true).unwrap();
            metadata = SnapshotMetadata { conf_state: ConfState::of_voters([1]), index: last - 5, term: 1 };
            let mut writer = store.snapshots().create(metadata.clone()).unwrap();
            writer.write_all(format!("state at {}", last - 5).as_bytes()).unwrap();
            writer.finish().unwrap();
            store.record_snapshot(&metadata).unwrap();
            store.release(last - 5).unwrap();
        }
        assert_eq!(store.snapshots().list().unwrap(), [(1, 496), (1, 396), (1, 296)]);
        let segments = OsVolume.list(&dir.path().join("wal")).unwrap();
        assert!(segments[0].starts_with("0000000000000002-"), "{segments:?}");
        drop(store);

        let (store, recovered) = open(dir.path());
        assert_eq!(recovered.snapshot, metadata);
        assert_eq!(recovered.entries, entries(1, 497..=501));
        let mut text = String::new();
        store.snapshots().open(1, 496).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "state at 496");
    }

    #[test]
    fn a_store_and_its_streams_move_between_threads() {
        fn moves<T: Send>() {}
        moves::<Store>();
        moves::<crate::disk::snap::reader::SnapReader>();
        moves::<crate::disk::snap::writer::SnapWriter>();
        fn is_shared<T: Send + Sync>() {}
        is_shared::<SnapDir>();
    }

    #[test]
    fn a_directory_is_open_once_and_belongs_to_one_node() {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, _) = open(dir.path());
        store.bootstrap(&ConfState::of_voters([1])).unwrap();
        let again = Store::open(Arc::new(OsVolume), dir.path(), options());
        assert_eq!(again.err(), Some(Error::Locked(dir.path().to_owned())));
        drop(store);
        let other = StoreOptions { identity: Identity { node_id: 2, ..IDENTITY }, ..options() };
        let foreign = Store::open(Arc::new(OsVolume), dir.path(), other).err().unwrap();
        assert_eq!(
            foreign,
            Error::Foreign("it is of node 1 in cluster 7, not of node 2 in cluster 7".into())
        );
    }
}
