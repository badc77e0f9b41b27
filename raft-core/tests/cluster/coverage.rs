//! [`Coverage`]: rare things that a run of many seeds must have met. One that misses some tests less than it says.

macro_rules! rare {
    ($($name:ident,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Rare { $($name,)* }

        impl Rare {
            pub(crate) const ALL: &[Rare] = &[$(Rare::$name,)*];
        }
    };
}

rare! {
    SnapshotInstalled,
    SnapshotOfJointInstalled,
    SnapshotToNewcomer,
    SnapshotLost,
    SnapshotOvertakesApply,
    CrashOfLeader,
    CrashInJoint,
    CrashLosesEntries,
    CrashLosesState,
    CrashKeepsPartOfAWrite,
    CrashWithinReady,
    CrashAfterMessage,
    DiskStalled,
    RestartFromSnapshotAndLog,
    TruncationAfterRestart,
    TruncationOfUnsynced,
    CommitRetreatsOverCrash,
    TermRisesWhileWriting,
    ManyWritesOutstanding,
    MessageFromEarlierLife,
    MessageOfOldTerm,
    MessageDoubled,
    MessageHeldByPause,
    TwoLeadersAtOnce,
    LeaderStepsDown,
    LeaderLostToOneWayCut,
    ElectionWithinPartition,
    PreVoteRejected,
    VoteRejected,
    AppendRejected,
    TransferDone,
    TransferUnderPartition,
    LeaderRemoved,
    LearnerPromoted,
    VoterDemoted,
    JointEntered,
    JointLeftByItself,
    JointLeftByRequest,
    ChangeRefused,
    RemovedNodeReturns,
    ForwardedWriteDone,
    WriteRefused,
    UncommittedFull,
    ReadDone,
    ReadForwarded,
    ReadAcrossLeaderChange,
    ReadWaitsForApply,
    RepeatedContext,
    WindowFull,
    LeaderForgotten,
    CandidateLost,
    VoterLost,
    LeaderDeposed,
    ApplierHeld,
    JointCutInHalves,
    LeaderOfOneEntry,
    LeaderCutOffInTransfer,
    RestartWithStateMachine,
    DiskWiped,
    DiskBroughtBack,
    WipedNodeReturns,
}

/// How often each happened.
#[derive(Clone, Debug)]
pub(crate) struct Coverage {
    counts: Vec<u64>,
}

impl Default for Coverage {
    fn default() -> Self {
        Coverage { counts: vec![0; Rare::ALL.len()] }
    }
}

impl Coverage {
    pub(crate) fn hit(&mut self, what: Rare) {
        self.counts[what as usize] += 1;
    }

    pub(crate) fn add(&mut self, other: &Coverage) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
    }

    pub(crate) fn missed(&self) -> Vec<Rare> {
        Rare::ALL.iter().copied().filter(|&what| self.counts[what as usize] == 0).collect()
    }

    pub(crate) fn summary(&self) -> String {
        let each = Rare::ALL.iter().map(|&what| format!("{what:?} {}", self.counts[what as usize]));
        each.collect::<Vec<_>>().join(", ")
    }
}
