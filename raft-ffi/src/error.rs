//! Errors: what a status code alone does not tell.
//!
//! The last parameter of every fallible call is a place for an error object, `rft_error_t **err`. NULL there says
//! that the status is enough. On failure a new object is written to `*err`, owned by the caller, who frees it with
//! rft_error_free; on success `*err` is left as it was. An object belongs to nobody else and depends on no handle
//! and no thread.

use std::ffi::{CString, c_char};

use raft_core::error::{Dropped, Error};

use crate::boundary::{self, Failure, Handle, Noun};
use crate::status::{rft_status, rft_status_t};

/// An error object, opaque. Owned by whoever received it; one thread at a time.
pub struct rft_error_t {
    _private: [u8; 0],
}

struct ErrorObject {
    status: rft_status,
    is_fatal: bool,
    leader: u64,
    message: CString,
}

impl Noun for ErrorObject {
    type Opaque = rft_error_t;
    const MAGIC: u64 = u64::from_le_bytes(*b"rft erro");
    const NAME: &'static str = "error";
}

/// Makes the object that a failed call hands out.
pub(crate) fn into_raw(failure: &Failure) -> *mut rft_error_t {
    let (leader, text) = match failure {
        Failure::Core(error) => (leader_in(error), error.to_string()),
        Failure::InvalidArg(text) => (0, format!("bad argument: {text}")),
        Failure::Outcome(status, leader, why) if why.is_empty() => (*leader, status.text().to_owned()),
        Failure::Outcome(_, leader, why) => (*leader, why.clone()),
        Failure::NoSnapshot(status) => (0, status.text().to_owned()),
    };
    let message = CString::new(text.replace('\0', "?")).unwrap_or_default();
    Handle::into_raw(ErrorObject { status: failure.status(), is_fatal: failure.is_fatal(), leader, message })
}

/// The leader that an error names; 0 is none.
fn leader_in(error: &Error) -> u64 {
    match error {
        Error::ProposalDropped(Dropped::NotLeader(id)) => *id,
        _ => 0,
    }
}

/// # Safety
/// `error` is NULL or a live error object.
unsafe fn read<T>(error: *const rft_error_t, default: T, get: impl FnOnce(&ErrorObject) -> T) -> T {
    // SAFETY: as the caller promised.
    let value = || unsafe { boundary::exclusive::<ErrorObject>(error) }.ok().map(|object| get(&object));
    boundary::contain(value).ok().flatten().unwrap_or(default)
}

/// The status that came with the error.
///
/// @param error borrowed for the call; NULL gives RFT_OK
/// @return the same number as the call returned
/// @par Thread
/// One at a time on the same object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_error_code(error: *const rft_error_t) -> rft_status_t {
    // SAFETY: the header demands it.
    unsafe { read(error, rft_status::RFT_OK.code(), |object| object.status.code()) }
}

/// What went wrong, in a sentence with names and numbers.
///
/// @param error borrowed for the call; NULL gives an empty text
/// @return UTF-8, ends with NUL; borrowed until rft_error_free
/// @par Thread
/// One at a time on the same object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_error_message(error: *const rft_error_t) -> *const c_char {
    // SAFETY: the header demands it. The text lives on the heap until the object is freed.
    unsafe { read(error, c"".as_ptr(), |object| object.message.as_ptr()) }
}

/// Whether the same call may succeed later and had no effect now: RFT_E_BUSY, RFT_E_NOT_LEADER (once the leader
/// is known, ask it), RFT_E_DROPPED, RFT_E_SNAPSHOT_UNAVAILABLE, RFT_E_LOCKED, RFT_E_DISK_FULL, RFT_E_LEARNER_BEHIND.
///
/// @param error borrowed for the call; NULL gives 0
/// @return 1 or 0
/// @par Thread
/// One at a time on the same object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_error_is_retryable(error: *const rft_error_t) -> u8 {
    // SAFETY: the header demands it.
    unsafe { read(error, 0, |object| u8::from(object.status.is_retryable())) }
}

/// Whether the handle of the failed call will never work again: RFT_E_PANIC, RFT_E_STOPPED, RFT_E_IO,
/// RFT_E_CORRUPT, RFT_E_HOST, RFT_E_INVARIANT. What is left is to free it. Not of rft_engine_snapshot_wait where only
/// the snapshot has failed, with any of them, and the engine goes on.
///
/// @param error borrowed for the call; NULL gives 0
/// @return 1 or 0
/// @par Thread
/// One at a time on the same object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_error_is_fatal(error: *const rft_error_t) -> u8 {
    // SAFETY: the header demands it.
    unsafe { read(error, 0, |object| u8::from(object.is_fatal)) }
}

/// The leader to ask instead, with RFT_E_NOT_LEADER; who leads instead, with RFT_E_DROPPED of a transfer of leadership.
///
/// @param error borrowed for the call; NULL gives 0
/// @return the leader's id; 0 when none is known
/// @par Thread
/// One at a time on the same object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_error_leader(error: *const rft_error_t) -> u64 {
    // SAFETY: the header demands it.
    unsafe { read(error, 0, |object| object.leader) }
}

/// Frees an error object.
///
/// @param error taken; NULL does nothing
/// @par Thread
/// Any, once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_error_free(error: *mut rft_error_t) {
    // SAFETY: the header demands it.
    unsafe { boundary::free::<ErrorObject>(error) };
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;
    use std::ptr;

    use super::*;

    #[test]
    fn an_error_tells_its_code_message_leader_and_nature() {
        let error = into_raw(&Failure::Core(Error::ProposalDropped(Dropped::NotLeader(3))));
        // SAFETY: it is ours until it is freed.
        unsafe {
            assert_eq!(rft_error_code(error), rft_status::RFT_E_NOT_LEADER.code());
            assert_eq!(rft_error_leader(error), 3);
            assert_eq!((rft_error_is_retryable(error), rft_error_is_fatal(error)), (1, 0));
            let message = CStr::from_ptr(rft_error_message(error));
            assert_eq!(message.to_str(), Ok("proposal not taken: node 3 is the leader"));
            rft_error_free(error);
        }
    }

    #[test]
    fn a_nul_inside_of_a_message_does_not_cut_it_off() {
        let error = into_raw(&Failure::Core(Error::Foreign("a\0b".to_owned())));
        // SAFETY: it is ours until it is freed.
        unsafe {
            assert!(CStr::from_ptr(rft_error_message(error)).to_bytes().ends_with(b"a?b"));
            rft_error_free(error);
        }
    }

    #[test]
    fn null_has_documented_answers() {
        // SAFETY: NULL is allowed.
        unsafe {
            assert_eq!(rft_error_code(ptr::null()), 0);
            assert!(CStr::from_ptr(rft_error_message(ptr::null())).is_empty());
            assert_eq!(rft_error_is_retryable(ptr::null()), 0);
            assert_eq!(rft_error_is_fatal(ptr::null()), 0);
            assert_eq!(rft_error_leader(ptr::null()), 0);
            rft_error_free(ptr::null_mut());
        }
    }
}
