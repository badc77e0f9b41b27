//! [`Settings`]: what an `rft.Config` says, with the names, ranges and defaults of the C library.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use raft_core::consensus::config::{Config, ReadOnlyOption};
use raft_core::engine::options::Options;
use raft_core::error::Error;

use crate::argument::{node_id, number};
use crate::fault::{Checked, Fault};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// Every setting but `id`, `seed` and `voters`, with its least, default and greatest value.
const RANGES: [(&str, u64, u64, u64); 28] = [
    ("cluster_id", 0, 1, u64::MAX),
    ("tick_interval_ms", 1, 100, 60_000),
    ("election_ticks", 2, 10, 100_000),
    ("heartbeat_ticks", 1, 1, 100_000),
    ("pre_vote", 0, 1, 1),
    ("check_quorum", 0, 1, 1),
    ("message_bytes_max", 1, MIB, GIB),
    ("inflight_messages_max", 1, 256, 65_536),
    ("inflight_bytes_max", 0, 16 * MIB, u64::MAX),
    ("uncommitted_bytes_max", 0, 64 * MIB, u64::MAX),
    ("apply_bytes_max", 1, MIB, GIB),
    ("proposal_bytes_max", 1, 8 * MIB, GIB),
    ("queue_items_max", 1, 8192, 16_777_216),
    ("queue_bytes_max", 1, 64 * MIB, TIB),
    ("segment_bytes", 4 * KIB, 64_000_000, TIB),
    ("snapshot_entries", 0, 10_000, u64::MAX),
    ("snapshot_trailing", 0, 5000, u64::MAX),
    ("snapshot_chunk_bytes", KIB, 256 * KIB, 64 * MIB),
    ("forward_proposals", 0, 1, 1),
    ("disk_reserve_bytes", 0, 64 * MIB, u64::MAX),
    ("force_new_cluster", 0, 0, u64::MAX),
    ("lease_reads", 0, 0, 1),
    ("clock_drift_percent", 0, 10, 99),
    ("wait_for_room", 0, 0, 1),
    ("snapshot_bytes", 0, 0, u64::MAX),
    ("snapshot_send_bytes_per_second", 0, 0, TIB),
    ("trace", 0, 0, 1),
    ("direct_writes", 0, 1, 1),
];

/// The ranges for the module: name to least, default and greatest value.
pub(crate) fn ranges(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    for (name, least, default, greatest) in RANGES {
        dict.set_item(name, (least, default, greatest))?;
    }
    Ok(dict)
}

/// A configuration that was checked.
pub(crate) struct Settings {
    pub(crate) id: u64,
    pub(crate) voters: Vec<u64>,
    seed: Option<u64>,
    values: [u64; RANGES.len()],
}

impl Settings {
    /// Reads the attributes of a configuration and checks them.
    pub(crate) fn read(config: &Bound<'_, PyAny>) -> Checked<Self> {
        let attribute = |name: &str| {
            config
                .getattr(name)
                .map_err(|_| Fault::Python(crate::fault::wrong_type("an rft.Config", &config.get_type())))
        };
        let mut values = [0; RANGES.len()];
        for (at, (name, least, _, greatest)) in RANGES.into_iter().enumerate() {
            let value = in_config(number(&attribute(name)?, name))?;
            if value < least || value > greatest {
                return refuse(format!("{name} is {value}, not in {least} to {greatest}"));
            }
            values[at] = value;
        }
        let id = in_config(number(&attribute("id")?, "id").and_then(|id| node_id(id, "id")))?;
        let seed = attribute("seed")?;
        let seed = if seed.is_none() { None } else { Some(in_config(number(&seed, "seed"))?) };
        let mut voters = Vec::new();
        for voter in attribute("voters")?.try_iter()? {
            let voter = in_config(number(&voter?, "voters").and_then(|id| node_id(id, "voters")))?;
            if voters.contains(&voter) {
                return refuse(format!("voters names {voter} twice"));
            }
            voters.push(voter);
        }
        let settings = Settings { id, voters, seed, values };
        settings.check()?;
        Ok(settings)
    }

