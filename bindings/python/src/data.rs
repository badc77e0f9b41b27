//! Plain data for the interpreter: entries, messages, outcomes. All of it is immutable, and bytes are copied only when
//! they are asked for.

use std::time::Duration;

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use raft_core::consensus::log::memory_storage::BOOTSTRAP_INDEX;
use raft_core::consensus::status::RoleKind;
use raft_core::engine::outcome;
use raft_core::raftpb::conf_change::ConfChangeV2;
use raft_core::raftpb::entry;
use raft_core::raftpb::entry::{EntryRef, EntryType};
use raft_core::raftpb::message;
use raft_core::raftpb::message::MessageType;

use crate::argument::{Payload, seconds};
use crate::fault::call;

/// The interpreter's word for a role.
pub(crate) fn role_name(role: RoleKind) -> &'static str {
    match role {
        RoleKind::Follower => "follower",
        RoleKind::PreCandidate => "pre_candidate",
        RoleKind::Candidate => "candidate",
        RoleKind::Leader => "leader",
    }
}

/// Bytes as the interpreter writes them, the end cut off if they are many.
fn shown(py: Python<'_>, data: &[u8]) -> String {
    const SHOWN_MAX: usize = 40;
    let (head, rest) = data.split_at(data.len().min(SHOWN_MAX));
    let text = PyBytes::new(py, head).repr().map_or_else(|_| "?".to_owned(), |text| text.to_string());
    if rest.is_empty() { text } else { format!("{text}...") }
}

/// An entry of the log.
#[pyclass(frozen, module = "rft")]
pub(crate) struct Entry {
    /// Its place in the log.
    #[pyo3(get)]
    index: u64,
    /// The term of the leader that appended it.
    #[pyo3(get)]
    term: u64,
    kind: &'static str,
    /// The payload of a proposal, the context of a membership change.
    #[pyo3(get)]
    data: Py<PyBytes>,
}

/// What an [`Entry`] is made of, on its way to the interpreter.
pub(crate) struct EntryParts {
    index: u64,
    term: u64,
    kind: &'static str,
    data: Bytes,
}

impl EntryParts {
    /// The entry, with `data` as its payload or its context.
    pub(crate) fn new(entry: EntryRef<'_>, data: Bytes) -> Self {
        let kind = match entry.entry_type {
            EntryType::Normal => "normal",
            EntryType::ConfChange | EntryType::ConfChangeV2 => "conf_change",
        };
        EntryParts { index: entry.index, term: entry.term, kind, data }
    }

    /// Entries of the interpreter, whose bytes are copies of its own: whoever keeps one keeps nothing else with it.
    pub(crate) fn list<'py>(py: Python<'py>, parts: &[EntryParts]) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for EntryParts { index, term, kind, data } in parts {
            let data = PyBytes::new(py, data).unbind();
            list.append(Entry { index: *index, term: *term, kind, data })?;
        }
        Ok(list)
    }
}

impl From<entry::Entry> for EntryParts {
    fn from(entry: entry::Entry) -> Self {
        let data = match entry.entry_type {
            EntryType::Normal => entry.data.clone(),
            // One that cannot be read stops the node when it is applied: here it only has no context.
            EntryType::ConfChange | EntryType::ConfChangeV2 => {
                ConfChangeV2::of(&entry).map_or_else(|_| Bytes::new(), |change| change.context)
            }
        };
        EntryParts::new(entry.view(), data)
    }
}

#[pymethods]
impl Entry {
    /// "normal" for a proposal, "conf_change" for a membership change.
    #[getter]
    fn r#type(&self) -> &'static str {
        self.kind
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, Entry>) -> bool {
        let (own, other) = (self, other.get());
        (own.index, own.term, own.kind) == (other.index, other.term, other.kind)
            && own.data.as_bytes(py) == other.data.as_bytes(py)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let Entry { index, term, kind, data } = self;
        format!("Entry(index={index}, term={term}, type='{kind}', data={})", shown(py, data.as_bytes(py)))
    }
}

/// A message to a peer, whose bytes go unchanged to that node's `step`.
#[pyclass(frozen, eq, module = "rft")]
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// The receiver's id.
    #[pyo3(get)]
    to: u64,
    kind: MessageType,
    data: Bytes,
}

