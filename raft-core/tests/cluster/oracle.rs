//! [`Oracle`]: sees everything that every node shows, and knows what must never be.
//!
//! Each rule is checked when what it speaks of changes, so that checking costs little. The names are those of figure 3
//! of the Raft paper.

use raft_core::consensus::confchange::restore::conf_state_after;
use raft_core::consensus::ready::Ready;
use raft_core::consensus::status::RoleKind;
use raft_core::raftpb::conf_change::{ConfChangeV2, ConfState};
use raft_core::raftpb::entry::{Entry, EntryType};
use raft_core::raftpb::message::Snapshot;

use super::coverage::{Coverage, Rare};
use super::machine::{Machine, REGISTERS, Write};
use super::seen::{Leading, Mark, Seen};
use super::settings::PROPOSAL_BYTES;

/// Err names the rule that was broken, and how.
pub(crate) type Check<T = ()> = Result<T, String>;

macro_rules! ensure {
    ($holds:expr, $($text:tt)*) => {
        if !$holds {
            return Err(format!($($text)*));
        }
    };
}
pub(crate) use ensure;

/// An entry some node has had, and the term of the one before it.
#[derive(Clone, Copy, Debug)]
struct Known {
    mark: Mark,
    prev_term: u64,
}

#[derive(Debug)]
pub(crate) struct Oracle {
    uncommitted_bytes_max: u64,
    // By index: every entry that any node ever had there.
    known: Vec<Vec<Known>>,
    // By index, from `start` on: what is committed, and the term of the node that showed it first.
    start: u64,
    committed: Vec<(Mark, u64)>,
    // By term: who led it, in which of its lives.
    leaders: Vec<Option<(u64, u64)>>,
    /// The state machine as it must be, and its hash by index from `start` on.
    machine: Machine,
    hashes: Vec<u64>,
    /// The membership from each index on.
    memberships: Vec<(u64, ConfState)>,
    /// By register: the newest write that somebody was told of.
    pub(crate) floors: [u64; REGISTERS],
    /// Writes that were refused: they must not take effect.
    refused: Vec<Write>,
}

impl Oracle {
    pub(crate) fn new(membership: ConfState, start: u64, uncommitted_bytes_max: u64) -> Self {
        let origin = Mark { term: 1, hash: 0, bytes: 0, is_change: false };
        Oracle {
            uncommitted_bytes_max: if uncommitted_bytes_max == 0 { u64::MAX } else { uncommitted_bytes_max },
            known: Vec::new(),
            start,
            committed: vec![(origin, 0)],
            leaders: Vec::new(),
            machine: Machine::restore(&[], start),
            hashes: vec![0],
            memberships: vec![(start, membership)],
            floors: [0; REGISTERS],
            refused: Vec::new(),
        }
    }

    /// The last index that is committed.
    pub(crate) fn committed(&self) -> u64 {
        self.start + self.committed.len() as u64 - 1
    }

    /// Where the newest change of the membership is that some node has applied.
    pub(crate) fn last_change(&self) -> u64 {
        self.memberships.last().map_or(0, |(index, _)| *index)
    }

    /// The membership at `index`.
    pub(crate) fn membership(&self, index: u64) -> &ConfState {
        let at = self.memberships.partition_point(|&(from, _)| from <= index);
        &self.memberships[at.max(1) - 1].1
    }

