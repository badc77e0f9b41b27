//! Requests: what an engine is asked for.
//!
//! A request that was accepted with a number other than 0 gets exactly one outcome, in bounded time, also when
//! leadership is lost, when the engine fails and when it stops. A request that was refused gets none. The outcome
//! comes through rft_host_t.outcome, or, for the calls that wait, as their result.

use std::time::Duration;

use raft_core::raftpb::arena::Arena;

use crate::boundary::{Buffer, Out, array, call, node_id, shared};
use crate::data::{rft_bytes_t, rft_change_t};
use crate::engine::rft_engine_t;
use crate::engine_state::{EngineState, answer, answer_into};
use crate::error::rft_error_t;
use crate::host::rft_outcome_t;
use crate::membership;
use crate::payload;
use crate::status::rft_status_t;

/// One proposal of a batch.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rft_proposal_t {
    /// The payload; may be NULL when `len` is 0. An empty one has an outcome, and no entry comes to `apply`.
    pub data: *const u8,
    /// Its bytes.
    pub len: usize,
    /// A number of your own, for the outcome and for `apply` at this engine; 0 wants no outcome.
    pub request: u64,
}

/// Proposes entries, all of them or none, in this order, and returns at once.
///
/// @param engine borrowed for the call
/// @param proposals the payloads, which are copied; borrowed for the call
/// @param n how many there are; 0 does nothing
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK: each request with a number gets its one outcome; RFT_E_INVALID_ARG; RFT_E_BUSY: the queue is full;
/// RFT_E_TOO_LARGE: one exceeds RFT_CONFIG_PROPOSAL_BYTES_MAX, or all together the queue; RFT_E_STOPPED; RFT_E_PANIC;
/// or why the engine failed. Without RFT_OK there is no outcome
/// @par Thread
/// Any. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_propose(
    engine: *mut rft_engine_t,
    proposals: *const rft_proposal_t,
    n: usize,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let proposals = array(proposals, n, "proposals")?;
            let engine = shared::<EngineState>(engine)?;
            let max = engine.proposal_bytes_max;
            if let [rft_proposal_t { data, len, request }] = proposals {
                let one = |arena: &mut Arena| payload::one(arena, *data, *len, max, "proposals");
                return Ok(engine.engine.propose_one(engine.with_arena(one)?, *request)?);
            }
            let piece = |proposal: &rft_proposal_t| rft_bytes_t { data: proposal.data, len: proposal.len };
            let numbered = |proposal: &rft_proposal_t, copy| (copy, proposal.request);
            let all = |arena: &mut Arena| payload::share(arena, proposals, piece, max, "proposals", numbered);
            Ok(engine.engine.propose(engine.with_arena(all)?)?)
        })
    }
}

/// Proposes one entry and waits for its outcome. `apply` sees it with request 0.
///
/// @param engine borrowed for the call
/// @param data the payload, which is copied; borrowed for the call
/// @param len its bytes
/// @param timeout_ms how long to wait at the most
/// @param out receives the outcome, also one that is not RFT_OK, without the answer; untouched when there is none; NULL:
/// not asked
/// @param err see rft_error_t; may be NULL
/// @return the outcome's status. RFT_OK: applied; RFT_E_NOT_LEADER: see rft_error_leader; RFT_E_DROPPED;
/// RFT_E_DISK_FULL; RFT_E_UNKNOWN; RFT_E_TIMED_OUT; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_TOO_LARGE; RFT_E_REENTRANT;
/// RFT_E_STOPPED; RFT_E_PANIC; or why the engine failed
/// @par Thread
/// Any but those of the callbacks. Blocks for timeout_ms at the most.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_propose_wait(
    engine: *mut rft_engine_t,
    data: *const u8,
    len: usize,
    timeout_ms: u32,
    out: *mut rft_outcome_t,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let out = Out::optional(out, "out")?;
            let engine = shared::<EngineState>(engine)?;
            let payload = payload::of(&engine, data, len)?;
            answer(&engine.engine.propose_wait(payload, milliseconds(timeout_ms))?, out)
        })
    }
}

