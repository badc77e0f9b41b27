//! `Node`: the bare state machine of consensus, driven by its host.

use std::sync::Mutex;

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::{PyAny, PyList, PyTuple};
use raft_core::bare::node::{BareNode, Wanted, request_of};
use raft_core::consensus::ready::AppendTicket;
use raft_core::error::Error;
use raft_core::raftpb;
use raft_core::raftpb::arena::Arena;

use crate::argument::{NodeId, Payload, change, number, payload, payloads};
use crate::data::{EntryParts, HardState, Message, ReadState, Snapshot, role_name};
use crate::fault::{Checked, Fault, call};
use crate::settings::Settings;
use crate::state::{Member, Status};
use crate::store::Store;

/// A node of a group, without thread, callback, clock or file.
///
/// Call it from one loop: `tick` at a steady pace, `step` with what peers send; and as long as `ready` returns
/// something, send its messages, `save` it, apply what is committed, and `advance`. Without a store it lives in memory
/// only: never give its id to another node after it is gone. One thread at a time, or BusyError.
#[pyclass(frozen, module = "rft", weakref)]
pub(crate) struct Node {
    state: Mutex<State>,
    store: Option<Py<Store>>,
    proposal_bytes_max: usize,
}

struct State {
    bare: BareNode,
    arena: Arena,
}

impl Node {
    fn with<T>(&self, py: Python<'_>, body: impl FnOnce(&mut BareNode) -> Checked<T>) -> PyResult<T> {
        call(py, || body(&mut self.state.try_lock()?.bare))
    }

    fn check_len(&self, payload: &Bytes) -> Checked<()> {
        let (len, max) = (payload.len(), self.proposal_bytes_max);
        if len > max { Err(Error::TooLarge { len, max }.into()) } else { Ok(()) }
    }
}

#[pymethods]
impl Node {
    #[new]
    #[pyo3(signature = (config, store = None))]
    fn new(py: Python<'_>, config: &Bound<'_, PyAny>, store: Option<Py<Store>>) -> PyResult<Self> {
        call(py, || {
            let settings = Settings::read(config)?;
            let (config, trailing) = (settings.consensus(), settings.get("snapshot_trailing"));
            let bare = match &store {
                None => BareNode::in_memory(config, &settings.voters, trailing)?,
                Some(store) => store.get().with(|store| {
                    if store.node_id() != settings.id {
                        return Err(Fault::Invalid(format!("the store is node {}'s", store.node_id())));
                    }
                    Ok(py.detach(|| BareNode::recovered(config, store, trailing))?)
                })?,
            };
            let proposal_bytes_max = settings.size("proposal_bytes_max");
            let state = Mutex::new(State { bare, arena: Arena::default() });
            Ok(Node { state, store, proposal_bytes_max })
        })
    }

