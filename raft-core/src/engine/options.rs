//! [`Options`]: the settings of an engine.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::courier::sender::WINDOW;
use crate::consensus::config::Config;
use crate::error::{Error, Result};

/// The settings of an [`Engine`](super::node::Engine).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The settings of the consensus core. `applied` and `apply_unstable` are the engine's to set; `forward_proposals` has
    /// a follower hand proposals and changes to the leader, whose outcome comes back. With `read_only` by leases a leader
    /// answers reads by itself, on every node alike; the engine ends a lease when it was stopped meanwhile, as far as the
    /// machine's clocks tell: a virtual machine whose clocks stand still while it is paused must not use leases.
    pub consensus: Config,
    /// The length of a tick, 1 ms to 60 s; default 100 ms.
    pub tick_interval: Duration,
    /// The most proposals, reads, changes and peer messages that wait for the driver; default 8192. The last eighth
    /// is kept for peer messages, so that a full queue does not cost a leader its followers. Sixteen times as many entries
    /// may wait to be applied, reads for their index, and outcomes to be told; beyond that requests are `Busy` too.
    pub queue_items_max: usize,
    /// The most bytes that wait for the driver, with an eighth kept likewise; default 64 MiB.
    pub queue_bytes_max: usize,
    /// The most bytes of one proposal; default 8 MiB.
    pub proposal_bytes_max: usize,
    /// A snapshot is taken after so many applied entries; default 10000, 0 is only by call or for a peer that needs one.
    pub snapshot_entries: u64,
    /// A snapshot is taken after so many bytes of applied entries, too; default 0, which is never.
    pub snapshot_bytes: u64,
    /// Entries kept in memory behind a snapshot for slow followers; default 5000.
    pub snapshot_trailing: u64,
    /// A snapshot longer than this travels in chunks of it; default 256 KiB, at least 1 KiB, at most 64 MiB. Chunks are
    /// smaller where `queue_bytes_max` is less than eight times as much: a receiver's queue holds two windows of four.
    pub snapshot_chunk_bytes: usize,
    /// The most bytes of snapshots that this node as leader sends in a second, to all together; default 0, which is as
    /// many as its followers take. At least 1024 otherwise.
    pub snapshot_send_bytes_per_second: u64,
    /// Whether the host's log gets a line for each step of consensus, see [`trace`](crate::consensus::trace); default no.
    pub trace: bool,
    /// Whether a call that waits for its outcome also waits for room, as long as it has time, instead of being refused as
    /// `Busy` at once; default no.
    pub wait_for_room: bool,
    /// Where a segment of the write-ahead log ends, in bytes; default 64000000.
    pub segment_bytes: u64,
    /// Whether the write-ahead log is written past the system's cache where the file system can do that, each write durable
    /// when it returns: less work for the processor, and less waiting. What was committed last is then written with
    /// the next entries only, and a process that is killed hears of it from the others again. Default yes.
    pub direct_writes: bool,
    /// Bytes of the disk that are kept for the log; default 64 MiB, 0 is none. With less left, this node as leader takes
    /// no proposals, but goes on with what it has, answers reads and follows a leader, until there is room again.
    pub disk_reserve_bytes: u64,
    /// The cluster; default 1. A directory remembers it.
    pub cluster_id: u64,
    /// The first members of a new cluster, the same on each of them. None: this node waits to be added. Read only when
    /// the directory is fresh.
    pub voters: Vec<u64>,
    /// The last resort when the quorum is lost for good; default 0, which is no. Any other number has this node go on as
    /// the only voter of a new group of that number, with all the entries that it holds: start one survivor with it, the
    /// one with the longest log, when the other voters are stopped and will never be started again as they are.
    ///
    /// What the others had acknowledged and the survivor does not hold is lost, and if they are not dead but only cut
    /// off, there are two groups with two truths. What was not committed becomes so. Members of old are refused: each
    /// has to begin with an empty directory and be added again. The number must differ from any that was used in this
    /// cluster before; where the node has it already, nothing is done, so a restart with the same one is harmless.
    /// `Config` if the node has no membership, or has lost a part of its log.
    pub force_new_cluster: u64,
}

