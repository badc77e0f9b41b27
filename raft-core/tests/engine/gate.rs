//! A gate that threads wait at while it is shut, and a volume whose syncs pass one, or fail.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::{Condvar, Mutex};
use raft_core::disk::volume::{Access, File, Volume};
use raft_core::error::{Error, Result};

#[derive(Default)]
pub(crate) struct Gate {
    shut: Mutex<bool>,
    opened: Condvar,
    waiting: AtomicUsize,
}

impl Gate {
    pub(crate) fn open() -> Self {
        Gate::default()
    }

    /// Waits while it is shut.
    pub(crate) fn pass(&self) {
        let mut shut = self.shut.lock();
        self.waiting.fetch_add(1, Ordering::SeqCst);
        while *shut {
            self.opened.wait(&mut shut);
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn set_shut(&self, shut: bool) {
        *self.shut.lock() = shut;
        self.opened.notify_all();
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }
}

/// What fails: an operation on files in a part of the directory, `wal` or `snap`, or on that itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) operation: &'static str,
    pub(crate) part: &'static str,
}

/// Another volume's files, except that syncs of data pass a gate, and that calls fail when they are told to.
#[derive(Clone)]
pub(crate) struct GatedVolume {
    pub(crate) gate: Arc<Gate>,
    pub(crate) fails: Arc<AtomicBool>,
    pub(crate) fault: Arc<Mutex<Option<Fault>>>,
    inner: Arc<dyn Volume>,
}

impl GatedVolume {
    pub(crate) fn over(inner: Arc<dyn Volume>) -> Self {
        GatedVolume { gate: Arc::default(), fails: Arc::default(), fault: Arc::default(), inner }
    }

    fn trip(&self, operation: &'static str, path: &Path) -> Result<()> {
        let is_meant = self.fault.lock().is_some_and(|fault| {
            let is_inside =
                path.ends_with(fault.part) || path.parent().is_some_and(|dir| dir.ends_with(fault.part));
            fault.operation == operation && is_inside
        });
        let failed = || Error::io(operation, path, std::io::Error::from_raw_os_error(5));
        if is_meant { Err(failed()) } else { Ok(()) }
    }
}

struct GatedFile {
    file: Box<dyn File>,
    volume: GatedVolume,
    path: PathBuf,
    is_log: bool,
    // What is written is durable at once.
    is_direct: bool,
}

impl GatedFile {
    /// Lets what makes the bytes durable begin, or fail.
    fn begin_sync(&self) -> Result<()> {
        if self.is_log {
            self.volume.gate.pass();
            if self.volume.fails.load(Ordering::SeqCst) {
                return Err(Error::io("fdatasync", Path::new("x.wal"), std::io::Error::from_raw_os_error(5)));
            }
        }
        self.volume.trip("fdatasync", &self.path)
    }
}

impl Volume for GatedVolume {
    fn create_dir_all(&self, dir: &Path) -> Result<()> {
        self.inner.create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        self.inner.exists(path)
    }

    fn open(&self, path: &Path, access: Access) -> Result<Box<dyn File>> {
        let file = self.inner.open(path, access)?;
        let is_log = path.parent().is_some_and(|dir| dir.ends_with("wal"));
        let (volume, path) = (self.clone(), path.to_owned());
        Ok(Box::new(GatedFile { file, volume, path, is_log, is_direct: false }))
    }

    fn open_direct(&self, path: &Path, durably: bool) -> Result<Option<Box<dyn File>>> {
        let Some(file) = self.inner.open_direct(path, durably)? else { return Ok(None) };
        let (volume, path) = (self.clone(), path.to_owned());
        Ok(Some(Box::new(GatedFile { file, volume, path, is_log: true, is_direct: true })))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        // What is lost is kept.
        if to.ends_with("lost") {
            self.gate.pass();
        }
        self.trip("rename", from)?;
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.inner.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.trip("fsync", dir)?;
        self.inner.sync_dir(dir)
    }

    fn free_bytes(&self, dir: &Path) -> Result<u64> {
        self.inner.free_bytes(dir)
    }
}

impl File for GatedFile {
    fn len(&self) -> Result<u64> {
        self.file.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> Result<()> {
        self.volume.trip("write", &self.path)?;
        if self.is_direct {
            self.begin_sync()?;
        }
        self.file.write_at(buf, offset)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.volume.trip("truncate", &self.path)?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> Result<()> {
        self.begin_sync()?;
        self.file.sync_data()
    }

    fn sync_all(&self) -> Result<()> {
        self.volume.trip("fsync", &self.path)?;
        self.file.sync_all()
    }

    fn try_lock(&self) -> Result<bool> {
        self.file.try_lock()
    }
}
