//! [`Settings`]: which faults and which options are in play under a seed.

use raft_core::consensus::config::{Config, ReadOnlyOption};

use super::plots::Plot;
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
    /// A message of consequence is the last that its sender sends for a while.
    pub(crate) ambush: u64,
    pub(crate) stall: u64,
    pub(crate) partition: u64,
    pub(crate) pause: u64,
    pub(crate) skew: u64,
    pub(crate) churn: u64,
    /// How many in a thousand changes replace all but one of the voters.
    pub(crate) swap: u64,
    pub(crate) transfer: u64,
    /// Nodes tell which disk they stand on, and disks are lost.
    pub(crate) tells_stores: bool,
    pub(crate) wipe: u64,
    /// State machines outlive a crash, as often as not.
    pub(crate) keeps_machine: bool,
    /// How often plots begin, and which.
    pub(crate) plots: u64,
    pub(crate) plots_drawn: &'static [Plot],
    /// How often a joint configuration is cut along its halves.
    pub(crate) rift: u64,
    pub(crate) compact: u64,
    pub(crate) nudge: u64,
    // The longest times, in moments.
    pub(crate) delay: u64,
    pub(crate) slow_delay: u64,
    pub(crate) write: u64,
    pub(crate) apply: u64,
    pub(crate) down: u64,
    /// In election timeouts.
    pub(crate) cut: u64,
    pub(crate) think: u64,
    /// Clients, and how many in a thousand of their requests are reads.
    pub(crate) clients: u64,
    pub(crate) reads: u64,
    /// How many in a thousand are sent to somebody who need not be the leader.
    pub(crate) strays: u64,
    /// How many ticks a client waits at the most.
    pub(crate) patience: u64,
}