/// Proposes one entry and waits for its outcome and for what `apply` answered with rft_answer_set.
///
/// @param engine borrowed for the call
/// @param data the payload, which is copied; borrowed for the call
/// @param len its bytes
/// @param timeout_ms how long to wait at the most
/// @param answer receives as much of the answer as fits; NULL when answer_max is 0
/// @param answer_max its bytes
/// @param out receives the outcome, also one that is not RFT_OK: its `answer` is the buffer, its `answer_len` the length
/// of the whole answer, which has been cut if that is more than answer_max; untouched when there is none
/// @param err see rft_error_t; may be NULL
/// @return see rft_engine_propose_wait
/// @par Thread
/// Any but those of the callbacks. Blocks for timeout_ms at the most.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_call(
    engine: *mut rft_engine_t,
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
            let payload = payload::of(&engine, data, len)?;
            answer_into(&engine.engine.propose_wait(payload, milliseconds(timeout_ms))?, buffer, out)
        })
    }
}

/// Asks for a linearizable read and returns at once. When the outcome comes, the state machine holds all that was
/// acknowledged anywhere before this call; read it then, in the callback or after it.
///
/// @param engine borrowed for the call
/// @param request a number of your own for the outcome
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK: the request gets its one outcome; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_STOPPED; RFT_E_PANIC; or why
/// the engine failed
/// @par Thread
/// Any. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_read(
    engine: *mut rft_engine_t,
    request: u64,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe { call(err, || Ok(shared::<EngineState>(engine)?.engine.read(request)?)) }
}

/// Waits until the state machine may be read, see rft_engine_read.
///
/// @param engine borrowed for the call
/// @param timeout_ms how long to wait at the most
/// @param out receives the outcome, also one that is not RFT_OK; untouched when there is none; NULL: not asked
/// @param err see rft_error_t; may be NULL
/// @return the outcome's status. RFT_OK: read now; RFT_E_NOT_LEADER: no leader is known, or none answers;
/// RFT_E_TIMED_OUT; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_REENTRANT; RFT_E_STOPPED; RFT_E_PANIC; or why the engine
/// failed
/// @par Thread
/// Any but those of the callbacks. Blocks for timeout_ms at the most.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_read_wait(
    engine: *mut rft_engine_t,
    timeout_ms: u32,
    out: *mut rft_outcome_t,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let out = Out::optional(out, "out")?;
            let engine = shared::<EngineState>(engine)?;
            answer(&engine.engine.read_wait(milliseconds(timeout_ms))?, out)
        })
    }
}

/// Asks for a read that may see a state of at most this age, and returns at once. Where the node knows its state to be
/// that young it answers by itself, at any distance from the leader; else this is rft_engine_read. What a node knows
/// of its age it knows from its linearizable reads: one in a while makes the others local.
///
/// @param engine borrowed for the call
/// @param age_ms the greatest age; 0 is a linearizable read
/// @param request a number of your own for the outcome; 0 wants none
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK: the request gets its one outcome, with its age_ms; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_STOPPED;
/// RFT_E_PANIC; or why the engine failed
/// @par Thread
/// Any. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_read_within(
    engine: *mut rft_engine_t,
    age_ms: u32,
    request: u64,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || Ok(shared::<EngineState>(engine)?.engine.read_within(milliseconds(age_ms), request)?))
    }
}

/// Waits until the state machine may be read at this age, see rft_engine_read_within.
///
/// @param engine borrowed for the call
/// @param age_ms the greatest age; 0 is a linearizable read
/// @param timeout_ms how long to wait at the most
/// @param out receives the outcome, with its age_ms; untouched when there is none; NULL: not asked
/// @param err see rft_error_t; may be NULL
/// @return see rft_engine_read_wait
/// @par Thread
/// Any but those of the callbacks. Blocks for timeout_ms at the most.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_read_within_wait(
    engine: *mut rft_engine_t,
    age_ms: u32,
    timeout_ms: u32,
    out: *mut rft_outcome_t,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let out = Out::optional(out, "out")?;
            let engine = shared::<EngineState>(engine)?;
            answer(&engine.engine.read_within_wait(milliseconds(age_ms), milliseconds(timeout_ms))?, out)
        })
    }
}

