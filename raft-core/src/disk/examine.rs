//! [`Examined`]: a directory, read and judged. Nothing is changed here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use prost::Message as _;

use super::ballot::{self, Kept};
use super::damage::Damage;
use super::inspect;
use super::latch::Latch;
use super::loss::{self, Loss};
use super::record::Metadata;
use super::recovered::Identity;
use super::room::Room;
use super::snap::chosen::Chosen;
use super::snap::dir::SnapDir;
use super::volume::Volume;
use super::wal::behind::Behind;
use super::wal::log::{Fault, WalLog};
use super::wal::replay::Replay;
use super::wal::segment::{self, SegmentName};
use crate::error::{Error, Result};
use crate::raftpb::message::HardState;

/// Where a store lies.
pub(super) struct Site {
    pub(super) volume: Arc<dyn Volume>,
    pub(super) dir: PathBuf,
    pub(super) wal_dir: PathBuf,
    pub(super) snapshots: SnapDir,
    pub(super) room: Room,
    pub(super) failed: Latch,
}

impl Site {
    /// `reserve` bytes of the disk are for the log.
    pub(super) fn new(volume: Arc<dyn Volume>, dir: &Path, reserve: u64) -> Self {
        let (wal_dir, snap_dir) = (dir.join("wal"), dir.join("snap"));
        let (room, failed) = (Room::new(Arc::clone(&volume), dir, reserve), Latch::default());
        let snapshots = SnapDir::new(Arc::clone(&volume), &snap_dir, room.clone(), failed.clone());
        Site { volume, dir: dir.to_owned(), wal_dir, snapshots, room, failed }
    }
}

/// What a directory holds.
pub(super) struct Examined {
    /// The log to go on with, as far as it can be trusted. None: it is fresh, or begins anew.
    pub(super) log: Option<WalLog>,
    /// Nothing was ever promised from here.
    pub(super) is_fresh: bool,
    /// Segments that a release could not remove in time: something is missing between them and the others.
    pub(super) leftover: Vec<SegmentName>,
    /// Segments from the first damage on, that of `log`'s end included: no record behind its end counts.
    pub(super) distrusted: Vec<SegmentName>,
    pub(super) chosen: Chosen,
    pub(super) kept: Kept,
    /// Newest term and vote, by all that is known; the commit of `log`.
    pub(super) hard_state: HardState,
    pub(super) store_id: u64,
    /// What was lost, now or earlier.
    pub(super) loss: Option<Loss>,
    /// What was lost now. Empty: all is well, or a crash cut the last write short.
    pub(super) damages: Vec<Damage>,
    pub(super) notes: Vec<String>,
}

/// The findings about the newest segments, before it is known what can be made of them.
struct Verdict {
    log: WalLog,
    damages: Vec<Damage>,
    // Term and vote of the HardState that was certainly the last, if one was.
    last_state: Option<HardState>,
    store_id: u64,
}

/// Reads all there is. `identity` is whose it should be; none is anybody's.
pub(super) fn examine(site: &Site, identity: Option<Identity>) -> Result<Examined> {
    let volume = &*site.volume;
    let kept = Kept::load(volume, &site.dir)?;
    if let (Some(own), Some(ballot)) = (identity, &kept.newest) {
        own.check(ballot.identity.node_id, ballot.identity.cluster_id)?;
    }
    let old_loss = loss::load(volume, &site.dir)?;
    let names = segment::list(volume, &site.wal_dir)?;
    let mut runs = segment::runs_of(&names);
    let has_promised = old_loss.is_some() || kept.newest.is_some_and(|ballot| ballot.term > 0);
    let Some(run) = runs.pop() else {
        return without_log(site, kept, old_loss, has_promised);
    };
    let mut log = WalLog::read(volume, &site.wal_dir, run, identity)?;
    if log.is_fresh() && log.fault.is_none() && !has_promised {
        // Before its first snapshot a store has the file `vote`.
        if !kept.is_there() && !site.snapshots.list()?.is_empty() {
            return Err(log.corrupt(inspect::RECORDS_NOTHING));
        }
        let store_id = kept.last_run(log.metadata().map_or(0, |metadata| metadata.store_id));
        return Ok(Examined { log: Some(log), store_id, ..Examined::fresh(kept) });
    }
    let mut notes = Vec::new();
    if let Some(index) = log.replay.abandon_displaced() {
        notes.push(format!("the snapshot at index {index} was received but never committed; it is left out"));
    }
    let mut verdict = judge(site, &kept, log, run)?;
    if verdict.damages.is_empty() && old_loss.is_none() {
        match Chosen::find(&verdict.log, &site.snapshots, &mut notes) {
            Ok(Some(chosen)) => {
                let leftover = runs.concat();
                let examined = Examined { chosen, leftover, notes, ..Examined::fresh(kept) };
                return examined.with(site, verdict, None);
            }
            Ok(None) => {}
            Err(error) => verdict.distrust(site, error)?,
        }
    }
    what_is_left(site, identity, &names, verdict, Examined { notes, ..Examined::fresh(kept) }, old_loss)
}

