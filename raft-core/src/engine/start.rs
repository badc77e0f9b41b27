//! From a directory to the three parts of an engine, before any thread runs.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::unbounded;

use super::applier::{Applier, restore};
use super::checkpoint::Checkpoint;
use super::clock::Clock;
use super::courier::receiver::Receiver;
use super::courier::sender::Sender;
use super::driver::Driver;
use super::event::Event;
use super::forward::Served;
use super::host::Host;
use super::inbox::Inbox;
use super::options::{Options, clock_number};
use super::requests::InHand;
use super::session::table::Sessions;
use super::shared::{Shared, guarded};
use super::work::ApplierJob;
use super::writer::{Watch, Writer};
use crate::consensus::log::memory_storage::{BOOTSTRAP_INDEX, MemoryStorage};
use crate::consensus::log::storage::Storage as _;
use crate::consensus::raw_node::RawNode;
use crate::disk::recovered::{Identity, Recovered};
use crate::disk::store::{Store, StoreOptions, drawn_store_id};
use crate::disk::volume::Volume;
use crate::error::{Error, Result};
use crate::raftpb::conf_change::ConfState;
use crate::raftpb::message::HardState;

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
        (_, sessions) = guarded(|| restore(host.as_ref(), &store.snapshots(), &at))??;
    }
    let boot_term = recovered.hard_state.term;
    let notes = std::mem::take(&mut recovered.notes);
    let known_stores = recovered.known_stores.clone();
    let node = node(options, recovered)?;
    let last_index = node.storage().last_index();

    let (inbox, woken) = Inbox::new(options.queue_items_max, options.queue_bytes_max);
    let shared = Arc::new(Shared::new(host, inbox, node.status(), at.index, clock_number()));
    let (to_driver, completions) = unbounded();
    let (to_writer, writer_jobs) = unbounded();
    let (to_applier, applier_jobs) = unbounded();
    let _ = to_applier.send(ApplierJob::Event(Event::Recovered { index: at.index, last_index, notes }));
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
        known_stores,
        lead_term: 0,
        writing_since: Default::default(),
        offered: None,
        now,
    };
    Ok(Parts { shared, driver, writer, applier })
}

/// Consensus as it was when it last ran here.
fn node(options: &Options, recovered: Recovered) -> Result<RawNode<MemoryStorage>> {
    let mut config = options.consensus.clone();
    config.applied = recovered.snapshot.index;
    config.store_id = recovered.store_id;
    config.apply_unstable = false;
    // The engine forwards by itself, so that an outcome comes back.
    config.forward_proposals = false;
    let storage = MemoryStorage::recovered(recovered.hard_state, recovered.snapshot, recovered.entries);
    let mut node = RawNode::new(config, storage)?;
    node.learn_stores(&recovered.known_stores);
    Ok(node)
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
        ..StoreOptions::new(identity)
    };
    let (mut store, mut recovered) = Store::open(volume, dir, store_options)?;
    if recovered.fresh && !options.voters.is_empty() {
        recovered.snapshot = store.bootstrap(&ConfState::of_voters(options.voters.iter().copied()))?;
        recovered.hard_state = HardState { term: 1, vote: 0, commit: BOOTSTRAP_INDEX };
    }
    if recovered.snapshot.index == 0 && !recovered.entries.is_empty() {
        return Err(Error::corrupt(dir, 0, "a log without the snapshot it follows"));
    }
    Ok((store, recovered))
}
