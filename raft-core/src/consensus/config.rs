//! The settings of one node.

use super::lost::Lost;
use crate::error::{Error, Result};

/// Ids that etcd reserves for the storage threads of a node.
const RESERVED_IDS: [u64; 2] = [u64::MAX, u64::MAX - 1];

/// More would last for years, and overflow when added up.
const TICKS_MAX: u64 = 1 << 32;

/// How a linearizable read is confirmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadOnlyOption {
    /// By a round of heartbeats to a quorum (thesis 6.4). Needs no clock.
    #[default]
    Safe,
    /// By the leader's lease, while it has one, and else by a round of heartbeats. A lease trusts that no clock runs
    /// faster than another by more than `clock_drift_percent` (thesis 6.4.1), on every node: all must set it. Needs
    /// `check_quorum`.
    LeaseBased,
}

/// The settings of a [`RawNode`](super::raw_node::RawNode). Times are in ticks, sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// This node. Not 0, and not one of the two largest numbers.
    pub id: u64,
    /// A follower that hears from no leader for this many ticks, up to twice as many, campaigns. More than
    /// `heartbeat_ticks`; ten times as many is usual.
    pub election_ticks: u64,
    /// A leader sends heartbeats every so many ticks. At least 1.
    pub heartbeat_ticks: u64,
    /// The most bytes of encoded entries in one `MsgApp`; one entry always fits. 0 sends one entry a message.
    pub message_bytes_max: u64,
    /// The most bytes of encoded entries handed out for applying and not handed back yet; one entry always fits.
    /// 0 takes the value of `message_bytes_max`.
    pub apply_bytes_max: u64,
    /// The most bytes of uncommitted payload on a leader; more is refused. One proposal always fits. 0 is no limit.
    pub uncommitted_bytes_max: u64,
    /// The most `MsgApp` on their way to one follower. At least 1.
    pub inflight_messages_max: usize,
    /// The most bytes of payload on their way to one follower. At least `message_bytes_max`; 0 is no limit.
    pub inflight_bytes_max: u64,
    /// A leader that hears from no quorum for an election timeout steps down (thesis 6.2).
    pub check_quorum: bool,
    /// A node asks whether it could win before it disturbs a term (thesis 9.6).
    pub pre_vote: bool,
    /// How reads are confirmed.
    pub read_only: ReadOnlyOption,
    /// How much faster the fastest clock of the group may run than the slowest, for lease-based reads. At most 99. The
    /// lease is shorter than `election_ticks` by as much, and by a tick; where nothing is left, there is none.
    pub clock_drift_percent: u64,
    /// Ticks that this node waits longer than others before it campaigns, so that a preferred one wins; 0 is none. It
    /// votes like all others, and campaigns at once when the leader hands over to it or the host says so.
    pub hold_back_ticks: u64,
    /// A follower sends the proposals it gets to its leader.
    pub forward_proposals: bool,
    /// A leader turns a membership change that it must not append into an empty entry.
    pub validate_conf_changes: bool,
    /// A leader that is removed or demoted becomes a follower when that is applied (thesis 4.2.2).
    pub step_down_on_removal: bool,
    /// Committed entries may be handed out in the same `Ready` that hands them out to be saved. Fewer rounds for a
    /// host that saves and applies on one thread; a host that does the two side by side must leave it off.
    pub apply_unstable: bool,
    /// How far the state machine is at the start; 0 is as far as the snapshot.
    pub applied: u64,
    /// Which disk this node stands on: a number drawn when the disk was first written, never 0 and never drawn twice.
    /// With it the group notices a member that comes back without its past. 0 is not told.
    pub store_id: u64,
    /// What this node's disk has lost of what it had acknowledged: it does not vote until it has that again.
    pub lost: Option<Lost>,
    /// Where chance comes from, which only draws election timeouts. The same seed draws the same ones.
    pub seed: u64,
}

impl Config {
    /// The settings that suit most: ten ticks to an election, PreVote, CheckQuorum, safe reads.
    pub fn new(id: u64) -> Self {
        Config {
            id,
            election_ticks: 10,
            heartbeat_ticks: 1,
            message_bytes_max: 1 << 20,
            apply_bytes_max: 0,
            uncommitted_bytes_max: 64 << 20,
            inflight_messages_max: 256,
            inflight_bytes_max: 16 << 20,
            check_quorum: true,
            pre_vote: true,
            read_only: ReadOnlyOption::Safe,
            clock_drift_percent: 10,
            hold_back_ticks: 0,
            forward_proposals: true,
            validate_conf_changes: true,
            step_down_on_removal: true,
            apply_unstable: false,
            applied: 0,
            store_id: 0,
            lost: None,
            seed: id,
        }
    }

    /// Whether the settings are in range and fit each other.
    pub fn validate(&self) -> Result<()> {
        let fault = if self.id == 0 || RESERVED_IDS.contains(&self.id) {
            "id must not be 0, nor one of the two largest numbers"
        } else if self.heartbeat_ticks == 0 {
            "heartbeat_ticks must be at least 1"
        } else if self.election_ticks <= self.heartbeat_ticks {
            "election_ticks must be more than heartbeat_ticks"
        } else if self.election_ticks > TICKS_MAX || self.hold_back_ticks > TICKS_MAX {
            "election_ticks and hold_back_ticks must be at most 2^32"
        } else if self.clock_drift_percent > 99 {
            "clock_drift_percent must be at most 99"
        } else if self.inflight_messages_max == 0 {
            "inflight_messages_max must be at least 1"
        } else if self.inflight_bytes_max != 0 && self.inflight_bytes_max < self.message_bytes_max {
            "inflight_bytes_max must be 0 or at least message_bytes_max"
        } else if self.read_only == ReadOnlyOption::LeaseBased && !self.check_quorum {
            "lease-based reads need check_quorum"
        } else {
            return Ok(());
        };
        Err(Error::Config(fault.to_owned()))
    }

    /// `apply_bytes_max` with its default filled in; at least 1, so that a page is never empty.
    pub(super) fn apply_page(&self) -> u64 {
        let page = if self.apply_bytes_max == 0 { self.message_bytes_max } else { self.apply_bytes_max };
        page.max(1)
    }

    /// How long after a round of heartbeats its answers still vouch for the leader, in its own ticks.
    ///
    /// A follower that answered refuses to vote for `election_ticks` of its own, which may pass faster than the
    /// leader's. What the leader counted as one tick may have begun up to a tick earlier.
    pub(super) fn lease_ticks(&self) -> u64 {
        (self.election_ticks * (100 - self.clock_drift_percent) / 100).saturating_sub(1)
    }

    /// `uncommitted_bytes_max` with 0 meaning no limit.
    pub(crate) fn uncommitted_limit(&self) -> u64 {
        if self.uncommitted_bytes_max == 0 { u64::MAX } else { self.uncommitted_bytes_max }
    }
}
