//! A volume in memory that loses, fails and counts.
//!
//! What is not synced is lost by [`MemoryVolume::cut_power`], sector by sector and name by name as the seed has it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use raft_core::disk::volume::{Access, File, Volume};
use raft_core::error::{Error, Result};

const SECTOR: usize = 512;

/// A small generator of reproducible chance.
#[derive(Clone)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// What happens at a chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// This call fails with an errno, a write after half of its bytes; the calls after it work.
    Fail(i32),
    /// The machine stops in the middle of this call; every later one fails until the power is cut and back.
    Stop,
}

#[derive(Clone)]
enum NameChange {
    Link(PathBuf, usize),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf),
}

impl NameChange {
    fn dir(&self) -> &Path {
        let path = match self {
            NameChange::Link(path, _) | NameChange::Unlink(path) | NameChange::Rename(path, _) => path,
        };
        path.parent().unwrap()
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            NameChange::Link(path, node) => drop(names.insert(path, node)),
            NameChange::Unlink(path) => drop(names.remove(&path)),
            NameChange::Rename(from, to) => {
                let node = names.remove(&from).unwrap();
                names.insert(to, node);
            }
        }
    }
}

#[derive(Clone, Default)]
struct Node {
    current: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Default)]
struct Disk {
    dirs: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    // Since the last sync of their directory, in order.
    pending: Vec<NameChange>,
    nodes: Vec<Node>,
    // Node to the handle that holds it.
    locks: HashMap<usize, u64>,
    // Ranges that cannot be read.
    spoiled: Vec<(usize, Range<usize>)>,
    handles: u64,
    calls: u64,
    trouble: Option<(u64, Trouble)>,
    stopped: bool,
}

/// Clones are the same volume.
#[derive(Clone, Default)]
pub(crate) struct MemoryVolume {
    disk: Arc<Mutex<Disk>>,
}

impl MemoryVolume {
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

    /// Ends the process: handles and locks are gone, what was written is still there.
    pub(crate) fn kill(&self) {
        let mut disk = self.disk();
        disk.locks.clear();
        disk.handles += 1 << 32;
        disk.trouble = None;
        disk.stopped = false;
    }

    /// Ends the machine: of what was not synced, each sector, each size, and each change of name behind the first lost
    /// one in its directory may be gone.
    pub(crate) fn cut_power(&self, chance: &mut Chance) {
        self.kill();
        let mut disk = self.disk();
        let dirs: BTreeSet<PathBuf> = disk.pending.iter().map(|change| change.dir().to_owned()).collect();
        for dir in dirs {
            let changes: Vec<_> = disk.pending.iter().filter(|change| change.dir() == dir).cloned().collect();
            let kept = chance.below(changes.len() as u64 + 1) as usize;
            for change in changes.into_iter().take(kept) {
                change.apply(&mut disk.durable_names);
            }
        }
        disk.pending.clear();
        disk.names = disk.durable_names.clone();
        for node in &mut disk.nodes {
            let Node { current, durable } = node;
            if current == durable {
                continue;
            }
            let len = if chance.below(2) == 0 { durable.len() } else { current.len() };
            let (mut was, mut is) = (durable.clone(), current.clone());
            was.resize(len, 0);
            is.resize(len, 0);
            for (was, is) in was.chunks_mut(SECTOR).zip(is.chunks(SECTOR)) {
                if chance.below(2) == 0 {
                    was.copy_from_slice(is);
                }
            }
            node.current = was.clone();
            node.durable = was;
        }
    }

    /// Puts a durable file there.
    pub(crate) fn put(&self, path: &Path, content: &[u8]) {
        let mut disk = self.disk();
        let node = disk.nodes.len();
        disk.nodes.push(Node { current: content.to_vec(), durable: content.to_vec() });
        disk.names.insert(path.to_owned(), node);
        disk.durable_names.insert(path.to_owned(), node);
    }

    /// Has the disk refuse to read these bytes from now on.
    pub(crate) fn spoil(&self, path: &Path, range: Range<usize>) {
        let mut disk = self.disk();
        let node = disk.names[path];
        disk.spoiled.push((node, range));
    }

