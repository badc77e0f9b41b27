//! The engine: a node with its directory, clock and threads.
//!
//! rft_engine_open creates the directory or recovers from it, and starts to work. Messages from peers go in with
//! rft_engine_step; messages to peers come out of rft_host_t.send. A newcomer is opened without voters, and a leader
//! adds it with rft_engine_change, first as a learner. When the disk fails the engine stops for good, says so by an
//! event and in rft_engine_status, and every other call returns that status.
//!
//! After a fork the engine is at work in the process that opened it, and nowhere else. In the other one every call on it
//! returns RFT_E_STOPPED and rft_engine_free does nothing, `drop` included; what it takes of memory is the price of the
//! fork. A new engine may be opened there, in another directory: the first process holds its own as long as it or the
//! other one lives, so have the child execute another program, or end it, before the directory is opened anew. A fork
//! while another thread is inside of a call on the engine is as safe as POSIX makes it, which is to say: execute another
//! program soon.
//!
//! Any thread may call an engine at any time; no call but those that say so waits for anything.

use std::ffi::c_char;
use std::time::Duration;

use crate::boundary::{
    self, Checked, Handle, Out, array, call, exclusive, node_id, or_default, path, shared, shared_to_end,
};
use crate::callbacks::Callbacks;
use crate::config::{Settings, rft_config_t};
use crate::data::{rft_bytes_t, rft_member_t, rft_node_status_t};
use crate::engine_state::EngineState;
use crate::error::rft_error_t;
use crate::host::rft_host_t;
use crate::membership;
use crate::payload;
use crate::status::rft_status_t;

/// An engine, opaque. Owned by whoever opened it; any number of threads may use it at once.
pub struct rft_engine_t {
    _private: [u8; 0],
}

/// Opens a node in a directory, restores the state machine and starts to work.
///
/// A directory without a history gets one that starts with the config's voters; without voters the node waits for a
/// leader to add it. During the call the host's snapshot_restore is called on this thread when there is a snapshot.
/// Never start a node from an older copy of its directory: it has forgotten what it acknowledged. The group refuses it,
/// and counts it as gone. Give it an empty one, remove it and add it again.
///
/// @param config borrowed for the call
/// @param dir the path, UTF-8, created when it is missing; borrowed for the call
/// @param dir_len its bytes
/// @param host borrowed for the call. Its user_data is taken, also when the call fails: `drop` then frees it. Only
/// when `host` is NULL, or its `size` too small, nothing is taken
/// @param out receives the engine, owned by the caller, who frees it with rft_engine_free
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG: NULL, a path that is none, a callback is missing; RFT_E_CONFIG; RFT_E_LOCKED;
/// RFT_E_FOREIGN; RFT_E_CORRUPT; RFT_E_IO; RFT_E_DISK_FULL: no room for the first snapshot of a new directory;
/// RFT_E_HOST: snapshot_restore failed; RFT_E_BUSY: the config is in use
/// @par Thread
/// Any, while no other call uses the config. Blocks for the disk and for snapshot_restore.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_open(
    config: *const rft_config_t,
    dir: *const c_char,
    dir_len: usize,
    host: *const rft_host_t,
    out: *mut *mut rft_engine_t,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let host = Callbacks::new(host)?;
            let out = Out::required(out, "out")?;
            let config = exclusive::<Settings>(config)?;
            out.set(Handle::into_raw(EngineState::open(&config, path(dir, dir_len)?, host)?));
            Ok(())
        })
    }
}

/// Takes a message from a peer. Any error but those of a failed or stopped engine means only that this message was
/// dropped, which raft survives.
///
/// @param engine borrowed for the call
/// @param data the bytes of an rft_message_t, which are copied; borrowed for the call
/// @param len how many there are
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG: NULL, or no bytes; RFT_E_DECODE; RFT_E_LOCAL_MESSAGE; RFT_E_UNKNOWN_PEER;
/// RFT_E_WRONG_RECEIVER; RFT_E_BUSY; RFT_E_STOPPED; RFT_E_PANIC; or why the engine failed
/// @par Thread
/// Any. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_step(
    engine: *mut rft_engine_t,
    data: *const u8,
    len: usize,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe { call(err, || shared::<EngineState>(engine)?.step(None, array(data, len, "data")?)) }
}

/// Takes several messages from peers, in order, and stops at the first that is refused.
///
/// For a transport that does not know who is at the other end. One that does (TLS) calls rft_engine_step_from.
///
/// @param engine borrowed for the call
/// @param messages the bytes of each message, which are copied; borrowed for the call
/// @param n how many there are
/// @param done receives how many were taken, also when the call fails at message number `*done`; NULL: not asked
/// @param err see rft_error_t; may be NULL
/// @return as rft_engine_step
/// @par Thread
/// Any. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_step_many(
    engine: *mut rft_engine_t,
    messages: *const rft_bytes_t,
    n: usize,
    done: *mut usize,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe { call(err, || step_all(engine, None, messages, n, done)) }
}

