//! The one copy that a payload gets: from the host's memory into a buffer that log, disk, messages and state machine
//! then share.

use std::ptr;

use bytes::Bytes;
use raft_core::error::Error;
use raft_core::raftpb::message::Message;

use crate::boundary::{self, Checked, Failure};
use crate::data::rft_bytes_t;

/// Copies pieces of the host's memory into one buffer, and gives a slice of it for each.
///
/// # Safety
/// Each piece is NULL or as long as it says, and does not change during the call.
pub(crate) unsafe fn share<T>(
    items: &[T],
    piece: impl Fn(&T) -> rft_bytes_t,
    len_max: usize,
    name: &'static str,
) -> Checked<Vec<Bytes>> {
    let mut total = 0_usize;
    for item in items {
        let rft_bytes_t { data, len } = piece(item);
        // SAFETY: as the caller promised; this only looks whether it can be read.
        unsafe { boundary::array(data, len, name)? };
        if len > len_max {
            return Err(Error::TooLarge { len, max: len_max }.into());
        }
        total = total.checked_add(len).ok_or_else(|| Failure::invalid(format!("{name}: too many bytes")))?;
    }
    let mut buffer = Vec::new();
    if buffer.try_reserve_exact(total).is_err() {
        return Err(Error::TooLarge { len: total, max: len_max }.into());
    }
    for item in items {
        let rft_bytes_t { data, len } = piece(item);
        // SAFETY: as the caller promised.
        buffer.extend_from_slice(unsafe { boundary::array(data, len, name)? });
    }
    let mut rest = Bytes::from(buffer);
    Ok(items.iter().map(|item| rest.split_to(piece(item).len.min(rest.len()))).collect())
}

/// Copies one piece of the host's memory that may not be longer than `len_max`.
///
/// # Safety
/// `data` is NULL or `len` bytes long, and does not change during the call.
pub(crate) unsafe fn one(data: *const u8, len: usize, len_max: usize, name: &'static str) -> Checked<Bytes> {
    // SAFETY: as the caller promised.
    let mut payloads = unsafe { share(&[rft_bytes_t { data, len }], |piece| *piece, len_max, name)? };
    Ok(payloads.pop().unwrap_or_default())
}

/// Copies one piece of the host's memory.
///
/// # Safety
/// `data` is NULL or `len` bytes long, and does not change during the call.
pub(crate) unsafe fn copy(data: *const u8, len: usize, name: &'static str) -> Checked<Bytes> {
    // SAFETY: as the caller promised.
    Ok(Bytes::copy_from_slice(unsafe { boundary::array(data, len, name)? }))
}

/// An array for the host: NULL when it is empty.
pub(crate) fn pointer<T>(items: &[T]) -> *const T {
    if items.is_empty() { ptr::null() } else { items.as_ptr() }
}

/// Reads a message that a peer encoded.
pub(crate) fn decode(bytes: Bytes) -> Checked<Message> {
    if bytes.is_empty() {
        return Err(Failure::invalid("the message is empty"));
    }
    Ok(Message::decode(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(bytes: &&[u8]) -> rft_bytes_t {
        rft_bytes_t { data: if bytes.is_empty() { ptr::null() } else { bytes.as_ptr() }, len: bytes.len() }
    }

    #[test]
    fn pieces_of_one_call_lie_beside_each_other() {
        let items: [&[u8]; 3] = [b"one", b"", b"three"];
        // SAFETY: the pieces are slices.
        let shared: Vec<Bytes> = unsafe { share(&items, piece, 5, "payload") }.unwrap();
        assert_eq!(shared, [&b"one"[..], b"", b"three"]);
        assert_eq!(shared[0].as_ptr().wrapping_add(3), shared[2].as_ptr());
    }

    #[test]
    fn one_that_is_too_long_or_null_refuses_all() {
        let items: [&[u8]; 2] = [b"one", b"three"];
        // SAFETY: the pieces are slices, or NULL.
        unsafe {
            assert!(matches!(
                share(&items, piece, 4, "payload").map(|all| all.len()),
                Err(Failure::Core(Error::TooLarge { len: 5, max: 4 }))
            ));
            let null = |_: &&[u8]| rft_bytes_t { data: ptr::null(), len: 1 };
            assert!(matches!(
                share(&items, null, 4, "payload").map(|all| all.len()),
                Err(Failure::InvalidArg(_))
            ));
        }
    }
}
