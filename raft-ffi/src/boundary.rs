//! Where foreign calls come in: panics stop here, and no pointer is followed that was not looked at first.
//!
//! An export does three things: it turns its arguments into Rust's with the helpers of this file, makes one call,
//! and turns the answer back. What the helpers cannot find out (that a pointer which is not NULL is valid) is the
//! contract of the header.

use std::borrow::Cow;
use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::{ptr, slice, str, thread};

use raft_core::error::Error;

use crate::error::rft_error_t;
use crate::status::{rft_status, rft_status_t};

/// Why a call failed: what the core said, or what the boundary found.
#[derive(Debug)]
pub(crate) enum Failure {
    Core(Error),
    InvalidArg(Cow<'static, str>),
    /// An outcome that is not a success, with the leader it names and why.
    Outcome(rft_status, u64, String),
    /// A snapshot that there is not, of an engine that goes on.
    NoSnapshot(rft_status),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Core(error)
    }
}

impl Failure {
    pub(crate) fn invalid(text: impl Into<Cow<'static, str>>) -> Self {
        Failure::InvalidArg(text.into())
    }

    pub(crate) fn status(&self) -> rft_status {
        match self {
            Failure::Core(error) => rft_status::from(error),
            Failure::InvalidArg(_) => rft_status::RFT_E_INVALID_ARG,
            Failure::Outcome(status, ..) | Failure::NoSnapshot(status) => *status,
        }
    }

    /// Whether the handle of the failed call will never work again.
    pub(crate) fn is_fatal(&self) -> bool {
        !matches!(self, Failure::NoSnapshot(_)) && self.status().is_fatal()
    }
}

/// The result of everything inside of an export.
pub(crate) type Checked<T> = Result<T, Failure>;

/// Runs the body of a fallible export: contains its panic, and turns its failure into a status and an error object.
///
/// # Safety
/// `err` is NULL or may be written.
pub(crate) unsafe fn call(err: *mut *mut rft_error_t, body: impl FnOnce() -> Checked<()>) -> rft_status_t {
    let failure = match contain(body) {
        Ok(Ok(())) => return rft_status::RFT_OK.code(),
        Ok(Err(failure)) => failure,
        Err(panic) => Failure::Core(panic),
    };
    let status = failure.status().code();
    if !err.is_null() {
        // Formatting a message runs code of the core: it gets the same guard.
        if let Ok(object) = contain(|| crate::error::into_raw(&failure)) {
            // SAFETY: not NULL, so it may be written, as the caller promised.
            unsafe { err.write(object) };
        }
    }
    status
}

/// Runs the body of an export that cannot fail; a panic gives `default`.
pub(crate) fn or_default<T>(body: impl FnOnce() -> T, default: T) -> T {
    contain(body).unwrap_or(default)
}

/// Runs `body` and turns its panic into an error.
pub(crate) fn contain<T>(body: impl FnOnce() -> T) -> Result<T, Error> {
    // What the body touched is either behind a handle, which the panic has poisoned, or is dropped with it.
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        // A payload may panic when it is dropped.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
        Error::Panic(text)
    })
}

/// A thing behind an opaque pointer.
pub(crate) trait Noun {
    /// The opaque type of the header.
    type Opaque;
    /// The first word of every live handle of this kind.
    const MAGIC: u64;
    /// What messages call it.
    const NAME: &'static str;

    /// Whether it is of any use in this process.
    fn check(&self) -> Checked<()> {
        Ok(())
    }
}

/// What an opaque pointer points to.
#[repr(C)]
pub(crate) struct Handle<T> {
    // First, in every kind of handle: a pointer to one kind given for another is found by it.
    magic: AtomicU64,
    in_use: AtomicBool,
    poisoned: AtomicBool,
    value: UnsafeCell<T>,
}

