//! Snapshot streams: how a state machine is written down and read back.
//!
//! The two callbacks of rft_host_t get one each, and use it until they return. A snapshot may be of any length, and
//! never lies in memory as a whole.

use std::io::Write;
use std::path::Path;

use raft_core::engine::host::SnapshotRead;
use raft_core::error::Error;

use crate::boundary::{Failure, Noun, Out, array, call, exclusive, or_default};
use crate::error::rft_error_t;
use crate::status::rft_status_t;

/// What rft_host_t.snapshot_save writes to, opaque. Borrowed until that callback returns; one thread at a time.
pub struct rft_snapshot_writer_t {
    _private: [u8; 0],
}

/// What rft_host_t.snapshot_restore reads from, opaque. Borrowed until that callback returns; one thread at a time.
pub struct rft_snapshot_reader_t {
    _private: [u8; 0],
}

/// What an `rft_snapshot_writer_t` points to.
pub(crate) struct Writer<'a> {
    pub(crate) stream: &'a mut dyn Write,
    /// The first failure: the callback's own return value may hide it.
    pub(crate) failure: &'a mut Option<Error>,
}

/// What an `rft_snapshot_reader_t` points to.
pub(crate) struct Reader<'a> {
    pub(crate) stream: &'a mut dyn SnapshotRead,
    pub(crate) failure: &'a mut Option<Error>,
}

impl Noun for Writer<'_> {
    type Opaque = rft_snapshot_writer_t;
    const MAGIC: u64 = u64::from_le_bytes(*b"rft swri");
    const NAME: &'static str = "snapshot writer";
}

impl Noun for Reader<'_> {
    type Opaque = rft_snapshot_reader_t;
    const MAGIC: u64 = u64::from_le_bytes(*b"rft srea");
    const NAME: &'static str = "snapshot reader";
}

/// Writes the next bytes of a snapshot.
///
/// @param writer borrowed for the call
/// @param data the bytes; borrowed for the call
/// @param len how many there are; 0 does nothing
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_IO: there will be no snapshot this time, return from the callback
/// @par Thread
/// That of the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_snapshot_write(
    writer: *mut rft_snapshot_writer_t,
    data: *const u8,
    len: usize,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let mut writer = exclusive::<Writer<'_>>(writer)?;
            let bytes = array(data, len, "data")?;
            let Err(error) = writer.stream.write_all(bytes) else { return Ok(()) };
            let error = Error::of_stream("write", Path::new("a snapshot"), error);
            writer.failure.get_or_insert_with(|| error.clone());
            Err(Failure::from(error))
        })
    }
}

/// Reads the next bytes of a snapshot.
///
/// @param reader borrowed for the call
/// @param buf receives the bytes
/// @param cap how many there is room for, at least 1
/// @param len receives how many came, as few as 1; 0 is the end
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_IO or RFT_E_CORRUPT: the engine stops, return from the callback
/// @par Thread
/// That of the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_snapshot_read(
    reader: *mut rft_snapshot_reader_t,
    buf: *mut u8,
    cap: usize,
    len: *mut usize,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let len = Out::required(len, "len")?;
            let mut reader = exclusive::<Reader<'_>>(reader)?;
            let buf = room(buf, cap)?;
            match reader.stream.read(buf) {
                Ok(read) => {
                    len.set(read);
                    Ok(())
                }
                Err(error) => {
                    let error = Error::of_stream("read", Path::new("a snapshot"), error);
                    reader.failure.get_or_insert_with(|| error.clone());
                    Err(error.into())
                }
            }
        })
    }
}

/// The host's buffer, to be written.
///
/// # Safety
/// `buf` is NULL or has room for `cap` bytes, which nobody else looks at during `'a`.
unsafe fn room<'a>(buf: *mut u8, cap: usize) -> Result<&'a mut [u8], Failure> {
    if buf.is_null() || cap == 0 || cap > isize::MAX as usize {
        return Err(Failure::invalid("buf is NULL, or there is no room"));
    }
    // What the host hands in may never have been written; a slice must have been.
    // SAFETY: not NULL, not larger than memory can be; the rest is the caller's promise.
    unsafe { buf.write_bytes(0, cap) };
    // SAFETY: as above, and written.
    Ok(unsafe { std::slice::from_raw_parts_mut(buf, cap) })
}

/// How many bytes a snapshot has in all.
///
/// @param reader borrowed for the call; NULL gives 0
/// @return the bytes from the first to the last, whatever was read of them
/// @par Thread
/// That of the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_snapshot_len(reader: *const rft_snapshot_reader_t) -> u64 {
    // SAFETY: the header demands that pointers are NULL or valid.
    or_default(|| unsafe { exclusive::<Reader<'_>>(reader) }.map_or(0, |reader| reader.stream.len()), 0)
}
