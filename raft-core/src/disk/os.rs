//! [`OsVolume`]: the operating system's files.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use super::volume::{Access, File, Volume};
use crate::error::{Error, Result};

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsVolume;

impl Volume for OsVolume {
    fn create_dir_all(&self, dir: &Path) -> Result<()> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|error| Error::io("mkdir", dir, error))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let failed = |error| Error::io("list", dir, error);
        let mut names = Vec::new();
        for entry in fs::read_dir(dir).map_err(failed)? {
            if let Ok(name) = entry.map_err(failed)?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        path.try_exists().map_err(|error| Error::io("stat", path, error))
    }

    fn open(&self, path: &Path, access: Access) -> Result<Box<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true).mode(0o600);
        match access {
            Access::Read => &mut options,
            Access::Write => options.write(true),
            Access::Create => options.write(true).create(true).truncate(true),
        };
        let file = options.open(path).map_err(|error| Error::io("open", path, error))?;
        if access == Access::Create {
            hand_over(&file, path);
        }
        Ok(Box::new(OsFile { file, path: path.to_owned() }))
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn open_direct(&self, path: &Path, durably: bool) -> Result<Option<Box<dyn File>>> {
        let mut options = fs::OpenOptions::new();
        let synced = if durably { libc::O_DSYNC } else { 0 };
        options.read(true).write(true).custom_flags(libc::O_DIRECT | synced);
        match options.open(path) {
            Ok(file) => Ok(Some(Box::new(OsFile { file, path: path.to_owned() }))),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => Ok(None),
            Err(error) => Err(Error::io("open", path, error)),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        fs::rename(from, to).map_err(|error| Error::io("rename", from, error))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        fs::remove_file(path).map_err(|error| Error::io("remove", path, error))
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        let synced = fs::File::open(dir).and_then(|dir| dir.sync_all());
        synced.map_err(|error| Error::io("fsync", dir, error))
    }

    fn free_bytes(&self, dir: &Path) -> Result<u64> {
        room::free_bytes(dir).map_err(|error| Error::io("statvfs", dir, error))
    }
}

/// Whether somebody has the file at `path` locked, as [`File::try_lock`] does. It takes no lock, and the file need only be
/// readable. False where the system cannot tell.
pub fn is_locked(path: &Path) -> Result<bool> {
    let file = fs::File::open(path).map_err(|error| Error::io("open", path, error))?;
    lock::is_taken(&file).map_err(|error| Error::io("lock", path, error))
}

/// Gives a file that root has created to whoever owns the directory: his node has to open it. Where that is not possible
/// it stays root's.
fn hand_over(file: &fs::File, path: &Path) {
    let Some(Ok(dir)) = path.parent().map(fs::metadata) else { return };
    if let Ok(own) = file.metadata()
        && own.uid() == 0
        && dir.uid() != 0
    {
        let _ = fchown(file, Some(dir.uid()), Some(dir.gid()));
    }
}

struct OsFile {
    file: fs::File,
    // Errors name the file.
    path: PathBuf,
}

impl OsFile {
    fn failed(&self, operation: &'static str) -> impl FnOnce(io::Error) -> Error {
        let path = self.path.clone();
        move |error| Error::io(operation, &path, error)
    }
}

impl File for OsFile {
    fn len(&self) -> Result<u64> {
        match self.file.metadata() {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) => Err(self.failed("stat")(error)),
        }
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match self.file.read_at(&mut buf[done..], offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed("read")(error)),
            }
        }
        Ok(done)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> Result<()> {
        // Goes on after a short write or an interruption.
        self.file.write_all_at(buf, offset).map_err(|error| self.failed("write")(error))
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.file.set_len(len).map_err(|error| self.failed("truncate")(error))
    }

    fn sync_data(&self) -> Result<()> {
        self.file.sync_data().map_err(|error| self.failed("fdatasync")(error))
    }

    fn sync_all(&self) -> Result<()> {
        self.file.sync_all().map_err(|error| self.failed("fsync")(error))
    }

    fn try_lock(&self) -> Result<bool> {
        match lock::exclusive(&self.file) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
            Err(error) => Err(self.failed("lock")(error)),
        }
    }
}

#[allow(unsafe_code)]
mod lock {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;