/// Finds out what of a damaged directory can be gone on with: the newest segments, older ones if others are missing
/// between, or none of them.
fn what_is_left(
    site: &Site,
    identity: Option<Identity>,
    names: &[SegmentName],
    mut verdict: Verdict,
    mut examined: Examined,
    old_loss: Option<Loss>,
) -> Result<Examined> {
    let mut runs = segment::runs_of(names);
    let run = runs.pop().unwrap_or_default();
    let mut chosen = Chosen::newest(&site.snapshots)?;
    if verdict.damages.is_empty() && old_loss.is_none() {
        verdict.damages.push(does_not_connect(site, &verdict.log, &chosen));
    }
    if connects(&verdict.log, &chosen) {
        chosen.keep_recorded(&verdict.log);
        examined.distrusted =
            verdict.log.fault.as_ref().map_or(&[][..], |fault| &run[fault.segment..]).to_vec();
        (examined.chosen, examined.leftover) = (chosen, runs.concat());
        return examined.with(site, verdict, old_loss);
    }
    if verdict.damages.is_empty() {
        // An earlier recovery has got no further.
        verdict.damages.push(does_not_connect(site, &verdict.log, &chosen));
    }
    // An older part of the log may be whole, where segments behind it are missing.
    while let Some(older) = runs.pop() {
        let mut log = WalLog::read(&*site.volume, &site.wal_dir, older, identity)?;
        if connects(&log, &chosen) {
            log.replay.abandon_displaced();
            chosen.keep_recorded(&log);
            let kept_whole = log.fault.as_ref().map_or(older.len(), |fault| fault.segment);
            let before: usize = runs.iter().map(|run| run.len()).sum();
            (examined.leftover, examined.distrusted) =
                (names[..before].to_vec(), names[before + kept_whole..].to_vec());
            verdict.damages.iter_mut().for_each(|damage| {
                damage.first_lost = damage.first_lost.min(log.replay.log.last().saturating_add(1));
            });
            (verdict.log, examined.chosen) = (log, chosen);
            return examined.with(site, verdict, old_loss);
        }
    }
    let first = chosen.metadata.index.saturating_add(1);
    verdict.damages.iter_mut().for_each(|damage| damage.first_lost = damage.first_lost.min(first));
    (examined.chosen, examined.distrusted) = (chosen, names.to_vec());
    let mut examined = examined.with(site, verdict, old_loss)?;
    (examined.log, examined.hard_state.commit) = (None, 0);
    Ok(examined)
}

/// Whether the log goes on from the snapshot, or what it has at that place was never committed.
fn connects(log: &WalLog, chosen: &Chosen) -> bool {
    let at = &chosen.metadata;
    if log.end.is_none() {
        return false;
    }
    let Replay { log, hard_state, snapshots, .. } = &log.replay;
    let agrees = (at.index > hard_state.commit || log.term(at.index).is_none_or(|term| term == at.term))
        && snapshots.iter().all(|record| record.index != at.index || record.term == at.term);
    // What was committed cannot be taken back behind the HardState that says so.
    let reaches_commit = hard_state.commit <= log.last().max(at.index);
    log.base <= at.index && agrees && reaches_commit
}

fn does_not_connect(site: &Site, log: &WalLog, chosen: &Chosen) -> Damage {
    let base = log.replay.log.base;
    let (path, what) = match chosen.unreadable.first() {
        Some(((term, index), error)) => {
            (site.snapshots.path(*term, *index), format!("{error}, and no older snapshot goes on to the log"))
        }
        None => (
            site.wal_dir.clone(),
            format!("the log begins behind index {base}, and no snapshot goes on to it"),
        ),
    };
    let last_lost = log.replay.log.last().max(log.replay.hard_state.commit);
    Damage { path, offset: 0, what, first_lost: chosen.metadata.index.saturating_add(1), last_lost }
}

