//! What an engine counts, times and tells as text. All of it works after a failure and after rft_engine_stop.

use raft_core::engine::metrics::Counter;
use raft_core::engine::node::Engine;

use crate::boundary::{Buffer, Checked, Failure, Out, call, shared};
use crate::engine::rft_engine_t;
use crate::engine_state::EngineState;
use crate::error::rft_error_t;
use crate::status::rft_status_t;

/// What an engine counts since it was opened.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rft_counter {
    /// Entries that this node appended as a leader for requests, its own and forwarded ones.
    RFT_COUNTER_PROPOSALS = 0,
    /// Requests that this node sent on to the leader.
    RFT_COUNTER_FORWARDED = 1,
    /// Requests that were refused because a queue was full.
    RFT_COUNTER_BUSY = 2,
    /// Reads that were answered.
    RFT_COUNTER_READS = 3,
    /// Entries that the state machine has applied.
    RFT_COUNTER_APPLIED = 4,
    /// Their payload, in bytes.
    RFT_COUNTER_APPLIED_BYTES = 5,
    /// Messages given to rft_host_t.send.
    RFT_COUNTER_SENT = 6,
    /// Messages from peers that were accepted.
    RFT_COUNTER_RECEIVED = 7,
    /// Times that this node won an election.
    RFT_COUNTER_ELECTED = 8,
    /// Writes to the log, each of one batch and with one sync at the most.
    RFT_COUNTER_WRITES = 9,
    /// Snapshots of the own state machine that became durable.
    RFT_COUNTER_SNAPSHOTS_SAVED = 10,
    /// Snapshots of a leader that took the place of the state machine.
    RFT_COUNTER_SNAPSHOTS_RESTORED = 11,
    /// Times that nothing of the engine ran for more than half an election timeout.
    RFT_COUNTER_PAUSES = 12,
}

/// Tells one of the RFT_COUNTER_ counts.
///
/// @param engine borrowed for the call
/// @param counter which
/// @param out receives it
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG: NULL, or no such counter; RFT_E_PANIC
/// @par Thread
/// Any. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_counter(
    engine: *const rft_engine_t,
    counter: i32,
    out: *mut u64,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let out = Out::required(out, "out")?;
            let known = usize::try_from(counter).ok().and_then(|at| Counter::ALL.get(at));
            let (counter, ..) =
                known.ok_or_else(|| Failure::invalid(format!("there is no counter {counter}")))?;
            out.set(shared::<EngineState>(engine)?.engine.counter(*counter));
            Ok(())
        })
    }
}

/// Writes counters, times and state in the text format of Prometheus, version 0.0.4, labelled with cluster and node.
///
/// @param engine borrowed for the call
/// @param out receives as much of the text as fits, without a NUL; NULL when `max` is 0
/// @param max its bytes
/// @param len receives the length of the whole text, also when that is more than `max`; some 9000 bytes
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_PANIC
/// @par Thread
/// Any. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_metrics(
    engine: *const rft_engine_t,
    out: *mut u8,
    max: usize,
    len: *mut usize,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe { call(err, || write_text(engine, out, max, len, Engine::prometheus)) }
}

/// Writes the node's state, its members, its queue, its counters and times as one JSON object on one line, in ASCII.
/// Fields may be added by later versions; those that are there keep their names and meanings.
///
/// @param engine borrowed for the call
/// @param out receives as much of the text as fits, without a NUL; NULL when `max` is 0
/// @param max its bytes
/// @param len receives the length of the whole text, also when that is more than `max`; some 900 bytes and 150 a member
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_PANIC
/// @par Thread
/// Any. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_status_json(
    engine: *const rft_engine_t,
    out: *mut u8,
    max: usize,
    len: *mut usize,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe { call(err, || write_text(engine, out, max, len, Engine::status_json)) }
}

/// Writes as much of a text about the engine as fits, and how long all of it is.
///
/// # Safety
/// As the exports demand of their pointers.
unsafe fn write_text(
    engine: *const rft_engine_t,
    out: *mut u8,
    max: usize,
    len: *mut usize,
    text: impl FnOnce(&Engine) -> String,
) -> Checked<()> {
    // SAFETY: as the caller promised.
    let (len, buffer, engine) = unsafe {
        (Out::required(len, "len")?, Buffer::new(out, max, "out")?, shared::<EngineState>(engine)?)
    };
    let text = text(&engine.engine);
    buffer.fill(text.as_bytes());
    len.set(text.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::rft_counter::*;
    use super::*;

    #[test]
    fn numbers_are_the_engines() {
        for (own, counter) in [
            (RFT_COUNTER_PROPOSALS, Counter::Proposals),
            (RFT_COUNTER_FORWARDED, Counter::Forwarded),
            (RFT_COUNTER_BUSY, Counter::Busy),
            (RFT_COUNTER_READS, Counter::Reads),
            (RFT_COUNTER_APPLIED, Counter::Applied),
            (RFT_COUNTER_APPLIED_BYTES, Counter::AppliedBytes),
            (RFT_COUNTER_SENT, Counter::Sent),
            (RFT_COUNTER_RECEIVED, Counter::Received),
            (RFT_COUNTER_ELECTED, Counter::Elected),
            (RFT_COUNTER_WRITES, Counter::Writes),
            (RFT_COUNTER_SNAPSHOTS_SAVED, Counter::SnapshotsSaved),
            (RFT_COUNTER_SNAPSHOTS_RESTORED, Counter::SnapshotsRestored),
            (RFT_COUNTER_PAUSES, Counter::Pauses),
        ] {
            assert_eq!(own as usize, counter as usize);
        }
        assert_eq!(Counter::ALL.len(), 13);
    }
}
