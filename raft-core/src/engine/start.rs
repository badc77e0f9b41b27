//! From a directory to the three parts of an engine, before any thread runs.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::applier::{Applier, restore};
use super::backlog::Backlog;
use super::checkpoint::Checkpoint;
use super::clock::{Clock, Due};
use super::courier::pace::Pace;
use super::courier::receiver::Receiver;
use super::courier::sender::Sender;
use super::driver::Driver;
use super::event::{Event, Level};
use super::force;
use super::forward::Served;
use super::heard::Heard;
use super::host::Host;
use super::inbox::Inbox;
use super::options::{Options, clock_number};
use super::queue::queue;
use super::replicated::Replicated;
use super::requests::InHand;
use super::saver::{Alive, Saver};
use super::shared::{Shared, guarded};
use super::uptime::Uptime;
use super::words::Words;
use super::work::ApplierJob;
use super::writer::{Watch, Writer};
use crate::consensus::config::Config;
use crate::consensus::log::memory_storage::{BOOTSTRAP_INDEX, MemoryStorage};
use crate::consensus::log::storage::Storage as _;
use crate::consensus::lost::Lost;
use crate::consensus::raw_node::RawNode;
use crate::consensus::status::Status;
use crate::disk::loss::Loss;
use crate::disk::recovered::{Identity, Recovered};
use crate::disk::store::{Store, StoreOptions};
use crate::disk::volume::Volume;
use crate::error::Result;
use crate::raftpb::message::{HardState, SnapshotMetadata};

/// The longest that a follower waits for its next snapshot after the last ones have failed.
const SNAPSHOT_PAUSE_MAX: Duration = Duration::from_secs(60);

/// An engine whose threads have not started.
pub(super) struct Parts {
    pub(super) shared: Arc<Shared>,
    pub(super) driver: Driver,
    pub(super) writer: Writer,
    pub(super) applier: Applier,
}

/// Opens the store, restores the host and builds the rest.
pub(super) fn start(
    volume: Arc<dyn Volume>,
    options: &Options,
    dir: &Path,
    host: Arc<dyn Host>,
    alive: Alive,
) -> Result<Parts> {
    let (store, mut recovered, own) = restore_all(volume, options, dir, host.as_ref())?;
    let at = recovered.snapshot.clone();
    let HardState { term: boot_term, commit: committed, .. } = recovered.hard_state;
    let group = force::group_at_start(own.members.group(), &recovered);
    let node = node(options, &mut recovered, &host)?;

    let inbox = Inbox::new(options.queue_items_max, options.queue_bytes_max);
    let shared = Arc::new(Shared::new(host, inbox, node.status(), at.index, clock_number()));
    shared.show_members(&own.members);
    shared.group.store(group, Ordering::Release);
    let (to_writer, writer_jobs) = queue();
    let (to_applier, applier_jobs) = queue();
    for event in first_events(&shared, &recovered, node.storage().last_index()) {
        to_applier.send(ApplierJob::Event(event));
    }
    let saver = Saver::new(Arc::clone(&shared), store.snapshots(), at.index, alive);
    let checkpoint = Checkpoint::new(options, at.index, Arc::clone(&saver.saved_index));
    let applier = Applier::new(Arc::clone(&shared), applier_jobs, saver, at.clone(), own);
    let watch = Watch::new(options.disk_reserve_bytes);
    let writer = Writer::new(Arc::clone(&shared), store, writer_jobs, watch);
    let (now, uptime) = (Instant::now(), Uptime::now());
    let election_ticks = options.consensus.election_ticks;
    let driver = Driver {
        shared: Arc::clone(&shared),
        role: node.status().role,
        node,
        clock: Clock::new(options.tick_interval, election_ticks, uptime),
        writer: to_writer,
        applier: to_applier,
        checkpoint,
        sender: sender(options),
        receiver: Receiver::new(options.consensus.id, election_ticks),
        in_hand: InHand::default(),
        backlog: Backlog::new(options.backlog_items_max() as u64, options.consensus.uncommitted_limit()),
        id: options.consensus.id,
        forwards: options.consensus.forward_proposals,
        served: Served::new(boot_term),
        forwarded_max: options.queue_items_max,
        group_bytes_max: options.consensus.message_bytes_max.max(1),
        election_timeout: options.election_timeout(),
        read_context: clock_number(),
        applying: 0,
        handed_out: at.index,
        words: Words::default(),
        received: None,
        called: None,
        known_stores: recovered.known_stores,
        is_recovering: recovered.lost.is_some(),
        lead_term: 0,
        heard: Heard::new(options.election_timeout(), now, committed),
        writing_since: Default::default(),
        unwritten: None,
        shown: Status::default(),
        turned_away: None,
        mute: None,
        offered: None,
        stalled: None,
        now,
        uptime,
        due: Due::default(),
    };
    Ok(Parts { shared, driver, writer, applier })
}

