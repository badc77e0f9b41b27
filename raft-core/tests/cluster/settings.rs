//! [`Settings`]: which faults and which options are in play under a seed.

use raft_core::consensus::config::{Config, ReadOnlyOption};

use super::rng::Rng;

/// Moments in a tick of an unskewed clock. A moment is the unit of virtual time.
pub(crate) const TICK: u64 = 10;

/// The largest id a node can have.
pub(crate) const IDS: u64 = 7;

/// The most payload of one proposal, all its entries together.
pub(crate) const PROPOSAL_BYTES: u64 = 3 * 64;

/// Drawn anew for each seed: one that has no crashes or no churn gets deeper into what it does have.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Voters at the start, and ids there can be.
    pub(crate) nodes: u64,
    pub(crate) ids: u64,
    /// Ticks before everything heals.
    pub(crate) ticks: u64,
    pub(crate) config: Config,
    /// The host saves and applies on one thread, by `advance`; else each takes its time.
    pub(crate) one_thread: bool,
    // Chances are in a thousand. Those of the network are per message, of a ready per ready, the others per tick.
    pub(crate) lazy_ready: u64,
    pub(crate) crash_in_ready: u64,
    pub(crate) drop: u64,
    pub(crate) duplicate: u64,
    pub(crate) slow: u64,
    pub(crate) crash: u64,
    pub(crate) partition: u64,
    pub(crate) pause: u64,
    pub(crate) skew: u64,
    pub(crate) churn: u64,
    pub(crate) transfer: u64,
    pub(crate) compact: u64,
    pub(crate) nudge: u64,
    // The longest times, in moments.
    pub(crate) delay: u64,
    pub(crate) slow_delay: u64,
    pub(crate) write: u64,
    pub(crate) apply: u64,
    pub(crate) down: u64,
    pub(crate) think: u64,
    /// Clients, and how many in a thousand of their requests are reads.
    pub(crate) clients: u64,
    pub(crate) reads: u64,
}

impl Settings {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let churn = rng.pick(&[0, 0, 15, 60]);
        let nodes = rng.pick(&[1, 2, 2, 3, 3, 3, 3, 3, 3, 4, 5, 5, 5, 6, 7]);
        let ids = if churn > 0 { IDS.min(nodes + rng.below(3)) } else { nodes };
        let one_thread = rng.permille(300);
        let mut settings = Settings {
            nodes,
            ids,
            ticks: rng.within(150, 450),
            config: Config::new(1),
            one_thread,
            lazy_ready: rng.pick(&[0, 0, 100, 500]),
            crash_in_ready: if one_thread { rng.pick(&[0, 0, 2]) } else { 0 },
            drop: rng.pick(&[0, 10, 50, 200]),
            duplicate: rng.pick(&[0, 0, 50, 200]),
            slow: rng.pick(&[0, 0, 10, 100]),
            crash: rng.pick(&[0, 10, 30, 60]),
            partition: rng.pick(&[0, 10, 30]),
            pause: rng.pick(&[0, 0, 10, 20]),
            skew: rng.pick(&[0, 0, 20]),
            churn,
            transfer: rng.pick(&[0, 0, 20, 60]),
            compact: rng.pick(&[0, 20, 100]),
            nudge: rng.pick(&[0, 0, 10]),
            delay: rng.pick(&[2, 5, 20]),
            slow_delay: rng.pick(&[10, 40]) * TICK,
            write: rng.pick(&[1, 5, 30, 100]),
            apply: rng.pick(&[1, 10, 100]),
            down: rng.pick(&[5, 40]) * TICK,
            think: rng.pick(&[10, 40]),
            clients: rng.within(1, 3),
            reads: rng.pick(&[200, 500]),
        };
        settings.draw_config(rng);
        settings
    }

    fn draw_config(&mut self, rng: &mut Rng) {
        let config = &mut self.config;
        config.heartbeat_ticks = rng.within(1, 2);
        config.election_ticks = rng.within(4, 8);
        config.message_bytes_max = rng.pick(&[0, 60, 200, 1 << 20]);
        config.apply_bytes_max = rng.pick(&[0, 100, 1 << 20]);
        config.uncommitted_bytes_max = rng.pick(&[0, 0, 150, 400]);
        config.inflight_messages_max = rng.pick(&[1, 3, 64]);
        config.inflight_bytes_max = rng.pick(&[0, 0, 1, 2]) * config.message_bytes_max;
        config.check_quorum = rng.coin();
        config.pre_vote = rng.coin();
        config.forward_proposals = rng.coin();
        config.step_down_on_removal = rng.permille(700);
        config.apply_unstable = self.one_thread && rng.coin();
        if config.check_quorum && rng.permille(400) {
            config.read_only = ReadOnlyOption::LeaseBased;
            config.clock_drift_percent = rng.pick(&[0, 10, 50]);
            config.election_ticks += rng.pick(&[0, 4]);
        }
        config.hold_back_ticks = rng.pick(&[0, 0, 0, 3]);
    }

    /// Between which bounds the moments of a node's tick may lie: a lease holds its clock to the drift it states.
    pub(crate) fn tick_bounds(&self) -> (u64, u64) {
        match self.config.read_only {
            ReadOnlyOption::Safe => (TICK / 3, 3 * TICK),
            ReadOnlyOption::LeaseBased => (TICK, TICK * (100 + self.config.clock_drift_percent) / 100),
        }
    }

    /// The settings of node `id` in its life number `life`.
    pub(crate) fn config_of(&self, id: u64, life: u64, rng: &mut Rng) -> Config {
        Config { id, seed: rng.next() ^ life, ..self.config.clone() }
    }
}