    /// What one setting alone does not tell.
    fn check(&self) -> Checked<()> {
        for (less, more, strict, zero_is_unlimited) in [
            ("heartbeat_ticks", "election_ticks", true, false),
            ("message_bytes_max", "inflight_bytes_max", false, true),
            ("proposal_bytes_max", "queue_bytes_max", false, false),
        ] {
            let (low, high) = (self.get(less), self.get(more));
            let fits = if strict { low < high } else { low <= high };
            let unlimited = zero_is_unlimited && high == 0;
            if !fits && !unlimited {
                let bound = if strict { "be less than" } else { "not be more than" };
                return refuse(format!("{less} ({low}) must {bound} {more} ({high})"));
            }
        }
        if self.get("lease_reads") != 0 && self.get("check_quorum") == 0 {
            return refuse("lease_reads needs check_quorum".to_owned());
        }
        let rate = self.get("snapshot_send_bytes_per_second");
        if (1..KIB).contains(&rate) {
            return refuse(format!("snapshot_send_bytes_per_second ({rate}) must be 0 or at least {KIB}"));
        }
        if !self.voters.is_empty() && !self.voters.contains(&self.id) {
            let id = self.id;
            return refuse(format!("voters must name this node, {id}, or nobody if it waits to be added"));
        }
        Ok(())
    }

    /// The setting called `name`.
    pub(crate) fn get(&self, name: &str) -> u64 {
        let at = RANGES.iter().position(|(other, ..)| *other == name);
        at.and_then(|at| self.values.get(at)).copied().unwrap_or_default()
    }

    /// A setting that counts what is in memory.
    pub(crate) fn size(&self, name: &str) -> usize {
        usize::try_from(self.get(name)).unwrap_or(usize::MAX)
    }

    /// The settings of the core.
    pub(crate) fn consensus(&self) -> Config {
        let mut config = Config::new(self.id);
        config.election_ticks = self.get("election_ticks");
        config.heartbeat_ticks = self.get("heartbeat_ticks");
        config.pre_vote = self.get("pre_vote") != 0;
        config.check_quorum = self.get("check_quorum") != 0;
        config.message_bytes_max = self.get("message_bytes_max");
        config.inflight_messages_max = self.size("inflight_messages_max");
        config.inflight_bytes_max = self.get("inflight_bytes_max");
        config.uncommitted_bytes_max = self.get("uncommitted_bytes_max");
        config.apply_bytes_max = self.get("apply_bytes_max");
        config.forward_proposals = self.get("forward_proposals") != 0;
        config.seed = self.seed.unwrap_or(config.seed);
        config
    }

    /// The settings of an engine.
    pub(crate) fn options(&self) -> Options {
        let mut options = Options::new(self.id);
        let drawn = options.consensus.seed;
        options.consensus = self.consensus();
        options.consensus.seed = self.seed.unwrap_or(drawn);
        options.tick_interval = Duration::from_millis(self.get("tick_interval_ms"));
        options.queue_items_max = self.size("queue_items_max");
        options.queue_bytes_max = self.size("queue_bytes_max");
        options.proposal_bytes_max = self.size("proposal_bytes_max");
        if self.get("lease_reads") != 0 {
            options.consensus.read_only = ReadOnlyOption::LeaseBased;
        }
        options.consensus.clock_drift_percent = self.get("clock_drift_percent");
        options.wait_for_room = self.get("wait_for_room") != 0;
        options.trace = self.get("trace") != 0;
        options.snapshot_bytes = self.get("snapshot_bytes");
        options.snapshot_send_bytes_per_second = self.get("snapshot_send_bytes_per_second");
        options.snapshot_entries = self.get("snapshot_entries");
        options.snapshot_trailing = self.get("snapshot_trailing");
        options.snapshot_chunk_bytes = self.size("snapshot_chunk_bytes");
        options.segment_bytes = self.get("segment_bytes");
        options.direct_writes = self.get("direct_writes") != 0;
        options.disk_reserve_bytes = self.get("disk_reserve_bytes");
        options.force_new_cluster = self.get("force_new_cluster");
        options.cluster_id = self.get("cluster_id");
        options.voters = self.voters.clone();
        options
    }
}

fn refuse<T>(text: String) -> Checked<T> {
    Err(Error::Config(text).into())
}

/// A bad value of a setting is a bad configuration.
fn in_config<T>(value: Checked<T>) -> Checked<T> {
    value.map_err(|fault| match fault {
        Fault::Invalid(text) => Error::Config(text).into(),
        other => other,
    })
}
