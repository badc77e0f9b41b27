//! `Engine`: a node with its directory, clock and threads.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::pyclass::{PyTraverseError, PyVisit};
use pyo3::types::{PyAny, PyDict};
use raft_core::engine::metrics::Counter;
use raft_core::engine::{node, outcome};
use raft_core::error::Error;
use raft_core::raftpb::arena::Arena;
use raft_core::raftpb::conf_change::ConfChangeV2;
use raft_core::raftpb::message::Message;

use crate::argument::{
    Directory, NodeId, Payload, age, change, leaver, not_zero, numbered, payloads, seconds, within,
};
use crate::data::Outcome;
use crate::fault::{Checked, Fault, is_of_the_message, settled};
use crate::host::{Host, explained};
use crate::hub::Hub;
use crate::patience::Patience;
use crate::process::Process;
use crate::requests::Requests;
use crate::settings::Settings;
use crate::state::{Member, Status};

/// The errors of messages that were refused, each with its message's place.
type Refusals = Vec<(usize, Py<PyAny>)>;

/// The engine itself: `rft.Engine` and `rft.aio.Engine` make it fit for use. Any thread may call it.
#[pyclass(frozen, module = "rft._native", weakref)]
pub(crate) struct Engine {
    // None only while it is dropped.
    engine: Option<Arc<node::Engine>>,
    host: Py<Host>,
    process: Process,
    arena: Mutex<Arena>,
    proposal_bytes_max: usize,
    waits_for_room: bool,
}

impl Engine {
    fn core(&self) -> Checked<&Arc<node::Engine>> {
        let engine = self.engine.as_ref().ok_or(Fault::Core(Error::Stopped))?;
        engine.check_process()?;
        Ok(engine)
    }

    /// Copies the payloads of a batch. Nobody waits for another thread that copies at the moment.
    fn payloads<T>(&self, batch: &Bound<'_, PyAny>, make: impl FnMut(Bytes) -> T) -> Checked<Vec<T>> {
        match self.arena.try_lock() {
            Some(mut arena) => payloads(batch, &mut arena, self.proposal_bytes_max, make),
            None => payloads(batch, &mut Arena::none(), self.proposal_bytes_max, make),
        }
    }

    fn requests(&self) -> &Requests {
        &self.host.get().hub.requests
    }

    /// Does a call's work; what a callback raised becomes the cause of the error that speaks of it.
    fn run<T>(&self, py: Python<'_>, body: impl FnOnce(&Arc<node::Engine>) -> Checked<T>) -> PyResult<T> {
        explained(py, self.host.get(), false, || self.core().and_then(body))
    }

    /// Makes `count` requests and waits for their outcomes.
    fn wait(
        &self,
        py: Python<'_>,
        core: &Arc<node::Engine>,
        count: usize,
        timeout: Option<f64>,
        ask: impl Fn(&node::Engine, Range<u64>) -> raft_core::error::Result<()>,
    ) -> Checked<Vec<Option<outcome::Outcome>>> {
        let timeout = seconds(timeout, "timeout")?;
        if self.host.get().is_callback_thread() {
            return Err(Error::Reentrant.into());
        }
        let mut patience = Patience::new(timeout, self.waits_for_room);
        loop {
            let (numbers, group) = self.requests().group(count);
            let outcomes = ask(core, numbers.clone())
                .map_err(Fault::from)
                .and_then(|()| group.wait(py, patience.left()).map_err(Fault::from));
            // Those without an outcome have nobody who waits any more.
            self.requests().forget(numbers);
            if !patience.goes_on(py, &outcomes)? {
                return outcomes;
            }
        }
    }

    fn wait_for_one(
        &self,
        py: Python<'_>,
        core: &Arc<node::Engine>,
        timeout: Option<f64>,
        ask: impl Fn(&node::Engine, u64) -> raft_core::error::Result<()>,
    ) -> Checked<outcome::Outcome> {
        let mut outcomes = self.wait(py, core, 1, timeout, |engine, numbers| ask(engine, numbers.start))?;
        settled(outcomes.pop().flatten().ok_or(Error::TimedOut)?)
    }

