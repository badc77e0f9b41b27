//! From the stored membership to the live one.

use std::collections::BTreeSet;

use super::changer::{Changer, check, newcomer};
use crate::consensus::quorum::configuration::Configuration;
use crate::consensus::quorum::joint::JointConfig;
use crate::consensus::quorum::majority::MajorityConfig;
use crate::consensus::tracker::inflights::Inflights;
use crate::consensus::tracker::progress::Progress;
use crate::consensus::tracker::progress_map::ProgressMap;
use crate::error::{Error, Result};
use crate::raftpb::conf_change::{ConfChangeV2, ConfState};

/// The configuration that `stored` describes, with the progress of members that have just been added, as by
/// [`Changer`]. The ids of `stored` may stand in any order.
///
/// Fails with [`Error::ConfChange`] if no sequence of changes leads to such a configuration: an id of 0 or given
/// twice, a learner that votes, members but no voter, and the like. It may have come from a peer or from disk.
pub fn restore(
    stored: &ConfState,
    last_index: u64,
    inflight_messages_max: usize,
    inflight_bytes_max: u64,
) -> Result<(Configuration, ProgressMap)> {
    let set = |ids: &[u64]| {
        let set: BTreeSet<u64> = ids.iter().copied().collect();
        if set.len() != ids.len() || set.contains(&0) {
            return Err(Error::ConfChange(format!("{ids:?} holds an id of 0 or one id twice")));
        }
        Ok(set)
    };
    let config = Configuration {
        voters: JointConfig {
            incoming: MajorityConfig::from_ids(set(&stored.voters)?),
            outgoing: MajorityConfig::from_ids(set(&stored.voters_outgoing)?),
        },
        learners: set(&stored.learners)?,
        learners_next: set(&stored.learners_next)?,
        auto_leave: stored.auto_leave,
    };
    if config.voters.incoming.is_empty() && config != Configuration::default() {
        return Err(Error::ConfChange("members, but no voter".to_owned()));
    }
    let mut progress = ProgressMap::default();
    let added = newcomer(last_index, Inflights::new(inflight_messages_max, inflight_bytes_max));
    for id in config.voters.ids().into_iter().chain(config.learners.iter().copied()) {
        let is_learner = config.learners.contains(&id);
        progress.insert(id, Progress { is_learner, ..added.clone() });
    }
    check(&config, &progress).map_err(Error::ConfChange)?;
    Ok((config, progress))
}