impl From<&message::Message> for Message {
    fn from(message: &message::Message) -> Self {
        Message { to: message.to, kind: message.msg_type, data: message.to_vec().into() }
    }
}

#[pymethods]
impl Message {
    /// Its kind by etcd's name, for instance "MsgSnap".
    #[getter]
    fn r#type(&self) -> String {
        format!("{:?}", self.kind)
    }

    /// The encoded message: etcd's raftpb.Message.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.data)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("Message(to={}, type='{:?}', data={})", self.to, self.kind, shown(py, &self.data))
    }
}

/// The state machine at one entry.
#[pyclass(frozen, eq, module = "rft")]
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// The last entry it covers.
    #[pyo3(get)]
    pub(crate) index: u64,
    /// That entry's term.
    #[pyo3(get)]
    pub(crate) term: u64,
    pub(crate) data: Bytes,
}

impl Snapshot {
    /// One that a host gave, which the one that a cluster starts from is not.
    pub(crate) fn of_host(snapshot: &message::Snapshot) -> Option<Self> {
        let message::Snapshot { data, metadata } = snapshot;
        (metadata.index > BOOTSTRAP_INDEX).then(|| Snapshot {
            index: metadata.index,
            term: metadata.term,
            data: data.clone(),
        })
    }
}

#[pymethods]
impl Snapshot {
    /// What `Node.snapshot` was given, here or on another node.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.data)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("Snapshot(index={}, term={}, data={})", self.index, self.term, shown(py, &self.data))
    }
}

/// What must survive a crash beside the log.
#[pyclass(frozen, eq, get_all, module = "rft")]
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct HardState {
    /// The newest term this node has seen.
    pub(crate) term: u64,
    /// Whom it voted for in that term; 0 is nobody.
    pub(crate) vote: u64,
    /// How far the log is known to be committed.
    pub(crate) commit: u64,
}

#[pymethods]
impl HardState {
    fn __repr__(&self) -> String {
        format!("HardState(term={}, vote={}, commit={})", self.term, self.vote, self.commit)
    }
}

/// A read that may be answered.
#[pyclass(frozen, eq, get_all, module = "rft")]
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ReadState {
    /// The state machine has to have applied this entry first.
    pub(crate) index: u64,
    /// The number given to `Node.read_index`.
    pub(crate) request: u64,
}

#[pymethods]
impl ReadState {
    fn __repr__(&self) -> String {
        format!("ReadState(index={}, request={})", self.index, self.request)
    }
}

/// What became of a request that was carried out.
#[pyclass(frozen, eq, module = "rft")]
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The entry of a proposal or change, what a read sees at the least, or what a snapshot covers. What was forwarded
    /// is applied at the leader, and at this node once its status tells this index.
    #[pyo3(get)]
    index: u64,
    /// That entry's term; 0 for a read.
    #[pyo3(get)]
    term: u64,
    age: Duration,
    answer: Bytes,
}

impl From<outcome::Outcome> for Outcome {
    fn from(outcome: outcome::Outcome) -> Self {
        let outcome::Outcome { index, term, age, answer, .. } = outcome;
        Outcome { index, term, age, answer }
    }
}

#[pymethods]
impl Outcome {
    /// One as an engine tells it, for tests for instance.
    #[new]
    #[pyo3(signature = (index, term, age = 0.0, answer = None), text_signature = "(index, term, age=0.0, answer=b'')")]
    fn new(py: Python<'_>, index: u64, term: u64, age: f64, answer: Option<Payload>) -> PyResult<Self> {
        call(py, || {
            let age = seconds(Some(age), "age")?.unwrap_or(Duration::MAX);
            Ok(Outcome { index, term, age, answer: answer.map_or_else(Bytes::new, |answer| answer.0) })
        })
    }

    /// What pickle and copy make another one of.
    fn __getnewargs__<'py>(&self, py: Python<'py>) -> (u64, u64, f64, Bound<'py, PyBytes>) {
        (self.index, self.term, self.age(), self.answer(py))
    }

    /// Of a read, in seconds: how old the state may be that it sees; 0 for a linearizable one.
    #[getter]
    fn age(&self) -> f64 {
        self.age.as_secs_f64()
    }

    /// What `StateMachine.apply` answered; empty if it did not.
    #[getter]
    fn answer<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.answer)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("Outcome(index={}, term={}, answer={})", self.index, self.term, shown(py, &self.answer))
    }
}