/// The courier's way out, not faster than it may be.
fn sender(options: &Options) -> Sender {
    let rate = options.snapshot_send_bytes_per_second;
    let in_time = |time: Duration| {
        u64::try_from(u128::from(rate) * time.as_micros() / 1_000_000).unwrap_or(u64::MAX).max(1)
    };
    let (chunk, pace) = match rate {
        0 => (options.chunk_bytes(), Pace::unbounded()),
        _ => {
            // A receiver must not take a slow sender for one that is gone: it hears of it once an election timeout.
            let seen = usize::try_from(in_time(options.election_timeout())).unwrap_or(usize::MAX);
            let chunk = options.chunk_bytes().min(seen.max(1 << 10));
            (chunk, Pace::new(in_time(options.tick_interval), chunk as u64))
        }
    };
    let pause_ticks_max = SNAPSHOT_PAUSE_MAX.as_nanos() / options.tick_interval.as_nanos().max(1);
    let pause_ticks_max = u64::try_from(pause_ticks_max).unwrap_or(u64::MAX);
    Sender::new(clock_number(), chunk, options.consensus.election_ticks, pause_ticks_max, pace)
}

/// Opens the store, restores the host, and makes a group of this node alone if that is asked for.
fn restore_all(
    volume: Arc<dyn Volume>,
    options: &Options,
    dir: &Path,
    host: &dyn Host,
) -> Result<(Store, Recovered, Replicated)> {
    let identity = Identity { cluster_id: options.cluster_id, node_id: options.consensus.id };
    let of_store = StoreOptions {
        direct_writes: options.direct_writes,
        ..StoreOptions::of_member(identity, options.segment_bytes, options.disk_reserve_bytes)
    };
    let (mut store, mut recovered) = Store::open_member(volume, dir, of_store, &options.voters)?;
    // The snapshot that a new cluster starts from holds a membership and no state.
    let mut own = Replicated::default();
    if recovered.snapshot.index > BOOTSTRAP_INDEX {
        own = restore_found(&store, &recovered.snapshot, host)?;
    }
    if options.force_new_cluster != 0 && own.members.group() != options.force_new_cluster {
        force::force(&mut store, &mut recovered, options.consensus.id, options.force_new_cluster)?;
    }
    Ok((store, recovered, own))
}

/// Consensus as it was when it last ran here.
fn node(
    options: &Options,
    recovered: &mut Recovered,
    host: &Arc<dyn Host>,
) -> Result<RawNode<MemoryStorage>> {
    let entries = std::mem::take(&mut recovered.entries);
    let storage = MemoryStorage::recovered(recovered.hard_state, recovered.snapshot.clone(), entries);
    let mut node = RawNode::new(config_for(options, recovered), storage)?;
    node.learn_stores(&recovered.known_stores);
    if options.trace {
        let host = Arc::clone(host);
        node.trace_to(Arc::new(move |line| host.log(Level::Trace, line)));
    }
    Ok(node)
}

/// The settings of consensus, with what only the directory and the engine know.
fn config_for(options: &Options, recovered: &Recovered) -> Config {
    Config {
        applied: recovered.snapshot.index,
        store_id: recovered.store_id,
        lost: recovered.lost.map(|loss| Lost { last: loss.last, term: loss.term }),
        apply_unstable: false,
        // The engine forwards by itself, so that an outcome comes back.
        forward_proposals: false,
        ..options.consensus.clone()
    }
}

/// What is to be told of the start; the log says it, too.
fn first_events(shared: &Shared, recovered: &Recovered, last_index: u64) -> Vec<Event> {
    let Recovered { snapshot, notes, lost, damages, .. } = recovered;
    notes.iter().for_each(|note| shared.log(Level::Info, note));
    let mut events = vec![Event::Recovered { index: snapshot.index, last_index, notes: notes.clone() }];
    if let Some(Loss { first, last, .. }) = *lost {
        let damages: Vec<String> = damages.iter().map(ToString::to_string).collect();
        damages.iter().for_each(|damage| shared.log(Level::Warn, damage));
        shared.log(Level::Warn, "this node does not vote until its leader has refilled it");
        events.push(Event::Damaged { first_lost: first, last_lost: last, damages });
    }
    events
}

fn restore_found(store: &Store, at: &SnapshotMetadata, host: &dyn Host) -> Result<Replicated> {
    let reader = store.snapshots().open_found(at.term, at.index)?;
    Ok(guarded(|| restore(host, reader))??.1)
}
