//! [`MajorityConfig`]: voters of whom more than half decide.

use std::fmt;

use smallvec::SmallVec;

use super::vote_result::VoteResult;
use crate::consensus::mutants::{Mutant, is_planted};

/// Up to this many voters, counting allocates nothing.
const USUAL_VOTERS: usize = 7;

/// A set of voters, of whom more than half decide.
///
/// The empty set agrees with everything: it is the second half of a [`JointConfig`](super::joint::JointConfig)
/// that is not joint, and must not hold up the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MajorityConfig {
    // Ascending, no id twice.
    ids: Vec<u64>,
}

impl MajorityConfig {
    /// The set of these ids, in any order; an id given twice counts once.
    pub fn from_ids(ids: impl IntoIterator<Item = u64>) -> Self {
        let mut ids: Vec<u64> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        MajorityConfig { ids }
    }

    /// The ids in ascending order.
    pub fn ids(&self) -> &[u64] {
        &self.ids
    }

    /// Whether `id` is in the set.
    pub fn contains(&self, id: u64) -> bool {
        self.ids.binary_search(&id).is_ok()
    }

    /// Adds `id`; false if it was there.
    pub fn insert(&mut self, id: u64) -> bool {
        match self.ids.binary_search(&id) {
            Ok(_) => false,
            Err(at) => {
                self.ids.insert(at, id);
                true
            }
        }
    }

    /// Takes `id` out; false if it was not there.
    pub fn remove(&mut self, id: u64) -> bool {
        match self.ids.binary_search(&id) {
            Ok(at) => {
                self.ids.remove(at);
                true
            }
            Err(_) => false,
        }
    }

    /// How many voters there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no voter.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// How many voters decide.
    fn quorum(&self) -> usize {
        if is_planted(Mutant::QuorumOfHalf) { self.ids.len().div_ceil(2) } else { self.ids.len() / 2 + 1 }
    }

    /// The largest index that a majority has acknowledged, where `acked` knows what each voter has, and a voter
    /// it does not know counts as having nothing. `u64::MAX` for the empty set.
    pub fn committed_index(&self, acked: impl Fn(u64) -> Option<u64>) -> u64 {
        let acked = |id| acked(id).unwrap_or(0);
        match self.ids[..] {
            [] => return u64::MAX,
            // The middle one of three, without a list to sort.
            [a, b, c] if self.quorum() == 2 => {
                let (a, b, c) = (acked(a), acked(b), acked(c));
                return a.min(b).max(a.max(b).min(c));
            }
            _ => {}
        }
        let mut indexes: SmallVec<[u64; USUAL_VOTERS]> = self.ids.iter().map(|&id| acked(id)).collect();
        indexes.sort_unstable();
        // Ascending: from here to the end stands one quorum, and all of it has this index.
        indexes[indexes.len() - self.quorum()]
    }

    /// What the votes so far mean, where `vote` tells each voter's answer and `None` is no answer yet.
    /// `Won` for the empty set.
    pub fn vote_result(&self, vote: impl Fn(u64) -> Option<bool>) -> VoteResult {
        if self.ids.is_empty() {
            return VoteResult::Won;
        }
        let (mut granted, mut missing) = (0, 0);
        for &id in &self.ids {
            match vote(id) {
                Some(true) => granted += 1,
                Some(false) => {}
                None => missing += 1,
            }
        }
        if granted >= self.quorum() {
            VoteResult::Won
        } else if granted + missing >= self.quorum() {
            VoteResult::Pending
        } else {
            VoteResult::Lost
        }
    }

    /// A bar chart of what each voter has acknowledged, a line a voter. A bar is as long as there are voters that
    /// are further back, and `?` marks a voter `acked` does not know.
    pub fn describe(&self, acked: impl Fn(u64) -> Option<u64>) -> String {
        if self.ids.is_empty() {
            return "<empty majority quorum>".to_owned();
        }
        let width = self.ids.len();
        // Voters that are level share the bar of the first of them in this order, which is that of the count.
        let mut order: Vec<(u64, u64)> = self.ids.iter().map(|&id| (acked(id).unwrap_or(0), id)).collect();
        order.sort_unstable();
        let mut chart = format!("{:width$}    idx\n", "");
        for &id in &self.ids {
            let known = acked(id);
            let index = known.unwrap_or(0);
            let bar = match known {
                Some(_) => "x".repeat(order.partition_point(|&(other, _)| other < index)) + ">",
                None => "?".to_owned(),
            };
            chart += &format!("{bar:<padded$} {index:>5}    (id={id:x})\n", padded = width + 1);
        }
        chart
    }
}