/// What `change` makes of the stored membership `stored`: the same as a node makes of it that applies the change.
///
/// A state machine that takes snapshots keeps the membership of the entry it has applied last; this is how.
/// Fails with [`Error::ConfChange`] if `stored` is not legal or the change does not fit it, with [`Error::Decode`]
/// if the change's transition is unknown.
pub fn conf_state_after(stored: &ConfState, change: &ConfChangeV2) -> Result<ConfState> {
    let (config, progress) = restore(stored, 0, 0, 0)?;
    let changer = Changer {
        config: &config,
        progress: &progress,
        last_index: 0,
        inflight_messages_max: 0,
        inflight_bytes_max: 0,
    };
    let (config, _) = changer.apply(change)?;
    Ok(config.conf_state())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::raftpb::conf_change::ConfChangeSingle;
    use crate::raftpb::conf_change::ConfChangeType::{AddLearnerNode, AddNode, RemoveNode};

    fn sorted(mut state: ConfState) -> ConfState {
        for ids in
            [&mut state.voters, &mut state.learners, &mut state.voters_outgoing, &mut state.learners_next]
        {
            ids.sort_unstable();
        }
        state
    }

    fn singles(kind: crate::raftpb::conf_change::ConfChangeType, ids: &[u64]) -> Vec<ConfChangeSingle> {
        ids.iter().map(|&id| ConfChangeSingle::new(kind, id)).collect()
    }

    /// The same configuration, reached from the empty one by changes alone.
    fn by_changes(stored: &ConfState) -> (Configuration, ProgressMap) {
        fn simple(
            state: (Configuration, ProgressMap),
            step: ConfChangeSingle,
        ) -> (Configuration, ProgressMap) {
            changer(&state).simple(&[step]).unwrap()
        }
        fn changer(state: &(Configuration, ProgressMap)) -> Changer<'_> {
            Changer {
                config: &state.0,
                progress: &state.1,
                last_index: 10,
                inflight_messages_max: 20,
                inflight_bytes_max: 7,
            }
        }
        let start = (Configuration::default(), ProgressMap::default());
        let before = singles(AddNode, &stored.voters_outgoing).into_iter().fold(start, simple);
        let mut after = singles(RemoveNode, &stored.voters_outgoing);
        after.extend(singles(AddNode, &stored.voters));
        after.extend(singles(AddLearnerNode, &stored.learners));
        after.extend(singles(AddLearnerNode, &stored.learners_next));
        if stored.voters_outgoing.is_empty() {
            after.into_iter().fold(before, simple)
        } else {
            changer(&before).enter_joint(stored.auto_leave, &after).unwrap()
        }
    }

    fn joint() -> ConfState {
        ConfState {
            voters: vec![1, 2, 3],
            learners: vec![5],
            voters_outgoing: vec![1, 2, 4, 6],
            learners_next: vec![4],
            auto_leave: false,
        }
    }

    #[test]
    fn nothing_and_a_joint_configuration_come_back() {
        for stored in [ConfState::default(), ConfState::of_voters([1, 2, 3]), joint()] {
            let (config, progress) = restore(&stored, 10, 20, 7).unwrap();
            assert_eq!(config.conf_state(), stored);
            assert!(progress.ids().all(|id| stored.contains(id)));
        }
    }

    #[test]
    fn what_no_change_leads_to_is_refused() {
        let spoilt: [fn(&mut ConfState); 10] = [
            |it| it.voters.clear(),
            |it| it.voters.push(0),
            |it| it.voters.push(1),
            |it| it.voters.push(5),
            |it| it.voters.push(4),
            |it| it.learners.push(6),
            |it| it.learners.push(5),
            |it| it.learners_next.push(5),
            |it| it.learners_next.push(9),
            |it| {
                it.voters_outgoing.clear();
                it.learners_next.clear();
                it.auto_leave = true;
            },
        ];
        for (at, spoil) in spoilt.into_iter().enumerate() {
            let mut stored = joint();
            spoil(&mut stored);
            assert!(matches!(restore(&stored, 1, 1, 0), Err(Error::ConfChange(_))), "{at}: {stored:?}");
        }
    }

    #[test]
    fn a_stored_membership_changes_as_a_live_one_does() {
        let add = ConfChangeV2::new(singles(AddNode, &[4]));
        assert_eq!(
            conf_state_after(&ConfState::of_voters([1, 2]), &add),
            Ok(ConfState::of_voters([1, 2, 4]))
        );
        let left = conf_state_after(&joint(), &ConfChangeV2::default()).unwrap();
        assert_eq!(left, ConfState { learners: vec![4, 5], ..ConfState::of_voters([1, 2, 3]) });
        assert!(matches!(conf_state_after(&joint(), &add), Err(Error::ConfChange(_))));
        let swap = ConfChangeV2::new([singles(AddNode, &[2]), singles(RemoveNode, &[1])].concat());
        let entered = ConfState { voters_outgoing: vec![1], auto_leave: true, ..ConfState::of_voters([2]) };
        assert_eq!(conf_state_after(&ConfState::of_voters([1]), &swap), Ok(entered));
    }

    fn any_legal() -> impl Strategy<Value = ConfState> {
        // Ids in random order, dealt out to those who stay, learn, or are on their way out.
        let ids = Just((1..=12).collect::<Vec<u64>>()).prop_shuffle();
        (ids, 1usize..6, 0usize..5, 0usize..3, 0usize..6, 0usize..3, any::<bool>()).prop_map(
            |(ids, voters, learners, removed, retained, waiting, auto_leave)| {
                let (voters, rest) = ids.split_at(voters);
                let (learners, rest) = rest.split_at(learners);
                let removed = &rest[..removed.min(rest.len())];
                let outgoing = [&voters[..retained.min(voters.len())], removed].concat();
                ConfState {
                    voters: voters.to_vec(),
                    learners: learners.to_vec(),
                    learners_next: removed[..waiting.min(removed.len())].to_vec(),
                    auto_leave: auto_leave && !outgoing.is_empty(),
                    voters_outgoing: outgoing,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn what_was_stored_comes_back_and_is_what_changes_would_have_made(stored in any_legal()) {
            let restored = restore(&stored, 10, 20, 7).unwrap();
            prop_assert_eq!(restored.0.conf_state(), sorted(stored.clone()));
            prop_assert_eq!(restored, by_changes(&stored));
        }

        #[test]
        fn any_stored_bytes_are_restored_or_refused(
            voters in prop::collection::vec(0u64..6, 0..4),
            learners in prop::collection::vec(0u64..6, 0..3),
            voters_outgoing in prop::collection::vec(0u64..6, 0..3),
            learners_next in prop::collection::vec(0u64..6, 0..2),
            auto_leave in any::<bool>(),
        ) {
            let stored = ConfState { voters, learners, voters_outgoing, learners_next, auto_leave };
            match restore(&stored, 10, 20, 7) {
                Ok((config, _)) => prop_assert_eq!(config.conf_state(), sorted(stored)),
                Err(error) => prop_assert!(matches!(error, Error::ConfChange(_))),
            }
        }
    }
}
