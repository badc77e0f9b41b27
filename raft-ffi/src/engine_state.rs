//! What an `rft_engine_t` points to.

use std::path::Path;
use std::ptr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use raft_core::consensus::config::ReadOnlyOption;
use raft_core::engine::code::Code;
use raft_core::engine::event::Level;
use raft_core::engine::host::Host;
use raft_core::engine::node::Engine;
use raft_core::engine::options::Options;
use raft_core::engine::outcome::Outcome;
use raft_core::error::Error;
use raft_core::raftpb::arena::Arena;

use crate::boundary::{Buffer, Checked, Failure, Noun, Out};
use crate::callbacks::{Callbacks, outcome_of};
use crate::config::Settings;
use crate::config::rft_config_key::*;
use crate::data::{rft_member_t, rft_node_status_t};
use crate::engine::rft_engine_t;
use crate::host::rft_outcome_t;
use crate::membership;
use crate::payload;
use crate::status::rft_status;

/// An engine, and the host it works for.
pub(crate) struct EngineState {
    pub(crate) engine: Engine,
    pub(crate) proposal_bytes_max: usize,
    arena: Mutex<Arena>,
    host: Arc<Callbacks>,
}

impl Noun for EngineState {
    type Opaque = rft_engine_t;
    const MAGIC: u64 = u64::from_le_bytes(*b"rft engi");
    const NAME: &'static str = "engine";

    fn check(&self) -> Checked<()> {
        Ok(self.engine.check_process()?)
    }
}

impl EngineState {
    pub(crate) fn open(settings: &Settings, dir: &Path, host: Callbacks) -> Checked<Self> {
        settings.validate()?;
        let policy = [RFT_CONFIG_SNAPSHOT_ENTRIES, RFT_CONFIG_SNAPSHOT_BYTES];
        host.check(policy.into_iter().any(|key| settings.get(key) != 0))?;
        let host = Arc::new(host);
        let engine = Engine::open(options(settings), dir, Arc::clone(&host) as Arc<dyn Host>)?;
        let proposal_bytes_max = settings.size(RFT_CONFIG_PROPOSAL_BYTES_MAX);
        Ok(EngineState { engine, proposal_bytes_max, arena: Mutex::default(), host })
    }

    /// Copies with the arena. Nobody waits for another thread that copies at the moment.
    pub(crate) fn with_arena<T>(&self, body: impl FnOnce(&mut Arena) -> T) -> T {
        match self.arena.try_lock() {
            Ok(mut arena) => body(&mut arena),
            Err(_) => body(&mut Arena::none()),
        }
    }

    /// Takes a message that `peer` has brought, if the host knows who that was.
    pub(crate) fn step(&self, peer: Option<u64>, encoded: &[u8]) -> Checked<()> {
        let message = payload::decode(encoded)?;
        match peer {
            Some(peer) => self.engine.step_from(peer, message)?,
            None => self.engine.step(message)?,
        }
        Ok(())
    }

    pub(crate) fn status(&self) -> rft_node_status_t {
        let status = self.engine.status();
        let shown = membership::status(&status.status, status.snapshot_index, status.failure.as_ref());
        rft_node_status_t {
            disk_full: status.disk_full.into(),
            host_call_ms: milliseconds(status.in_host),
            disk_call_ms: milliseconds(status.in_disk),
            ..shown
        }
    }

    /// The result of a snapshot: that there is none is not the end of an engine which goes on.
    pub(crate) fn of_snapshot(&self, result: Checked<()>) -> Checked<()> {
        result.map_err(|failure| match failure.status() {
            rft_status::RFT_E_STOPPED => failure,
            status if self.engine.status().failure.is_none() => Failure::NoSnapshot(status),
            _ => failure,
        })
    }

    pub(crate) fn members(&self) -> Vec<rft_member_t> {
        let status = self.engine.status().status;
        membership::members(&status.membership.conf_state(), &status.progress)
    }

