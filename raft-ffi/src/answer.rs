//! Answers: what a state machine says to the one who proposed an entry.

use raft_core::engine::host::AnswerSlot;

use crate::boundary::{Failure, call};
use crate::data::rft_answer_t;
use crate::error::rft_error_t;
use crate::payload;
use crate::status::rft_status_t;

/// Answers an entry. The one who proposed it gets the bytes with the outcome: at this engine, or at the node that
/// forwarded the proposal to this leader. Every node answers all the same: in a session the answer is kept, so it
/// has to depend on nothing but the state machine and the entry. The last one counts.
///
/// @param answer rft_entry_t.answer of an entry that `apply` has, before it returns
/// @param data the bytes, which are copied; borrowed for the call
/// @param len how many there are; 0 is an empty answer, as if there was none
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG: NULL; RFT_E_PANIC
/// @par Thread
/// That of `apply`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_answer_set(
    answer: *mut rft_answer_t,
    data: *const u8,
    len: usize,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let slot = answer.cast::<AnswerSlot>();
            if slot.is_null() || !slot.is_aligned() {
                return Err(Failure::invalid("the answer is NULL or misaligned"));
            }
            let bytes = payload::copy(data, len, "data")?;
            // What `entry_of` put there is a slot that lives until `apply` returns, and only this thread uses it.
            (*slot).set(bytes);
            Ok(())
        })
    }
}
