//! A log and a state machine in memory, as cheap as openraft lets them be.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io::Cursor;
use std::ops::{Bound, RangeBounds};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use openraft::storage::{LogFlushed, RaftLogStorage, RaftStateMachine};
use openraft::{
    BasicNode, Entry, EntryPayload, LogId, LogState, OptionalSend, RaftLogReader, RaftSnapshotBuilder,
    Snapshot, SnapshotMeta, StorageError, StoredMembership, Vote,
};

/// Shared between the logs of all nodes.
pub type Payload = Arc<[u8]>;

openraft::declare_raft_types!(
    pub TypeConfig:
        D = Payload,
        R = (),
        Node = BasicNode,
);

type Stored<T> = Result<T, StorageError<u64>>;

#[derive(Default)]
struct Log {
    purged: Option<LogId<u64>>,
    /// Index of the first entry in `entries`.
    first: u64,
    entries: VecDeque<Entry<TypeConfig>>,
    vote: Option<Vote<u64>>,
}

impl Log {
    fn at(&self, index: u64) -> usize {
        (index.saturating_sub(self.first) as usize).min(self.entries.len())
    }
}

#[derive(Clone, Default)]
pub struct LogStore(Arc<Mutex<Log>>);

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Stored<Vec<Entry<TypeConfig>>> {
        let log = self.0.lock().unwrap();
        let from = match range.start_bound() {
            Bound::Included(index) => log.at(*index),
            Bound::Excluded(index) => log.at(*index + 1),
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(index) => log.at(*index + 1),
            Bound::Excluded(index) => log.at(*index),
            Bound::Unbounded => log.entries.len(),
        };
        Ok(log.entries.range(from..to).cloned().collect())
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Stored<LogState<TypeConfig>> {
        let log = self.0.lock().unwrap();
        let last = log.entries.back().map(|entry| entry.log_id).or(log.purged);
        Ok(LogState { last_purged_log_id: log.purged, last_log_id: last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Stored<()> {
        self.0.lock().unwrap().vote = Some(*vote);
        Ok(())
    }

    async fn read_vote(&mut self) -> Stored<Option<Vote<u64>>> {
        Ok(self.0.lock().unwrap().vote)
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<TypeConfig>) -> Stored<()>
    where
        I: IntoIterator<Item = Entry<TypeConfig>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut log = self.0.lock().unwrap();
        log.entries.extend(entries);
        if let Some(front) = log.entries.front() {
            log.first = front.log_id.index;
        }
        drop(log);
        callback.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, from: LogId<u64>) -> Stored<()> {
        let mut log = self.0.lock().unwrap();
        let keep = log.at(from.index);
        log.entries.truncate(keep);
        Ok(())
    }

    async fn purge(&mut self, to: LogId<u64>) -> Stored<()> {
        let mut log = self.0.lock().unwrap();
        let gone = log.at(to.index + 1);
        log.entries.drain(..gone);
        log.first = to.index + 1;
        log.purged = Some(to);
        Ok(())
    }
}

/// What a node has applied so far, for the harness to see.
#[derive(Clone, Default)]
pub struct Applied(Arc<AtomicU64>);

impl Applied {
    pub fn bytes(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

pub struct StateMachine {
    applied: Applied,
    last: Option<LogId<u64>>,
    membership: StoredMembership<u64, BasicNode>,
}

impl StateMachine {
    pub fn new(applied: Applied) -> Self {
        StateMachine { applied, last: None, membership: StoredMembership::default() }
    }

    fn meta(&self) -> SnapshotMeta<u64, BasicNode> {
        SnapshotMeta {
            last_log_id: self.last,
            last_membership: self.membership.clone(),
            snapshot_id: format!("{:?}", self.last),
        }
    }
}

/// A snapshot of nothing: only the log in front of it counts.
pub struct Builder(SnapshotMeta<u64, BasicNode>);

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    async fn build_snapshot(&mut self) -> Stored<Snapshot<TypeConfig>> {
        Ok(Snapshot { meta: self.0.clone(), snapshot: Box::new(Cursor::new(Vec::new())) })
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Stored<(Option<LogId<u64>>, StoredMembership<u64, BasicNode>)> {
        Ok((self.last, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Stored<Vec<()>>
    where
        I: IntoIterator<Item = Entry<TypeConfig>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut answers = Vec::new();
        let mut bytes = 0;
        for entry in entries {
            self.last = Some(entry.log_id);
            match entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Normal(payload) => bytes += payload.len() as u64,
                EntryPayload::Membership(found) => {
                    self.membership = StoredMembership::new(Some(entry.log_id), found);
                }
            }
            answers.push(());
        }
        self.applied.0.fetch_add(bytes, Relaxed);
        Ok(answers)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder(self.meta())
    }

    async fn begin_receiving_snapshot(&mut self) -> Stored<Box<Cursor<Vec<u8>>>> {
        Ok(Box::new(Cursor::new(Vec::new())))
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<u64, BasicNode>,
        _: Box<Cursor<Vec<u8>>>,
    ) -> Stored<()> {
        self.last = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Stored<Option<Snapshot<TypeConfig>>> {
        Ok(None)
    }
}
