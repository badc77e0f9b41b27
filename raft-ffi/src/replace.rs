//! Members: to replace one in one call, and the bytes of each.
//!
//! The context of a change is the bytes of the one member that it adds or updates, an address for instance: at most 64
//! KiB. They are part of the replicated state. Every node tells them with rft_engine_member_bytes and in
//! rft_engine_status_json once it has applied the change, also after a restart and when it was brought up by a
//! snapshot, until the member is updated or removed. A member that is added or promoted with an empty context keeps the
//! bytes it has. The context of a change that adds or updates several members is for `apply` alone. The first members
//! of a cluster have no bytes until RFT_CHANGE_UPDATE gives them some.

use std::time::Duration;

use bytes::Bytes;

use crate::boundary::{Buffer, Checked, Failure, Out, call, node_id, shared};
use crate::engine::rft_engine_t;
use crate::engine_state::{EngineState, answer};
use crate::error::rft_error_t;
use crate::host::rft_outcome_t;
use crate::payload;
use crate::request::milliseconds;
use crate::status::rft_status_t;

/// Puts a node in the place of a member, and returns at once. The newcomer becomes a learner with these bytes, catches up,
/// and votes from the moment on in which the old member leaves, by one joint change. Nothing is lost by the end of a
/// leader or of this call: the same call, at this engine or any other, goes on from where the membership stands, and
/// succeeds at once where it is as wished. What is refused for the moment is tried again until the time is up.
///
/// @param engine borrowed for the call
/// @param old_member who leaves, voter or learner; 0: nobody, the newcomer is added, or promoted where it is a learner
/// @param new_member the newcomer, whose engine has been opened without voters
/// @param bytes the newcomer's bytes, see rft_engine_member_bytes; borrowed for the call; NULL when `len` is 0
/// @param len how many: at most 65536
/// @param timeout_ms by when it has to be in force
/// @param request a number of your own for the outcome; 0 wants none
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK: the request gets its one outcome, at the latest two ticks after its time. RFT_OK there: in force,
/// with term 0 if nothing was left to do. RFT_E_LEARNER_BEHIND, RFT_E_QUORUM_AT_RISK, RFT_E_CONF_CHANGE,
/// RFT_E_NOT_LEADER: the time is up, and this is what the last step was refused with; for all that this request has
/// done the old member is still one, the newcomer may be a learner. RFT_E_TIMED_OUT: the time is up, and a step is
/// under way, or made and perhaps the last. RFT_E_INVALID_ARG: old_member is no member. RFT_E_BUSY: 16 such
/// requests are under way here. RFT_E_STOPPED. Without RFT_OK there is no outcome: RFT_E_INVALID_ARG;
/// RFT_E_TOO_LARGE; RFT_E_BUSY; RFT_E_STOPPED; RFT_E_PANIC; or why the engine failed
/// @par Thread
/// Any. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_replace(
    engine: *mut rft_engine_t,
    old_member: u64,
    new_member: u64,
    bytes: *const u8,
    len: usize,
    timeout_ms: u32,
    request: u64,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let engine = shared::<EngineState>(engine)?;
            let (old, new) = members(old_member, new_member)?;
            let bytes = payload::copy(bytes, len, "bytes")?;
            Ok(engine.engine.replace(old, new, bytes, milliseconds(timeout_ms), request)?)
        })
    }
}

/// Puts a node in the place of a member, see rft_engine_replace, and waits until that is in force.
///
/// @param engine borrowed for the call
/// @param old_member who leaves; 0: nobody
/// @param new_member the newcomer
/// @param bytes the newcomer's bytes; borrowed for the call; NULL when `len` is 0
/// @param len how many: at most 65536
/// @param timeout_ms how long to wait at the most, and two ticks
/// @param out receives the outcome, also one that is not RFT_OK; untouched when there is none; NULL: not asked
/// @param err see rft_error_t; may be NULL
/// @return the outcome's status, see rft_engine_replace; RFT_E_REENTRANT; RFT_E_PANIC; or why the engine failed
/// @par Thread
/// Any but those of the callbacks. Blocks for timeout_ms and two ticks at the most.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_replace_wait(
    engine: *mut rft_engine_t,
    old_member: u64,
    new_member: u64,
    bytes: *const u8,
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
            let (old, new) = members(old_member, new_member)?;
            let bytes = payload::copy(bytes, len, "bytes")?;
            let timeout: Duration = milliseconds(timeout_ms);
            answer(&engine.engine.replace_wait(old, new, bytes, timeout)?, out)
        })
    }
}

/// Writes the bytes of a member, as of what this node has applied. Works after a failure and after rft_engine_stop.
///
/// @param engine borrowed for the call
/// @param id the member
/// @param out receives as many of the bytes as fit; NULL when `max` is 0
/// @param max how many fit; 65536 is always enough
/// @param len receives how many there are, also when that is more than `max`; 0 where it has none or is no member
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_PANIC
/// @par Thread
/// Any. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_engine_member_bytes(
    engine: *const rft_engine_t,
    id: u64,
    out: *mut u8,
    max: usize,
    len: *mut usize,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let len = Out::required(len, "len")?;
            let buffer = Buffer::new(out, max, "out")?;
            let all = shared::<EngineState>(engine)?.engine.status().member_bytes;
            let bytes =
                all.into_iter().find(|(member, _)| *member == id).map_or(Bytes::new(), |(_, bytes)| bytes);
            buffer.fill(&bytes);
            len.set(bytes.len());
            Ok(())
        })
    }
}

fn members(old: u64, new: u64) -> Checked<(u64, u64)> {
    if old != 0 {
        node_id(old, "old_member")?;
    }
    if old == new {
        return Err(Failure::invalid("old_member and new_member are the same"));
    }
    Ok((old, node_id(new, "new_member")?))
}
