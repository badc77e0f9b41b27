//! Random histories of a store, as the life of a node makes them: elections, overwrites, snapshots of its own and from
//! leaders.

use crate::history::{Step, World};
use crate::memory_volume::Chance;

/// Writes what comes next. What leaders have said stays true: a snapshot that was to come will come.
pub(crate) struct Author {
    chance: Chance,
    owed: Option<Step>,
    words: u64,
}

impl Author {
    pub(crate) fn new(seed: u64) -> Self {
        Author { chance: Chance(seed), owed: None, words: 0 }
    }

    pub(crate) fn chance(&mut self) -> &mut Chance {
        &mut self.chance
    }

    /// A leader's snapshot that a crash now may keep from being taken.
    pub(crate) fn owed(&self) -> Option<Step> {
        self.owed.clone()
    }

    /// The next life begins where this was owed.
    pub(crate) fn owe(&mut self, owed: Option<Step>) {
        self.owed = owed;
    }

    /// One step, or a few that belong together.
    pub(crate) fn next(&mut self, world: &World) -> Vec<Step> {
        let model = world.now();
        // Of a write that a crash has cut off, entries can be there without the term that came behind them. Who leads has
        // the last of them as well, or has them overwritten.
        let of_log = model.log.last_key_value().map_or(0, |(_, term)| *term);
        let (term, commit) = (model.state.term.max(of_log), model.state.commit);
        if term == 0 {
            return vec![Step::Bootstrap];
        }
        let newest = model.snapshots.iter().copied().max().unwrap_or_default();
        let last = model.log.last_key_value().map_or(0, |(index, _)| *index).max(newest.0);
        match self.owed.take() {
            Some(Step::Snapshot { term: its, index }) if index > commit => {
                return self.taken_from_leader(term, its, index);
            }
            _ => {}
        }
        match self.chance.below(16) {
            0..6 => {
                let term = term + self.chance.below(4) / 3;
                vec![self.append(term, last + 1, commit)]
            }
            6..8 if last > commit => {
                let first = commit + 1 + self.chance.below(last - commit);
                vec![self.append(term + 1, first, commit)]
            }
            8..10 => vec![Step::Commit { term, commit: commit + self.chance.below(last - commit + 1) }],
            10 => vec![Step::Commit { term: term + 1, commit }],
            11..13 if commit > newest.0 => {
                let index = newest.0 + 1 + self.chance.below(commit - newest.0);
                let mut steps = vec![Step::File { term: model.log[&index], index }];
                if self.is_one_of(2) {
                    steps.push(self.append(term, last + 1, commit));
                }
                steps.push(Step::Record { term: model.log[&index], index });
                steps
            }
            13 => {
                let its = term + self.chance.below(2);
                let index = commit + 1 + self.chance.below(last - commit + 8);
                self.taken_from_leader(term, its, index)
            }
            14 => vec![Step::Release { index: newest.0.min(commit) }],
            15 => {
                self.words += 1;
                vec![Step::KnownStores(self.words)]
            }
            _ => vec![self.append(term, last + 1, commit)],
        }
    }

    /// The steps that were begun have been made.
    pub(crate) fn made(&mut self) {
        self.owed = None;
    }

    fn is_one_of(&mut self, n: u64) -> bool {
        self.chance.below(n) == 0
    }

    fn append(&mut self, term: u64, first: u64, commit: u64) -> Step {
        let last = first + self.chance.below(6);
        // A leader that has them all durable elsewhere may say so at once.
        let commit =
            if self.is_one_of(2) { commit.max(first + self.chance.below(last - first + 1)) } else { commit };
        Step::Append { term, first, last, commit }
    }

    /// The commit of a leader's snapshot is synced, as that of the engine is.
    fn taken_from_leader(&mut self, term: u64, its_term: u64, index: u64) -> Vec<Step> {
        self.owed = Some(Step::Snapshot { term: its_term, index });
        let follow = if its_term > term && self.is_one_of(2) {
            Step::Commit { term: its_term, commit: index }
        } else {
            let mut step = self.append(term.max(its_term), index + 1, index);
            if let Step::Append { last, commit, .. } = &mut step {
                *commit = index + self.chance.below(*last - index + 1);
            }
            step
        };
        vec![Step::File { term: its_term, index }, Step::Record { term: its_term, index }, follow]
    }
}
