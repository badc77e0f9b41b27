//! The calls of raft-core that lie under the C interface, made by Rust: what a face costs is what it takes longer than
//! these. A host of any language loads this library beside its own face and has the same work done here, in the same
//! process and turn about, so that both see the same machine.
//!
//! Times are CPU time of the calling thread, in nanoseconds, unless it says otherwise.

mod engine;
mod node;

use std::sync::Mutex;

use crate::engine::Driven;
use crate::node::Alone;

static NODE: Mutex<Option<Alone>> = Mutex::new(None);
static ENGINE: Mutex<Option<Driven>> = Mutex::new(None);

/// Does nothing: what it costs to call into a library.
#[unsafe(no_mangle)]
pub extern "C" fn faces_empty() {}

/// Has the allocator of the process keep what is freed: else most cells measure how the system hands out pages.
#[unsafe(no_mangle)]
pub extern "C" fn faces_keep_memory() {
    // SAFETY: both only set a number.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
    }
}

/// Calls back `n` times.
#[unsafe(no_mangle)]
pub extern "C" fn faces_call_back(n: u64, callback: extern "C" fn(u64)) {
    (0..n).for_each(|at| callback(at));
}

/// `calls` proposals of `batch` payloads each, of 256 bytes, to a node without files; returns what they took together.
/// That they are then committed and applied is not counted.
#[unsafe(no_mangle)]
pub extern "C" fn faces_node_propose(calls: u32, batch: u32, len: u32) -> u64 {
    let mut node = NODE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    node.get_or_insert_with(Alone::new).propose(calls as usize, batch as usize, len as usize)
}

/// The same into the queue of an engine. That the engine then does its work is not counted, and waited for.
///
/// # Safety
/// `dir` is a path that ends with NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn faces_engine_propose(
    dir: *const std::ffi::c_char,
    calls: u32,
    batch: u32,
    len: u32,
) -> u64 {
    let mut engine = ENGINE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let driven = engine.get_or_insert_with(|| {
        // SAFETY: the caller's promise.
        let dir = unsafe { std::ffi::CStr::from_ptr(dir) };
        Driven::open(dir.to_str().expect("a path"), engine::SNAPSHOT_ENTRIES, 1 << 20)
    });
    driven.propose(calls as usize, batch as usize, len as usize)
}

/// Ends the engine of `faces_engine_propose`.
#[unsafe(no_mangle)]
pub extern "C" fn faces_engine_end() {
    drop(ENGINE.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take());
}

/// Makes a directory whose log holds `n` entries of `len` bytes, and no snapshot.
///
/// # Safety
/// `dir` is a path that ends with NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn faces_fill(dir: *const std::ffi::c_char, n: u64, len: u32) {
    // SAFETY: the caller's promise.
    let dir = unsafe { std::ffi::CStr::from_ptr(dir) };
    engine::fill(dir.to_str().expect("a path"), n, len as usize);
}

/// Opens that directory; returns the nanoseconds of wall time between the first and the last entry that are applied.
///
/// # Safety
/// `dir` is a path that ends with NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn faces_replay(dir: *const std::ffi::c_char, n: u64, apply_bytes_max: u64) -> u64 {
    // SAFETY: the caller's promise.
    let dir = unsafe { std::ffi::CStr::from_ptr(dir) };
    engine::replay(dir.to_str().expect("a path"), n, apply_bytes_max)
}

/// `rounds` of `batch` proposals whose outcomes are waited for, one round under way at a time in a new engine; returns
/// the nanoseconds of wall time.
///
/// # Safety
/// `dir` is a path that ends with NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn faces_round_trips(
    dir: *const std::ffi::c_char,
    rounds: u32,
    batch: u32,
    len: u32,
) -> u64 {
    // SAFETY: the caller's promise.
    let dir = unsafe { std::ffi::CStr::from_ptr(dir) };
    engine::round_trips(dir.to_str().expect("a path"), rounds as usize, batch as usize, len as usize)
}

/// What this thread has used of a processor.
fn thread_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the place is there.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
