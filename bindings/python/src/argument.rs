//! What a caller hands in: ids, bytes, times, membership changes.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyList, PyMemoryView, PyTuple};
use raft_core::error::Error;
use raft_core::raftpb::arena::Arena;
use raft_core::raftpb::conf_change::{ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2};

use crate::fault::{Checked, Fault, wrong_type};

/// The ids that are nobody's: 0, and the two that etcd keeps for the storage threads of a node.
pub(crate) fn node_id(value: u64, name: &str) -> Checked<u64> {
    match value {
        0 | u64::MAX => Err(Fault::Invalid(format!("{name} is {value}, which is no node's id"))),
        id if id == u64::MAX - 1 => Err(Fault::Invalid(format!("{name} is {id}, which is no node's id"))),
        id => Ok(id),
    }
}

/// A whole number from 0 to 2^64 - 1: anything else is an error that names it.
pub(crate) fn number(value: &Bound<'_, PyAny>, name: &str) -> Checked<u64> {
    value.extract::<u64>().map_err(|error| {
        if error.is_instance_of::<PyOverflowError>(value.py()) {
            return Fault::Invalid(format!("{name} is {value}, not in 0 to {}", u64::MAX));
        }
        Fault::Python(wrong_type(&format!("for {name} an int"), &value.get_type()))
    })
}

/// A number that is not 0.
pub(crate) fn not_zero(value: &Bound<'_, PyAny>, name: &str) -> Checked<u64> {
    match number(value, name)? {
        0 => Err(Fault::Invalid(format!("{name} is 0"))),
        number => Ok(number),
    }
}

/// The id of a node, called `id` in what is said about it.
pub(crate) struct NodeId(pub(crate) u64);

impl<'a, 'py> FromPyObject<'a, 'py> for NodeId {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        number(&object, "id")
            .and_then(|id| node_id(id, "id"))
            .map(NodeId)
            .map_err(|fault| fault.into_err(object.py()))
    }
}

/// The path of a node's directory: not empty, and without a NUL.
pub(crate) struct Directory(pub(crate) PathBuf);

impl<'a, 'py> FromPyObject<'a, 'py> for Directory {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let path: PathBuf = object.extract().map_err(|error: PyErr| {
            if !error.is_instance_of::<PyTypeError>(object.py()) {
                return error;
            }
            wrong_type("for directory a str or a path that is one", &object.get_type())
        })?;
        let bytes = path.as_os_str().as_encoded_bytes();
        if bytes.is_empty() || bytes.contains(&0) {
            let fault = Fault::Invalid("directory is empty or has a NUL inside".to_owned());
            return Err(fault.into_err(object.py()));
        }
        Ok(Directory(path))
    }
}

/// A copy of bytes, of a `bytearray` or of what a `memoryview` shows.
pub(crate) struct Payload(pub(crate) Bytes);

impl<'a, 'py> FromPyObject<'a, 'py> for Payload {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Payload(Bytes::copy_from_slice(bytes.as_bytes())));
        }
        if let Ok(array) = object.cast::<PyByteArray>() {
            return Ok(Payload(array.to_vec().into()));
        }
        if object.cast::<PyMemoryView>().is_ok() {
            let copy = object.call_method0("tobytes")?;
            return Ok(Payload(Bytes::copy_from_slice(copy.cast::<PyBytes>()?.as_bytes())));
        }
        Err(wrong_type("a bytes-like object", &object.get_type()))
    }
}

/// Copies a payload of `max` bytes at the most.
pub(crate) fn payload(object: &Bound<'_, PyAny>, arena: &mut Arena, max: usize) -> Checked<Bytes> {
    let too_large = |len| Fault::Core(Error::TooLarge { len, max });
    let fits = |len| if len > max { Err(too_large(len)) } else { Ok(()) };
    if let Ok(bytes) = object.cast::<PyBytes>() {
        let data = bytes.as_bytes();
        fits(data.len())?;
        return arena.join(data.len(), [data]).ok_or_else(|| too_large(data.len()));
    }
    let Payload(copy) = object.extract()?;
    fits(copy.len())?;
    Ok(copy)
}

/// Copies the payloads of a batch, and makes something of each.
pub(crate) fn payloads<T>(
    batch: &Bound<'_, PyAny>,
    arena: &mut Arena,
    max: usize,
    mut make: impl FnMut(Bytes) -> T,
) -> Checked<Vec<T>> {
    if let Ok(list) = batch.cast_exact::<PyList>() {
        return list.iter().map(|item| Ok(make(payload(&item, arena, max)?))).collect();
    }
    if let Ok(tuple) = batch.cast_exact::<PyTuple>() {
        return tuple.iter_borrowed().map(|item| Ok(make(payload(&item, arena, max)?))).collect();
    }
    batch
        .extract::<Vec<Bound<'_, PyAny>>>()?
        .iter()
        .map(|item| Ok(make(payload(item, arena, max)?)))
        .collect()
}

/// A time called `name`; None is for ever.
pub(crate) fn seconds(seconds: Option<f64>, name: &str) -> Checked<Option<Duration>> {
    let Some(seconds) = seconds else { return Ok(None) };
    if seconds.is_nan() || seconds < 0.0 {
        return Err(Fault::Invalid(format!("{name} is {seconds}: it must not be negative")));
    }
    // What is longer than a duration can be is for ever.
    Ok(Duration::try_from_secs_f64(seconds).ok())
}

/// A membership change from its words.
pub(crate) fn change(
    steps: Vec<(String, NodeId)>,
    transition: &str,
    context: Option<Payload>,
) -> Checked<ConfChangeV2> {
    let transition = match transition {
        "auto" => ConfChangeTransition::Auto,
        "joint_implicit" => ConfChangeTransition::JointImplicit,
        "joint_explicit" => ConfChangeTransition::JointExplicit,
        other => return Err(Fault::Invalid(format!("there is no transition {other:?}"))),
    };
    let single = |(kind, NodeId(id)): (String, NodeId)| {
        let kind = match kind.as_str() {
            "add_voter" => ConfChangeType::AddNode,
            "remove" => ConfChangeType::RemoveNode,
            "update" => ConfChangeType::UpdateNode,
            "add_learner" => ConfChangeType::AddLearnerNode,
            other => return Err(Fault::Invalid(format!("there is no change {other:?}"))),
        };
        Ok(ConfChangeSingle::new(kind, id))
    };
    let changes = steps.into_iter().map(single).collect::<Checked<Vec<_>>>()?;
    let context = context.map_or_else(Bytes::new, |payload| payload.0);
    Ok(ConfChangeV2 { transition: transition as i32, changes, context })
}

/// Who leaves for `new`; 0 is nobody.
pub(crate) fn leaver(old: Option<NodeId>, new: &NodeId) -> Checked<u64> {
    match old {
        Some(NodeId(id)) if id == new.0 => {
            Err(Fault::Invalid(format!("node {id} cannot take its own place")))
        }
        old => Ok(old.map_or(0, |id| id.0)),
    }
}

/// How long the engine itself is to go on; without a limit, for ever.
pub(crate) fn within(timeout: Option<f64>) -> Checked<Duration> {
    Ok(seconds(timeout, "timeout")?.unwrap_or(Duration::MAX))
}

/// The greatest age of a read.
pub(crate) fn age(within: f64) -> Checked<Duration> {
    Ok(seconds(Some(within), "within")?.unwrap_or(Duration::MAX))
}

/// Payloads with the numbers of their requests.
pub(crate) fn numbered(payloads: Vec<Bytes>, numbers: Range<u64>) -> Vec<(Bytes, u64)> {
    payloads.into_iter().zip(numbers).collect()
}