    /// One unit of time has passed.
    fn tick(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |node| Ok(node.raw_mut().tick()?))
    }

    /// Takes a message from a peer. A MessageError, NotLeaderError or DroppedError leaves the node as it was.
    #[pyo3(signature = (message, /))]
    fn step(&self, py: Python<'_>, message: Payload) -> PyResult<()> {
        self.with(py, |node| Ok(node.step(raftpb::message::Message::decode(message.0)?)?))
    }

    /// Takes messages from peers, in order. Those that are refused are passed over, and their errors returned, each
    /// with its place in the list.
    #[pyo3(signature = (messages, /))]
    fn step_many(&self, py: Python<'_>, messages: Vec<Payload>) -> PyResult<Vec<(usize, Py<PyAny>)>> {
        self.with(py, |node| {
            let mut refused = Vec::new();
            for (at, message) in messages.into_iter().enumerate() {
                if let Err(error) =
                    raftpb::message::Message::decode(message.0).and_then(|message| node.step(message))
                {
                    if let Some(failure) = node.raw().failure() {
                        return Err(failure.clone().into());
                    }
                    refused.push((at, Fault::Core(error).into_err(py).into_value(py).into_any()));
                }
            }
            Ok(refused)
        })
    }

    /// Proposes entries, all of them or none, and tells the index of the first at a leader. A follower sends them on
    /// to its leader: then nothing is known of their fate, and None is returned.
    // One apart from the rest, which are mostly none: their tuple is then Python's empty one.
    #[pyo3(signature = (data, /, *more))]
    fn propose(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        more: &Bound<'_, PyTuple>,
    ) -> PyResult<Option<u64>> {
        let max = self.proposal_bytes_max;
        call(py, || {
            let mut state = self.state.try_lock()?;
            let State { bare, arena } = &mut *state;
            let copy = payload(data, arena, max)?;
            let first = if more.is_empty() {
                bare.raw_mut().propose_one(copy)?
            } else {
                let mut copies = vec![copy];
                copies.extend(payloads(more, arena, max, |copy| copy)?);
                bare.raw_mut().propose(copies)?
            };
            Ok(first.map(|first| first.index))
        })
    }

    /// Proposes a membership change, which takes effect on each node when that node's host advances past it. A newcomer
    /// starts from a snapshot: give the leader one after the change is applied.
    #[pyo3(signature = (steps, transition = "auto", context = None))]
    fn propose_change(
        &self,
        py: Python<'_>,
        steps: Vec<(String, NodeId)>,
        transition: &str,
        context: Option<Payload>,
    ) -> PyResult<()> {
        self.with(py, |node| {
            let change = change(steps, transition, context)?;
            self.check_len(&change.context)?;
            node.raw_mut().propose_conf_change(&change)?;
            Ok(())
        })
    }

    /// Asks for the index at which a read is linearizable. The answer is one of the `reads` of a later ready; it may be
    /// lost with a message or a leader, so keep the time and ask again.
    #[pyo3(signature = (request, /))]
    fn read_index(&self, py: Python<'_>, request: &Bound<'_, PyAny>) -> PyResult<()> {
        self.with(py, |node| {
            let request = number(request, "request")?;
            Ok(node.read_index(request)?)
        })
    }

    /// Campaigns now, instead of waiting for the election timeout.
    fn campaign(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |node| Ok(node.raw_mut().campaign()?))
    }

    /// Asks the leader, this node or another, to hand its leadership to node `to`. Look at `leader` for success.
    #[pyo3(signature = (to, /))]
    fn transfer_leader(&self, py: Python<'_>, to: NodeId) -> PyResult<()> {
        self.with(py, |node| Ok(node.raw_mut().transfer_leader(to.0)?))
    }

    /// A message to a peer could not be delivered. Optional: a leader then sends less until it hears of the peer.
    #[pyo3(signature = (id, /))]
    fn report_unreachable(&self, py: Python<'_>, id: NodeId) -> PyResult<()> {
        self.with(py, |node| Ok(node.raw_mut().report_unreachable(id.0)?))
    }

    /// Tells what became of a message of type "MsgSnap". Required after each: its receiver gets nothing else until then.
    #[pyo3(signature = (id, ok, /))]
    fn report_snapshot(&self, py: Python<'_>, id: NodeId, ok: bool) -> PyResult<()> {
        self.with(py, |node| Ok(node.raw_mut().report_snapshot(id.0, ok)?))
    }

    /// Takes what the node wants done; None if there is nothing.
    fn ready(&self, py: Python<'_>) -> PyResult<Option<Ready>> {
        self.with(py, |node| {
            // A node that has failed has nothing ready, and has to say why; one that is not advanced says that.
            if !node.has_ready() && !node.is_waiting() && node.raw().failure().is_none() {
                return Ok(None);
            }
            Ok(Some(Ready::from(node.ready()?)))
        })
    }

    /// Writes the last ready into the store, durably where its `must_sync` says so: a commit index alone may be written
    /// only with what follows, or when the store is closed. After a `DiskFullError` there is no room for the ready's
    /// snapshot, and it may be saved again when there is. Without a store it does nothing.
    fn save(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |node| match &self.store {
            None => Ok(()),
            Some(store) => store.get().with(|store| Ok(py.detach(|| node.save(store))?)),
        })
    }

    /// Says that everything in the last ready is saved and applied. Messages that had to wait for it come with the next
    /// ready.
    fn advance(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |node| Ok(node.advance()?))
    }

    /// Gives the node a snapshot of the state machine as of entry `index`: for peers that need entries from before it,
    /// and, with a store, for the next start.
    #[pyo3(signature = (index, data))]
    fn snapshot(&self, py: Python<'_>, index: &Bound<'_, PyAny>, data: Payload) -> PyResult<()> {
        self.with(py, |node| {
            let index = number(index, "index")?;
            match &self.store {
                None => Ok(node.snapshot(None, index, data.0)?),
                Some(store) => {
                    store.get().with(|store| Ok(py.detach(|| node.snapshot(Some(store), index, data.0))?))
                }
            }
        })
    }

    /// How the node stands. Works on a failed node too.
    fn status(&self, py: Python<'_>) -> PyResult<Status> {
        self.with(py, |node| {
            let snapshot_index = node.raw().storage().snapshot_metadata().index;
            Ok(Status::new(py, &node.raw().status(), snapshot_index, node.raw().failure()))
        })
    }

    /// Who is a member, by ascending id.
    fn members(&self, py: Python<'_>) -> PyResult<Vec<Member>> {
        self.with(py, |node| Ok(Member::all(&node.raw().conf_state(), &node.raw().status().progress)))
    }

    /// The leader this node knows; 0 is none.
    #[getter]
    fn leader(&self, py: Python<'_>) -> PyResult<u64> {
        self.with(py, |node| Ok(node.raw().leader()))
    }
}

