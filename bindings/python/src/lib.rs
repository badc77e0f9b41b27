//! The native part of `import rft`: raft-core for the interpreter, without a detour over C.
//!
//! No thread of the engine ever calls into the interpreter. Work for the interpreter is left where threads of its own
//! take it (`hub.rs`), so a busy interpreter never delays a heartbeat, and nothing is called while it shuts down.

mod argument;
mod data;
mod engine;
mod fault;
mod host;
mod hub;
mod node;
mod outbox;
mod patience;
mod process;
mod requests;
mod settings;
mod state;
mod store;
mod stream;

use pyo3::prelude::*;
use pyo3::types::{PyAny, PyDict, PyFrozenSet};
use raft_core::engine::code::{Code, NAMES};

use crate::settings::Settings;

/// Says whether a node could start with this configuration, by a ConfigError if not.
#[pyfunction]
#[pyo3(signature = (config, /))]
fn check_config(py: Python<'_>, config: &Bound<'_, PyAny>) -> PyResult<()> {
    fault::call(py, || Settings::read(config).map(|_| ()))
}

#[pymodule(gil_used = false)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let codes = PyDict::new(py);
    for (name, code) in NAMES {
        codes.set_item(name, code as i32)?;
    }
    module.add("CODES", codes)?;
    let numbers = |is: fn(Code) -> bool| {
        NAMES.into_iter().filter(move |(_, code)| is(*code)).map(|(_, code)| code as i32)
    };
    module.add("RETRYABLE", PyFrozenSet::new(py, numbers(Code::is_retryable))?)?;
    module.add("FATAL", PyFrozenSet::new(py, numbers(Code::is_fatal))?)?;
    module.add("RANGES", settings::ranges(py)?)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(check_config, module)?)?;
    // Past `__all__`: a private function of test builds.
    #[cfg(debug_assertions)]
    module.setattr("_panic", wrap_pyfunction!(node::panic_now, module)?)?;
    module.add_class::<data::Entry>()?;
    module.add_class::<data::Message>()?;
    module.add_class::<data::Snapshot>()?;
    module.add_class::<data::HardState>()?;
    module.add_class::<data::ReadState>()?;
    module.add_class::<data::Outcome>()?;
    module.add_class::<state::Status>()?;
    module.add_class::<state::Member>()?;
    module.add_class::<state::Event>()?;
    module.add_class::<store::Store>()?;
    module.add_class::<node::Node>()?;
    module.add_class::<node::Ready>()?;
    module.add_class::<host::Host>()?;
    module.add_class::<host::Task>()?;
    module.add_class::<engine::Engine>()?;
    Ok(())
}
