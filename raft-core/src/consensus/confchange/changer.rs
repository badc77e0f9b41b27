//! [`Changer`]: what a change makes of a configuration.

use crate::consensus::quorum::configuration::Configuration;
use crate::consensus::quorum::majority::MajorityConfig;
use crate::consensus::tracker::inflights::Inflights;
use crate::consensus::tracker::progress::Progress;
use crate::consensus::tracker::progress_map::ProgressMap;
use crate::error::{Error, Result};
use crate::raftpb::conf_change::{ConfChangeSingle, ConfChangeType, ConfChangeV2};

/// Works out what a change makes of a configuration, and of the members' progress. The ones it is given stay as
/// they are: a refused change leaves no trace.
#[derive(Clone, Copy, Debug)]
pub struct Changer<'a> {
    /// The configuration to change.
    pub config: &'a Configuration,
    /// The progress of exactly its members.
    pub progress: &'a ProgressMap,
    /// The last entry of the leader's log, from which a new member is probed.
    pub last_index: u64,
    /// Messages that may be on their way to a new member.
    pub inflight_messages_max: usize,
    /// Bytes of entries that may be on their way to a new member; 0 is no limit.
    pub inflight_bytes_max: u64,
}

impl Changer<'_> {
    /// Does what `change` asks for: leaves a joint configuration, enters one, or changes one voter at once.
    ///
    /// Fails with [`Error::ConfChange`] if the change does not fit the configuration, with [`Error::Decode`] if its
    /// transition is unknown.
    pub fn apply(&self, change: &ConfChangeV2) -> Result<(Configuration, ProgressMap)> {
        if change.leave_joint() {
            return self.leave_joint();
        }
        match change.enter_joint()? {
            Some(auto_leave) => self.enter_joint(auto_leave, &change.changes),
            None => self.simple(&change.changes),
        }
    }

    /// Does `changes` at once. Together they may change one voter at most: any majority before and any majority
    /// after then share a member (thesis, section 4.1).
    ///
    /// Fails with [`Error::ConfChange`] if they change more, leave no voter, or the configuration is joint.
    pub fn simple(&self, changes: &[ConfChangeSingle]) -> Result<(Configuration, ProgressMap)> {
        let mut draft = self.draft()?;
        if draft.config.is_joint() {
            return refuse("can't apply simple config change in joint config");
        }
        draft.apply_all(changes)?;
        let (before, after) = (&self.config.voters.incoming, &draft.config.voters.incoming);
        if only_in(before, after) + only_in(after, before) > 1 {
            return refuse("more than one voter changed without entering joint config");
        }
        draft.finish()
    }

    /// Does `changes` to the incoming half of a joint configuration, whose outgoing half is what there was (thesis,
    /// section 4.3). `auto_leave` is kept in the configuration for the leader.
    ///
    /// Fails with [`Error::ConfChange`] if the configuration is joint already, has no voter, or is left with none.
    pub fn enter_joint(
        &self,
        auto_leave: bool,
        changes: &[ConfChangeSingle],
    ) -> Result<(Configuration, ProgressMap)> {
        let mut draft = self.draft()?;
        if draft.config.is_joint() {
            return refuse("config is already joint");
        }
        if draft.config.voters.incoming.is_empty() {
            return refuse("can't make a zero-voter config joint");
        }
        draft.config.voters.outgoing = draft.config.voters.incoming.clone();
        draft.apply_all(changes)?;
        draft.config.auto_leave = auto_leave;
        draft.finish()
    }

    /// Drops the outgoing half of a joint configuration, and makes learners of those who waited for that.
    ///
    /// Fails with [`Error::ConfChange`] if the configuration is not joint.
    pub fn leave_joint(&self) -> Result<(Configuration, ProgressMap)> {
        let mut draft = self.draft()?;
        if !draft.config.is_joint() {
            return refuse("can't leave a non-joint config");
        }
        let Draft { config, progress, .. } = &mut draft;
        for id in std::mem::take(&mut config.learners_next) {
            config.learners.insert(id);
            if let Some(progress) = progress.get_mut(id) {
                progress.is_learner = true;
            }
        }
        for &id in std::mem::take(&mut config.voters.outgoing).ids() {
            if !config.contains(id) {
                progress.remove(id);
            }
        }
        config.auto_leave = false;
        draft.finish()
    }

    fn draft(&self) -> Result<Draft> {
        check(self.config, self.progress).map_err(Error::Invariant)?;
        let inflights = Inflights::new(self.inflight_messages_max, self.inflight_bytes_max);
        Ok(Draft {
            config: self.config.clone(),
            progress: self.progress.clone(),
            newcomer: newcomer(self.last_index, inflights),
        })
    }
}