/// What a node wants done, in this order: send the messages, save, restore the state machine from the snapshot if there
/// is one, apply the committed entries, answer the reads, `advance`.
#[pyclass(frozen, module = "rft")]
pub(crate) struct Ready {
    messages: Vec<Message>,
    entries: Vec<EntryParts>,
    committed: Vec<EntryParts>,
    reads: Vec<ReadState>,
    hard_state: Option<HardState>,
    snapshot: Option<Snapshot>,
    must_sync: bool,
    leader: u64,
    role: &'static str,
}

impl From<Wanted<'_>> for Ready {
    fn from(wanted: Wanted<'_>) -> Self {
        let reads = wanted
            .reads
            .iter()
            .filter_map(|read| Some(ReadState { index: read.index, request: request_of(read)? }));
        let entries = wanted.append.into_iter().flat_map(|ticket| ticket.entries().owned());
        let committed = wanted.apply.into_iter().flat_map(|ticket| ticket.entries().owned());
        let hard_state = wanted.append.and_then(AppendTicket::hard_state).map(|state| HardState {
            term: state.term,
            vote: state.vote,
            commit: state.commit,
        });
        let snapshot = wanted.append.and_then(AppendTicket::snapshot);
        Ready {
            messages: wanted.messages.iter().map(Message::from).collect(),
            entries: entries.map(EntryParts::from).collect(),
            committed: committed.map(EntryParts::from).collect(),
            reads: reads.collect(),
            hard_state,
            snapshot: snapshot.and_then(Snapshot::of_host),
            must_sync: wanted.append.is_some_and(AppendTicket::must_sync),
            leader: wanted.soft_state.leader,
            role: role_name(wanted.soft_state.role),
        }
    }
}

#[pymethods]
impl Ready {
    /// To send. They may leave at once, before anything is saved.
    #[getter]
    fn messages(&self) -> Vec<Message> {
        self.messages.clone()
    }

    /// To save; they replace what was saved at their indices and behind. `Node.save` does it.
    #[getter]
    fn entries<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        EntryParts::list(py, &self.entries)
    }

    /// To apply, in order, once all above is saved. Pass over those of type "normal" without data: with such an entry a
    /// leader opens its term.
    #[getter]
    fn committed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        EntryParts::list(py, &self.committed)
    }

    /// To answer, each as soon as its index is applied.
    #[getter]
    fn reads(&self) -> Vec<ReadState> {
        self.reads.clone()
    }

    /// To save, when it changed.
    #[getter]
    fn hard_state(&self) -> Option<HardState> {
        self.hard_state.clone()
    }

    /// To save before the entries, and to replace the whole state machine with.
    #[getter]
    fn snapshot(&self) -> Option<Snapshot> {
        self.snapshot.clone()
    }

    /// Whether what is to be saved must be synced to the disk before `advance`.
    #[getter]
    fn must_sync(&self) -> bool {
        self.must_sync
    }

    /// The leader this node knows; 0 is none.
    #[getter]
    fn leader(&self) -> u64 {
        self.leader
    }

    /// What the node is.
    #[getter]
    fn role(&self) -> &'static str {
        self.role
    }

    fn __repr__(&self) -> String {
        let Ready { messages, entries, committed, role, leader, .. } = self;
        format!(
            "<Ready {role}, leader {leader}: {} messages, {} entries, {} committed>",
            messages.len(),
            entries.len(),
            committed.len()
        )
    }
}

/// What panics, so that a test can see what becomes of a panic. Not in a release.
#[cfg(debug_assertions)]
#[pyfunction]
#[pyo3(name = "_panic")]
pub(crate) fn panic_now(py: Python<'_>) -> PyResult<()> {
    call(py, || {
        let none: [u8; 0] = [];
        let at = usize::from(std::process::id() == 0);
        if none[at] == 0 { Ok(()) } else { Err(Error::Misuse("not reached").into()) }
    })
}