    /// A node shows what it wants done. Looks at all that may have changed.
    pub(crate) fn observe(&mut self, seen: &mut Seen, ready: &Ready, coverage: &mut Coverage) -> Check {
        let state = ready.append.as_ref().and_then(|ticket| ticket.hard_state().copied());
        let (term, commit) = state.map_or((seen.term, seen.commit), |state| (state.term, state.commit));
        let was = (seen.role, seen.term);
        if let Some(soft_state) = ready.soft_state {
            (seen.role, seen.leader) = (soft_state.role, soft_state.leader);
        }
        ensure!(term >= seen.term, "node {} goes back to term {term}", seen.id);
        ensure!(commit >= seen.commit, "commit retreats on node {} to {commit}", seen.id);
        seen.term = term;
        let leads_on = was == (RoleKind::Leader, term) && seen.role == RoleKind::Leader;
        if was.0 == RoleKind::Leader && !leads_on {
            seen.leading = None;
            coverage.hit(Rare::LeaderStepsDown);
        }
        if let Some(ticket) = &ready.append {
            if let Some(snapshot) = ticket.snapshot() {
                self.check_snapshot(snapshot)?;
                seen.restore(snapshot);
            }
            self.observe_entries(seen, ticket.entries().owned(), leads_on, coverage)?;
        }
        self.observe_commit(seen, commit)?;
        if seen.role == RoleKind::Leader {
            self.observe_leader(seen, leads_on)?;
        }
        Ok(())
    }

    fn observe_entries(
        &mut self,
        seen: &mut Seen,
        entries: impl Iterator<Item = Entry>,
        leads_on: bool,
        coverage: &mut Coverage,
    ) -> Check {
        for entry in entries {
            let (mark, index) = (Mark::from(&entry), entry.index);
            ensure!(
                index > seen.offset() && index <= seen.last() + 1,
                "node {} has a gap at {index}",
                seen.id
            );
            if index <= seen.last() {
                ensure!(!leads_on, "leader append-only: node {} overwrites its entry {index}", seen.id);
                ensure!(index > seen.commit, "node {} truncates its committed entry {index}", seen.id);
                coverage.hit(if index <= seen.recovered {
                    Rare::TruncationAfterRestart
                } else {
                    Rare::TruncationOfUnsynced
                });
                seen.recovered = seen.recovered.min(index - 1);
                seen.truncate(index);
            }
            self.note_known(index, mark, seen.term_at(index - 1))?;
            seen.push(mark);
            if leads_on && mark.term == seen.term {
                self.note_own(seen, index, mark)?;
            }
        }
        Ok(())
    }

    /// Log matching: an id stands for one entry, which follows one id. Then it stands for one whole log.
    fn note_known(&mut self, index: u64, mark: Mark, prev_term: u64) -> Check {
        if self.known.len() <= index as usize {
            self.known.resize(index as usize + 1, Vec::new());
        }
        let here = &mut self.known[index as usize];
        match here.iter().find(|known| known.mark.term == mark.term) {
            Some(known) => {
                ensure!(
                    known.mark == mark && known.prev_term == prev_term,
                    "log matching: two entries {index} of term {}, behind terms {prev_term} and {}",
                    mark.term,
                    known.prev_term
                );
            }
            None => here.push(Known { mark, prev_term }),
        }
        Ok(())
    }

    /// The bounds on what a leader appends.
    fn note_own(&self, seen: &mut Seen, index: u64, mark: Mark) -> Check {
        let applied = seen.applied;
        let Some(leading) = &mut seen.leading else { return Ok(()) };
        if mark.is_change {
            ensure!(
                leading.change <= applied,
                "leader {} appends a change at {index} before that at {} is applied",
                seen.id,
                leading.change
            );
            leading.change = index;
        }
        leading.own_bytes += mark.bytes;
        let bound = self.uncommitted_bytes_max.max(PROPOSAL_BYTES).saturating_add(leading.found_bytes);
        ensure!(leading.own_bytes <= bound, "leader {} has {} bytes uncommitted", seen.id, leading.own_bytes);
        Ok(())
    }

    fn observe_commit(&mut self, seen: &mut Seen, commit: u64) -> Check {
        ensure!(commit <= seen.last(), "node {} commits {commit} behind its log", seen.id);
        for index in seen.commit + 1..=commit {
            // What the snapshot covers was checked with it.
            let Some(mark) = seen.mark(index) else { continue };
            self.note_committed(index, mark, seen)?;
        }
        seen.commit = commit;
        Ok(())
    }

    fn note_committed(&mut self, index: u64, mark: Mark, seen: &Seen) -> Check {
        if index == self.committed() + 1 {
            self.committed.push((mark, seen.term));
            return Ok(());
        }
        let there = self.committed.get((index - self.start) as usize);
        ensure!(
            there.is_some_and(|(known, _)| *known == mark),
            "state machine safety: node {} commits {mark:?} at {index}, others {there:?}",
            seen.id
        );
        Ok(())
    }

