//! A volume in memory that loses, fails, counts, fills up, and remembers each moment it went through.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, ThreadId};
use std::time::Duration;

use raft_core::disk::volume::{Access, DIRECT_BLOCK, File, Volume};
use raft_core::error::{Error, Result};

#[path = "damage.rs"]
pub(crate) mod damage;

pub(crate) use damage::Chance;
use damage::{Content, Damage};

const ENOENT: i32 = 2;
const EIO: i32 = 5;
const EINVAL: i32 = 22;
const ENOSPC: i32 = 28;

/// How long a thread waits for its turn: a test that fails lets nobody in any more, and has to end all the same.
const PATIENCE: Duration = Duration::from_secs(10);

/// What happens at a chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// This call fails with an errno, a write after half of its bytes; the calls after it work.
    Fail(i32),
    /// The machine stops in the middle of this call; every later one fails until the power is cut and back.
    Stop,
}

/// What becomes of files that are to be written past the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Direct {
    #[default]
    Works,
    /// They cannot be opened like this.
    Refused,
    /// They can be opened, and not written.
    RefusedLate,
}

#[derive(Default)]
struct Disk {
    content: Content,
    // Node to the handle that holds it.
    locks: HashMap<usize, u64>,
    // Ranges that cannot be read.
    spoiled: Vec<(usize, Range<usize>)>,
    handles: u64,
    calls: u64,
    trouble: Option<(u64, Trouble)>,
    stopped: bool,
    // Each state it went through.
    moments: Option<Vec<Moment>>,
    bytes_max: Option<u64>,
    direct: Direct,
    // All other threads wait.
    only: Option<ThreadId>,
}

/// The volume as a crash at this point finds it.
#[derive(Clone)]
pub(crate) struct Moment {
    content: Content,
}

impl Moment {
    /// The volume after the power was cut and came back.
    pub(crate) fn crashed(&self, damage: Damage, chance: &mut Chance) -> MemoryVolume {
        let mut content = self.content.clone();
        content.crash(damage, chance);
        MemoryVolume::holding(content)
    }

    /// The volume after the process was killed: the system still has what was not synced.
    pub(crate) fn killed(&self) -> MemoryVolume {
        MemoryVolume::holding(self.content.clone())
    }
}

/// Clones are the same volume.
#[derive(Clone, Default)]
pub(crate) struct MemoryVolume {
    disk: Arc<Mutex<Disk>>,
    turn: Arc<Condvar>,
}

impl MemoryVolume {
    fn holding(content: Content) -> Self {
        let volume = MemoryVolume::default();
        volume.disk().content = content;
        volume
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap()
    }

    /// Has `trouble` happen at the `call`-th call from now on, counted from 1.
    pub(crate) fn arm(&self, call: u64, trouble: Trouble) {
        let mut disk = self.disk();
        disk.trouble = Some((disk.calls + call, trouble));
    }

    pub(crate) fn disarm(&self) {
        self.disk().trouble = None;
    }

    /// Calls so far.
    pub(crate) fn calls(&self) -> u64 {
        self.disk().calls
    }

    /// The most bytes of all files together; a write beyond fails with ENOSPC after what fits.
    pub(crate) fn set_bytes_max(&self, max: Option<u64>) {
        self.disk().bytes_max = max;
    }

    pub(crate) fn set_direct(&self, direct: Direct) {
        self.disk().direct = direct;
    }

    /// Bytes in all files.
    pub(crate) fn used(&self) -> u64 {
        self.disk().content.used()
    }

    /// From now on every state that it goes through is remembered, beginning with this one.
    pub(crate) fn remember(&self) {
        let mut disk = self.disk();
        let now = Moment { content: disk.content.clone() };
        disk.moments = Some(vec![now]);
    }

    /// From now on the calls of other threads wait until it is let go: what this thread does, and what a store has done aside,
    /// then come in the same order in every run.
    pub(crate) fn hold(&self) {
        self.disk().only = Some(thread::current().id());
    }

    pub(crate) fn let_go(&self) {
        self.disk().only = None;
        self.turn.notify_all();
    }

    /// The states since the last time, without the one that it is in.
    pub(crate) fn take_moments(&self) -> Vec<Moment> {
        let mut disk = self.disk();
        let Some(moments) = &mut disk.moments else { return Vec::new() };
        let rest = moments.split_off(moments.len() - 1);
        std::mem::replace(moments, rest)
    }

    /// This state.
    pub(crate) fn now(&self) -> Moment {
        Moment { content: self.disk().content.clone() }
    }

