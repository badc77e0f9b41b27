//! From a directory to the three parts of an engine, before any thread runs.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::unbounded;

use super::applier::{Applier, restore};
use super::backlog::Backlog;
use super::checkpoint::Checkpoint;
use super::clock::Clock;
use super::courier::receiver::Receiver;
use super::courier::sender::Sender;
use super::driver::Driver;
use super::event::{Event, Level};
use super::forward::Served;
use super::host::Host;
use super::inbox::Inbox;
use super::options::{Options, clock_number};
use super::requests::InHand;
use super::session::table::Sessions;
use super::shared::{Shared, guarded};
use super::work::ApplierJob;
use super::writer::{Watch, Writer};
use crate::consensus::config::Config;
use crate::consensus::log::memory_storage::{BOOTSTRAP_INDEX, MemoryStorage};
use crate::consensus::log::storage::Storage as _;
use crate::consensus::lost::Lost;
use crate::consensus::raw_node::RawNode;
use crate::disk::damage::OnDamage;
use crate::disk::loss::Loss;
use crate::disk::recovered::{Identity, Recovered};
use crate::disk::store::{Store, StoreOptions, drawn_store_id};
use crate::disk::volume::Volume;
use crate::error::{Error, Result};
use crate::raftpb::message::SnapshotMetadata;

/// From how many snapshots a restart stays possible, should the newest turn out unreadable.
const SNAPSHOTS_KEPT: usize = 3;

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
) -> Result<Parts> {
    let (store, mut recovered) = open_store(volume, options, dir)?;
    let at = recovered.snapshot.clone();
    // The snapshot that a new cluster starts from holds a membership and no state.
    let mut sessions = Sessions::default();
    if at.index > BOOTSTRAP_INDEX {
        sessions = restore_found(&store, &at, host.as_ref())?;
    }
    let boot_term = recovered.hard_state.term;
    let node = node(options, &mut recovered)?;
    #[cfg(feature = "trace")]
    let node = traced(node, Arc::clone(&host));

    let (inbox, woken) = Inbox::new(options.queue_items_max, options.queue_bytes_max);
    let shared = Arc::new(Shared::new(host, inbox, node.status(), at.index, clock_number()));
    let (to_driver, completions) = unbounded();
    let (to_writer, writer_jobs) = unbounded();
    let (to_applier, applier_jobs) = unbounded();
    for event in first_events(&shared, &recovered, node.storage().last_index()) {
        let _ = to_applier.send(ApplierJob::Event(event));
    }
    let applier = Applier::new(
        Arc::clone(&shared),
        (applier_jobs, to_driver.clone()),
        store.snapshots(),
        at.clone(),
        sessions,
    );
    let watch = Watch::new(options.disk_reserve_bytes);
    let writer = Writer::new(Arc::clone(&shared), store, writer_jobs, to_driver, watch);
    let now = Instant::now();
    let election_ticks = options.consensus.election_ticks;
    let driver = Driver {
        shared: Arc::clone(&shared),
        role: node.status().role,
        node,
        clock: Clock::new(options.tick_interval, now),
        woken,
        completions,
        writer: to_writer,
        applier: to_applier,
        checkpoint: Checkpoint::new(options.snapshot_entries, options.snapshot_trailing, at.index),
        sender: Sender::new(clock_number(), options.snapshot_chunk_bytes, election_ticks),
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
        received: None,
        called: None,
        known_stores: recovered.known_stores,
        is_recovering: recovered.lost.is_some(),
        lead_term: 0,
        writing_since: Default::default(),
        offered: None,
        now,
    };
    Ok(Parts { shared, driver, writer, applier })
}

/// Consensus as it was when it last ran here.
fn node(options: &Options, recovered: &mut Recovered) -> Result<RawNode<MemoryStorage>> {
    let entries = std::mem::take(&mut recovered.entries);
    let storage = MemoryStorage::recovered(recovered.hard_state, recovered.snapshot.clone(), entries);
    let mut node = RawNode::new(config_for(options, recovered), storage)?;
    node.learn_stores(&recovered.known_stores);
    Ok(node)
}

#[cfg(feature = "trace")]
fn traced(mut node: RawNode<MemoryStorage>, host: Arc<dyn Host>) -> RawNode<MemoryStorage> {
    node.trace_to(Arc::new(move |line| host.trace(line)));
    node
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

/// What is to be told of the start. That the disk has lost what this node had acknowledged is said in the log, too.
fn first_events(shared: &Shared, recovered: &Recovered, last_index: u64) -> Vec<Event> {
    let Recovered { snapshot, notes, lost, damages, .. } = recovered;
    let mut events = vec![Event::Recovered { index: snapshot.index, last_index, notes: notes.clone() }];
    if let Some(Loss { first, last, .. }) = *lost {
        let damages: Vec<String> = damages.iter().map(ToString::to_string).collect();
        damages.iter().for_each(|damage| shared.log(Level::Warn, damage));
        shared.log(Level::Warn, "this node does not vote until its leader has refilled it");
        events.push(Event::Damaged { first_lost: first, last_lost: last, damages });
    }
    events
}

fn restore_found(store: &Store, at: &SnapshotMetadata, host: &dyn Host) -> Result<Sessions> {
    let reader = store.snapshots().open_found(at.term, at.index)?;
    Ok(guarded(|| restore(host, reader))??.1)
}

/// Opens the store and makes a fresh one a first member, if it is to be one.
fn open_store(volume: Arc<dyn Volume>, options: &Options, dir: &Path) -> Result<(Store, Recovered)> {
    let identity = Identity { cluster_id: options.cluster_id, node_id: options.consensus.id };
    let store_options = StoreOptions {
        segment_bytes: options.segment_bytes,
        zeroed_bytes: options.segment_bytes,
        reserve_bytes: options.disk_reserve_bytes,
        snapshots_kept: SNAPSHOTS_KEPT,
        store_id: drawn_store_id(),
        on_damage: OnDamage::Recover,
        ..StoreOptions::new(identity)
    };
    let (store, recovered) = Store::open_member(volume, dir, store_options, &options.voters)?;
    if recovered.snapshot.index == 0 && !recovered.entries.is_empty() {
        return Err(Error::corrupt(dir, 0, "a log without the snapshot it follows"));
    }
    Ok((store, recovered))
}