impl<T: Noun> Handle<T> {
    fn new(value: T) -> Self {
        Handle {
            magic: AtomicU64::new(T::MAGIC),
            in_use: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Moves `value` to the heap and gives the pointer that the host keeps.
    pub(crate) fn into_raw(value: T) -> *mut T::Opaque {
        Box::into_raw(Box::new(Handle::new(value))).cast()
    }

    /// Lends `value` to a callback, which gets a pointer that is good until it returns.
    pub(crate) fn lend<R>(value: T, callback: impl FnOnce(*mut T::Opaque) -> R) -> R {
        let mut handle = Handle::new(value);
        let result = callback((&raw mut handle).cast());
        handle.magic.store(0, Ordering::Release);
        result
    }

    /// # Safety
    /// `pointer` is NULL or a live handle of any kind.
    unsafe fn find<'a>(pointer: *const T::Opaque) -> Checked<&'a Handle<T>> {
        if pointer.is_null() {
            return Err(Failure::invalid(format!("the {} is NULL", T::NAME)));
        }
        let word = pointer.cast::<AtomicU64>();
        // SAFETY: every kind of handle starts with this word.
        if !word.is_aligned() || unsafe { (*word).load(Ordering::Acquire) } != T::MAGIC {
            return Err(Failure::invalid(format!("the pointer is not to a live {}", T::NAME)));
        }
        // SAFETY: the word says that it is a handle of this kind.
        Ok(unsafe { &*pointer.cast::<Handle<T>>() })
    }

    fn check_poison(&self) -> Checked<()> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(Error::Panic(format!("an earlier call on this {} panicked", T::NAME)).into());
        }
        Ok(())
    }
}

/// The only user of a handle, until it is dropped.
pub(crate) struct Exclusive<'a, T: Noun> {
    handle: &'a Handle<T>,
    // A host written in Rust may call while its own thread unwinds: that is no panic of ours.
    was_panicking: bool,
}

impl<T: Noun> Deref for Exclusive<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: `in_use` is ours, so nobody else has a reference.
        unsafe { &*self.handle.value.get() }
    }
}

impl<T: Noun> DerefMut for Exclusive<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: `in_use` is ours, so nobody else has a reference.
        unsafe { &mut *self.handle.value.get() }
    }
}

impl<T: Noun> Drop for Exclusive<'_, T> {
    fn drop(&mut self) {
        if thread::panicking() && !self.was_panicking {
            self.handle.poisoned.store(true, Ordering::Release);
        }
        self.handle.in_use.store(false, Ordering::Release);
    }
}

/// Takes a handle that one thread at a time may use: `RFT_E_BUSY` while another call has it.
///
/// # Safety
/// `pointer` is NULL or a live handle, and nobody frees it during `'a`.
pub(crate) unsafe fn exclusive<'a, T: Noun>(pointer: *const T::Opaque) -> Checked<Exclusive<'a, T>> {
    // SAFETY: as the caller promised.
    let handle = unsafe { Handle::<T>::find(pointer)? };
    handle
        .in_use
        .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
        .map_err(|_| Error::Busy)?;
    let taken = Exclusive { handle, was_panicking: thread::panicking() };
    handle.check_poison()?;
    Ok(taken)
}

/// A handle that any number of threads may use.
pub(crate) struct Shared<'a, T: Noun> {
    handle: &'a Handle<T>,
    was_panicking: bool,
}

impl<T: Noun + Sync> Deref for Shared<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: whoever uses `shared` for a kind of handle never uses `exclusive`, so there are no other references
        // than shared ones.
        unsafe { &*self.handle.value.get() }
    }
}

impl<T: Noun> Drop for Shared<'_, T> {
    fn drop(&mut self) {
        if thread::panicking() && !self.was_panicking {
            self.handle.poisoned.store(true, Ordering::Release);
        }
    }
}

/// Looks at a handle that any number of threads may use.
///
/// # Safety
/// `pointer` is NULL or a live handle, and nobody frees it during `'a`.
pub(crate) unsafe fn shared<'a, T: Noun + Sync>(pointer: *const T::Opaque) -> Checked<Shared<'a, T>> {
    // SAFETY: as the caller promised.
    let handle = unsafe { Handle::<T>::find(pointer)? };
    handle.check_poison()?;
    let taken = Shared { handle, was_panicking: thread::panicking() };
    taken.check()?;
    Ok(taken)
}

/// As [`shared`], for the calls that end things: they work after a panic too.
///
/// # Safety
/// As for [`shared`].
pub(crate) unsafe fn shared_to_end<'a, T: Noun + Sync>(pointer: *const T::Opaque) -> Checked<Shared<'a, T>> {
    // SAFETY: as the caller promised.
    let handle = unsafe { Handle::<T>::find(pointer)? };
    Ok(Shared { handle, was_panicking: thread::panicking() })
}

