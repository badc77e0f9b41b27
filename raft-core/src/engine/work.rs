//! What the driver hands to the writer and the applier, and what comes back.

use super::courier::files::{FileDone, FileJob};
use super::event::Event;
use super::outcome::{Asker, Outcome};
use crate::consensus::ready::{AppendTicket, ApplyTicket};
use crate::disk::loss::Loss;
use crate::error::{Error, Result};
use crate::raftpb::message::{HardState, SnapshotMetadata};

/// For the writer. There are as many as consensus has tickets outstanding, and one snapshot.
pub(super) enum WriterJob {
    /// To be made durable.
    Append(AppendTicket),
    /// To be written, and durable with what follows.
    Commit(HardState),
    /// A snapshot whose file is durable, to be named in the log.
    Record(Saved),
    /// Which disk each member stands on, to be kept.
    KnownStores(Vec<(u64, u64)>),
    /// The disk lacks something that this node has acknowledged.
    KeepLoss(Loss),
    /// What the disk had lost is there again.
    ForgetLoss,
}

/// For the applier. There are as many as consensus has tickets outstanding, one snapshot, the courier's window, and
/// what speaks of requests, which the inbox bounds.
pub(super) enum ApplierJob {
    /// To be applied.
    Apply(ApplyTicket),
    /// The state machine is to be replaced by this snapshot, which is durable.
    Restore(SnapshotMetadata),
    /// A snapshot is to be taken.
    Save,
    /// To be told to the host.
    Outcomes(Vec<Outcome>),
    /// To be told to the host.
    Event(Event),
    /// A piece of a snapshot on its way.
    File(FileJob),
}

/// What the writer and the applier have done.
pub(super) enum Completion {
    /// These are durable, in the order they were given.
    Appended(Vec<AppendTicket>),
    /// This is applied.
    Applied(ApplyTicket),
    /// A snapshot was taken, or was not; none if nothing was applied since the last one.
    Saved(Result<Option<Saved>>),
    /// The log names the snapshot.
    Recorded(Saved),
    /// A piece of a snapshot was read or written.
    File(FileDone),
    /// What peers asked for is decided.
    Decided(Vec<(Asker, Outcome)>),
    /// The disk has become full, or has room again, with so many bytes left.
    Room { full: bool, free: u64 },
    /// The thread has ended; why is in [`Shared::failure`](super::shared::Shared::failure).
    Failed(Error),
}

/// A snapshot of this node's own state machine.
#[derive(Clone, Debug)]
pub(super) struct Saved {
    pub(super) metadata: SnapshotMetadata,
    pub(super) bytes: u64,
}
