//! [`VoteResult`].

use std::fmt;

/// What the votes counted so far mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoteResult {
    /// The votes still missing can turn it either way.
    Pending,
    /// A majority can no longer be reached.
    Lost,
    /// A majority said yes.
    Won,
}

impl fmt::Display for VoteResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            VoteResult::Pending => "VotePending",
            VoteResult::Lost => "VoteLost",
            VoteResult::Won => "VoteWon",
        })
    }
}