/// The progress of a member that has just been added. It is probed from the end of the log, in the hope that the
/// host has brought it there, and counts as active, so that the leader's next look at its quorum does not fail for
/// somebody who could not answer yet.
pub(super) fn newcomer(last_index: u64, inflights: Inflights) -> Progress {
    Progress { recent_active: true, ..Progress::new(last_index, inflights, false) }
}

fn refuse<T>(why: &str) -> Result<T> {
    Err(Error::ConfChange(why.to_owned()))
}

/// How many ids of `these` are not in `those`.
fn only_in(these: &MajorityConfig, those: &MajorityConfig) -> usize {
    these.ids().iter().filter(|&&id| !those.contains(id)).count()
}

/// A configuration on its way to the next. Changes to voters are made in the incoming half; the outgoing half is
/// empty or stands still.
struct Draft {
    config: Configuration,
    progress: ProgressMap,
    newcomer: Progress,
}

impl Draft {
    fn apply_all(&mut self, changes: &[ConfChangeSingle]) -> Result<()> {
        for change in changes {
            // This is how a host that has seen the entry committed cancels a step of it.
            if change.node_id == 0 {
                continue;
            }
            match ConfChangeType::try_from(change.change_type) {
                Ok(ConfChangeType::AddNode) => self.make_voter(change.node_id),
                Ok(ConfChangeType::AddLearnerNode) => self.make_learner(change.node_id),
                Ok(ConfChangeType::RemoveNode) => self.remove(change.node_id),
                Ok(ConfChangeType::UpdateNode) => {}
                Err(_) => return refuse(&format!("unexpected conf type {}", change.change_type)),
            }
        }
        if self.config.voters.incoming.is_empty() {
            return refuse("removed all voters");
        }
        Ok(())
    }

    fn make_voter(&mut self, id: u64) {
        self.config.learners.remove(&id);
        self.config.learners_next.remove(&id);
        self.config.voters.incoming.insert(id);
        match self.progress.get_mut(id) {
            Some(progress) => progress.is_learner = false,
            None => drop(self.progress.insert(id, self.newcomer.clone())),
        }
    }

    fn make_learner(&mut self, id: u64) {
        self.config.voters.incoming.remove(id);
        // A voter of the outgoing half goes on voting there, so it cannot be a learner yet.
        if self.config.voters.outgoing.contains(id) {
            self.config.learners_next.insert(id);
            return;
        }
        self.config.learners.insert(id);
        match self.progress.get_mut(id) {
            Some(progress) => progress.is_learner = true,
            None => drop(self.progress.insert(id, Progress { is_learner: true, ..self.newcomer.clone() })),
        }
    }

    fn remove(&mut self, id: u64) {
        self.config.voters.incoming.remove(id);
        self.config.learners.remove(&id);
        self.config.learners_next.remove(&id);
        // A voter of the outgoing half needs the log until that half is left.
        if !self.config.voters.outgoing.contains(id) {
            self.progress.remove(id);
        }
    }

    fn finish(self) -> Result<(Configuration, ProgressMap)> {
        check(&self.config, &self.progress).map_err(Error::Invariant)?;
        Ok((self.config, self.progress))
    }
}

