//! A history of a store in steps, and a model of what a restart may find at any point of it.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use raft_core::disk::recovered::{Identity, Recovered};
use raft_core::disk::store::{Store, StoreOptions};
use raft_core::error::{Error, Result};
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::entry::{Entries, Entry};
use raft_core::raftpb::message::{HardState, SnapshotMetadata};

pub(crate) const DIR: &str = "/node";

/// Small segments, and no thread whose calls would be counted at random.
pub(crate) fn options() -> StoreOptions {
    let identity = Identity { cluster_id: 0xc1, node_id: 1 };
    StoreOptions { segment_bytes: 4096, zeroed_bytes: 0, snapshots_kept: 2, ..StoreOptions::new(identity) }
}

/// What a node does with its store.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Bootstrap,
    /// Entries of one term from the first to the last index, then term and commit.
    Append {
        term: u64,
        first: u64,
        last: u64,
        commit: u64,
    },
    /// Only the commit.
    Commit {
        term: u64,
        commit: u64,
    },
    /// A snapshot file, then its record; of this node or of a leader.
    Snapshot {
        term: u64,
        index: u64,
    },
    /// Only the file.
    File {
        term: u64,
        index: u64,
    },
    /// Only the record.
    Record {
        term: u64,
        index: u64,
    },
    /// Which disks the members stand on, as far as this number says.
    KnownStores(u64),
    Release {
        index: u64,
    },
}

/// Bootstrap, appends that cut segments, an overwrite, snapshots of the node's own, a release, a snapshot from a leader
/// that conflicts with the tail, one that lies beyond it, and work after each.
pub(crate) fn script() -> Vec<Step> {
    use Step::*;
    vec![
        Bootstrap,
        Append { term: 1, first: 2, last: 4, commit: 1 },
        Append { term: 1, first: 5, last: 12, commit: 4 },
        Commit { term: 1, commit: 10 },
        Append { term: 2, first: 11, last: 14, commit: 10 },
        Snapshot { term: 1, index: 9 },
        Append { term: 2, first: 15, last: 22, commit: 14 },
        Append { term: 2, first: 23, last: 30, commit: 20 },
        Append { term: 3, first: 24, last: 25, commit: 20 },
        Snapshot { term: 2, index: 18 },
        Release { index: 18 },
        Append { term: 3, first: 26, last: 34, commit: 25 },
        Snapshot { term: 3, index: 25 },
        Release { index: 25 },
        // A leader of term 4 has other entries from 30 on.
        Snapshot { term: 4, index: 30 },
        Append { term: 4, first: 31, last: 33, commit: 30 },
        Append { term: 4, first: 34, last: 40, commit: 33 },
        Snapshot { term: 5, index: 60 },
        Commit { term: 5, commit: 60 },
        Append { term: 5, first: 61, last: 70, commit: 61 },
        Snapshot { term: 5, index: 61 },
        Release { index: 61 },
        // Of a leader of this term, with entries that are committed as well.
        Snapshot { term: 5, index: 80 },
        Append { term: 5, first: 81, last: 83, commit: 82 },
        Append { term: 6, first: 83, last: 92, commit: 82 },
    ]
}

/// An error, and whether the store itself reported it.
pub(crate) struct Trouble {
    pub(crate) error: Error,
    pub(crate) of_store: bool,
}

#[derive(Clone, Debug)]
enum Write {
    Entry(u64, u64),
    State(HardState),
    Snapshot(u64, u64),
}

/// What the log says when it is read up to some record.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Model {
    pub(crate) state: HardState,
    pub(crate) log: BTreeMap<u64, u64>,
    /// Index and term.
    pub(crate) snapshots: Vec<(u64, u64)>,
    // A leader's snapshot and what follows it, until a commit makes it the log.
    received: Option<(u64, BTreeMap<u64, u64>)>,
}

impl Model {
    fn write(&mut self, write: &Write) {
        match *write {
            Write::Entry(index, term) => {
                let log = self.received.as_mut().map_or(&mut self.log, |(_, log)| log);
                log.split_off(&index);
                log.insert(index, term);
            }
            Write::State(state) => {
                self.state = state;
                if let Some((_, log)) = self.received.take_if(|(index, _)| *index <= state.commit) {
                    self.log = log;
                }
            }
            Write::Snapshot(index, term) => {
                self.snapshots.push((index, term));
                if self.log.get(&index) != Some(&term) {
                    self.received = Some((index, BTreeMap::new()));
                }
            }
        }
    }

