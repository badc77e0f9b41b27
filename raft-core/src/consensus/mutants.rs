//! Classic faults, planted one at a time to prove that the simulation would notice them.
//!
//! Without the feature `mutants` nothing of this is compiled in: [`is_planted`] is the constant `false`.

/// A fault that implementations of Raft have had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, unreachable_pub)] // each stands where it is planted; public with the feature
pub enum Mutant {
    AckBeforeDurable,
    AppendWithoutMatch,
    AskWithUnsyncedLog,
    BelieveUncomparedCommit,
    CampaignWithUnappliedChange,
    CommitBehindMatch,
    CommitOldTermByCounting,
    CommitUnmatchedByHeartbeat,
    CountUnsyncedOwnEntries,
    IgnoreAba,
    IgnoreTerm,
    LeadWithoutOwnVote,
    LeaseAfterTransfer,
    LeaseWithoutQuorum,
    QuorumOfHalf,
    ReadBeforeFirstCommit,
    ReadByContext,
    ReadWithoutQuorum,
    RecoverBeforeDurable,
    RepeatOvertakenChange,
    SecondUnappliedChange,
    SingleQuorumInJoint,
    SingleVoteInJoint,
    SkipUpToDateCheck,
    TruncateWithoutConflict,
    TrustLostDisk,
    TrustOlderCopy,
    /// A node that holds less than its leader knows it to hold goes on voting.
    TrustRolledBackDisk,
    VoteBeforeDurable,
    VoteTwice,
    VoteWhileRecovering,
}

#[cfg(feature = "mutants")]
impl Mutant {
    /// All that chance finds. `IgnoreAba` wants three leaders within one write, in one order: a script has to show it,
    /// and those that are about damaged disks, which the simulation does not have.
    pub const BY_CHANCE: [Mutant; 25] = {
        use Mutant::*;
        [
            AckBeforeDurable,
            AppendWithoutMatch,
            AskWithUnsyncedLog,
            CampaignWithUnappliedChange,
            CommitOldTermByCounting,
            CommitUnmatchedByHeartbeat,
            CountUnsyncedOwnEntries,
            IgnoreTerm,
            LeadWithoutOwnVote,
            LeaseAfterTransfer,
            LeaseWithoutQuorum,
            QuorumOfHalf,
            ReadBeforeFirstCommit,
            ReadByContext,
            ReadWithoutQuorum,
            RepeatOvertakenChange,
            SecondUnappliedChange,
            SingleQuorumInJoint,
            SingleVoteInJoint,
            SkipUpToDateCheck,
            TruncateWithoutConflict,
            TrustLostDisk,
            TrustOlderCopy,
            VoteBeforeDurable,
            VoteTwice,
        ]
    };
}

#[cfg(feature = "mutants")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Plants `mutant` in all nodes of this thread, in place of the one before.
#[cfg(feature = "mutants")]
pub fn plant(mutant: Option<Mutant>) {
    PLANTED.set(mutant);
}

#[cfg(feature = "mutants")]
pub(super) fn is_planted(mutant: Mutant) -> bool {
    PLANTED.get() == Some(mutant)
}

#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub(super) const fn is_planted(_: Mutant) -> bool {
    false
}
