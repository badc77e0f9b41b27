//! Sessions: a command that is proposed again, because its outcome was not known, is applied once.
//!
//! Open a session, number its commands from 1 on, and propose a command again under its number until the outcome is
//! RFT_OK: at this node or another, as often as it takes. Every try that is RFT_OK has the index, the term and the
//! answer of the one that was applied; an answer of more than 64 KiB comes only once. The cluster keeps the 4096 sessions
//! that were used last, in its log and snapshots.

use crate::boundary::{Buffer, Checked, Failure, Out, call, shared};
use crate::engine::rft_engine_t;
use crate::engine_state::{EngineState, answer, answer_into};
use crate::error::rft_error_t;
use crate::host::rft_outcome_t;
use crate::payload;
use crate::request::milliseconds;
use crate::status::rft_status_t;

/// Opens a session and returns at once. The index in the outcome is its id.
///
/// @param engine borrowed for the call
/// @param request a number of your own for the outcome, without which there is no id
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK: the request gets its one outcome; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_STOPPED; RFT_E_PANIC; or why
/// the engine failed
/// @par Thread
/// Any. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_session_open(
    engine: *mut rft_engine_t,
    request: u64,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let engine = shared::<EngineState>(engine)?;
            Ok(engine.engine.open_session(not_zero(request, "request")?)?)
        })
    }
}

/// Opens a session and waits for it.
///
/// @param engine borrowed for the call
/// @param timeout_ms how long to wait at the most
/// @param out receives the outcome, whose index is the session's id; untouched when there is none
/// @param err see rft_error_t; may be NULL
/// @return see rft_engine_propose_wait
/// @par Thread
/// Any but those of the callbacks. Blocks for timeout_ms at the most.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_session_open_wait(
    engine: *mut rft_engine_t,
    timeout_ms: u32,
    out: *mut rft_outcome_t,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let out = Out::required(out, "out")?;
            let engine = shared::<EngineState>(engine)?;
            answer(&engine.engine.open_session_wait(milliseconds(timeout_ms))?, out)
        })
    }
}

/// Closes a session and returns at once.
///
/// @param engine borrowed for the call
/// @param session its id
/// @param request a number of your own for the outcome; 0 wants none
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK: the request gets its one outcome (RFT_E_SESSION: there is no such session); RFT_E_INVALID_ARG;
/// RFT_E_BUSY; RFT_E_STOPPED; RFT_E_PANIC; or why the engine failed
/// @par Thread
/// Any. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_session_close(
    engine: *mut rft_engine_t,
    session: u64,
    request: u64,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let engine = shared::<EngineState>(engine)?;
            Ok(engine.engine.close_session(not_zero(session, "session")?, request)?)
        })
    }
}

/// Proposes a command of a session and returns at once.
///
/// @param engine borrowed for the call
/// @param session the session's id
/// @param sequence the command's number in it, at least 1: higher than any before, or that of the last command again
/// @param data the payload, which is copied; borrowed for the call
/// @param len its bytes
/// @param request a number of your own, for the outcome and for `apply` at this engine; 0 wants no outcome
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK: the request gets its one outcome (RFT_E_SESSION: the session is closed or has gone on; this try was
/// not applied, an earlier one may have been); RFT_E_INVALID_ARG; RFT_E_TOO_LARGE; RFT_E_BUSY; RFT_E_STOPPED;
/// RFT_E_PANIC; or why the engine failed
/// @par Thread
/// Any. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_propose_once(
    engine: *mut rft_engine_t,
    session: u64,
    sequence: u64,
    data: *const u8,
    len: usize,
    request: u64,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let engine = shared::<EngineState>(engine)?;
            let (session, sequence) = (not_zero(session, "session")?, not_zero(sequence, "sequence")?);
            let payload = payload::of(&engine, data, len)?;
            Ok(engine.engine.propose_once(session, sequence, &payload, request)?)
        })
    }
}

/// Proposes a command of a session and waits for its outcome and its answer, see rft_engine_propose_once and
/// rft_engine_call.
///
/// @param engine borrowed for the call
/// @param session the session's id
/// @param sequence the command's number in it, at least 1
/// @param data the payload, which is copied; borrowed for the call
/// @param len its bytes
/// @param timeout_ms how long to wait at the most
/// @param answer receives as much of the answer as fits; NULL when answer_max is 0
/// @param answer_max its bytes
/// @param out receives the outcome, see rft_engine_call; untouched when there is none
/// @param err see rft_error_t; may be NULL
/// @return see rft_engine_propose_wait; and RFT_E_SESSION: the session is closed or has gone on
/// @par Thread
/// Any but those of the callbacks. Blocks for timeout_ms at the most.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_call_once(
    engine: *mut rft_engine_t,
    session: u64,
    sequence: u64,
    data: *const u8,
    len: usize,
    timeout_ms: u32,
    answer: *mut u8,
    answer_max: usize,
    out: *mut rft_outcome_t,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let out = Out::required(out, "out")?;
            let buffer = Buffer::new(answer, answer_max, "answer")?;
            let engine = shared::<EngineState>(engine)?;
            let (session, sequence) = (not_zero(session, "session")?, not_zero(sequence, "sequence")?);
            let payload = payload::of(&engine, data, len)?;
            let timeout = milliseconds(timeout_ms);
            answer_into(&engine.engine.propose_once_wait(session, sequence, &payload, timeout)?, buffer, out)
        })
    }
}

fn not_zero(number: u64, name: &'static str) -> Checked<u64> {
    if number == 0 { Err(Failure::invalid(format!("{name} is 0"))) } else { Ok(number) }
}