impl Options {
    /// The settings that suit most, for node `id`. The seed comes from the id and the clock.
    pub fn new(id: u64) -> Self {
        let mut consensus = Config::new(id);
        consensus.seed = id.rotate_left(32) ^ clock_number();
        Options {
            consensus,
            tick_interval: Duration::from_millis(100),
            queue_items_max: 8192,
            queue_bytes_max: 64 << 20,
            proposal_bytes_max: 8 << 20,
            snapshot_entries: 10_000,
            snapshot_bytes: 0,
            snapshot_trailing: 5_000,
            snapshot_chunk_bytes: 256 << 10,
            snapshot_send_bytes_per_second: 0,
            trace: false,
            wait_for_room: false,
            segment_bytes: 64_000_000,
            direct_writes: true,
            disk_reserve_bytes: 64 << 20,
            cluster_id: 1,
            voters: Vec::new(),
            force_new_cluster: 0,
        }
    }

    /// Whether the settings are in range and fit each other.
    pub fn validate(&self) -> Result<()> {
        self.consensus.validate()?;
        let ticks = Duration::from_millis(1)..=Duration::from_secs(60);
        let fault = if !ticks.contains(&self.tick_interval) {
            "tick_interval must be 1 ms to 60 s"
        } else if self.queue_items_max == 0 {
            "queue_items_max must be at least 1"
        } else if self.proposal_bytes_max == 0 {
            "proposal_bytes_max must be at least 1"
        } else if self.queue_bytes_max < self.proposal_bytes_max {
            "queue_bytes_max must be at least proposal_bytes_max"
        } else if !(1 << 10..=64 << 20).contains(&self.snapshot_chunk_bytes) {
            "snapshot_chunk_bytes must be 1 KiB to 64 MiB"
        } else if (1..1 << 10).contains(&self.snapshot_send_bytes_per_second) {
            "snapshot_send_bytes_per_second must be 0 or at least 1 KiB"
        } else if self.segment_bytes == 0 {
            "segment_bytes must be at least 1"
        } else if let Some(fault) = self.voters_fault() {
            fault
        } else {
            return Ok(());
        };
        Err(Error::Config(fault.to_owned()))
    }

    fn voters_fault(&self) -> Option<&'static str> {
        let mut sorted = self.voters.clone();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            Some("a voter is named twice")
        } else if sorted.first() == Some(&0) {
            Some("a voter's id must not be 0")
        } else if !sorted.is_empty() && !sorted.contains(&self.consensus.id) {
            Some("voters must name this node, or nobody if it waits to be added")
        } else {
            None
        }
    }

    /// The most entries that wait to be applied, reads for their index, outcomes to be told.
    pub(super) fn backlog_items_max(&self) -> usize {
        self.queue_items_max.saturating_mul(16)
    }

    /// The bytes of a snapshot in one message: a receiver's queue holds two windows of them.
    pub(super) fn chunk_bytes(&self) -> usize {
        let windows = self.queue_bytes_max / (2 * WINDOW as usize);
        self.snapshot_chunk_bytes.min(windows.max(1 << 10))
    }

    /// The length of an election timeout, at the least.
    pub(super) fn election_timeout(&self) -> Duration {
        let ticks = u32::try_from(self.consensus.election_ticks).unwrap_or(u32::MAX);
        self.tick_interval.saturating_mul(ticks)
    }
}

/// A number that differs from run to run, from the nanoseconds of the clock on the wall.
pub(super) fn clock_number() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(change: impl FnOnce(&mut Options)) -> String {
        let mut options = Options::new(1);
        change(&mut options);
        options.validate().unwrap_err().to_string()
    }

    #[test]
    fn the_defaults_are_valid_and_each_fault_is_named() {
        Options::new(1).validate().unwrap();
        assert!(fault(|o| o.consensus.id = 0).contains("id must not be 0"));
        assert!(fault(|o| o.tick_interval = Duration::ZERO).contains("tick_interval"));
        assert!(fault(|o| o.queue_items_max = 0).contains("queue_items_max"));
        assert!(fault(|o| o.queue_bytes_max = 1).contains("queue_bytes_max"));
        assert!(fault(|o| o.snapshot_chunk_bytes = 1).contains("snapshot_chunk_bytes"));
        assert!(fault(|o| o.voters = vec![1, 2, 1]).contains("twice"));
        assert!(fault(|o| o.voters = vec![2, 3]).contains("this node"));
        assert!(fault(|o| o.snapshot_send_bytes_per_second = 1023).contains("per_second"));
    }
}