    /// Ends the process: handles and locks are gone, what was written is still there.
    pub(crate) fn kill(&self) {
        let mut disk = self.disk();
        disk.locks.clear();
        disk.handles += 1 << 32;
        disk.trouble = None;
        disk.stopped = false;
    }

    /// Ends the machine, with any damage that the system may do to what was not synced.
    pub(crate) fn cut_power(&self, chance: &mut Chance) {
        self.kill();
        let damage = Damage::any(chance);
        self.disk().content.crash(damage, chance);
    }

    /// Puts a durable file there.
    pub(crate) fn put(&self, path: &Path, content: &[u8]) {
        self.disk().content.put(path, content);
    }

    /// A number that two volumes share if they hold the same.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.disk().content.fingerprint()
    }

    /// Has the disk refuse to read these bytes from now on.
    pub(crate) fn spoil(&self, path: &Path, range: Range<usize>) {
        let mut disk = self.disk();
        let node = disk.content.node(path).unwrap();
        disk.spoiled.push((node, range));
    }

    /// All files and their content.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let content = &self.disk().content;
        content.files().map(|(path, node)| (path.to_owned(), content.bytes(node).to_vec())).collect()
    }

    /// A volume of its own with the same content, all of it durable.
    pub(crate) fn copied(&self) -> Self {
        MemoryVolume::holding(self.disk().content.saved())
    }

    /// Counts a call. `Ok(Some)` is trouble that has to be made after half of the work.
    fn enter(&self, operation: &'static str, path: &Path) -> Result<(MutexGuard<'_, Disk>, Option<Error>)> {
        let waits = |disk: &mut Disk| disk.only.is_some_and(|only| only != thread::current().id());
        let mut disk = self.turn.wait_timeout_while(self.disk(), PATIENCE, waits).unwrap().0;
        disk.calls += 1;
        if disk.stopped {
            return Err(failed(operation, path, EIO));
        }
        let trouble = disk.trouble.filter(|(call, _)| *call == disk.calls).map(|(_, trouble)| trouble);
        let trouble = match trouble {
            None => None,
            Some(Trouble::Fail(errno)) => Some(failed(operation, path, errno)),
            Some(Trouble::Stop) => {
                disk.stopped = true;
                Some(failed(operation, path, EIO))
            }
        };
        Ok((disk, trouble))
    }

    /// For calls that happen whole or not at all.
    fn whole(&self, operation: &'static str, path: &Path) -> Result<MutexGuard<'_, Disk>> {
        match self.enter(operation, path)? {
            (disk, None) => Ok(disk),
            (_, Some(error)) => Err(error),
        }
    }
}

impl Disk {
    /// The content has become another one.
    fn changed(&mut self) {
        if let Some(moments) = &mut self.moments {
            moments.push(Moment { content: self.content.clone() });
        }
    }

    fn set_len(&mut self, node: usize, len: u64) {
        if self.content.bytes(node).len() as u64 != len {
            self.content.set_len(node, len);
            self.changed();
        }
    }

    fn room(&self) -> u64 {
        self.bytes_max.map_or(u64::MAX, |max| max.saturating_sub(self.content.used()))
    }
}

fn failed(operation: &'static str, path: &Path, errno: i32) -> Error {
    Error::io(operation, path, io::Error::from_raw_os_error(errno))
}