/// A directory without a log: fresh, or one whose log was taken away.
fn without_log(site: &Site, kept: Kept, old_loss: Option<Loss>, has_promised: bool) -> Result<Examined> {
    if !has_promised {
        if !site.snapshots.list()?.is_empty() {
            // Somebody has taken the log away; no crash does that.
            return Err(Error::corrupt(
                &site.wal_dir,
                0,
                "there are snapshots, and no log that records them",
            ));
        }
        return Ok(Examined::fresh(kept));
    }
    let Some(ballot) = kept.newest.filter(|_| kept.is_sure) else {
        return Err(no_vote(&site.wal_dir, 0, "there is no log"));
    };
    let mut damages = Vec::new();
    if old_loss.is_none() {
        let last_lost = if ballot.is_closed { ballot.end.last_index } else { u64::MAX };
        let what = "there is no log".to_owned();
        damages.push(Damage { path: site.wal_dir.clone(), offset: 0, what, first_lost: 1, last_lost });
    }
    let chosen = Chosen::newest(&site.snapshots)?;
    let hard_state = HardState { term: ballot.term, vote: ballot.vote, commit: 0 };
    let mut examined = Examined { chosen, hard_state, damages, is_fresh: false, ..Examined::fresh(kept) };
    examined.loss = examined.total_loss(old_loss);
    Ok(examined)
}

fn no_vote(path: &Path, offset: u64, what: &str) -> Error {
    let more =
        "with it term and vote may be lost, and their second copy in the file `vote` is damaged or missing";
    Error::corrupt(path, offset, format!("{what}; {more}"))
}