    /// Makes requests of an event loop; returns the number of the first.
    fn start(
        &self,
        core: &node::Engine,
        count: usize,
        ask: impl FnOnce(&node::Engine, Range<u64>) -> raft_core::error::Result<()>,
    ) -> Checked<u64> {
        let numbers = self.requests().of_loop(count);
        let first = numbers.start;
        ask(core, numbers)?;
        Ok(first)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let Some(engine) = self.engine.take() else { return };
        if !self.process.is_current() {
            // Its threads are in the other process, and would be waited for here.
            let _ = Arc::into_raw(engine);
            return;
        }
        self.host.get().hub.end();
        let mut engine = Some(engine);
        // The threads may be waiting for callbacks, which need the interpreter.
        let _ = Python::try_attach(|py| {
            let engine = engine.take();
            py.detach(|| drop(engine));
        });
    }
}

/// Proposes a change, also one that puts the quorum at risk if it is forced.
fn propose_change(
    engine: &node::Engine,
    change: ConfChangeV2,
    forced: bool,
    number: u64,
) -> raft_core::error::Result<()> {
    if forced { engine.force_change(change, number) } else { engine.change(change, number) }
}

#[pymethods]
impl Engine {
    /// Opens the node in a directory, restores the state machine and starts to work. Threads must be at work on the host.
    #[new]
    fn new(
        py: Python<'_>,
        config: &Bound<'_, PyAny>,
        directory: Directory,
        host: &Bound<'_, Host>,
    ) -> PyResult<Self> {
        explained(py, host.get(), false, || {
            let settings = Settings::read(config)?;
            let hub: Arc<Hub> = Arc::clone(&host.get().hub);
            let engine = py.detach(|| node::Engine::open(settings.options(), &directory.0, hub))?;
            let engine = Arc::new(engine);
            host.get().serves(&engine)?;
            Ok(Engine {
                engine: Some(engine),
                host: host.clone().unbind(),
                process: Process::current(),
                arena: Mutex::default(),
                proposal_bytes_max: settings.size("proposal_bytes_max"),
                waits_for_room: settings.get("wait_for_room") != 0,
            })
        })
    }

    /// Proposes one entry and waits for its outcome.
    fn propose(&self, py: Python<'_>, data: Payload, timeout: Option<f64>) -> PyResult<Outcome> {
        self.run(py, |core| {
            let ask = |engine: &node::Engine, number| engine.propose(vec![(data.0.clone(), number)]);
            Ok(self.wait_for_one(py, core, timeout, ask)?.into())
        })
    }