/// Proposes a membership change and returns at once. The outcome comes when it is in force at the leader, and a joint
/// configuration that it leaves by itself has been left; at a follower it may be in force a moment later, once its status
/// tells the index of the outcome as applied.
///
/// A leader refuses what would lose the quorum: RFT_E_QUORUM_AT_RISK where those of the new voters, in either half of
/// a joint configuration, that it has heard of within the last two election timeouts are no majority, or where a
/// group of one or two voters gets one that is no learner; RFT_E_LEARNER_BEHIND where a learner is to vote that does
/// not hold what was committed two election timeouts ago. The outcome's answer says why, in a sentence, and
/// RFT_TRANSITION_FORCED has it done all the same. The last voter cannot be removed. To promote a learner is to add
/// it as a voter; rft_engine_replace waits until it has caught up.
///
/// @param engine borrowed for the call
/// @param changes the steps; borrowed for the call; NULL when there are none
/// @param n how many there are; 0 with RFT_TRANSITION_AUTO leaves a joint configuration
/// @param transition one of the RFT_TRANSITION_ constants, with RFT_TRANSITION_FORCED added or not
/// @param context bytes that every node's `apply` gets with the change, an address for instance, and that
/// rft_engine_member_bytes then tells of the member; borrowed for the call
/// @param len how many bytes: at most 65536
/// @param request a number of your own for the outcome; 0 wants none
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK: the request gets its one outcome (RFT_E_CONF_CHANGE: another change is pending, or this one does
/// not fit; RFT_E_QUORUM_AT_RISK; RFT_E_LEARNER_BEHIND); RFT_E_INVALID_ARG: NULL, an id that is none, an unknown
/// constant; RFT_E_TOO_LARGE; RFT_E_BUSY; RFT_E_STOPPED; RFT_E_PANIC; or why the engine failed
/// @par Thread
/// Any. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_change(
    engine: *mut rft_engine_t,
    changes: *const rft_change_t,
    n: usize,
    transition: i32,
    context: *const u8,
    len: usize,
    request: u64,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let engine = shared::<EngineState>(engine)?;
            let context = payload::copy(context, len, "context")?;
            let change = membership::engine_change(array(changes, n, "changes")?, transition, context)?;
            match change {
                (change, false) => Ok(engine.engine.change(change, request)?),
                (change, true) => Ok(engine.engine.force_change(change, request)?),
            }
        })
    }
}

/// Proposes a membership change and waits until it is in force at the leader, see rft_engine_change.
///
/// @param engine borrowed for the call
/// @param changes the steps; borrowed for the call; NULL when there are none
/// @param n how many there are; 0 with RFT_TRANSITION_AUTO leaves a joint configuration
/// @param transition one of the RFT_TRANSITION_ constants, with RFT_TRANSITION_FORCED added or not
/// @param context bytes that every node's `apply` gets with the change; borrowed for the call
/// @param len how many bytes
/// @param timeout_ms how long to wait at the most
/// @param out receives the outcome, also one that is not RFT_OK; untouched when there is none; NULL: not asked
/// @param err see rft_error_t; may be NULL
/// @return the outcome's status, see rft_engine_change. RFT_OK: in force; RFT_E_CONF_CHANGE: another change is
/// pending, or this one does not fit; RFT_E_QUORUM_AT_RISK; RFT_E_LEARNER_BEHIND; RFT_E_NOT_LEADER; RFT_E_DROPPED;
/// RFT_E_UNKNOWN; RFT_E_TIMED_OUT; RFT_E_INVALID_ARG; RFT_E_TOO_LARGE; RFT_E_BUSY; RFT_E_REENTRANT; RFT_E_STOPPED;
/// RFT_E_PANIC; or why the engine failed
/// @par Thread
/// Any but those of the callbacks. Blocks for timeout_ms at the most.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_change_wait(
    engine: *mut rft_engine_t,
    changes: *const rft_change_t,
    n: usize,
    transition: i32,
    context: *const u8,
    len: usize,
    timeout_ms: u32,
    out: *mut rft_outcome_t,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let out = Out::optional(out, "out")?;
            let engine = shared::<EngineState>(engine)?;
            let context = payload::copy(context, len, "context")?;
            let timeout = milliseconds(timeout_ms);
            let change = membership::engine_change(array(changes, n, "changes")?, transition, context)?;
            let outcome = match change {
                (change, false) => engine.engine.change_wait(change, timeout)?,
                (change, true) => engine.engine.force_change_wait(change, timeout)?,
            };
            answer(&outcome, out)
        })
    }
}