impl Volume for MemoryVolume {
    fn create_dir_all(&self, dir: &Path) -> Result<()> {
        let mut disk = self.whole("mkdir", dir)?;
        if disk.content.create_dirs(dir) {
            disk.changed();
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let disk = self.whole("list", dir)?;
        let inside = disk.content.files().filter(|(path, _)| path.parent() == Some(dir));
        Ok(inside.map(|(path, _)| path.file_name().unwrap().to_str().unwrap().to_owned()).collect())
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        Ok(self.whole("stat", path)?.content.is_there(path))
    }

    fn open(&self, path: &Path, access: Access) -> Result<Box<dyn File>> {
        let mut disk = self.whole("open", path)?;
        let is_dir_there = path.parent().is_some_and(|dir| disk.content.is_there(dir));
        let node = match (disk.content.node(path), access) {
            (Some(node), Access::Create) => {
                disk.set_len(node, 0);
                node
            }
            (Some(node), _) => node,
            (None, Access::Create) if is_dir_there => {
                let node = disk.content.create(path);
                disk.changed();
                node
            }
            (None, _) => return Err(failed("open", path, ENOENT)),
        };
        disk.handles += 1;
        let handle = disk.handles;
        let (volume, path) = (self.clone(), path.to_owned());
        Ok(Box::new(MemoryFile { volume, path, node, handle, is_direct: false, is_synced: false }))
    }

    fn open_direct(&self, path: &Path, durably: bool) -> Result<Option<Box<dyn File>>> {
        let mut disk = self.whole("open", path)?;
        let node = disk.content.node(path).ok_or_else(|| failed("open", path, ENOENT))?;
        if disk.direct == Direct::Refused {
            return Ok(None);
        }
        disk.handles += 1;
        let (volume, path, handle) = (self.clone(), path.to_owned(), disk.handles);
        Ok(Some(Box::new(MemoryFile { volume, path, node, handle, is_direct: true, is_synced: durably })))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut disk = self.whole("rename", from)?;
        let node = disk.content.node(from).ok_or_else(|| failed("rename", from, ENOENT))?;
        disk.content.rename(from, to, node);
        disk.changed();
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let mut disk = self.whole("remove", path)?;
        disk.content.node(path).ok_or_else(|| failed("remove", path, ENOENT))?;
        disk.content.remove(path);
        disk.changed();
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        let mut disk = self.whole("fsync", dir)?;
        if !disk.content.is_there(dir) {
            return Err(failed("fsync", dir, ENOENT));
        }
        if disk.content.sync_dir(dir) {
            disk.changed();
        }
        Ok(())
    }

    fn free_bytes(&self, _: &Path) -> Result<u64> {
        Ok(self.disk().room())
    }
}

struct MemoryFile {
    volume: MemoryVolume,
    path: PathBuf,
    node: usize,
    handle: u64,
    is_direct: bool,
    // Whether each write is durable when it returns.
    is_synced: bool,
}

impl MemoryFile {
    fn sync(&self, operation: &'static str) -> Result<()> {
        let mut disk = self.volume.whole(operation, &self.path)?;
        if disk.content.sync(self.node) {
            disk.changed();
        }
        Ok(())
    }
}

impl File for MemoryFile {
    fn len(&self) -> Result<u64> {
        Ok(self.volume.whole("stat", &self.path)?.content.bytes(self.node).len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let disk = self.volume.whole("read", &self.path)?;
        let rest = disk.content.bytes(self.node).get(offset as usize..).unwrap_or_default();
        let read = rest.len().min(buf.len());
        let touches =
            |range: &Range<usize>| range.start < offset as usize + read && (offset as usize) < range.end;
        if disk.spoiled.iter().any(|(node, range)| *node == self.node && touches(range)) {
            return Err(Error::io("read", &self.path, io::Error::from_raw_os_error(5)));
        }
        buf[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> Result<()> {
        let (mut disk, mut trouble) = self.volume.enter("write", &self.path)?;
        if self.is_direct {
            let places = [buf.as_ptr().addr(), buf.len(), offset as usize];
            assert!(places.iter().all(|place| place.is_multiple_of(DIRECT_BLOCK)), "{places:x?}");
            if disk.direct == Direct::RefusedLate {
                return Err(failed("write", &self.path, EINVAL));
            }
        }
        let mut len = buf.len();
        if trouble.is_some() && !disk.stopped {
            len /= 2;
        }
        let fits = (disk.content.bytes(self.node).len() as u64).saturating_add(disk.room());
        if offset + len as u64 > fits {
            len = fits.saturating_sub(offset) as usize;
            trouble = Some(failed("write", &self.path, ENOSPC));
        }
        if len > 0 {
            disk.content.write(self.node, offset, &buf[..len]);
            disk.changed();
        }
        if self.is_synced && trouble.is_none() {
            disk.content.settle(self.node);
            disk.changed();
        }
        trouble.map_or(Ok(()), Err)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        let mut disk = self.volume.whole("truncate", &self.path)?;
        disk.set_len(self.node, len);
        Ok(())
    }

    fn sync_data(&self) -> Result<()> {
        self.sync("fdatasync")
    }

    fn sync_all(&self) -> Result<()> {
        self.sync("fsync")
    }

    fn try_lock(&self) -> Result<bool> {
        let mut disk = self.volume.whole("lock", &self.path)?;
        let holder = *disk.locks.entry(self.node).or_insert(self.handle);
        Ok(holder == self.handle)
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        let mut disk = self.volume.disk();
        if disk.locks.get(&self.node) == Some(&self.handle) {
            disk.locks.remove(&self.node);
        }
    }
}