    /// HardState, snapshot and entries as a restart gives them.
    fn view(&self) -> (HardState, (u64, u64), Vec<(u64, u64)>) {
        let committed = self.snapshots.iter().filter(|(index, _)| *index <= self.state.commit);
        let snapshot = committed.max().copied().unwrap_or_default();
        let entries = self.log.iter().filter(|(index, _)| **index > snapshot.0);
        (self.state, snapshot, entries.map(|(index, term)| (*index, *term)).collect())
    }
}

/// What is durable, and what has been written since.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    durable: Model,
    written: Vec<Write>,
    // The last of them follows behind the sync.
    is_held_back: bool,
    // The number of the newest word about the members' disks that is kept, and of one on its way.
    stores: u64,
    announced_stores: Option<u64>,
}

impl World {
    /// A world in which all of this is durable.
    pub(crate) fn of(recovered: &Recovered) -> Self {
        let SnapshotMetadata { index, term, .. } = recovered.snapshot;
        let durable = Model {
            state: recovered.hard_state,
            log: recovered.entries.iter().map(|entry| (entry.index, entry.term)).collect(),
            snapshots: Vec::from_iter((index > 0).then_some((index, term))),
            received: None,
        };
        let stores = recovered.known_stores.first().map_or(0, |(_, number)| *number);
        World { durable, stores, ..World::default() }
    }

    /// Compares with what a restart has found: all that is durable, and a part of what was written since.
    pub(crate) fn check(&self, recovered: &Recovered, what: &str) {
        let SnapshotMetadata { index, term, .. } = recovered.snapshot;
        for entry in recovered.entries.iter() {
            assert_eq!(entry.data, payload(entry.index, entry.term), "{what}: entry {}", entry.index);
        }
        let entries = recovered.entries.iter().map(|entry| (entry.index, entry.term)).collect();
        let found = (recovered.hard_state, (index, term), entries);
        let mut model = self.durable.clone();
        let mut allowed = vec![model.view()];
        for write in &self.written {
            model.write(write);
            allowed.push(model.view());
        }
        // Before the first HardState there is nothing to be found.
        allowed.iter_mut().filter(|view| view.0.is_empty()).for_each(|view| *view = Default::default());
        assert!(allowed.contains(&found), "{what}\nfound {found:?}\nallowed {allowed:#?}");
        assert_eq!(recovered.fresh, recovered.hard_state.is_empty(), "{what}");
        let mut stores = [Some(self.stores), self.announced_stores].into_iter().flatten().map(known_stores);
        assert!(
            stores.any(|stores| stores == recovered.known_stores),
            "{what}: {:?}",
            recovered.known_stores
        );
    }

    pub(crate) fn play(&mut self, store: &mut Store, step: &Step) -> std::result::Result<(), Trouble> {
        if let Step::Snapshot { term, index } = *step {
            self.play(store, &Step::File { term, index })?;
            return self.play(store, &Step::Record { term, index });
        }
        let is_synced = self.is_synced(step);
        self.begin(step);
        perform(store, step, is_synced)?;
        if is_synced {
            self.synced();
        }
        if let Some(number) = self.announced_stores.take() {
            self.stores = number;
        }
        Ok(())
    }

    /// Whether all that was written is durable when this step has been made.
    fn is_synced(&self, step: &Step) -> bool {
        match *step {
            Step::Bootstrap | Step::Append { .. } | Step::Record { .. } | Step::Snapshot { .. } => true,
            Step::Commit { term, .. } => term != self.now().state.term,
            Step::File { .. } | Step::Release { .. } | Step::KnownStores(_) => false,
        }
    }

