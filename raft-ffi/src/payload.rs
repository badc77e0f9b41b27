//! The one copy that a payload gets: from the host's memory into a buffer that log, disk, messages and state machine
//! then share.

use std::{ptr, slice};

use bytes::Bytes;
use raft_core::error::Error;
use raft_core::raftpb::arena::Arena;
use raft_core::raftpb::message::Message;

use crate::boundary::{self, Checked, Failure};
use crate::data::rft_bytes_t;
use crate::engine_state::EngineState;

/// Copies pieces of the host's memory side by side, and makes something of each copy.
///
/// # Safety
/// Each piece is NULL or as long as it says, and does not change during the call.
pub(crate) unsafe fn share<T, U>(
    arena: &mut Arena,
    items: &[T],
    piece: impl Fn(&T) -> rft_bytes_t,
    len_max: usize,
    name: &'static str,
    make: impl Fn(&T, Bytes) -> U,
) -> Checked<Vec<U>> {
    let mut total = 0_usize;
    for item in items {
        let rft_bytes_t { data, len } = piece(item);
        // SAFETY: as the caller promised; this only looks whether it can be read.
        unsafe { boundary::array(data, len, name)? };
        check_len(len, len_max)?;
        total = total.checked_add(len).ok_or_else(|| Failure::invalid(format!("{name}: too many bytes")))?;
    }
    let pieces = items.iter().map(|item| {
        let rft_bytes_t { data, len } = piece(item);
        // SAFETY: as the caller promised, and it was looked at above.
        if len == 0 { &[] } else { unsafe { slice::from_raw_parts(data, len) } }
    });
    let mut rest = arena.join(total, pieces).ok_or(Error::TooLarge { len: total, max: len_max })?;
    let cut = |item| make(item, rest.split_to(piece(item).len.min(rest.len())));
    Ok(items.iter().map(cut).collect())
}

/// Copies one piece of the host's memory that may not be longer than `len_max`.
///
/// # Safety
/// `data` is NULL or `len` bytes long, and does not change during the call.
pub(crate) unsafe fn one(
    arena: &mut Arena,
    data: *const u8,
    len: usize,
    len_max: usize,
    name: &'static str,
) -> Checked<Bytes> {
    // SAFETY: as the caller promised.
    let bytes = unsafe { boundary::array(data, len, name)? };
    check_len(len, len_max)?;
    Ok(arena.join(len, [bytes]).ok_or(Error::TooLarge { len, max: len_max })?)
}

/// Copies the payload of a call on an engine.
///
/// # Safety
/// As for [`one`].
pub(crate) unsafe fn of(engine: &EngineState, data: *const u8, len: usize) -> Checked<Bytes> {
    let max = engine.proposal_bytes_max;
    // SAFETY: as the caller promised.
    engine.with_arena(|arena| unsafe { one(arena, data, len, max, "data") })
}

fn check_len(len: usize, max: usize) -> Checked<()> {
    if len > max { Err(Error::TooLarge { len, max }.into()) } else { Ok(()) }
}

/// The pieces of the host's memory as they lie there.
///
/// # Safety
/// Each piece is NULL or as long as it says, and does not change during the call.
pub(crate) unsafe fn lent<'a>(pieces: &'a [rft_bytes_t], name: &'static str) -> Checked<Vec<&'a [u8]>> {
    // SAFETY: as the caller promised.
    pieces.iter().map(|piece| unsafe { boundary::array(piece.data, piece.len, name) }).collect()
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

/// Reads a message that a peer encoded, and copies what it keeps of it.
pub(crate) fn decode(bytes: &[u8]) -> Checked<Message> {
    if bytes.is_empty() {
        return Err(Failure::invalid("the message is empty"));
    }
    Ok(Message::read(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(bytes: &&[u8]) -> rft_bytes_t {
        rft_bytes_t { data: if bytes.is_empty() { ptr::null() } else { bytes.as_ptr() }, len: bytes.len() }
    }

    unsafe fn copies<T>(items: &[T], piece: impl Fn(&T) -> rft_bytes_t, max: usize) -> Checked<Vec<Bytes>> {
        // SAFETY: as the tests promise.
        unsafe { share(&mut Arena::default(), items, piece, max, "payload", |_, copy| copy) }
    }

    #[test]
    fn pieces_of_one_call_lie_beside_each_other() {
        let items: [&[u8]; 3] = [b"one", b"", b"three"];
        // SAFETY: the pieces are slices.
        let shared: Vec<Bytes> = unsafe { copies(&items, piece, 5) }.unwrap();
        assert_eq!(shared, [&b"one"[..], b"", b"three"]);
        assert_eq!(shared[0].as_ptr().wrapping_add(3), shared[2].as_ptr());
    }

    #[test]
    fn one_that_is_too_long_or_null_refuses_all() {
        let items: [&[u8]; 2] = [b"one", b"three"];
        // SAFETY: the pieces are slices, or NULL.
        unsafe {
            assert!(matches!(
                copies(&items, piece, 4).map(|all| all.len()),
                Err(Failure::Core(Error::TooLarge { len: 5, max: 4 }))
            ));
            let null = |_: &&[u8]| rft_bytes_t { data: ptr::null(), len: 1 };
            assert!(matches!(copies(&items, null, 4).map(|all| all.len()), Err(Failure::InvalidArg(_))));
        }
    }
}