/// Frees a handle that one thread at a time may use. NULL is nothing; a handle in use, or of another kind, stays
/// as it is: a leak is better than a crash.
///
/// # Safety
/// `pointer` is NULL or a live handle, and the last use of it.
pub(crate) unsafe fn free<T: Noun>(pointer: *mut T::Opaque) {
    or_default(
        || {
            // SAFETY: as the caller promised.
            let Ok(handle) = (unsafe { Handle::<T>::find(pointer) }) else { return };
            if handle.in_use.swap(true, Ordering::AcqRel) {
                return;
            }
            // A second free of memory that was not given away yet finds no handle.
            handle.magic.store(0, Ordering::Release);
            // SAFETY: it came from `into_raw`, and nobody else has it.
            drop(unsafe { Box::from_raw(pointer.cast::<Handle<T>>()) });
        },
        (),
    );
}

/// An array of the host: NULL only when it has no elements.
///
/// # Safety
/// `data` is NULL or points to `len` elements that live, and do not change, during `'a`.
pub(crate) unsafe fn array<'a, T>(data: *const T, len: usize, name: &'static str) -> Checked<&'a [T]> {
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() || !data.is_aligned() {
        return Err(Failure::invalid(format!("{name} is NULL or misaligned")));
    }
    if len.checked_mul(size_of::<T>()).is_none_or(|bytes| bytes > isize::MAX as usize) {
        return Err(Failure::invalid(format!("{name} cannot have {len} elements")));
    }
    // SAFETY: not NULL, aligned, not larger than memory can be; the rest is the caller's promise.
    Ok(unsafe { slice::from_raw_parts(data, len) })
}

/// A place of the host's that a call writes to when it succeeds.
pub(crate) struct Out<T>(*mut T);

impl<T> Out<T> {
    /// # Safety
    /// `place` is NULL or may be written.
    pub(crate) unsafe fn required(place: *mut T, name: &'static str) -> Checked<Self> {
        if place.is_null() {
            return Err(Failure::invalid(format!("{name} is NULL")));
        }
        // SAFETY: as the caller promised.
        unsafe { Out::optional(place, name) }
    }

    /// # Safety
    /// `place` is NULL or may be written.
    pub(crate) unsafe fn optional(place: *mut T, name: &'static str) -> Checked<Self> {
        if !place.is_aligned() {
            return Err(Failure::invalid(format!("{name} is misaligned")));
        }
        Ok(Out(place))
    }

    pub(crate) fn set(self, value: T) {
        if !self.0.is_null() {
            // SAFETY: `required` and `optional` were promised that it may be written.
            unsafe { ptr::write(self.0, value) };
        }
    }
}

/// Memory of the host's that a call writes bytes to.
pub(crate) struct Buffer {
    place: *mut u8,
    len: usize,
}

impl Buffer {
    /// # Safety
    /// `place` is NULL or `len` bytes of it may be written.
    pub(crate) unsafe fn new(place: *mut u8, len: usize, name: &'static str) -> Checked<Self> {
        if place.is_null() && len > 0 {
            return Err(Failure::invalid(format!("{name} is NULL")));
        }
        Ok(Buffer { place, len })
    }

    /// Writes as many of `bytes` as fit; returns where they are.
    pub(crate) fn fill(self, bytes: &[u8]) -> *const u8 {
        let len = bytes.len().min(self.len);
        if len > 0 {
            // SAFETY: `new` was promised that so many may be written, and what the library owns lies elsewhere.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.place, len) };
        }
        self.place
    }
}

/// A path of the host's: UTF-8, not empty, no NUL inside.
///
/// # Safety
/// As for [`array`].
pub(crate) unsafe fn path<'a>(data: *const std::ffi::c_char, len: usize) -> Checked<&'a Path> {
    // SAFETY: as the caller promised.
    let bytes = unsafe { array(data.cast::<u8>(), len, "dir")? };
    let text = str::from_utf8(bytes).map_err(|_| Failure::invalid("dir is not UTF-8"))?;
    if text.is_empty() || text.contains('\0') {
        return Err(Failure::invalid("dir is empty or has a NUL inside"));
    }
    Ok(Path::new(text))
}

/// A boolean of the host's: 0 or 1.
pub(crate) fn boolean(value: u8, name: &'static str) -> Checked<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(Failure::invalid(format!("{name} is {other}, not 0 or 1"))),
    }
}

