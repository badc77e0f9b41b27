//! [`Event`]: what a host may want to know.

use std::time::Duration;

use crate::consensus::status::RoleKind;
use crate::error::Error;
use crate::raftpb::conf_change::ConfState;

/// Something that happened in an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The role, the term or the known leader changed.
    Role {
        /// What this node is now.
        role: RoleKind,
        /// The term.
        term: u64,
        /// Who leads; 0 if nobody is known to.
        leader: u64,
    },
    /// A membership change was applied.
    Membership {
        /// The entry that changed it.
        index: u64,
        /// The membership from there on.
        conf_state: ConfState,
    },
    /// A snapshot of the state machine is durable.
    SnapshotSaved {
        /// The last entry it covers.
        index: u64,
        /// That entry's term.
        term: u64,
        /// Bytes that the host wrote.
        bytes: u64,
    },
    /// The state machine was replaced by a snapshot from the leader.
    SnapshotRestored {
        /// The last entry it covers.
        index: u64,
        /// That entry's term.
        term: u64,
        /// Bytes that the host read.
        bytes: u64,
    },
    /// The disk has less room than is kept for the log. Until there is more, this node as leader takes no proposals.
    DiskFull {
        /// Bytes that are left.
        free: u64,
    },
    /// The disk has room again.
    DiskHasRoom {
        /// Bytes that are left.
        free: u64,
    },
    /// Nothing of the engine ran for more than half an election timeout: the process or the machine was stopped, or `send`
    /// held the driver up. A lease is gone, and the ticks that were missed are not made up for.
    Paused {
        /// How long.
        time: Duration,
    },
    /// The disk has been at one write to the log for longer than half an election timeout, and half a second. A
    /// leader hands over, or steps down where nobody takes it.
    DiskStalled {
        /// How long it has been at it.
        time: Duration,
    },
    /// The disk has finished that write.
    DiskMoves {
        /// How long the driver waited for it.
        time: Duration,
    },
    /// The engine has stopped for good. Its status can still be read.
    Failed {
        /// Why.
        error: Error,
    },
    /// The disk has lost a part of what this node had acknowledged, now or before an earlier start. It does not vote or
    /// lead until its leader has refilled it.
    Damaged {
        /// The first entry that was lost.
        first_lost: u64,
        /// The last one that may have been lost; `u64::MAX` if nobody can tell.
        last_lost: u64,
        /// File, place and fault of each damage found at this start, in plain sentences.
        damages: Vec<String>,
    },
    /// This node holds again all that its disk had lost, and is a member like any other.
    Refilled {
        /// The last entry of its log.
        last_index: u64,
    },
    /// The engine came back from its directory.
    Recovered {
        /// The index of the snapshot it started from; 0 is none.
        index: u64,
        /// The last entry of the log.
        last_index: u64,
        /// What was mended or removed, in plain sentences.
        notes: Vec<String>,
    },
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub enum Level {
    /// The engine cannot go on.
    Error = 1,
    /// Something is not as it should be.
    Warn = 2,
    /// Seldom, and good to know.
    Info = 3,
    /// For those who look for a fault.
    Debug = 4,
    /// What consensus does, for etcd's TLA+ specification: see [`trace`](crate::consensus::trace).
    Trace = 5,
}
