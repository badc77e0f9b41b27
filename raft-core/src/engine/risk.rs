//! Which membership changes a leader refuses although consensus would allow them: after them the group might stand still.

use crate::consensus::confchange::restore::conf_state_after;
use crate::error::{Error, Result};
use crate::raftpb::conf_change::{ConfChangeV2, ConfState};

/// A group of so many voters takes a further one only by way of a learner: a single wrong address would cost it, at once
/// or with the next failure, its quorum.
const SMALL_GROUP: usize = 2;

/// Whether `change` of the membership `at` is safe, as far as one can tell by who has been heard of lately and which
/// learner keeps pace.
///
/// `LearnerBehind`: a learner is to vote that has not caught up. `QuorumAtRisk`: the voters that were heard of are no
/// quorum of the new configuration, or of one half of a joint one. A change that does not fit `at` is left to consensus
/// to refuse, and so is one that would remove the last voter.
pub(super) fn check(
    at: &ConfState,
    change: &ConfChangeV2,
    is_heard: impl Fn(u64) -> bool,
    keeps_pace: impl Fn(u64) -> bool,
) -> Result<()> {
    let Ok(after) = conf_state_after(at, change) else { return Ok(()) };
    let is_same = after.voters == at.voters && after.voters_outgoing.is_empty();
    // To leave a joint configuration takes away a quorum that was needed, and adds none.
    if is_same || change.leave_joint() {
        return Ok(());
    }
    let added = || after.voters.iter().copied().filter(|id| !at.voters.contains(id));
    if let Some(id) = added().find(|id| at.learners.contains(id) && !keeps_pace(*id)) {
        return Err(Error::LearnerBehind(id));
    }
    if at.voters.len() <= SMALL_GROUP
        && let Some(id) = added().find(|id| !at.learners.contains(id))
    {
        let n = at.voters.len();
        return Err(Error::QuorumAtRisk(format!(
            "nobody has heard of node {id}, and the group has {n} of voters only: add it as a learner first"
        )));
    }
    for half in [&after.voters, &after.voters_outgoing] {
        let silent: Vec<u64> = half.iter().copied().filter(|id| !is_heard(*id)).collect();
        if !half.is_empty() && half.len() - silent.len() <= half.len() / 2 {
            return Err(Error::QuorumAtRisk(format!(
                "of the voters {half:?} nodes {silent:?} have not been heard of lately, and the rest is no quorum"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raftpb::conf_change::ConfChangeSingle;
    use crate::raftpb::conf_change::ConfChangeType::{self, AddLearnerNode, AddNode, RemoveNode, UpdateNode};

    /// What is said where these were heard of, and keep pace if they learn.
    fn checked(at: &ConfState, steps: &[(ConfChangeType, u64)], heard: &[u64]) -> Result<()> {
        let steps = steps.iter().map(|&(what, id)| ConfChangeSingle::new(what, id)).collect();
        let is_heard = |id| heard.contains(&id);
        check(at, &ConfChangeV2::new(steps), is_heard, is_heard)
    }

    fn names(result: Result<()>, ids: &str) {
        match result {
            Err(Error::QuorumAtRisk(text)) => assert!(text.contains(ids), "{text}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_quorum_of_the_new_configuration_has_to_have_been_heard_of() {
        let five = ConfState::of_voters(1..=5);
        assert_eq!(checked(&five, &[(RemoveNode, 5)], &[1, 2, 3]), Ok(()));
        names(checked(&five, &[(RemoveNode, 3)], &[1, 2, 3]), "[1, 2, 4, 5] nodes [4, 5]");
        names(checked(&five, &[(AddNode, 6)], &[1, 2, 3]), "[4, 5, 6]");
        assert_eq!(checked(&five, &[(AddNode, 6)], &[1, 2, 3, 4]), Ok(()));
        // Both halves of a joint one count.
        let four_of_five = [1, 2, 3, 6];
        let learning = ConfState { learners: vec![6], ..five.clone() };
        let swap = |old| [(AddNode, 6), (RemoveNode, old)];
        assert_eq!(checked(&learning, &swap(5), &four_of_five), Ok(()));
        names(checked(&learning, &[swap(3), swap(2)].concat(), &[1, 2, 3, 6]), "nodes [4, 5]");
        names(
            checked(&learning, &[swap(4), swap(5)].concat(), &[1, 2, 6]),
            "[1, 2, 3, 4, 5] nodes [3, 4, 5]",
        );
    }

    #[test]
    fn what_leaves_the_voters_as_they_are_is_nobodys_risk() {
        let three = ConfState::of_voters(1..=3);
        for steps in [[(AddLearnerNode, 4)], [(UpdateNode, 2)], [(RemoveNode, 9)]] {
            assert_eq!(checked(&three, &steps, &[1]), Ok(()));
        }
        let joint = ConfState { voters_outgoing: vec![1, 2, 3], ..ConfState::of_voters([1, 2, 4]) };
        assert_eq!(check(&joint, &ConfChangeV2::default(), |_| false, |_| false), Ok(()));
        // Impossible: consensus says so.
        assert_eq!(checked(&ConfState::of_voters([1]), &[(RemoveNode, 1)], &[]), Ok(()));
    }

    #[test]
    fn a_small_group_takes_voters_by_way_of_a_learner_that_has_caught_up() {
        for n in 1..=2 {
            let small = ConfState::of_voters(1..=n);
            let all: Vec<u64> = (1..=n).collect();
            names(checked(&small, &[(AddNode, 9)], &all), "node 9");
            let learning = ConfState { learners: vec![9], ..small };
            assert_eq!(checked(&learning, &[(AddNode, 9)], &all), Err(Error::LearnerBehind(9)));
            assert_eq!(checked(&learning, &[(AddNode, 9)], &[all, vec![9]].concat()), Ok(()));
        }
        assert_eq!(checked(&ConfState::of_voters(1..=3), &[(AddNode, 9)], &[1, 2, 3]), Ok(()));
    }
}
