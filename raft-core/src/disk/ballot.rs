//! [`Ballot`]: term and vote a second time, in the file `vote` beside the log.
//!
//! A node that forgets its vote can vote twice in a term, and two leaders of one term can commit different entries. The
//! log alone would forget it with one rotten HardState. So both places must be lost before the vote is, and then the
//! store does not open. The file also tells from where on the end of the log may be torn: what was durable before
//! cannot be.
//!
//! Two slots, a page apart, are written by turns: a crash leaves one of them whole. etcd's tools ignore the file.

use std::path::{Path, PathBuf};

use super::recovered::Identity;
use super::sealed;
use super::volume::{Access, File, Volume};
use crate::error::{Error, Result};
use crate::raftpb::message::HardState;
use crate::raftpb::store_number::is_same_disk;

/// The file's name.
pub(super) const NAME: &str = "vote";
const MARK: &[u8; 8] = b"rftvote1";
/// Slots share no unit that a disk or a file system writes at once.
const SLOT: u64 = 4096;
const NUMBERS: usize = 10;
const LEN: usize = 8 + NUMBERS * 8 + 4;

/// A place in the log up to which all is durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DurableEnd {
    /// The segment, by its place in the sequence.
    pub(super) sequence: u64,
    /// In the segment, in bytes.
    pub(super) offset: u64,
    /// The last entry there, or a snapshot beyond it.
    pub(super) last_index: u64,
}

/// What the file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ballot {
    pub(super) identity: Identity,
    /// The directory's number in its last run.
    pub(super) store_id: u64,
    pub(super) term: u64,
    pub(super) vote: u64,
    pub(super) end: DurableEnd,
    /// Nothing was appended behind `end`: the store was closed.
    pub(super) is_closed: bool,
}

/// What was found in the file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kept {
    pub(super) newest: Option<Ballot>,
    /// It is certain that there was no newer one.
    pub(super) is_sure: bool,
    /// There is a file, and something in it is damaged.
    pub(super) is_damaged: bool,
    sequence: u64,
}

impl Kept {
    pub(super) fn load(volume: &dyn Volume, dir: &Path) -> Result<Kept> {
        let Some(bytes) = sealed::read(volume, dir, NAME)? else { return Ok(Kept::default()) };
        let slot = |at: u64| {
            let bytes = bytes.get((at * SLOT) as usize..).unwrap_or_default();
            let bytes = bytes.get(..LEN).unwrap_or(bytes);
            (parse(bytes), bytes.iter().all(|byte| *byte == 0))
        };
        let slots = [slot(0), slot(1)];
        let newest = slots.iter().filter_map(|(parsed, _)| *parsed).max_by_key(|(sequence, _)| *sequence);
        let Some((sequence, ballot)) = newest else {
            return Ok(Kept { is_damaged: true, ..Kept::default() });
        };
        // The other slot holds the one before. The first of all has none, and its other slot was never written.
        let has_all = slots.iter().all(|(parsed, is_blank)| {
            parsed.map_or(*is_blank && sequence == 1, |(found, _)| found >= sequence.saturating_sub(1))
        });
        Ok(Kept { newest: Some(ballot), is_sure: has_all, is_damaged: !has_all, sequence })
    }

    /// Whether there is such a file: then the directory is a node's of this library.
    pub(super) fn is_there(&self) -> bool {
        self.newest.is_some() || self.is_damaged
    }

    /// The number of the directory `store_id` in its last run, as far as it is known. 0 is any directory.
    pub(super) fn last_run(&self, store_id: u64) -> u64 {
        let counted = self.newest.map(|ballot| ballot.store_id);
        counted.filter(|counted| store_id == 0 || is_same_disk(*counted, store_id)).unwrap_or(store_id)
    }

    /// Whether `sequence` and `offset` lie before what is known to be durable.
    pub(super) fn promises_more_than(&self, sequence: u64, offset: u64) -> bool {
        self.newest.is_some_and(|ballot| (ballot.end.sequence, ballot.end.offset) > (sequence, offset))
    }
}

fn parse(bytes: &[u8]) -> Option<(u64, Ballot)> {
    let numbers = sealed::unseal(MARK, bytes)?;
    let &[sequence, node_id, cluster_id, store_id, term, vote, segment, offset, last_index, closed] =
        numbers.as_slice()
    else {
        return None;
    };
    let end = DurableEnd { sequence: segment, offset, last_index };
    let identity = Identity { cluster_id, node_id };
    Some((sequence, Ballot { identity, store_id, term, vote, end, is_closed: closed != 0 }))
}

/// The file, to be written.
pub(super) struct BallotFile {
    path: PathBuf,
    // None before the first write.
    file: Option<Box<dyn File>>,
    sequence: u64,
    pub(super) ballot: Ballot,
}

impl BallotFile {
    /// Goes on from what was found. Nothing is written yet.
    pub(super) fn new(dir: &Path, kept: &Kept, ballot: Ballot) -> Self {
        BallotFile { path: dir.join(NAME), file: None, sequence: kept.sequence, ballot }
    }