    fn observe_leader(&mut self, seen: &mut Seen, leads_on: bool) -> Check {
        if leads_on {
            return Ok(());
        }
        let (term, me) = (seen.term as usize, (seen.id, seen.life));
        if self.leaders.len() <= term {
            self.leaders.resize(term + 1, None);
        }
        let there = self.leaders[term].get_or_insert(me);
        ensure!(*there == me, "election safety: node {me:?} leads term {term}, and so does {there:?}");
        // Leader completeness. By log matching it is enough to look at the last entry committed in an earlier term.
        let last = self.committed.iter().rposition(|&(_, shown)| shown < seen.term).unwrap_or(0);
        let (index, mark) = (self.start + last as u64, self.committed[last].0);
        ensure!(
            index <= seen.offset() || seen.term_at(index) == mark.term,
            "leader completeness: node {} leads term {term} without entry {index} of term {}",
            seen.id,
            mark.term
        );
        let own_bytes = (seen.applied + 1..=seen.last())
            .filter_map(|at| seen.mark(at))
            .filter(|mark| mark.term == seen.term)
            .map(|mark| mark.bytes)
            .sum();
        let found_bytes = seen.unapplied_bytes() - own_bytes;
        seen.leading = Some(Leading { term: seen.term, own_bytes, found_bytes, change: 0 });
        Ok(())
    }

    /// A snapshot is what the state machine is at its index, with the membership there.
    pub(crate) fn check_snapshot(&self, snapshot: &Snapshot) -> Check {
        let metadata = &snapshot.metadata;
        let index = metadata.index;
        ensure!(index <= self.committed(), "a snapshot at {index}, which is not committed");
        let mark = self.committed[(index - self.start) as usize].0;
        ensure!(metadata.term == mark.term, "a snapshot at {index} of term {}", metadata.term);
        let machine = Machine::restore(&snapshot.data, index);
        ensure!(machine.applied == index, "a snapshot at {index} of the state at {}", machine.applied);
        self.check_machine(&machine)?;
        self.check_membership(index, &metadata.conf_state)
    }

    pub(crate) fn check_membership(&self, index: u64, membership: &ConfState) -> Check {
        // Who has nothing yet knows nobody.
        let nobody = ConfState::default();
        let expected = if index == 0 { &nobody } else { self.membership(index) };
        ensure!(membership == expected, "membership at {index} is {membership:?} and should be {expected:?}");
        Ok(())
    }

    fn check_machine(&self, machine: &Machine) -> Check {
        let expected = self.hashes.get((machine.applied - self.start) as usize);
        ensure!(
            expected == Some(&machine.hash),
            "state machine safety: the state at {} differs between nodes",
            machine.applied
        );
        Ok(())
    }

    /// A node has applied `entry`, and its state is now `machine`.
    pub(crate) fn check_applied(&mut self, entry: &Entry, machine: &Machine, commit: u64) -> Check {
        let index = entry.index;
        ensure!(index <= commit, "entry {index} applied, {commit} committed");
        if index == self.machine.applied + 1 {
            let write = self.machine.apply(entry);
            ensure!(
                write.is_none_or(|write| !self.refused.contains(&write)),
                "{write:?} was refused, and took effect at {index}"
            );
            self.hashes.push(self.machine.hash);
            if let Some(change) = read_change(entry) {
                let before = self.membership(index);
                let after = conf_state_after(before, &change).unwrap_or_else(|_| before.clone());
                self.memberships.push((index, after));
            }
        }
        self.check_machine(machine)
    }

    pub(crate) fn note_refused(&mut self, write: Write) {
        self.refused.push(write);
    }
}

/// The membership change in `entry`.
pub(crate) fn read_change(entry: &Entry) -> Option<ConfChangeV2> {
    match entry.entry_type {
        EntryType::Normal => None,
        _ => ConfChangeV2::read(&entry.data).ok(),
    }
}