impl Settings {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let churn = rng.pick(&[0, 0, 20, 100]);
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
            crash: rng.pick(&[0, 10, 30, 100]),
            ambush: rng.pick(&[0, 0, 5, 20]),
            stall: rng.pick(&[0, 0, 20]),
            partition: rng.pick(&[0, 20, 80]),
            cut: rng.pick(&[1, 3, 8]),
            pause: rng.pick(&[0, 0, 10, 20]),
            skew: rng.pick(&[0, 0, 20]),
            churn,
            swap: 50,
            transfer: rng.pick(&[0, 0, 20, 60]),
            tells_stores: rng.coin(),
            wipe: rng.pick(&[0, 10, 30]),
            keeps_machine: rng.permille(300),
            plots: rng.pick(&[0, 10, 40]),
            plots_drawn: Plot::ALL,
            rift: rng.pick(&[0, 500]),
            compact: rng.pick(&[0, 20, 100]),
            nudge: rng.pick(&[0, 0, 10]),
            delay: rng.pick(&[2, 5, 20]),
            slow_delay: rng.pick(&[10, 40]) * TICK,
            write: rng.pick(&[1, 5, 30, 100]),
            apply: rng.pick(&[1, 10, 100]),
            down: rng.pick(&[1, 5, 40]) * TICK,
            think: rng.pick(&[10, 40]),
            clients: rng.within(1, 3),
            reads: rng.pick(&[200, 500]),
            strays: rng.pick(&[200, 600]),
            patience: rng.pick(&[10, 60]),
        };
        settings.draw_config(rng);
        match rng.below(12) {
            0 | 1 => settings.favour_elections(rng),
            2 | 3 => settings.favour_changes(rng),
            4 | 5 => settings.favour_reads(rng),
            6 => settings.favour_stalls(rng),
            7 | 8 => settings.favour_plots(rng),
            _ => {}
        }
        // The group must be able to do without whoever has lost its disk.
        if !settings.tells_stores || settings.churn > 0 || settings.nodes < 3 {
            settings.wipe = 0;
        }
        // A host that checks has to see what it checks.
        settings.config.validate_conf_changes = settings.lazy_ready > 0 || rng.permille(850);
        settings
    }

    /// Leaders come and go within the time of one write, and what was said before comes late and twice.
    fn favour_elections(&mut self, rng: &mut Rng) {
        (self.nodes, self.churn) = (rng.pick(&[3, 3, 5]), 0);
        self.ids = self.nodes;
        (self.crash, self.ambush, self.stall) =
            (rng.pick(&[20, 100]), rng.pick(&[5, 20, 50]), rng.pick(&[0, 50]));
        (self.partition, self.cut, self.pause) = (rng.pick(&[20, 100]), rng.within(1, 2), 0);
        (self.duplicate, self.slow, self.slow_delay) = (200, 100, rng.pick(&[5, 20]) * TICK);
        (self.down, self.write, self.skew) = (rng.pick(&[1, 1, 3]) * TICK, rng.pick(&[5, 30, 100]), 0);
        (self.plots, self.plots_drawn) = (rng.pick(&[30, 100]), Plot::OF_ELECTIONS);
        let config = &mut self.config;
        config.election_ticks = rng.within(2, 4);
        config.heartbeat_ticks = 1;
        config.message_bytes_max = rng.pick(&[0, 60]);
        config.inflight_bytes_max = 0;
        config.pre_vote = rng.permille(200);
    }

    /// Most of the members change at once, and the halves of a joint configuration are cut from each other.
    fn favour_changes(&mut self, rng: &mut Rng) {
        self.nodes = rng.pick(&[2, 3, 3, 4]);
        self.ids = IDS.min(self.nodes + rng.within(2, 3));
        (self.churn, self.partition, self.cut) =
            (rng.pick(&[60, 200]), rng.pick(&[30, 100]), rng.within(1, 4));
        (self.crash, self.drop, self.slow) = (rng.pick(&[0, 20]), rng.pick(&[0, 50]), 0);
        (self.write, self.apply) = (rng.pick(&[1, 5, 30]), rng.pick(&[1, 10, 100]));
        (self.delay, self.pause) = (rng.pick(&[2, 5]), 0);
        self.config.election_ticks = rng.within(3, 5);
        self.config.heartbeat_ticks = 1;
        (self.swap, self.rift, self.plots) = (rng.pick(&[100, 600]), 600, rng.pick(&[0, 40]));
        self.plots_drawn = &[Plot::Overtake];
    }

    /// Many reads of whoever believes that it leads, while leaders are cut off.
    fn favour_reads(&mut self, rng: &mut Rng) {
        (self.nodes, self.churn) = (rng.pick(&[3, 3, 5]), 0);
        self.ids = self.nodes;
        (self.clients, self.think, self.reads, self.strays) =
            (3, 10, rng.pick(&[400, 700]), rng.pick(&[600, 800]));
        (self.partition, self.cut, self.crash) =
            (rng.pick(&[0, 20, 100]), rng.within(3, 8), rng.pick(&[0, 10]));
        (self.drop, self.slow, self.slow_delay) = (0, rng.pick(&[0, 0, 200]), rng.pick(&[20, 40]) * TICK);
        (self.duplicate, self.config.election_ticks) = (rng.pick(&[0, 200]), rng.within(3, 5));
        (self.write, self.apply, self.delay) = (rng.pick(&[1, 10]), rng.pick(&[1, 10]), rng.pick(&[2, 5]));
        (self.pause, self.transfer) = (rng.pick(&[0, 20]), rng.pick(&[0, 60]));
        (self.plots, self.plots_drawn) = (rng.pick(&[30, 100]), &[Plot::Depose]);
        (self.lazy_ready, self.patience, self.skew) = (0, 5, rng.pick(&[0, 50]));
        if rng.coin() {
            self.config.check_quorum = true;
            self.config.read_only = ReadOnlyOption::LeaseBased;
            self.config.clock_drift_percent = rng.pick(&[0, 10, 50]);
            self.config.election_ticks = rng.within(4, 10);
        }
    }

    /// Disks stand still while one leader follows the other, so that many writes of many terms are outstanding.
    fn favour_stalls(&mut self, rng: &mut Rng) {
        self.favour_elections(rng);
        self.nodes = 5;
        self.ids = self.nodes;
        (self.one_thread, self.config.apply_unstable, self.crash_in_ready) = (false, false, 0);
        (self.stall, self.ambush, self.write) = (100, rng.pick(&[0, 5]), rng.pick(&[10, 30]));
        (self.apply, self.crash, self.partition) = (1, 20, 200);
        (self.config.election_ticks, self.config.pre_vote) = (2, false);
        (self.config.check_quorum, self.config.read_only) = (false, ReadOnlyOption::Safe);
    }

    /// Little goes wrong but for plots, which then come to their end.
    fn favour_plots(&mut self, rng: &mut Rng) {
        (self.nodes, self.churn) = (rng.pick(&[3, 3, 3, 5]), 0);
        self.ids = self.nodes;
        (self.one_thread, self.config.apply_unstable, self.crash_in_ready) = (false, false, 0);
        (self.lazy_ready, self.drop, self.slow, self.duplicate) = (0, 0, 0, rng.pick(&[0, 200]));
        (self.crash, self.ambush, self.stall) = (rng.pick(&[0, 5]), rng.pick(&[0, 2]), 0);
        (self.partition, self.pause, self.skew) = (0, 0, 0);
        (self.delay, self.write, self.apply) =
            (rng.pick(&[2, 5, 20]), rng.pick(&[1, 5, 30]), rng.pick(&[1, 10]));
        (self.clients, self.think, self.patience) = (3, 10, 5);
        (self.reads, self.strays) = (rng.pick(&[200, 500]), 600);
        (self.plots, self.plots_drawn) = (rng.pick(&[50, 150]), Plot::WITHOUT_CHANGES);
        self.config.election_ticks = rng.within(3, 6);
        self.config.heartbeat_ticks = 1;
        self.config.message_bytes_max = rng.pick(&[0, 0, 1 << 20]);
        self.config.inflight_bytes_max = 0;
        // Both keep others from winning, which most plots need.
        if rng.permille(700) {
            (self.config.check_quorum, self.config.read_only) = (false, ReadOnlyOption::Safe);
            self.config.pre_vote = false;
        }
    }

    fn draw_config(&mut self, rng: &mut Rng) {
        let config = &mut self.config;
        config.heartbeat_ticks = rng.within(1, 2);
        config.election_ticks = rng.within(3, 8);
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