    /// Keeps this durably.
    pub(super) fn save(&mut self, volume: &dyn Volume, ballot: Ballot) -> Result<()> {
        let sequence = self.sequence.saturating_add(1);
        let Ballot { identity, store_id, term, vote, end, is_closed } = ballot;
        let bytes = sealed::seal(
            MARK,
            [
                sequence,
                identity.node_id,
                identity.cluster_id,
                store_id,
                term,
                vote,
                end.sequence,
                end.offset,
                end.last_index,
                u64::from(is_closed),
            ],
        );
        match self.open(volume)? {
            // A slot that was written keeps its place, whatever becomes of this write.
            Some(file) => {
                file.write_at(&bytes, sequence % 2 * SLOT)?;
                file.sync_data()?;
            }
            None => self.create(volume, &bytes, sequence % 2 * SLOT)?,
        }
        (self.sequence, self.ballot) = (sequence, ballot);
        Ok(())
    }

    fn open(&mut self, volume: &dyn Volume) -> Result<Option<&dyn File>> {
        // Without a good slot there is nothing in the file to be careful of.
        if self.file.is_none() && self.sequence > 0 {
            self.file = Some(volume.open(&self.path, Access::Write)?);
        }
        Ok(self.file.as_deref())
    }

    fn create(&mut self, volume: &dyn Volume, bytes: &[u8], at: u64) -> Result<()> {
        let mut both = vec![0; (2 * SLOT) as usize];
        both[at as usize..][..bytes.len()].copy_from_slice(bytes);
        if let Some(dir) = self.path.parent() {
            sealed::replace(volume, dir, NAME, &both)?;
        }
        self.file = Some(volume.open(&self.path, Access::Write)?);
        Ok(())
    }
}

/// Somebody changes the log with a tool: how far it was durable before counts no more. `decided` are the term and vote to
/// go on with, where those here may not be the newest; once they are written they are.
pub(super) fn forget_end(volume: &dyn Volume, dir: &Path, decided: Option<(u64, u64)>) -> Result<()> {
    let kept = Kept::load(volume, dir)?;
    let Some(ballot) = kept.newest else { return Ok(()) };
    let (term, vote) = decided.filter(|(term, _)| *term > ballot.term).unwrap_or((ballot.term, ballot.vote));
    let end = DurableEnd::default();
    BallotFile::new(dir, &kept, ballot).save(volume, Ballot { term, vote, end, is_closed: false, ..ballot })
}

/// The newer of two copies of term and vote: the higher term, and in one term a vote that was given. `Err` if they
/// contradict each other.
pub(super) fn newer(one: HardState, term: u64, vote: u64, path: &Path) -> Result<HardState> {
    if term > one.term {
        return Ok(HardState { term, vote, commit: one.commit });
    }
    if term < one.term || vote == 0 || vote == one.vote {
        return Ok(one);
    }
    if one.vote == 0 {
        return Ok(HardState { vote, ..one });
    }
    let what =
        format!("a vote for node {vote} in term {term}, in which the log has one for node {}", one.vote);
    Err(Error::corrupt(path, 0, what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::os::OsVolume;

    fn ballot(term: u64) -> Ballot {
        Ballot {
            identity: Identity { cluster_id: 7, node_id: 1 },
            store_id: 5,
            term,
            vote: 2,
            end: DurableEnd { sequence: 3, offset: 800, last_index: 40 },
            is_closed: term.is_multiple_of(2),
        }
    }

    #[test]
    fn the_newest_is_found_and_a_damaged_one_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        let load = || Kept::load(&OsVolume, dir.path()).unwrap();
        assert!(load().newest.is_none() && !load().is_sure && !load().is_damaged);
        for term in 1..=4 {
            let mut file = BallotFile::new(dir.path(), &load(), ballot(term));
            file.save(&OsVolume, ballot(term)).unwrap();
            assert_eq!((load().newest, load().is_sure), (Some(ballot(term)), true), "term {term}");
            let whole = std::fs::read(&path).unwrap();
            for at in (0..LEN).chain(SLOT as usize..SLOT as usize + LEN) {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << (at % 8);
                std::fs::write(&path, &damaged).unwrap();
                let kept = load();
                assert!(!kept.is_sure && kept.is_damaged, "term {term}, byte {at}");
                assert!(
                    kept.newest.is_none_or(|newest| newest == ballot(term) || newest == ballot(term - 1))
                );
            }
            for len in 0..SLOT as usize + LEN {
                std::fs::write(&path, &whole[..len]).unwrap();
                assert!(!load().is_sure || load().newest == Some(ballot(term)), "term {term}, length {len}");
            }
            std::fs::write(&path, &whole).unwrap();
        }
    }

    #[test]
    fn the_higher_term_counts_and_then_the_vote() {
        let state = |term, vote| HardState { term, vote, commit: 9 };
        let path = Path::new("vote");
        assert_eq!(newer(state(3, 1), 4, 0, path), Ok(state(4, 0)));
        assert_eq!(newer(state(3, 1), 2, 2, path), Ok(state(3, 1)));
        assert_eq!(newer(state(3, 0), 3, 2, path), Ok(state(3, 2)));
        assert_eq!(newer(state(3, 2), 3, 0, path), Ok(state(3, 2)));
        assert!(newer(state(3, 2), 3, 1, path).is_err());
    }
}