/// What holds of every configuration and its progress; else says what does not. The empty configuration is legal:
/// the first change starts from it.
pub(super) fn check(config: &Configuration, progress: &ProgressMap) -> std::result::Result<(), String> {
    let voters = &config.voters;
    for id in voters.ids().into_iter().chain(config.learners.iter().copied()) {
        let Some(progress) = progress.get(id) else {
            return Err(format!("no progress for member {id}"));
        };
        if progress.is_learner != config.learners.contains(&id) {
            return Err(format!("member {id} is a learner in one place and a voter in another"));
        }
    }
    if let Some(id) = progress.ids().find(|&id| !config.contains(id)) {
        return Err(format!("progress of {id}, which is no member"));
    }
    if let Some(id) = config.learners.iter().find(|&&id| voters.contains(id)) {
        return Err(format!("member {id} is both a learner and a voter"));
    }
    for &id in &config.learners_next {
        if !voters.outgoing.contains(id) || voters.incoming.contains(id) {
            return Err(format!("member {id} waits to be a learner, but is not on its way out as a voter"));
        }
    }
    if config.auto_leave && !config.is_joint() {
        return Err("automatic leave of a configuration that is not joint".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::raftpb::conf_change::ConfChangeTransition;
    use ConfChangeType::{AddLearnerNode, AddNode, RemoveNode, UpdateNode};

    type State = (Configuration, ProgressMap);

    fn changer(state: &State) -> Changer<'_> {
        Changer {
            config: &state.0,
            progress: &state.1,
            last_index: 10,
            inflight_messages_max: 4,
            inflight_bytes_max: 100,
        }
    }

    fn steps(steps: &[(ConfChangeType, u64)]) -> Vec<ConfChangeSingle> {
        steps.iter().map(|&(what, id)| ConfChangeSingle::new(what, id)).collect()
    }

    fn voters(ids: impl IntoIterator<Item = u64>) -> State {
        ids.into_iter()
            .fold(State::default(), |state, id| changer(&state).simple(&steps(&[(AddNode, id)])).unwrap())
    }

    fn refused(result: Result<State>, text: &str) {
        assert_eq!(result.unwrap_err(), Error::ConfChange(text.to_owned()));
    }

    #[test]
    fn a_new_member_is_active_and_probed_from_the_end_of_the_log() {
        let state = voters([1]);
        let progress = state.1.get(1).unwrap();
        assert_eq!(progress.to_string(), "StateProbe match=0 next=10");
        assert_eq!(progress.inflights, Inflights::new(4, 100));
        let first =
            Changer { last_index: 0, ..changer(&State::default()) }.simple(&steps(&[(AddNode, 1)])).unwrap();
        assert_eq!(first.1.get(1).unwrap().next, 1);
    }

    #[test]
    fn the_progress_of_those_who_stay_is_kept() {
        let mut state = voters([1, 2]);
        state.1.get_mut(2).unwrap().become_replicate();
        state.1.get_mut(2).unwrap().maybe_update(7);
        let (_, after) = changer(&state).simple(&steps(&[(AddLearnerNode, 2), (AddLearnerNode, 3)])).unwrap();
        assert_eq!(after.get(2).unwrap().to_string(), "StateReplicate match=7 next=8 learner");
        assert_eq!(after.get(1), state.1.get(1));
    }

    #[test]
    fn what_does_not_fit_is_refused_and_leaves_no_trace() {
        let state = voters([1, 2]);
        let before = state.clone();
        refused(changer(&state).leave_joint(), "can't leave a non-joint config");
        refused(
            changer(&state).simple(&steps(&[(AddNode, 3), (AddNode, 4)])),
            "more than one voter changed without entering joint config",
        );
        refused(changer(&state).simple(&steps(&[(RemoveNode, 1), (RemoveNode, 2)])), "removed all voters");
        refused(
            changer(&state).enter_joint(true, &steps(&[(RemoveNode, 1), (AddLearnerNode, 2)])),
            "removed all voters",
        );
        refused(
            changer(&state).simple(&[ConfChangeSingle { change_type: 17, node_id: 1 }]),
            "unexpected conf type 17",
        );
        assert_eq!(state, before);
        refused(changer(&State::default()).enter_joint(false, &[]), "can't make a zero-voter config joint");
        let joint = changer(&state).enter_joint(false, &[]).unwrap();
        refused(changer(&joint).enter_joint(false, &[]), "config is already joint");
        refused(changer(&joint).simple(&[]), "can't apply simple config change in joint config");
    }

    #[test]
    fn an_unknown_kind_of_step_on_nobody_is_a_cancelled_step() {
        let state = voters([1]);
        let after = changer(&state).simple(&[ConfChangeSingle { change_type: 17, node_id: 0 }]);
        assert_eq!(after, Ok(state));
    }

    #[test]
    fn a_demoted_voter_waits_until_the_joint_configuration_is_left() {
        let state = voters([1, 2, 3]);
        let joint = changer(&state)
            .enter_joint(true, &steps(&[(AddLearnerNode, 3), (RemoveNode, 2), (AddNode, 4), (UpdateNode, 1)]))
            .unwrap();
        assert_eq!(joint.0.to_string(), "voters=(1 4)&&(1 2 3) learners_next=(3) autoleave");
        assert!(!joint.1.get(3).unwrap().is_learner);
        assert_eq!(joint.1.ids().collect::<Vec<_>>(), [1, 2, 3, 4]);
        let left = changer(&joint).leave_joint().unwrap();
        assert_eq!(left.0.to_string(), "voters=(1 4) learners=(3)");
        assert!(left.1.get(3).unwrap().is_learner);
        assert_eq!(left.1.ids().collect::<Vec<_>>(), [1, 3, 4]);
    }

    #[test]
    fn a_transition_chooses_how_it_is_done() {
        let state = voters([1]);
        let mut change = ConfChangeV2::new(steps(&[(AddNode, 2)]));
        let shown = |change: &ConfChangeV2| changer(&state).apply(change).map(|after| after.0.to_string());
        assert_eq!(shown(&change).unwrap(), "voters=(1 2)");
        change.transition = ConfChangeTransition::JointExplicit as i32;
        assert_eq!(shown(&change).unwrap(), "voters=(1 2)&&(1)");
        change.transition = ConfChangeTransition::JointImplicit as i32;
        assert_eq!(shown(&change).unwrap(), "voters=(1 2)&&(1) autoleave");
        let joint = changer(&state).apply(&change).unwrap();
        let left = changer(&joint).apply(&ConfChangeV2::default()).unwrap();
        assert_eq!(left.0.to_string(), "voters=(1 2)");
        change.transition = 9;
        assert!(matches!(changer(&state).apply(&change), Err(Error::Decode(_))));
    }

    #[test]
    fn a_configuration_that_contradicts_its_progress_stops_the_change() {
        let good = voters([1, 2]);
        let broken = |spoil: fn(&mut State)| {
            let mut state = good.clone();
            spoil(&mut state);
            matches!(changer(&state).simple(&[]), Err(Error::Invariant(_)))
        };
        assert!(!broken(|_| {}));
        assert!(broken(|state| assert!(state.1.remove(2).is_some())));
        assert!(broken(|state| assert!(state.0.voters.incoming.remove(2))));
        assert!(broken(|state| assert!(state.0.learners.insert(2))));
        assert!(broken(|state| state.1.get_mut(2).unwrap().is_learner = true));
        assert!(broken(|state| assert!(state.0.learners_next.insert(2))));
        assert!(broken(|state| state.0.auto_leave = true));
    }

    fn any_step() -> impl Strategy<Value = ConfChangeSingle> {
        // Member 1 always votes, so that no step is refused for want of voters.
        (0i32..4, 2u64..10).prop_map(|(change_type, node_id)| ConfChangeSingle { change_type, node_id })
    }

    proptest! {
        #[test]
        fn one_by_one_or_joint_a_change_ends_the_same(
            setup in prop::collection::vec(1u64..6, 0..6),
            changes in prop::collection::vec(any_step(), 1..10),
        ) {
            let start = voters(std::iter::once(1).chain(setup));
            let one_by_one = changes.iter().fold(start.clone(), |state, &change| {
                changer(&state).simple(&[change]).unwrap()
            });
            for auto_leave in [false, true] {
                let joint = changer(&start).enter_joint(auto_leave, &changes).unwrap();
                prop_assert_eq!(joint.0.auto_leave, auto_leave);
                prop_assert_eq!(&joint.0.voters.outgoing, &start.0.voters.incoming);
                prop_assert_eq!(&changer(&joint).leave_joint().unwrap(), &one_by_one);
            }
        }
    }
}