impl Examined {
    fn fresh(kept: Kept) -> Self {
        Examined {
            log: None,
            is_fresh: true,
            leftover: Vec::new(),
            distrusted: Vec::new(),
            chosen: Chosen::default(),
            kept,
            hard_state: HardState::default(),
            store_id: kept.last_run(0),
            loss: None,
            damages: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Completes it with what the log says.
    fn with(mut self, site: &Site, verdict: Verdict, old_loss: Option<Loss>) -> Result<Self> {
        let Verdict { log, damages, last_state, store_id } = verdict;
        let of_log = log.replay.hard_state;
        let copies = last_state.map(|state| (state.term, state.vote)).into_iter();
        let copies = copies.chain(self.kept.newest.map(|ballot| (ballot.term, ballot.vote)));
        let path = site.dir.join(ballot::NAME);
        let mut newest = of_log;
        for (term, vote) in copies {
            newest = ballot::newer(newest, term, vote, &path)?;
        }
        if let Some(damage) = damages.first()
            && last_state.is_none()
            && !self.kept.is_sure
        {
            return Err(no_vote(&damage.path, damage.offset, &damage.what));
        }
        self.hard_state = newest;
        self.store_id = self.kept.last_run(store_id);
        self.is_fresh = false;
        self.damages = damages;
        self.log = Some(log);
        self.loss = self.total_loss(old_loss);
        Ok(self)
    }

    fn total_loss(&self, old: Option<Loss>) -> Option<Loss> {
        let term = self.hard_state.term;
        let new =
            self.damages.iter().map(|damage| Loss { first: damage.first_lost, last: damage.last_lost, term });
        // A term that nobody can tell is not beyond that of now.
        new.chain(old.map(|old| Loss { term: old.term.min(term), ..old })).reduce(Loss::and)
    }

    /// All that is wrong, what harms nobody for now included.
    pub(super) fn all_damages(self, site: &Site) -> Vec<Damage> {
        let harmless = |path: PathBuf, offset, what: String| Damage {
            path,
            offset,
            what,
            first_lost: self.chosen.metadata.index.saturating_add(1),
            last_lost: self.chosen.metadata.index,
        };
        let mut all = self.damages;
        for ((term, index), error) in self.chosen.unreadable {
            all.push(match error {
                Error::Corrupt { path, offset, what } => harmless(path, offset, what),
                other => harmless(site.snapshots.path(term, index), 0, other.to_string()),
            });
        }
        if self.kept.is_damaged {
            let what = "a copy of term and vote is damaged".to_owned();
            all.push(harmless(site.dir.join(ballot::NAME), 0, what));
        }
        all
    }
}

impl Verdict {
    /// The log contradicts itself: nothing of it can be made use of.
    fn distrust(&mut self, site: &Site, error: Error) -> Result<()> {
        let fault = Fault::of(error, 0, &site.wal_dir, 0)?;
        let last_lost = self.log.replay.log.last();
        self.damages.push(Damage { path: fault.path, offset: 0, what: fault.what, first_lost: 1, last_lost });
        self.log.end = None;
        Ok(())
    }
}

/// Decides what the log and the evidence behind its end amount to. A damage that is found becomes the log's fault.
fn judge(site: &Site, kept: &Kept, mut log: WalLog, run: &[SegmentName]) -> Result<Verdict> {
    let own = log.metadata().map_or(0, |metadata| metadata.store_id);
    let Some(fault) = log.fault.clone().or_else(|| suspicion(&log, kept, run)) else {
        let last_state = Some(log.replay.hard_state);
        return Ok(Verdict { log, damages: Vec::new(), last_state, store_id: own });
    };
    let files = site.snapshots.list()?.first().map_or(0, |(_, index)| *index);
    let (volume, segments) = (&*site.volume, &run[fault.segment..]);
    let last = log.replay.log.last();
    let behind = Behind::read(volume, &site.wal_dir, segments, &fault, last, files)?;
    let place = (segments.first().map_or(0, |name| name.sequence), fault.offset);
    let is_below = kept.promises_more_than(place.0, place.1);
    if log.fault.is_none() && !is_below && !proves_loss(&log, &behind) {
        let last_state = Some(log.replay.hard_state);
        return Ok(Verdict { log, damages: Vec::new(), last_state, store_id: own });
    }
    let reach = (segments.last().map_or(0, |name| name.sequence), behind.reach);
    let mut bound = behind.last.max(log.replay.hard_state.commit);
    if let Some(ballot) = kept.newest {
        let is_end = (ballot.end.sequence, ballot.end.offset) >= reach;
        bound = match (ballot.is_closed && kept.is_sure && is_end, is_below) {
            // Nothing was appended since.
            (true, _) => ballot.end.last_index,
            // What is gone from the end of the log left no trace but this.
            (false, true) if kept.promises_more_than(reach.0, reach.1) => u64::MAX,
            (false, true) => bound.max(ballot.end.last_index),
            (false, false) => bound,
        };
    }
    // What is gone may have overwritten what is left, unless that is of the newest term there was.
    let is_newest = kept.newest.is_none_or(|ballot| log.replay.log.term(last) == Some(ballot.term));
    let certain = if is_below && !is_newest { last.min(log.replay.hard_state.commit) } else { last };
    let damages = damages_of(&fault, &behind, certain, bound);
    log.fault = Some(fault);
    log.is_torn = false;
    let found = behind.metadata.as_ref().and_then(|data| Metadata::decode(&data[..]).ok());
    let store_id = if own == 0 { found.map_or(0, |metadata| metadata.store_id) } else { own };
    Ok(Verdict { log, damages, last_state: behind.hard_state, store_id })
}

/// The end of a log that reads well, or torn, where there should be more.
fn suspicion(log: &WalLog, kept: &Kept, run: &[SegmentName]) -> Option<Fault> {
    let end = log.end.as_ref()?;
    let last = log.replay.log.last();
    let commit = log.replay.hard_state.commit;
    let what = if commit > last {
        format!("the log ends here, at index {last}, and index {commit} was committed")
    } else if log.is_torn || kept.promises_more_than(end.name.sequence, end.offset) {
        "a part of what was durable is gone".to_owned()
    } else {
        return None;
    };
    Some(Fault { segment: run.len().checked_sub(1)?, path: end.path.clone(), offset: end.offset, what })
}

/// Whether something behind the end was written only after what is missing was durable: a HardState commits nothing
/// else, and snapshots are taken of nothing else.
fn proves_loss(log: &WalLog, behind: &Behind) -> bool {
    let last = log.replay.log.last();
    // A leader's snapshot that is recorded and not committed yet is durable, too: what is behind may speak of that.
    let recorded = log.replay.snapshots.iter().map(|record| record.index).max();
    let reach = last.max(recorded.unwrap_or(0));
    log.replay.hard_state.commit > last || behind.commit > reach || behind.snapshot > reach
}

/// A damage for each gap. All from the first on is lost, because the log is cut off there; up to `certain` nothing is.
fn damages_of(fault: &Fault, behind: &Behind, certain: u64, bound: u64) -> Vec<Damage> {
    let first_lost = certain.saturating_add(1);
    let mut damages: Vec<Damage> = behind
        .gaps
        .iter()
        .map(|gap| Damage {
            path: gap.path.clone(),
            offset: gap.offset,
            what: gap.what.clone(),
            first_lost: gap.first,
            last_lost: gap.last.min(bound),
        })
        .collect();
    if damages.is_empty() {
        let Fault { path, offset, what, .. } = fault.clone();
        damages.push(Damage { path, offset, what, first_lost, last_lost: bound });
    }
    if let Some(first) = damages.first_mut() {
        first.last_lost = bound;
        first.first_lost = first_lost;
    }
    damages
}