/// A node's id: 0 is nobody, and the two largest numbers are the core's own.
pub(crate) fn node_id(id: u64, name: &'static str) -> Checked<u64> {
    if id == 0 || id >= u64::MAX - 1 {
        return Err(Failure::invalid(format!(
            "{name} is {id}: a node's id is none of 0 and the two largest numbers"
        )));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::rft_error_free;

    struct Apple(u32);
    struct Pear;
    struct OpaqueApple;
    struct OpaquePear;

    impl Noun for Apple {
        type Opaque = OpaqueApple;
        const MAGIC: u64 = 1;
        const NAME: &'static str = "apple";
    }

    impl Noun for Pear {
        type Opaque = OpaquePear;
        const MAGIC: u64 = 2;
        const NAME: &'static str = "pear";
    }

    fn with_apple(apple: *mut OpaqueApple, body: impl FnOnce(&mut Apple)) -> rft_status_t {
        // SAFETY: the tests hand in live handles.
        unsafe {
            call(ptr::null_mut(), || {
                body(&mut *exclusive::<Apple>(apple)?);
                Ok(())
            })
        }
    }

    #[test]
    fn a_panic_is_contained_and_poisons_its_handle() {
        let apple = Handle::into_raw(Apple(7));
        assert_eq!(with_apple(apple, |apple| apple.0 += 1), 0);
        assert_eq!(with_apple(apple, |_| panic!("worm")), rft_status::RFT_E_PANIC.code());
        assert_eq!(with_apple(apple, |_| ()), rft_status::RFT_E_PANIC.code());
        // SAFETY: live, and the last use.
        unsafe { free::<Apple>(apple) };
    }

    #[test]
    fn a_panic_whose_payload_panics_too_is_contained() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        let result = contain(|| std::panic::panic_any(Bomb));
        assert_eq!(result, Err(Error::Panic("no message".to_owned())));
    }

    #[test]
    fn a_handle_in_use_is_busy_and_is_not_freed() {
        let apple = Handle::into_raw(Apple(7));
        let status = with_apple(apple, |held| {
            assert_eq!(with_apple(apple, |_| ()), rft_status::RFT_E_BUSY.code());
            // SAFETY: live.
            unsafe { free::<Apple>(apple) };
            held.0 += 1;
        });
        assert_eq!(status, 0);
        assert_eq!(with_apple(apple, |apple| assert_eq!(apple.0, 8)), 0);
        // SAFETY: live, and the last use.
        unsafe { free::<Apple>(apple) };
    }

    #[test]
    fn null_and_a_handle_of_another_kind_are_found() {
        assert_eq!(with_apple(ptr::null_mut(), |_| ()), rft_status::RFT_E_INVALID_ARG.code());
        let pear = Handle::into_raw(Pear);
        assert_eq!(with_apple(pear.cast(), |_| ()), rft_status::RFT_E_INVALID_ARG.code());
        // SAFETY: live; of another kind, so that the first does nothing.
        unsafe {
            free::<Apple>(pear.cast());
            free::<Pear>(pear);
            free::<Pear>(ptr::null_mut());
        }
    }

    #[test]
    fn arrays_are_null_only_when_empty_and_never_larger_than_memory() {
        // SAFETY: NULL, an empty array, and lengths that are refused.
        unsafe {
            assert!(array::<u64>(ptr::null(), 0, "x").is_ok_and(<[u64]>::is_empty));
            assert!(array::<u64>(ptr::null(), 1, "x").is_err());
            let words = [1_u64, 2];
            assert!(array(words.as_ptr(), usize::MAX, "x").is_err());
            assert!(array(words.as_ptr(), usize::MAX / 8, "x").is_err());
            assert!(array(words.as_ptr().byte_add(1), 1, "x").is_err());
            assert_eq!(array(words.as_ptr(), 2, "x").unwrap(), [1, 2]);
        }
    }

    #[test]
    fn an_error_object_is_written_when_there_is_a_place_for_it() {
        let mut object = ptr::null_mut();
        // SAFETY: a place to write.
        let status = unsafe { call(&raw mut object, || Err(Error::Busy.into())) };
        assert_eq!(status, rft_status::RFT_E_BUSY.code());
        assert!(!object.is_null());
        // SAFETY: it is ours.
        unsafe { rft_error_free(object) };
    }
}