    /// Stops the engine, if this thread may; says so in the log if not.
    pub(crate) fn may_be_freed(&self) -> bool {
        if self.engine.check_process().is_err() {
            return false;
        }
        // Stopping tells from inside of a callback that it is one, and does nothing then.
        let is_inside = self.engine.stop(Duration::ZERO) == Err(Error::Reentrant);
        if is_inside {
            self.host.log(Level::Error, "rft_engine_free was called from inside a callback, and did nothing");
        }
        !is_inside
    }
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

fn options(settings: &Settings) -> Options {
    let mut options = Options::new(settings.get(RFT_CONFIG_ID));
    let seed = settings.seed.unwrap_or(options.consensus.seed);
    options.consensus = settings.consensus();
    options.consensus.seed = seed;
    options.tick_interval = Duration::from_millis(settings.get(RFT_CONFIG_TICK_INTERVAL_MS));
    options.queue_items_max = settings.size(RFT_CONFIG_QUEUE_ITEMS_MAX);
    options.queue_bytes_max = settings.size(RFT_CONFIG_QUEUE_BYTES_MAX);
    options.proposal_bytes_max = settings.size(RFT_CONFIG_PROPOSAL_BYTES_MAX);
    if settings.get(RFT_CONFIG_LEASE_READS) != 0 {
        options.consensus.read_only = ReadOnlyOption::LeaseBased;
    }
    options.consensus.clock_drift_percent = settings.get(RFT_CONFIG_CLOCK_DRIFT_PERCENT);
    options.wait_for_room = settings.get(RFT_CONFIG_WAIT_FOR_ROOM) != 0;
    options.trace = settings.get(RFT_CONFIG_TRACE) != 0;
    options.snapshot_bytes = settings.get(RFT_CONFIG_SNAPSHOT_BYTES);
    options.snapshot_send_bytes_per_second = settings.get(RFT_CONFIG_SNAPSHOT_SEND_BYTES_PER_SECOND);
    options.snapshot_entries = settings.get(RFT_CONFIG_SNAPSHOT_ENTRIES);
    options.snapshot_trailing = settings.get(RFT_CONFIG_SNAPSHOT_TRAILING);
    options.snapshot_chunk_bytes = settings.size(RFT_CONFIG_SNAPSHOT_CHUNK_BYTES);
    options.segment_bytes = settings.get(RFT_CONFIG_SEGMENT_BYTES);
    options.direct_writes = settings.get(RFT_CONFIG_DIRECT_WRITES) != 0;
    options.disk_reserve_bytes = settings.get(RFT_CONFIG_DISK_RESERVE_BYTES);
    options.cluster_id = settings.get(RFT_CONFIG_CLUSTER_ID);
    options.voters = settings.voters.clone();
    options.force_new_cluster = settings.get(RFT_CONFIG_FORCE_NEW_CLUSTER);
    options
}

/// Gives the outcome of a call that waited to the host: all of it where there is a place, and the status as the
/// call's own. Of the answer only the length: it does not outlive the call.
pub(crate) fn answer(outcome: &Outcome, out: Out<rft_outcome_t>) -> Checked<()> {
    out.set(rft_outcome_t { answer: ptr::null(), ..outcome_of(outcome) });
    status_of(outcome)
}

/// Likewise, with as much of the answer as fits into `buffer`.
pub(crate) fn answer_into(outcome: &Outcome, buffer: Buffer, out: Out<rft_outcome_t>) -> Checked<()> {
    let place = if outcome.answer.is_empty() { ptr::null() } else { buffer.fill(&outcome.answer) };
    out.set(rft_outcome_t { answer: place, ..outcome_of(outcome) });
    status_of(outcome)
}

/// The status of an outcome as that of a call.
fn status_of(outcome: &Outcome) -> Checked<()> {
    match outcome.code {
        Code::Ok => Ok(()),
        // What was refused says why in the place of an answer.
        code => {
            let why = String::from_utf8_lossy(&outcome.answer).into_owned();
            Err(Failure::Outcome(code.into(), outcome.leader, why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sets_is_as_in_rust() {
        let mut settings = Settings::default();
        settings.set(RFT_CONFIG_ID as i32, 7).unwrap();
        let set = options(&settings);
        let mut expected = Options::new(7);
        // Drawn from the clock.
        expected.consensus.seed = set.consensus.seed;
        // There 0 is as much as a message takes.
        expected.consensus.apply_bytes_max = expected.consensus.message_bytes_max;
        assert_eq!(set, expected);
    }
}
