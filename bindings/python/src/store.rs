//! `Store`: a directory with a write-ahead log and snapshots.

use std::sync::Mutex;

use pyo3::prelude::*;
use raft_core::bare::store::BareStore;
use raft_core::disk::recovered::Identity;
use raft_core::disk::store::StoreOptions;
use raft_core::error::Error;

use crate::argument::Directory;
use crate::data::Snapshot;
use crate::fault::{Checked, call};
use crate::process::Process;
use crate::settings::Settings;

/// The directory of a `Node`: its log and its snapshots. One thread at a time, or BusyError.
///
/// Opening one without a history starts it with the configuration's voters; without voters the node waits for a leader
/// to add it.
#[pyclass(frozen, module = "rft", weakref)]
pub(crate) struct Store {
    // None once it is closed. Nobody drops it in a forked process, where closing files would harm nothing, but a thread
    // to join is not there.
    state: Mutex<Option<BareStore>>,
    process: Process,
}

impl Store {
    /// Runs `body` with the open store.
    pub(crate) fn with<T>(&self, body: impl FnOnce(&mut BareStore) -> Checked<T>) -> Checked<T> {
        self.process.check()?;
        let mut state = self.state.try_lock()?;
        body(state.as_mut().ok_or(Error::Stopped)?)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if !self.process.is_current() {
            let state = self.state.get_mut().map(Option::take).unwrap_or_default();
            Box::leak(Box::new(state));
        }
    }
}

#[pymethods]
impl Store {
    #[new]
    fn new(py: Python<'_>, config: &Bound<'_, PyAny>, directory: Directory) -> PyResult<Self> {
        call(py, || {
            let settings = Settings::read(config)?;
            let identity = Identity { cluster_id: settings.get("cluster_id"), node_id: settings.id };
            let (segment, reserve) = (settings.get("segment_bytes"), settings.get("disk_reserve_bytes"));
            let direct_writes = settings.get("direct_writes") != 0;
            let options =
                StoreOptions { direct_writes, ..StoreOptions::of_member(identity, segment, reserve) };
            let state = py.detach(|| BareStore::open(&directory.0, options, &settings.voters))?;
            Ok(Store { state: Mutex::new(Some(state)), process: Process::current() })
        })
    }

    /// The newest snapshot, to restore the state machine from before the node is made; None if there is none.
    fn snapshot(&self, py: Python<'_>) -> PyResult<Option<Snapshot>> {
        call(py, || self.with(|state| py.detach(|| Ok(Snapshot::of_host(&state.snapshot()?)))))
    }

    /// Closes the directory. May be called again.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        call(py, || {
            if !self.process.is_current() {
                return Ok(());
            }
            let state = self.state.try_lock()?.take();
            py.detach(|| drop(state));
            Ok(())
        })
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, pyo3::types::PyTuple>) -> PyResult<()> {
        self.close(py)
    }
}
