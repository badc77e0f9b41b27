//! `Host`: from where the interpreter's two threads of an engine take their work.

use std::cell::Cell;
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};
use parking_lot::Mutex;
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::pyclass::{PyTraverseError, PyVisit};
use pyo3::types::{PyBytes, PyDict, PyList};
use raft_core::engine::code::Code;
use raft_core::engine::event::Level;
use raft_core::engine::node::Engine;
use raft_core::engine::outcome::Outcome;
use raft_core::error::Error;

use crate::argument::Payload;
use crate::data;
use crate::data::EntryParts;
use crate::fault::{Checked, Fault, call, settled};
use crate::hub::{Hub, Job};
use crate::process::Process;
use crate::state::Event;
use crate::stream::Stream;

/// Log lines, each with its level.
type Lines = Vec<(u8, String)>;

thread_local! {
    // The hub whose callbacks the current thread runs, by its address.
    static HUB: Cell<usize> = const { Cell::new(0) };
}

/// The callbacks' side of an engine: one thread calls `next_task`, another one `next_batch`, until they return None.
#[pyclass(frozen, module = "rft._native")]
pub(crate) struct Host {
    pub(crate) hub: Arc<Hub>,
    // Taken out while a thread waits with it. Dropped at the end, so that what is still handed over fails.
    jobs: Mutex<Option<Receiver<Job>>>,
    engine: OnceLock<Weak<Engine>>,
    process: Process,
    // What a callback has raised: for those who ask why the engine has stopped, and why there was no snapshot.
    cause: Mutex<Option<Py<PyBaseException>>>,
    save_cause: Mutex<Option<Py<PyBaseException>>>,
}

impl Host {
    /// Whether the current thread runs callbacks of this engine: it must not wait for itself.
    pub(crate) fn is_callback_thread(&self) -> bool {
        HUB.get() == Arc::as_ptr(&self.hub).addr()
    }

    /// This is the engine.
    pub(crate) fn serves(&self, engine: &Arc<Engine>) -> Checked<()> {
        let engine = Arc::downgrade(engine);
        self.engine.set(engine).map_err(|_| Fault::Core(Error::Misuse("the host has its engine already")))
    }

    /// Gives an error that speaks of a callback what the callback has raised.
    pub(crate) fn explain(&self, py: Python<'_>, code: Option<Code>, error: &PyErr, is_snapshot: bool) {
        // While the engine ends of what a callback has raised, requests are answered with `Stopped`.
        if matches!(code, Some(Code::Host | Code::Stopped)) {
            let fatal = self.cause.lock().as_ref().map(|cause| cause.clone_ref(py));
            let passing = || self.save_cause.lock().as_ref().map(|cause| cause.clone_ref(py));
            let cause = if is_snapshot { fatal.or_else(passing) } else { fatal };
            error.set_cause(py, cause.map(|cause| PyErr::from_value(cause.into_bound(py).into_any())));
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if !self.process.is_current() {
            // Its queues know of threads that are in the other process.
            let _ = Arc::into_raw(Arc::clone(&self.hub));
            Box::leak(Box::new(self.jobs.get_mut().take()));
        }
    }
}

#[pymethods]
impl Host {
    #[new]
    fn new() -> Self {
        let (hub, jobs) = Hub::new();
        Host {
            hub: Arc::new(hub),
            jobs: Mutex::new(Some(jobs)),
            engine: OnceLock::new(),
            process: Process::current(),
            cause: Mutex::default(),
            save_cause: Mutex::default(),
        }
    }

    /// Waits for the next thing that the state machine, the event loop or the listener is to do.
    fn next_task(&self, py: Python<'_>) -> PyResult<Option<Task>> {
        call(py, || {
            HUB.set(Arc::as_ptr(&self.hub).addr());
            let Some(jobs) = self.jobs.lock().take() else { return Ok(None) };
            let job = py.detach(|| jobs.recv());
            let Ok(job) = job else { return Ok(None) };
            let task = Task::new(py, job)?;
            if task.is_some() {
                *self.jobs.lock() = Some(jobs);
            }
            Ok(task)
        })
    }

