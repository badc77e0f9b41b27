//! [`Votes`]: the answers to a campaign.

use crate::consensus::quorum::configuration::Configuration;
use crate::consensus::quorum::vote_result::VoteResult;

/// The answers to one campaign so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Votes {
    // In order of arrival, no id twice.
    answers: Vec<(u64, bool)>,
}

impl Votes {
    /// Notes what `id` answered. The first answer counts: a voter has one vote a term.
    pub fn record(&mut self, id: u64, granted: bool) {
        if self.answer(id).is_none() {
            self.answers.push((id, granted));
        }
    }

    /// Forgets every answer.
    pub fn reset(&mut self) {
        self.answers.clear();
    }

    /// Whether `id` has answered.
    pub fn have_answer_of(&self, id: u64) -> bool {
        self.answer(id).is_some()
    }

    fn answer(&self, id: u64) -> Option<bool> {
        self.answers.iter().find(|&&(other, _)| other == id).map(|&(_, granted)| granted)
    }

    /// How many voters of `config` granted, how many rejected, and what that means. Answers of others, who may have
    /// been voters when they were asked, count for nothing.
    pub fn tally(&self, config: &Configuration) -> (usize, usize, VoteResult) {
        let counted = |wanted: bool| {
            let voters = self.answers.iter().filter(|&&(id, _)| config.voters.contains(id));
            voters.filter(|&&(_, granted)| granted == wanted).count()
        };
        (counted(true), counted(false), config.voters.vote_result(|id| self.answer(id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::quorum::majority::MajorityConfig;

    #[test]
    fn the_first_answer_of_each_voter_counts() {
        let mut config = Configuration::default();
        config.voters.incoming = MajorityConfig::from_ids([1, 2, 3]);
        config.learners.insert(4);
        let mut votes = Votes::default();
        assert_eq!(votes.tally(&config), (0, 0, VoteResult::Pending));
        votes.record(1, true);
        votes.record(2, false);
        votes.record(2, true);
        votes.record(4, true);
        votes.record(9, true);
        assert_eq!(votes.tally(&config), (1, 1, VoteResult::Pending));
        votes.record(3, true);
        assert_eq!(votes.tally(&config), (2, 1, VoteResult::Won));
        config.voters.outgoing = MajorityConfig::from_ids([2]);
        assert_eq!(votes.tally(&config), (2, 1, VoteResult::Lost));
        votes.reset();
        assert_eq!(votes.tally(&config), (0, 0, VoteResult::Pending));
    }
}