    #[cfg(any(target_os = "linux", target_os = "android"))]
    const WHOLE_FILE: libc::flock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };

    /// Whether such a lock would be refused.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn is_taken(file: &File) -> io::Result<bool> {
        let mut found = WHOLE_FILE;
        // SAFETY: the descriptor is open as long as `file` is borrowed, and the struct is there to be written to.
        if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &mut found) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(found.l_type != libc::F_UNLCK as libc::c_short)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn is_taken(_: &File) -> io::Result<bool> {
        Ok(false)
    }

    /// Locks like etcd, whose tools then see that the log is in use: by open file description where the system
    /// can, else with flock.
    pub(super) fn exclusive(file: &File) -> io::Result<()> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            // SAFETY: the descriptor is open as long as `file` is borrowed, and the struct outlives the call.
            if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &WHOLE_FILE) } == 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.raw_os_error() != Some(libc::EINVAL) {
                return Err(error);
            }
        }
        // SAFETY: the descriptor is open as long as `file` is borrowed; the call takes no pointer.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            return Ok(());
        }
        Err(io::Error::last_os_error())
    }
}

#[allow(unsafe_code)]
mod room {
    use std::ffi::CString;
    use std::io;
    use std::mem::MaybeUninit;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    /// What a process without privileges can still write.
    pub(super) fn free_bytes(dir: &Path) -> io::Result<u64> {
        let path = CString::new(dir.as_os_str().as_bytes()).map_err(io::Error::other)?;
        let mut found = MaybeUninit::<libc::statvfs>::uninit();
        // SAFETY: the path ends with NUL, and the struct is there to be written to.
        if unsafe { libc::statvfs(path.as_ptr(), found.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has succeeded, and so has written all of it.
        let found = unsafe { found.assume_init() };
        // Their widths differ from system to system.
        #[allow(clippy::useless_conversion)]
        let (blocks, size) = (u64::from(found.f_bavail), u64::from(found.f_frsize));
        Ok(blocks.saturating_mul(size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_excludes_a_second_handle_until_the_first_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let first = OsVolume.open(&path, Access::Create).unwrap();
        let second = OsVolume.open(&path, Access::Write).unwrap();
        assert!(first.try_lock().unwrap());
        assert!(!second.try_lock().unwrap());
        drop(first);
        assert!(second.try_lock().unwrap());
    }

    #[test]
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn a_look_at_a_lock_takes_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let file = OsVolume.open(&path, Access::Create).unwrap();
        assert!(!is_locked(&path).unwrap());
        assert!(file.try_lock().unwrap());
        assert!(is_locked(&path).unwrap());
        drop(file);
        assert!(!is_locked(&path).unwrap());
        assert!(is_locked(&dir.path().join("none")).is_err());
    }

    #[test]
    fn what_root_creates_belongs_to_the_directorys_owner() {
        let dir = tempfile::tempdir().unwrap();
        // Only root can give a directory away.
        if std::os::unix::fs::chown(dir.path(), Some(12_345), Some(12_346)).is_err() {
            return;
        }
        let path = dir.path().join("file");
        drop(OsVolume.open(&path, Access::Create).unwrap());
        let found = fs::metadata(&path).unwrap();
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (12_345, 12_346, 0o600));
    }

    #[test]
    fn a_read_ends_where_the_file_ends() {
        let dir = tempfile::tempdir().unwrap();
        let file = OsVolume.open(&dir.path().join("file"), Access::Create).unwrap();
        file.write_at(b"hello", 2).unwrap();
        let mut buf = [9; 10];
        assert_eq!(file.read_at(&mut buf, 1).unwrap(), 6);
        assert_eq!(&buf[..6], b"\0hello");
    }

    #[test]
    fn a_volume_knows_what_is_left_on_it() {
        let dir = tempfile::tempdir().unwrap();
        let free = OsVolume.free_bytes(dir.path()).unwrap();
        assert!(free > 0 && free < u64::MAX, "{free}");
        assert!(OsVolume.free_bytes(Path::new("/nonexistent")).is_err());
    }

    #[test]
    fn an_error_names_operation_and_file() {
        let path = Path::new("/nonexistent/file");
        let error = OsVolume.open(path, Access::Read).err().unwrap();
        assert!(error.to_string().starts_with("open of /nonexistent/file: "), "{error}");
    }
}
