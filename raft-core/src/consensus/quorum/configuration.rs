//! [`Configuration`]: the live membership.

use std::collections::BTreeSet;
use std::fmt;

use super::joint::JointConfig;
use super::majority::write_ids;
use crate::raftpb::conf_change::ConfState;

/// The membership that is in force. [`ConfState`] is how it is stored.
///
/// No member is voter and learner at once. `learners_next` and `auto_leave` are in use only while it is joint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// Who votes.
    pub voters: JointConfig,
    /// Members that receive the log and do not vote.
    pub learners: BTreeSet<u64>,
    /// Outgoing voters that become learners when the joint configuration is left. They have to wait: until then
    /// they vote in the outgoing half.
    pub learners_next: BTreeSet<u64>,
    /// Whether the leader leaves the joint configuration by itself.
    pub auto_leave: bool,
}

impl Configuration {
    /// The same membership in the form in which it is stored.
    pub fn conf_state(&self) -> ConfState {
        ConfState {
            voters: self.voters.incoming.ids().to_vec(),
            learners: self.learners.iter().copied().collect(),
            voters_outgoing: self.voters.outgoing.ids().to_vec(),
            learners_next: self.learners_next.iter().copied().collect(),
            auto_leave: self.auto_leave,
        }
    }

    /// Whether two majorities decide.
    pub fn is_joint(&self) -> bool {
        !self.voters.outgoing.is_empty()
    }

    /// Whether `id` is a voter in either half, or a learner. `learners_next` are voters of the outgoing half.
    pub fn contains(&self, id: u64) -> bool {
        self.voters.contains(id) || self.learners.contains(&id)
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "voters={}", self.voters)?;
        for (name, ids) in [("learners", &self.learners), ("learners_next", &self.learners_next)] {
            if !ids.is_empty() {
                write!(f, " {name}=")?;
                write_ids(f, ids)?;
            }
        }
        if self.auto_leave {
            f.write_str(" autoleave")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::majority::MajorityConfig;
    use super::*;

    #[test]
    fn it_prints_what_there_is_and_stores_the_same() {
        let mut config = Configuration::default();
        assert_eq!(config.to_string(), "voters=()");
        assert_eq!(config.conf_state(), ConfState::default());
        config.voters.incoming = MajorityConfig::from_ids([2, 1]);
        assert_eq!(config.to_string(), "voters=(1 2)");
        assert_eq!(config.conf_state(), ConfState::of_voters([1, 2]));
        assert!(!config.is_joint());

        config.voters.outgoing = MajorityConfig::from_ids([3, 31]);
        config.learners = BTreeSet::from([16, 4]);
        config.learners_next = BTreeSet::from([31]);
        config.auto_leave = true;
        assert!(config.is_joint());
        assert_eq!(config.to_string(), "voters=(1 2)&&(3 1f) learners=(4 10) learners_next=(1f) autoleave");
        let stored = ConfState {
            voters: vec![1, 2],
            learners: vec![4, 16],
            voters_outgoing: vec![3, 31],
            learners_next: vec![31],
            auto_leave: true,
        };
        assert_eq!(config.conf_state(), stored);
        for id in 0..40 {
            assert_eq!(config.contains(id), stored.contains(id), "{id}");
        }
    }
}