/// Takes several messages that one peer has brought, in order, and stops at the first that is refused. A message that
/// names another sender is, unless it is a request that was passed on: whoever was let in as one node cannot speak for
/// the others.
///
/// @param engine borrowed for the call
/// @param peer who brought them
/// @param messages the bytes of each message, which are copied; borrowed for the call
/// @param n how many there are
/// @param done receives how many were taken, also when the call fails at message number `*done`; NULL: not asked
/// @param err see rft_error_t; may be NULL
/// @return as rft_engine_step, and RFT_E_WRONG_SENDER; RFT_E_INVALID_ARG also for an id that is none
/// @par Thread
/// Any. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_step_from(
    engine: *mut rft_engine_t,
    peer: u64,
    messages: *const rft_bytes_t,
    n: usize,
    done: *mut usize,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe { call(err, || step_all(engine, Some(node_id(peer, "peer")?), messages, n, done)) }
}

/// # Safety
///
/// As the header demands of the callers.
unsafe fn step_all(
    engine: *mut rft_engine_t,
    peer: Option<u64>,
    messages: *const rft_bytes_t,
    n: usize,
    done: *mut usize,
) -> Checked<()> {
    // SAFETY: the callers' promise is handed on.
    let (done, messages, engine) = unsafe {
        (Out::optional(done, "done")?, array(messages, n, "messages")?, shared::<EngineState>(engine)?)
    };
    // SAFETY: as above.
    let messages = unsafe { payload::lent(messages, "messages")? };
    let mut taken = 0;
    let result = messages.into_iter().try_for_each(|message| {
        engine.step(peer, message)?;
        taken += 1;
        Ok(())
    });
    done.set(taken);
    result
}

/// Tells the engine that a message to a peer could not be delivered. Optional: a leader then sends less until it
/// hears of the peer.
///
/// @param engine borrowed for the call
/// @param id the peer
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG: NULL, or an id that is none; RFT_E_BUSY; RFT_E_STOPPED; RFT_E_PANIC; or why the
/// engine failed
/// @par Thread
/// Any. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_report_unreachable(
    engine: *mut rft_engine_t,
    id: u64,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe { call(err, || Ok(shared::<EngineState>(engine)?.engine.report_unreachable(node_id(id, "id")?)?)) }
}

/// Tells how the node stands, at most a turn of its driver ago. Works after a failure (see `failure`) and after
/// rft_engine_stop.
///
/// @param engine borrowed for the call
/// @param out receives it
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_PANIC: a call on this handle panicked
/// @par Thread
/// Any. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_status(
    engine: *const rft_engine_t,
    out: *mut rft_node_status_t,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let out = Out::required(out, "out")?;
            out.set(shared::<EngineState>(engine)?.status());
            Ok(())
        })
    }
}

/// Tells who is a member, by ascending id. Works after a failure and after rft_engine_stop.
///
/// @param engine borrowed for the call
/// @param out receives the members, as many as there is room for; NULL when `cap` is 0
/// @param cap how many there is room for
/// @param n receives how many there are, also when that is more than `cap`
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_PANIC: a call on this handle panicked
/// @par Thread
/// Any. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_members(
    engine: *const rft_engine_t,
    out: *mut rft_member_t,
    cap: usize,
    n: *mut usize,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let n = Out::required(n, "n")?;
            let members = shared::<EngineState>(engine)?.members();
            membership::write_members(&members, out, cap, n)
        })
    }
}

/// Stops the engine: answers every pending request with RFT_E_STOPPED and waits until its threads have ended. May be
/// called again, also at the same time.
///
/// It takes what is under way when it is called, and nothing else: the one callback that each thread is in, and what
/// the disk has been given to write. An apply that waits for its turn is left out and comes again after a restart, a
/// snapshot that is being written ends at its next rft_snapshot_write. Callers that wait for an outcome or for room get
/// theirs at once, without waiting for the callback. From inside of a callback, whichever it is, it does nothing.
///
/// @param engine borrowed for the call
/// @param timeout_ms how long to wait at the most
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK: no callback comes any more; RFT_E_TIMED_OUT: a callback or the disk is still at work, the engine
/// ends when it returns; RFT_E_INVALID_ARG; RFT_E_REENTRANT: nothing was done
/// @par Thread
/// Any but those of the callbacks. Blocks for timeout_ms at the most.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_stop(
    engine: *mut rft_engine_t,
    timeout_ms: u32,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            Ok(shared_to_end::<EngineState>(engine)?.engine.stop(Duration::from_millis(timeout_ms.into()))?)
        })
    }
}

/// Stops the engine if that is not done, waits until its threads have ended, and frees it. The host's `drop` is
/// called after the last callback; a callback that does not return for 30 seconds is left to itself, and `drop` comes
/// after it.
///
/// @param engine taken; NULL does nothing; from inside a callback nothing is done but a line in the log
/// @par Thread
/// Any but those of the callbacks, once, while no other call uses it. May block for 30 seconds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_free(engine: *mut rft_engine_t) {
    // SAFETY: the header demands it.
    let may = || unsafe { shared_to_end::<EngineState>(engine) }.is_ok_and(|engine| engine.may_be_freed());
    if or_default(may, false) {
        // SAFETY: as above.
        unsafe { boundary::free::<EngineState>(engine) };
    }
}
