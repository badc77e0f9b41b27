//! [`Volume`]: the operations on files that the store needs, so that a test can count, fail or lose each of them.

use std::path::Path;

use crate::error::{Error, Result};

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To be read; it must exist.
    Read,
    /// To be read and written; it must exist.
    Write,
    /// To be read and written; it is created, or emptied if it exists. Only the owner may read it.
    Create,
}

/// What is written at a time through [`Volume::open_direct`], in bytes.
pub const DIRECT_BLOCK: usize = 4096;

/// A file system, or a part of one. Shared between threads.
///
/// Nothing is durable before it is synced: a file's bytes by [`File::sync_data`], its name by [`Volume::sync_dir`].
pub trait Volume: Send + Sync {
    /// Creates `dir` and what is missing above it. Only the owner may enter.
    fn create_dir_all(&self, dir: &Path) -> Result<()>;

    /// The names in `dir`, sorted; those that are not UTF-8 are left out.
    fn list(&self, dir: &Path) -> Result<Vec<String>>;

    /// Whether there is a file or a directory at `path`.
    fn exists(&self, path: &Path) -> Result<bool>;

    /// Opens the file at `path`.
    fn open(&self, path: &Path, access: Access) -> Result<Box<dyn File>>;

    /// Opens the file at `path`, which must exist, to be written past the system's cache. With `durably`, what
    /// [`File::write_at`] has written is durable when it returns, together with what it takes to read it back. Memory,
    /// offset and length of what is written are multiples of [`DIRECT_BLOCK`]. None where the file system has no such
    /// thing; where it does not say so now, the first write may fail with `EINVAL` or `EOPNOTSUPP`.
    fn open_direct(&self, path: &Path, durably: bool) -> Result<Option<Box<dyn File>>> {
        let _ = (path, durably);
        Ok(None)
    }

    /// Gives the file `from` the name `to`, at once also where `to` exists.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Removes the name of the file at `path`.
    fn remove(&self, path: &Path) -> Result<()>;

    /// Makes creations, renames and removals in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> Result<()>;

    /// Bytes that files below `dir` can still grow by; `u64::MAX` where nobody knows.
    fn free_bytes(&self, dir: &Path) -> Result<u64> {
        let _ = dir;
        Ok(u64::MAX)
    }
}

/// An open file, closed and unlocked when it is dropped.
pub trait File: Send + Sync {
    /// Its size in bytes.
    fn len(&self) -> Result<u64>;

    /// Whether it has no bytes.
    fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads from byte `offset` on until `buf` is full or the file ends; says how much was read.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize>;

    /// Writes all of `buf` at byte `offset`, past the end too.
    fn write_at(&self, buf: &[u8], offset: u64) -> Result<()>;

    /// Cuts the file off at `len` bytes, or extends it with zeros.
    fn set_len(&self, len: u64) -> Result<()>;

    /// Makes the bytes durable, and of the metadata what reading them back needs.
    fn sync_data(&self) -> Result<()>;

    /// Makes bytes and metadata durable.
    fn sync_all(&self) -> Result<()>;

    /// Locks the file against every other handle, without waiting: false if another holds it.
    fn try_lock(&self) -> Result<bool>;
}

/// Whether the system says that it cannot write past its cache.
pub(in crate::disk) fn is_refused(error: &Error) -> bool {
    let Error::Io(io) = error else { return false };
    io.operation == "write" && matches!(io.source.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP))
}
