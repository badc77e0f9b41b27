//! [`Plant`]: a fault of the host that the simulation has to find.

/// What a host does wrong. Faults of the core are planted in the core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Plant {
    #[default]
    Nothing,
    /// Hands a ticket back before its write is durable.
    AckBeforeDurable,
    /// Comes back with its term, and without its vote.
    ForgetVote,
    /// Takes snapshots that name the first membership.
    SnapshotWithoutConfState,
}

impl Plant {
    pub(crate) const ALL: [Plant; 3] =
        [Plant::AckBeforeDurable, Plant::ForgetVote, Plant::SnapshotWithoutConfState];
}