/// Writes ids as `(1 a ff)`.
pub(super) fn write_ids<'a>(
    f: &mut fmt::Formatter<'_>,
    ids: impl IntoIterator<Item = &'a u64>,
) -> fmt::Result {
    f.write_str("(")?;
    for (at, id) in ids.into_iter().enumerate() {
        let space = if at == 0 { "" } else { " " };
        write!(f, "{space}{id:x}")?;
    }
    f.write_str(")")
}

impl fmt::Display for MajorityConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_ids(f, &self.ids)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_a_sorted_set() {
        let mut config = MajorityConfig::from_ids([255, 1, 10, 1]);
        assert_eq!(config.ids(), [1, 10, 255]);
        assert_eq!(config.to_string(), "(1 a ff)");
        assert!(config.insert(2) && !config.insert(2));
        assert!(config.remove(10) && !config.remove(10));
        assert_eq!(config.ids(), [1, 2, 255]);
        assert!(config.contains(2) && !config.contains(10));
        assert_eq!((config.len(), config.is_empty()), (3, false));
        assert_eq!(MajorityConfig::default().to_string(), "()");
    }

    #[test]
    fn the_empty_set_agrees_with_everything() {
        let config = MajorityConfig::default();
        assert_eq!(config.committed_index(|_| None), u64::MAX);
        assert_eq!(config.vote_result(|_| Some(false)), VoteResult::Won);
        assert_eq!(config.describe(|_| None), "<empty majority quorum>");
    }

    #[test]
    fn the_chart_ranks_voters_and_marks_the_unknown() {
        let acked = BTreeMap::from([(1, 101), (2, 104), (3, 103), (4, 103)]);
        let chart = MajorityConfig::from_ids(1..=5).describe(|id| acked.get(&id).copied());
        let expected = "         idx\n\
                        x>       101    (id=1)\n\
                        xxxx>    104    (id=2)\n\
                        xx>      103    (id=3)\n\
                        xx>      103    (id=4)\n\
                        ?          0    (id=5)\n";
        assert_eq!(chart, expected);
    }

    /// The definition, instead of the order statistic: the largest index that enough voters have reached.
    fn committed_by_definition(config: &MajorityConfig, acked: &BTreeMap<u64, u64>) -> u64 {
        let reached = |index: u64| {
            config.ids().iter().filter(|id| acked.get(id).is_some_and(|&other| other >= index)).count()
        };
        let candidates = config.ids().iter().filter_map(|id| acked.get(id).copied());
        candidates.filter(|&index| 2 * reached(index) > config.len()).max().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn committed_is_the_largest_index_that_a_majority_reached(
            ids in prop::collection::btree_set(0u64..24, 1..12),
            acked in prop::collection::btree_map(0u64..24, 0u64..10, 0..24),
        ) {
            let config = MajorityConfig::from_ids(ids);
            let committed = config.committed_index(|id| acked.get(&id).copied());
            prop_assert_eq!(committed, committed_by_definition(&config, &acked));
        }

        #[test]
        fn a_vote_is_decided_when_no_completion_changes_it(
            ids in prop::collection::btree_set(0u64..12, 1..8),
            votes in prop::collection::btree_map(0u64..12, any::<bool>(), 0..12),
        ) {
            let config = MajorityConfig::from_ids(ids);
            let completed = |rest: bool| config.vote_result(|id| Some(votes.get(&id).copied().unwrap_or(rest)));
            let expected = match (completed(false), completed(true)) {
                (VoteResult::Won, VoteResult::Won) => VoteResult::Won,
                (VoteResult::Lost, VoteResult::Lost) => VoteResult::Lost,
                (VoteResult::Lost, VoteResult::Won) => VoteResult::Pending,
                other => return Err(TestCaseError::fail(format!("a complete vote gave {other:?}"))),
            };
            prop_assert_eq!(config.vote_result(|id| votes.get(&id).copied()), expected);
        }
    }
}