    /// Waits for messages and log lines: `[(receiver, bytes)]` and `[(level, text)]`, with the levels of `logging`.
    fn next_batch<'py>(&self, py: Python<'py>) -> PyResult<Option<(Bound<'py, PyList>, Lines)>> {
        call(py, || {
            HUB.set(Arc::as_ptr(&self.hub).addr());
            let Some(batch) = py.detach(|| self.hub.outbox.take()) else { return Ok(None) };
            if let Some(engine) = self.engine.get().and_then(Weak::upgrade) {
                for id in &batch.dropped {
                    // A leader then sends less. If the engine is busy, it does so anyway.
                    let _ = engine.report_unreachable(*id);
                }
                py.detach(|| drop(engine));
            }
            let messages = batch.messages.iter().map(|(to, data)| (*to, PyBytes::new(py, data)));
            let lines = batch.lines.into_iter().map(|(level, text)| (logging_level(level), text));
            Ok(Some((PyList::new(py, messages.collect::<Vec<_>>())?, lines.collect())))
        })
    }

    /// The current thread runs callbacks, too.
    fn enter(&self) {
        HUB.set(Arc::as_ptr(&self.hub).addr());
    }

    /// Both threads end when they have done what there is.
    fn end(&self) {
        if self.process.is_current() {
            self.hub.end();
        }
    }

    /// The applying thread ends: what is handed over from now on fails.
    fn abandon(&self) {
        if self.process.is_current() {
            self.jobs.lock().take();
            self.hub.outbox.close();
        }
    }

    /// A callback has raised `error`: `save`, or one that ends the engine.
    #[pyo3(signature = (error, /, is_save = false))]
    fn raised(&self, error: Py<PyBaseException>, is_save: bool) {
        let cause = if is_save { &self.save_cause } else { &self.cause };
        *cause.lock() = Some(error);
    }

    /// Gives an error that an event loop is told the cause that it would have had in a call.
    #[pyo3(name = "explain", signature = (error, /))]
    fn explain_to_loop(&self, py: Python<'_>, error: Bound<'_, PyBaseException>) -> PyResult<()> {
        let code: i32 = error.getattr("code")?.extract()?;
        let code = [Code::Host, Code::Stopped].into_iter().find(|known| *known as i32 == code);
        self.explain(py, code, &PyErr::from_value(error.into_any()), true);
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for cause in [&self.cause, &self.save_cause] {
            if let Some(cause) = cause.try_lock() {
                visit.call(&*cause)?;
            }
        }
        Ok(())
    }

    fn __clear__(&self) {
        for cause in [&self.cause, &self.save_cause] {
            let cause = cause.lock().take();
            drop(cause);
        }
    }
}

fn logging_level(level: Level) -> u8 {
    match level {
        Level::Error => 40,
        Level::Warn => 30,
        Level::Info => 20,
        Level::Debug => 10,
        Level::Trace => 5,
    }
}

/// Something that the applying thread is to do. Dropped before it is done, it counts as failed.
#[pyclass(frozen, module = "rft._native")]
pub(crate) struct Task {
    kind: &'static str,
    entries: Option<Py<PyList>>,
    count: usize,
    reply: Mutex<Option<Sender<Vec<Bytes>>>>,
    // Shared, so that waiting for it needs no lock.
    stream: Mutex<Option<Arc<Stream>>>,
    viewed: Mutex<Option<Sender<bool>>>,
    outcomes: Option<Py<PyDict>>,
    event: Option<Py<Event>>,
}

impl Task {
    fn new(py: Python<'_>, job: Job) -> PyResult<Option<Self>> {
        let mut task = Task {
            kind: "apply",
            entries: None,
            count: 0,
            reply: Mutex::default(),
            stream: Mutex::default(),
            viewed: Mutex::default(),
            outcomes: None,
            event: None,
        };
        match job {
            Job::End => return Ok(None),
            Job::Apply(entries, reply) => {
                task.count = entries.len();
                task.entries = Some(EntryParts::list(py, &entries)?.unbind());
                *task.reply.lock() = Some(reply);
            }
            Job::Save(stream) => {
                task.kind = "save";
                *task.stream.lock() = Some(Arc::new(stream));
            }
            Job::View(stream, viewed) => {
                task.kind = "view";
                *task.stream.lock() = Some(Arc::new(stream));
                *task.viewed.lock() = Some(viewed);
            }
            Job::Restore(stream) => {
                task.kind = "restore";
                *task.stream.lock() = Some(Arc::new(stream));
            }
            Job::Outcomes(outcomes) => {
                task.kind = "outcomes";
                task.outcomes = Some(by_number(py, outcomes)?.unbind());
            }
            Job::Event(event) => {
                task.kind = "event";
                task.event = Some(Py::new(py, Event::new(py, &event))?);
            }
        }
        Ok(Some(task))
    }