/// Asks the leader, this node or another, to hand its leadership to a voter.
///
/// The outcome comes within two election timeouts. RFT_OK: it leads, in the outcome's term; RFT_E_DROPPED: another node
/// does, the outcome's leader; RFT_E_TIMED_OUT: the old leader goes on as far as is known here, and `to` may still take
/// over; RFT_E_NOT_LEADER: no leader is known; RFT_E_INVALID_ARG: `to` is no voter; RFT_E_BUSY: 16 such requests are
/// under way here.
///
/// @param engine borrowed for the call
/// @param to the member
/// @param request a number of your own for the outcome; 0 wants none
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK: the request gets its one outcome; RFT_E_INVALID_ARG: NULL, or an id that is none; RFT_E_BUSY;
/// RFT_E_STOPPED; RFT_E_PANIC; or why the engine failed
/// @par Thread
/// Any. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_transfer_leader(
    engine: *mut rft_engine_t,
    to: u64,
    request: u64,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let engine = shared::<EngineState>(engine)?;
            Ok(engine.engine.transfer_leader(node_id(to, "to")?, request)?)
        })
    }
}

/// Has the leader, this node or another, hand its leadership to a voter, and waits until it has.
///
/// @param engine borrowed for the call
/// @param to the member
/// @param timeout_ms how long to wait at the most; the outcome comes within two election timeouts
/// @param out receives the outcome, also one that is not RFT_OK; untouched when there is none; NULL: not asked
/// @param err see rft_error_t; may be NULL
/// @return the outcome's status, see rft_engine_transfer_leader; RFT_E_REENTRANT; RFT_E_STOPPED; RFT_E_PANIC; or why the
/// engine failed
/// @par Thread
/// Any but those of the callbacks. Blocks for timeout_ms at the most.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_transfer_leader_wait(
    engine: *mut rft_engine_t,
    to: u64,
    timeout_ms: u32,
    out: *mut rft_outcome_t,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let out = Out::optional(out, "out")?;
            let engine = shared::<EngineState>(engine)?;
            let outcome = engine.engine.transfer_leader_wait(node_id(to, "to")?, milliseconds(timeout_ms))?;
            answer(&outcome, out)
        })
    }
}

/// Has a snapshot taken now. The outcome carries its index once it is durable, and the log before it is dropped. With
/// RFT_E_HOST or RFT_E_IO there is none this time and the engine goes on, unless that is what its status says it has
/// stopped of: a failed write or fsync is final also here.
///
/// @param engine borrowed for the call
/// @param request a number of your own for the outcome; 0 wants none
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK: the request gets its one outcome; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_STOPPED; RFT_E_PANIC; or why
/// the engine failed
/// @par Thread
/// Any. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_snapshot(
    engine: *mut rft_engine_t,
    request: u64,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe { call(err, || Ok(shared::<EngineState>(engine)?.engine.snapshot(request)?)) }
}

/// Has a snapshot taken now, and waits until it is durable and the log before it is dropped.
///
/// @param engine borrowed for the call
/// @param timeout_ms how long to wait at the most
/// @param out receives the outcome, with the last entry that the snapshot covers, also one that is not RFT_OK; untouched
/// when there is none; NULL: not asked
/// @param err see rft_error_t; may be NULL
/// @return the outcome's status. RFT_OK: durable; RFT_E_HOST: snapshot_save failed; RFT_E_DISK_FULL; RFT_E_IO: the
/// system refused; RFT_E_SNAPSHOT_UNAVAILABLE: there is nothing to be saved yet; RFT_E_TIMED_OUT: it may come yet; in
/// all of these the engine goes on; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_REENTRANT; RFT_E_STOPPED; RFT_E_PANIC; or why
/// the engine failed, which rft_error_is_fatal tells apart
/// @par Thread
/// Any but those of the callbacks. Blocks for timeout_ms at the most.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_snapshot_wait(
    engine: *mut rft_engine_t,
    timeout_ms: u32,
    out: *mut rft_outcome_t,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let out = Out::optional(out, "out")?;
            let engine = shared::<EngineState>(engine)?;
            let outcome = engine.engine.snapshot_wait(milliseconds(timeout_ms))?;
            engine.of_snapshot(answer(&outcome, out))
        })
    }
}

/// Campaigns now, instead of waiting for the election timeout.
///
/// @param engine borrowed for the call
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK, also where the node may not campaign; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_STOPPED; RFT_E_PANIC; or
/// why the engine failed
/// @par Thread
/// Any. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_campaign(
    engine: *mut rft_engine_t,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe { call(err, || Ok(shared::<EngineState>(engine)?.engine.campaign()?)) }
}

pub(crate) fn milliseconds(timeout: u32) -> Duration {
    Duration::from_millis(timeout.into())
}