    /// From here on a crash may leave a part of this step.
    pub(crate) fn begin(&mut self, step: &Step) {
        match *step {
            Step::Bootstrap => {
                let state = HardState { term: 1, vote: 0, commit: 1 };
                self.written.extend([Write::Snapshot(1, 1), Write::State(state)]);
            }
            Step::Append { term, first, last, commit } => {
                let last_state = self.now().state;
                self.written.extend((first..=last).map(|index| Write::Entry(index, term)));
                // No HardState names a commit that was not durable before it: the rest of it follows behind the sync.
                let durable = commit.min(first.saturating_sub(1));
                self.is_held_back = durable < commit;
                // What is synced of a leader's snapshot, and behind it, must not hang on that.
                let news = last_state.commit + 1..=durable;
                let takes_snapshot =
                    self.now().snapshots.last().is_some_and(|(index, _)| news.contains(index));
                let is_news = (term, 1) != (last_state.term, last_state.vote);
                if self.is_held_back && (is_news || takes_snapshot) {
                    self.written.push(Write::State(HardState { term, vote: 1, commit: durable }));
                }
                self.written.push(Write::State(HardState { term, vote: 1, commit }));
            }
            Step::Commit { term, commit } => {
                self.written.push(Write::State(HardState { term, vote: 1, commit }));
            }
            Step::Record { term, index } | Step::Snapshot { term, index } => {
                self.written.push(Write::Snapshot(index, term));
            }
            Step::KnownStores(number) => self.announced_stores = Some(number),
            Step::File { .. } | Step::Release { .. } => {}
        }
    }

    /// Appends something that follows whatever there is.
    pub(crate) fn go_on(&mut self, store: &mut Store) -> Result<()> {
        let (state, snapshot, entries) = self.now().view();
        let last = entries.last().map_or(snapshot.0, |(index, _)| *index);
        let step =
            Step::Append { term: state.term + 1, first: last + 1, last: last + 3, commit: state.commit };
        self.play(store, &step).map_err(|trouble| trouble.error)
    }

    /// All that was written.
    pub(crate) fn now(&self) -> Model {
        let mut model = self.durable.clone();
        self.written.iter().for_each(|write| model.write(write));
        model
    }

    fn synced(&mut self) {
        let held_back = if std::mem::take(&mut self.is_held_back) { self.written.pop() } else { None };
        self.durable = self.now();
        self.written.clear();
        self.written.extend(held_back);
    }
}

fn perform(store: &mut Store, step: &Step, must_sync: bool) -> std::result::Result<(), Trouble> {
    let metadata = |term, index| {
        let conf_state = ConfState::of_voters([1, 2, 3]);
        SnapshotMetadata { conf_state, index, term }
    };
    let done = match *step {
        Step::Bootstrap => store.bootstrap(&ConfState::of_voters([1, 2, 3])).map(|_| ()),
        Step::Append { term, first, last, commit } => append(store, term, first, last, commit),
        Step::Commit { term, commit } => {
            let state = HardState { term, vote: 1, commit };
            store.append(Some(&state), &Entries::new(), must_sync)
        }
        Step::File { term, index } | Step::Snapshot { term, index } => {
            return write_snapshot(store, &metadata(term, index))
                .map_err(|error| Trouble { error, of_store: false });
        }
        Step::Record { term, index } => store.record_snapshot(&metadata(term, index)),
        Step::Release { index } => store.release(index),
        Step::KnownStores(number) => store.keep_known_stores(&known_stores(number)),
    };
    done.map_err(|error| Trouble { error, of_store: true })
}

fn append(store: &mut Store, term: u64, first: u64, last: u64, commit: u64) -> Result<()> {
    let state = HardState { term, vote: 1, commit };
    let entries = (first..=last).map(|index| Entry {
        term,
        index,
        data: payload(index, term).into(),
        ..Entry::default()
    });
    store.append(Some(&state), &entries.collect(), true)
}

/// What the members' disks are, as far as `number` says.
fn known_stores(number: u64) -> Vec<(u64, u64)> {
    if number == 0 { Vec::new() } else { vec![(1, number), (2, number + 1)] }
}

/// Between nothing and more than a sector, seldom more than a page, without zeros.
fn payload(index: u64, term: u64) -> Vec<u8> {
    let len = if index % 19 == 3 { 5000 } else { (index * 7 + term) as usize * 37 % 700 };
    vec![index as u8 | 0x80; len]
}

fn write_snapshot(store: &Store, metadata: &SnapshotMetadata) -> Result<()> {
    let text = format!("the state at {}", metadata.index).repeat(50);
    let mut writer = store.snapshots().create(metadata.clone())?;
    // An error comes out of finish.
    let _ = writer.write_all(text.as_bytes());
    writer.finish()?;
    let mut read = String::new();
    let mut reader = store.snapshots().open(metadata.term, metadata.index)?;
    reader.read_to_string(&mut read).map_err(|error| Error::Decode(error.to_string()))?;
    assert_eq!(read, text);
    Ok(())
}