    /// All files and their content.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let disk = self.disk();
        disk.names.iter().map(|(path, node)| (path.clone(), disk.nodes[*node].current.clone())).collect()
    }

    /// A volume of its own with the same content, all of it durable.
    pub(crate) fn copied(&self) -> Self {
        let copy = MemoryVolume::default();
        copy.disk().dirs = self.disk().dirs.clone();
        for (path, content) in self.files() {
            copy.put(&path, &content);
        }
        copy
    }

    /// Counts a call. `Ok(Some)` is trouble that has to be made after half of the work.
    fn enter(&self, operation: &'static str, path: &Path) -> Result<(MutexGuard<'_, Disk>, Option<Error>)> {
        let mut disk = self.disk();
        disk.calls += 1;
        let failed = |errno| Error::io(operation, path, io::Error::from_raw_os_error(errno));
        if disk.stopped {
            return Err(failed(5));
        }
        let trouble = disk.trouble.filter(|(call, _)| *call == disk.calls).map(|(_, trouble)| trouble);
        let trouble = match trouble {
            None => None,
            Some(Trouble::Fail(errno)) => Some(failed(errno)),
            Some(Trouble::Stop) => {
                disk.stopped = true;
                Some(failed(5))
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

fn missing(operation: &'static str, path: &Path) -> Error {
    Error::io(operation, path, io::Error::from_raw_os_error(2))
}

impl Volume for MemoryVolume {
    fn create_dir_all(&self, dir: &Path) -> Result<()> {
        let mut disk = self.whole("mkdir", dir)?;
        disk.dirs.extend(dir.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let disk = self.whole("list", dir)?;
        let inside = disk.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect())
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        let disk = self.whole("stat", path)?;
        Ok(disk.names.contains_key(path) || disk.dirs.contains(path))
    }

    fn open(&self, path: &Path, access: Access) -> Result<Box<dyn File>> {
        let mut disk = self.whole("open", path)?;
        let node = match (disk.names.get(path).copied(), access) {
            (Some(node), Access::Create) => {
                disk.nodes[node].current.clear();
                node
            }
            (Some(node), _) => node,
            (None, Access::Create) => {
                let node = disk.nodes.len();
                disk.nodes.push(Node::default());
                disk.names.insert(path.to_owned(), node);
                disk.pending.push(NameChange::Link(path.to_owned(), node));
                node
            }
            (None, _) => return Err(missing("open", path)),
        };
        disk.handles += 1;
        let handle = disk.handles;
        Ok(Box::new(MemoryFile { volume: self.clone(), path: path.to_owned(), node, handle }))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut disk = self.whole("rename", from)?;
        let node = disk.names.remove(from).ok_or_else(|| missing("rename", from))?;
        disk.names.insert(to.to_owned(), node);
        disk.pending.push(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let mut disk = self.whole("remove", path)?;
        disk.names.remove(path).ok_or_else(|| missing("remove", path))?;
        disk.pending.push(NameChange::Unlink(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        let mut disk = self.whole("fsync", dir)?;
        for change in std::mem::take(&mut disk.pending) {
            if change.dir() == dir {
                change.apply(&mut disk.durable_names);
            } else {
                disk.pending.push(change);
            }
        }
        Ok(())
    }
}

struct MemoryFile {
    volume: MemoryVolume,
    path: PathBuf,
    node: usize,
    handle: u64,
}

impl File for MemoryFile {
    fn len(&self) -> Result<u64> {
        Ok(self.volume.whole("stat", &self.path)?.nodes[self.node].current.len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let disk = self.volume.whole("read", &self.path)?;
        let content = &disk.nodes[self.node].current;
        let rest = content.get(offset as usize..).unwrap_or_default();
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
        let (mut disk, trouble) = self.volume.enter("write", &self.path)?;
        let buf = match &trouble {
            Some(_) if !disk.stopped => &buf[..buf.len() / 2],
            _ => buf,
        };
        let content = &mut disk.nodes[self.node].current;
        let end = offset as usize + buf.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[offset as usize..end].copy_from_slice(buf);
        trouble.map_or(Ok(()), Err)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.volume.whole("truncate", &self.path)?.nodes[self.node].current.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<()> {
        let mut disk = self.volume.whole("fdatasync", &self.path)?;
        let node = &mut disk.nodes[self.node];
        node.durable = node.current.clone();
        Ok(())
    }

    fn sync_all(&self) -> Result<()> {
        self.sync_data()
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