    fn stream(&self) -> Checked<Arc<Stream>> {
        self.stream.lock().clone().ok_or(Fault::Core(Error::Stopped))
    }
}

/// The outcomes, or what is to be raised, by the number of the request.
fn by_number(py: Python<'_>, outcomes: Vec<Outcome>) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    for outcome in outcomes {
        let number = outcome.request;
        match settled(outcome) {
            Ok(outcome) => dict.set_item(number, data::Outcome::from(outcome))?,
            Err(fault) => dict.set_item(number, fault.into_err(py).into_value(py))?,
        }
    }
    Ok(dict)
}

#[pymethods]
impl Task {
    /// "apply", "save", "view", "restore", "outcomes" or "event".
    #[getter]
    fn kind(&self) -> &'static str {
        self.kind
    }

    /// What is to be applied.
    #[getter]
    fn entries(&self, py: Python<'_>) -> Option<Py<PyList>> {
        self.entries.as_ref().map(|entries| entries.clone_ref(py))
    }

    /// What became of requests, by their numbers.
    #[getter]
    fn outcomes(&self, py: Python<'_>) -> Option<Py<PyDict>> {
        self.outcomes.as_ref().map(|outcomes| outcomes.clone_ref(py))
    }

    /// What happened.
    #[getter]
    fn event(&self, py: Python<'_>) -> Option<Py<Event>> {
        self.event.as_ref().map(|event| event.clone_ref(py))
    }

    /// The entries are applied; one answer for each, or none at all.
    #[pyo3(signature = (answers, /))]
    fn applied(&self, py: Python<'_>, answers: Option<Vec<Option<Payload>>>) -> PyResult<()> {
        call(py, || {
            let answers = match answers {
                None => Vec::new(),
                Some(answers) if answers.len() == self.count => answers,
                Some(answers) => {
                    let (given, wanted) = (answers.len(), self.count);
                    return Err(Fault::Invalid(format!(
                        "apply returned {given} answers to {wanted} entries"
                    )));
                }
            };
            let answers = answers.into_iter().map(|answer| answer.map_or_else(Bytes::new, |data| data.0));
            if let Some(reply) = self.reply.lock().take() {
                // Nobody waits when the engine was told to stop.
                let _ = reply.send(answers.collect());
            }
            Ok(())
        })
    }

    /// Whether the state machine has handed out what it is.
    #[pyo3(signature = (has_one, /))]
    fn viewed(&self, has_one: bool) {
        if let Some(viewed) = self.viewed.lock().take() {
            // Nobody waits when the engine was told to stop.
            let _ = viewed.send(has_one);
        }
    }

    /// The next bytes of a snapshot, `size` at the most; none at the end.
    #[pyo3(signature = (size, /))]
    fn read<'py>(&self, py: Python<'py>, size: usize) -> PyResult<Bound<'py, PyBytes>> {
        call(py, || {
            let stream = self.stream()?;
            let data = py.detach(|| stream.read(size))?;
            Ok(PyBytes::new(py, &data))
        })
    }

    /// Writes the next bytes of a snapshot.
    #[pyo3(signature = (data, /))]
    fn write(&self, py: Python<'_>, data: Payload) -> PyResult<()> {
        call(py, || {
            let stream = self.stream()?;
            Ok(py.detach(|| stream.write(data.0))?)
        })
    }

    /// The snapshot is written, or read.
    fn done(&self, py: Python<'_>) -> PyResult<()> {
        self.end(py, Ok(()))
    }

    /// The callback has raised.
    fn failed(&self, py: Python<'_>) -> PyResult<()> {
        self.end(py, Err(Code::Host as i32))
    }
}

impl Task {
    fn end(&self, py: Python<'_>, result: Result<(), i32>) -> PyResult<()> {
        call(py, || {
            self.reply.lock().take();
            self.viewed.lock().take();
            if let Some(stream) = self.stream.lock().take() {
                py.detach(|| stream.done(result));
            }
            Ok(())
        })
    }
}

/// Does a call's work, and gives what it raises the cause that a callback has left.
pub(crate) fn explained<T>(
    py: Python<'_>,
    host: &Host,
    is_snapshot: bool,
    body: impl FnOnce() -> Checked<T>,
) -> PyResult<T> {
    let mut code = None;
    let body = || body().inspect_err(|fault| code = fault.code());
    call(py, body).inspect_err(|error| host.explain(py, code, error, is_snapshot))
}
