//! [`JointConfig`]: two majorities that must agree.

use std::fmt;

use super::majority::MajorityConfig;
use super::vote_result::VoteResult;
use crate::consensus::mutants::{Mutant, is_planted};

/// Two sets of voters on the way from the outgoing to the incoming one (thesis, section 4.3): each decision needs a
/// majority of both. An empty outgoing set means that the configuration is not joint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JointConfig {
    /// The voters that stay, or simply the voters.
    pub incoming: MajorityConfig,
    /// The voters before the change.
    pub outgoing: MajorityConfig,
}

impl JointConfig {
    /// The largest index that both majorities have acknowledged, as in [`MajorityConfig::committed_index`].
    pub fn committed_index(&self, acked: impl Fn(u64) -> Option<u64>) -> u64 {
        if is_planted(Mutant::SingleQuorumInJoint) {
            return self.incoming.committed_index(&acked);
        }
        self.incoming.committed_index(&acked).min(self.outgoing.committed_index(&acked))
    }

    /// What the votes so far mean, as in [`MajorityConfig::vote_result`]: one lost half loses, both must win.
    pub fn vote_result(&self, vote: impl Fn(u64) -> Option<bool>) -> VoteResult {
        if is_planted(Mutant::SingleVoteInJoint) {
            return self.incoming.vote_result(&vote);
        }
        match (self.incoming.vote_result(&vote), self.outgoing.vote_result(&vote)) {
            (VoteResult::Lost, _) | (_, VoteResult::Lost) => VoteResult::Lost,
            (VoteResult::Won, VoteResult::Won) => VoteResult::Won,
            (VoteResult::Pending, _) | (_, VoteResult::Pending) => VoteResult::Pending,
        }
    }

    /// The voters of both halves in ascending order, each once.
    pub fn ids(&self) -> Vec<u64> {
        let mut ids = [self.incoming.ids(), self.outgoing.ids()].concat();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Whether `id` votes in either half.
    pub fn contains(&self, id: u64) -> bool {
        self.incoming.contains(id) || self.outgoing.contains(id)
    }

    /// Whether one voter decides alone.
    pub fn is_singleton(&self) -> bool {
        self.incoming.len() == 1 && self.outgoing.is_empty()
    }

    /// The bar chart of the voters of both halves, see [`MajorityConfig::describe`].
    pub fn describe(&self, acked: impl Fn(u64) -> Option<u64>) -> String {
        MajorityConfig::from_ids(self.ids()).describe(acked)
    }
}

impl fmt::Display for JointConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.incoming)?;
        if !self.outgoing.is_empty() {
            write!(f, "&&{}", self.outgoing)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn joint(incoming: &BTreeSet<u64>, outgoing: &BTreeSet<u64>) -> JointConfig {
        JointConfig {
            incoming: MajorityConfig::from_ids(incoming.iter().copied()),
            outgoing: MajorityConfig::from_ids(outgoing.iter().copied()),
        }
    }

    #[test]
    fn members_of_both_halves_are_listed_once() {
        let config = joint(&BTreeSet::from([3, 1]), &BTreeSet::from([1, 12]));
        assert_eq!(config.ids(), [1, 3, 12]);
        assert!(config.contains(12) && config.contains(3) && !config.contains(2));
        assert_eq!(config.to_string(), "(1 3)&&(1 c)");
        assert_eq!(joint(&BTreeSet::from([1]), &BTreeSet::new()).to_string(), "(1)");
    }

    #[test]
    fn a_voter_decides_alone_only_outside_of_a_joint_configuration() {
        let one = BTreeSet::from([1]);
        assert!(joint(&one, &BTreeSet::new()).is_singleton());
        assert!(!joint(&one, &one).is_singleton());
        assert!(!joint(&BTreeSet::from([1, 2]), &BTreeSet::new()).is_singleton());
        assert!(!JointConfig::default().is_singleton());
    }

    proptest! {
        #[test]
        fn the_halves_are_equals_and_an_empty_one_is_not_there(
            a in prop::collection::btree_set(0u64..10, 0..6),
            b in prop::collection::btree_set(0u64..10, 0..6),
            acked in prop::collection::btree_map(0u64..10, 1u64..6, 0..10),
            votes in prop::collection::btree_map(0u64..10, any::<bool>(), 0..10),
        ) {
            let ack = |id: u64| acked.get(&id).copied();
            let vote = |id: u64| votes.get(&id).copied();
            prop_assert_eq!(joint(&a, &b).committed_index(ack), joint(&b, &a).committed_index(ack));
            prop_assert_eq!(joint(&a, &b).vote_result(vote), joint(&b, &a).vote_result(vote));
            let majority = MajorityConfig::from_ids(a.iter().copied());
            for other in [&BTreeSet::new(), &a] {
                prop_assert_eq!(joint(&a, other).committed_index(ack), majority.committed_index(ack));
                prop_assert_eq!(joint(&a, other).vote_result(vote), majority.vote_result(vote));
            }
        }

        #[test]
        fn what_is_committed_or_won_is_so_in_both_halves(
            a in prop::collection::btree_set(0u64..10, 1..6),
            b in prop::collection::btree_set(0u64..10, 1..6),
            acked in prop::collection::btree_map(0u64..10, 1u64..6, 0..10),
            votes in prop::collection::btree_map(0u64..10, any::<bool>(), 0..10),
        ) {
            let more_than_half = |half: &BTreeSet<u64>, agrees: &dyn Fn(&u64) -> bool| {
                2 * half.iter().filter(|id| agrees(id)).count() > half.len()
            };
            let both = |agrees: &dyn Fn(&u64) -> bool| more_than_half(&a, agrees) && more_than_half(&b, agrees);
            let config = joint(&a, &b);
            let committed = config.committed_index(|id| acked.get(&id).copied());
            let reached = |index: u64| both(&|id: &u64| acked.get(id).is_some_and(|&other| other >= index));
            prop_assert!(committed == 0 || reached(committed));
            prop_assert!(!reached(committed + 1));
            let won = config.vote_result(|id| votes.get(&id).copied()) == VoteResult::Won;
            prop_assert_eq!(won, both(&|id: &u64| votes.get(id) == Some(&true)));
        }
    }

    #[test]
    fn one_lost_half_loses_even_when_the_other_is_open() {
        let config = joint(&BTreeSet::from([1]), &BTreeSet::from([2]));
        let votes = BTreeMap::from([(2, false)]);
        assert_eq!(config.vote_result(|id| votes.get(&id).copied()), VoteResult::Lost);
        let votes = BTreeMap::from([(2, true)]);
        assert_eq!(config.vote_result(|id| votes.get(&id).copied()), VoteResult::Pending);
    }
}