    /// Proposes entries, all of them or none, and waits for their outcomes: one, or what would be raised, for each.
    fn propose_many(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<Vec<Py<PyAny>>> {
        self.run(py, |core| {
            let data = self.payloads(data, |copy| copy)?;
            let count = data.len();
            let ask = |engine: &node::Engine, numbers| engine.propose(numbered(data.clone(), numbers));
            let outcomes = self.wait(py, core, count, timeout, ask)?;
            outcomes.into_iter().map(|outcome| self.outcome_or_error(py, outcome)).collect()
        })
    }

    /// Proposes entries for an event loop; returns the number of the first.
    fn start_propose(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<u64> {
        self.run(py, |core| {
            let mut data = self.payloads(data, |copy| (copy, 0))?;
            self.start(core, data.len(), |engine, numbers| {
                data.iter_mut().zip(numbers).for_each(|((_, request), number)| *request = number);
                match data.len() {
                    1 => data.pop().map_or(Ok(()), |(copy, number)| engine.propose_one(copy, number)),
                    _ => engine.propose(data),
                }
            })
        })
    }

    /// Waits until the state machine may be read, at an age of `within` seconds at the most.
    fn read(&self, py: Python<'_>, within: f64, timeout: Option<f64>) -> PyResult<Outcome> {
        self.run(py, |core| {
            let age = age(within)?;
            let ask = |engine: &node::Engine, number| engine.read_within(age, number);
            Ok(self.wait_for_one(py, core, timeout, ask)?.into())
        })
    }

    /// Asks for a read for an event loop.
    fn start_read(&self, py: Python<'_>, within: f64) -> PyResult<u64> {
        self.run(py, |core| {
            let age = age(within)?;
            self.start(core, 1, |engine, numbers| engine.read_within(age, numbers.start))
        })
    }

    /// Opens a session and waits for its id, the index of the outcome.
    fn open_session(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Outcome> {
        self.run(py, |core| Ok(self.wait_for_one(py, core, timeout, node::Engine::open_session)?.into()))
    }

    /// Opens a session for an event loop.
    fn start_open_session(&self, py: Python<'_>) -> PyResult<u64> {
        self.run(py, |core| self.start(core, 1, |engine, numbers| engine.open_session(numbers.start)))
    }

    /// Closes a session and waits until it is.
    fn close_session(
        &self,
        py: Python<'_>,
        session: &Bound<'_, PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<Outcome> {
        self.run(py, |core| {
            let session = not_zero(session, "session")?;
            let ask = |engine: &node::Engine, number| engine.close_session(session, number);
            Ok(self.wait_for_one(py, core, timeout, ask)?.into())
        })
    }

    /// Closes a session for an event loop.
    fn start_close_session(&self, py: Python<'_>, session: &Bound<'_, PyAny>) -> PyResult<u64> {
        self.run(py, |core| {
            let session = not_zero(session, "session")?;
            self.start(core, 1, |engine, numbers| engine.close_session(session, numbers.start))
        })
    }

    /// Proposes a command of a session and waits for its outcome.
    fn propose_once(
        &self,
        py: Python<'_>,
        session: &Bound<'_, PyAny>,
        sequence: &Bound<'_, PyAny>,
        data: Payload,
        timeout: Option<f64>,
    ) -> PyResult<Outcome> {
        self.run(py, |core| {
            let (session, sequence) = (not_zero(session, "session")?, not_zero(sequence, "sequence")?);
            let ask = |engine: &node::Engine, number| engine.propose_once(session, sequence, &data.0, number);
            Ok(self.wait_for_one(py, core, timeout, ask)?.into())
        })
    }

    /// Proposes a command of a session for an event loop.
    fn start_propose_once(
        &self,
        py: Python<'_>,
        session: &Bound<'_, PyAny>,
        sequence: &Bound<'_, PyAny>,
        data: Payload,
    ) -> PyResult<u64> {
        self.run(py, |core| {
            let (session, sequence) = (not_zero(session, "session")?, not_zero(sequence, "sequence")?);
            self.start(core, 1, |engine, numbers| {
                engine.propose_once(session, sequence, &data.0, numbers.start)
            })
        })
    }

    /// Proposes a change of the membership and waits until it is in force.
    fn change(
        &self,
        py: Python<'_>,
        steps: Vec<(String, NodeId)>,
        transition: &str,
        context: Payload,
        forced: bool,
        timeout: Option<f64>,
    ) -> PyResult<Outcome> {
        self.run(py, |core| {
            let change = change(steps, transition, Some(context))?;
            let ask = |engine: &node::Engine, number| propose_change(engine, change.clone(), forced, number);
            Ok(self.wait_for_one(py, core, timeout, ask)?.into())
        })
    }

    /// Proposes a change of the membership for an event loop.
    fn start_change(
        &self,
        py: Python<'_>,
        steps: Vec<(String, NodeId)>,
        transition: &str,
        context: Payload,
        forced: bool,
    ) -> PyResult<u64> {
        self.run(py, |core| {
            let change: ConfChangeV2 = change(steps, transition, Some(context))?;
            self.start(core, 1, |engine, numbers| propose_change(engine, change, forced, numbers.start))
        })
    }

    /// Puts a node in the place of a member and waits until that is in force, for a second longer than it may take.
    fn replace(
        &self,
        py: Python<'_>,
        old: Option<NodeId>,
        new: NodeId,
        context: Payload,
        timeout: Option<f64>,
    ) -> PyResult<Outcome> {
        self.run(py, |core| {
            let (old, within) = (leaver(old, &new)?, within(timeout)?);
            let ask =
                |engine: &node::Engine, number| engine.replace(old, new.0, context.0.clone(), within, number);
            Ok(self.wait_for_one(py, core, timeout.map(|seconds| seconds + 1.0), ask)?.into())
        })
    }

    /// Puts a node in the place of a member for an event loop.
    fn start_replace(
        &self,
        py: Python<'_>,
        old: Option<NodeId>,
        new: NodeId,
        context: Payload,
        timeout: Option<f64>,
    ) -> PyResult<u64> {
        self.run(py, |core| {
            let (old, within) = (leaver(old, &new)?, within(timeout)?);
            self.start(core, 1, |engine, numbers| {
                engine.replace(old, new.0, context.0, within, numbers.start)
            })
        })
    }

    /// Has a snapshot taken and waits until it is durable.
    fn snapshot(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Outcome> {
        explained(py, self.host.get(), true, || {
            Ok(self.wait_for_one(py, self.core()?, timeout, node::Engine::snapshot)?.into())
        })
    }

    /// Has a snapshot taken for an event loop.
    fn start_snapshot(&self, py: Python<'_>) -> PyResult<u64> {
        self.run(py, |core| self.start(core, 1, |engine, numbers| engine.snapshot(numbers.start)))
    }

    /// Asks the leader, this node or another, to hand its leadership to node `to`.
    fn transfer_leader(&self, py: Python<'_>, to: NodeId, timeout: Option<f64>) -> PyResult<Outcome> {
        self.run(py, |core| {
            let ask = |engine: &node::Engine, number| engine.transfer_leader(to.0, number);
            Ok(self.wait_for_one(py, core, timeout, ask)?.into())
        })
    }

    /// Asks for a hand-over for an event loop.
    fn start_transfer_leader(&self, py: Python<'_>, to: NodeId) -> PyResult<u64> {
        let ask = |engine: &node::Engine, numbers: Range<u64>| engine.transfer_leader(to.0, numbers.start);
        self.run(py, |core| self.start(core, 1, ask))
    }

    /// Campaigns now.
    fn campaign(&self, py: Python<'_>) -> PyResult<()> {
        self.run(py, |core| Ok(core.campaign()?))
    }

    /// Takes a message from a peer.
    fn step(&self, py: Python<'_>, message: Payload) -> PyResult<()> {
        self.run(py, |core| Ok(core.step(Message::decode(message.0)?)?))
    }

    /// Takes messages from peers; returns what was refused.
    fn step_many(&self, py: Python<'_>, messages: Vec<Payload>, peer: Option<NodeId>) -> PyResult<Refusals> {
        let peer = peer.map(|peer| peer.0);
        self.run(py, |core| {
            let mut refused = Vec::new();
            for (at, message) in messages.into_iter().enumerate() {
                let stepped = Message::decode(message.0)
                    .and_then(|message| core.step_from(peer.unwrap_or(message.from), message));
                match stepped {
                    Ok(()) => {}
                    Err(error) if is_of_the_message(&error) => {
                        refused.push((at, Fault::from(error).into_err(py).into_value(py).into_any()));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(refused)
        })
    }

    /// A message could not be brought to node `id`.
    fn report_unreachable(&self, py: Python<'_>, id: NodeId) -> PyResult<()> {
        self.run(py, |core| Ok(core.report_unreachable(id.0)?))
    }

    /// How the node stands.
    fn status(&self, py: Python<'_>) -> PyResult<Status> {
        self.run(py, |core| {
            let status = core.status();
            let shown = Status::new(py, &status.status, status.snapshot_index, status.failure.as_ref());
            Ok(shown.with_engine(&status))
        })
    }

    /// Who is a member, by ascending id.
    fn members(&self, py: Python<'_>) -> PyResult<Vec<Member>> {
        self.run(py, |core| {
            let engine = core.status();
            let members = Member::all(&engine.status.membership.conf_state(), &engine.status.progress);
            Ok(Member::with_contexts(members, &engine.member_bytes))
        })
    }

    /// What the engine has counted since it was opened, by name.
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.run(py, |core| {
            let counters = PyDict::new(py);
            for (counter, name, _) in Counter::ALL {
                counters.set_item(name, core.counter(counter))?;
            }
            Ok(counters)
        })
    }

    /// Counters, times and state in the text format of Prometheus.
    fn metrics(&self, py: Python<'_>) -> PyResult<String> {
        self.run(py, |core| Ok(py.detach(|| core.prometheus())))
    }

    /// State, members, queue, counters and times as one JSON object.
    fn status_json(&self, py: Python<'_>) -> PyResult<String> {
        self.run(py, |core| Ok(py.detach(|| core.status_json())))
    }

    /// Ends the engine and waits for its threads. In a forked process it does nothing.
    fn stop(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        if !self.process.is_current() {
            return Ok(());
        }
        self.run(py, |core| {
            if self.host.get().is_callback_thread() {
                return Err(Error::Reentrant.into());
            }
            let timeout = seconds(timeout, "timeout")?.unwrap_or(Duration::MAX);
            let result = py.detach(|| core.stop(timeout.min(FOR_EVER)));
            self.host.get().hub.end();
            Ok(result?)
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.host)
    }
}

/// A year.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

impl Engine {
    /// For a list of outcomes: those that are not known by now have timed out.
    fn outcome_or_error(&self, py: Python<'_>, outcome: Option<outcome::Outcome>) -> Checked<Py<PyAny>> {
        let fault = match outcome.map(settled) {
            Some(Ok(outcome)) => return Ok(Py::new(py, Outcome::from(outcome))?.into_any()),
            Some(Err(fault)) => fault,
            None => Error::TimedOut.into(),
        };
        let code = fault.code();
        let error = fault.into_err(py);
        self.host.get().explain(py, code, &error, false);
        Ok(error.into_value(py).into_any())
    }
}
