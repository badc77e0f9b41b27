//! [`ProgressMap`]: the [`Progress`] of every member.

use std::fmt;

use super::progress::Progress;
use crate::consensus::quorum::configuration::Configuration;
use crate::consensus::quorum::vote_result::VoteResult;

/// The [`Progress`] of every member by its id. A few members in one piece of memory: walked, which is faster than to halve it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgressMap {
    // Ascending in id, no id twice.
    members: Vec<(u64, Progress)>,
}

impl ProgressMap {
    fn find(&self, id: u64) -> Result<usize, usize> {
        self.members.binary_search_by_key(&id, |&(id, _)| id)
    }

    /// The progress of `id`.
    pub fn get(&self, id: u64) -> Option<&Progress> {
        self.iter().find(|(member, _)| *member == id).map(|(_, progress)| progress)
    }

    /// The progress of `id`, to change.
    pub fn get_mut(&mut self, id: u64) -> Option<&mut Progress> {
        self.iter_mut().find(|(member, _)| *member == id).map(|(_, progress)| progress)
    }

    /// Sets the progress of `id` and returns the one it had.
    pub fn insert(&mut self, id: u64, progress: Progress) -> Option<Progress> {
        match self.find(id) {
            Ok(at) => Some(std::mem::replace(&mut self.members[at].1, progress)),
            Err(at) => {
                self.members.insert(at, (id, progress));
                None
            }
        }
    }

    /// Takes `id` out and returns the progress it had.
    pub fn remove(&mut self, id: u64) -> Option<Progress> {
        self.find(id).ok().map(|at| self.members.remove(at).1)
    }

    /// Ids and progresses in ascending order of id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u64, &Progress)> {
        self.members.iter().map(|(id, progress)| (*id, progress))
    }

    /// Ids and progresses in ascending order of id, to change.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (u64, &mut Progress)> {
        self.members.iter_mut().map(|(id, progress)| (*id, progress))
    }

    /// The ids in ascending order.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = u64> {
        self.members.iter().map(|&(id, _)| id)
    }

    /// The id at position `at` of that order: a way to walk the members while they change.
    pub fn id_at(&self, at: usize) -> Option<u64> {
        self.members.get(at).map(|&(id, _)| id)
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The largest index that the voters of `config` have acknowledged; `u64::MAX` if it has none.
    pub fn committed(&self, config: &Configuration) -> u64 {
        config.voters.committed_index(|id| self.get(id).map(|progress| progress.matched))
    }

    /// Whether something came from enough voters of `config` lately for them to decide.
    pub fn quorum_active(&self, config: &Configuration) -> bool {
        let active = |id| self.get(id).map(|progress| progress.recent_active);
        config.voters.vote_result(active) == VoteResult::Won
    }
}

impl fmt::Display for ProgressMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|(id, progress)| writeln!(f, "{id}: {progress}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::inflights::Inflights;
    use super::*;
    use crate::consensus::quorum::majority::MajorityConfig;

    fn member(matched: u64, recent_active: bool) -> Progress {
        Progress { matched, recent_active, ..Progress::new(matched + 1, Inflights::new(4, 0), false) }
    }

    fn three() -> (Configuration, ProgressMap) {
        let mut config = Configuration::default();
        config.voters.incoming = MajorityConfig::from_ids([1, 2, 12]);
        let mut map = ProgressMap::default();
        for (id, matched) in [(12, 3), (1, 7), (2, 5)] {
            assert_eq!(map.insert(id, member(matched, false)), None);
        }
        (config, map)
    }

    #[test]
    fn members_stand_in_the_order_of_their_ids() {
        let (_, mut map) = three();
        assert_eq!(map.ids().collect::<Vec<_>>(), [1, 2, 12]);
        let lines = "1: StateProbe match=7 next=8 inactive\n\
                     2: StateProbe match=5 next=6 inactive\n\
                     12: StateProbe match=3 next=4 inactive\n";
        assert_eq!(map.to_string(), lines);
        assert_eq!(map.insert(2, member(6, true)), Some(member(5, false)));
        for (id, progress) in map.iter_mut() {
            progress.is_learner = id == 12;
        }
        map.get_mut(1).unwrap().matched = 4;
        assert_eq!(
            map.iter().map(|(id, it)| (id, it.matched)).collect::<Vec<_>>(),
            [(1, 4), (2, 6), (12, 3)]
        );
        assert!(map.get(12).unwrap().is_learner);
        assert!(map.remove(12).is_some() && map.remove(12).is_none() && map.get(12).is_none());
        assert_eq!((map.len(), map.is_empty()), (2, false));
    }

    #[test]
    fn what_the_voters_have_is_committed_and_learners_do_not_count() {
        let (mut config, mut map) = three();
        map.insert(20, Progress { is_learner: true, ..member(9, true) });
        config.learners.insert(20);
        assert_eq!(map.committed(&config), 5);
        config.voters.outgoing = MajorityConfig::from_ids([12]);
        assert_eq!(map.committed(&config), 3);
        assert_eq!(map.committed(&Configuration::default()), u64::MAX);
    }

    #[test]
    fn a_quorum_is_active_when_a_majority_of_voters_is() {
        let (mut config, mut map) = three();
        map.insert(20, Progress { is_learner: true, ..member(9, true) });
        map.get_mut(1).unwrap().recent_active = true;
        assert!(!map.quorum_active(&config));
        map.get_mut(2).unwrap().recent_active = true;
        assert!(map.quorum_active(&config));
        config.voters.outgoing = MajorityConfig::from_ids([12]);
        assert!(!map.quorum_active(&config));
    }
}
