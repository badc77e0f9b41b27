//! What a file system holds, what of it is durable, and what a crash may leave of the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the disk writes whole or not at all.
pub(crate) const SECTOR: usize = 512;
/// What the system writes back at a time.
pub(crate) const PAGE: usize = 4096;

/// Stands for a directory where a file has its node.
const DIRECTORY: usize = usize::MAX;

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

/// What becomes of bytes that no sync of their file followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bytes {
    Lost,
    Kept,
    /// Each piece of this length is as any of the writes since the last sync left it, and the file as long.
    Torn(usize),
    /// Likewise, and the file ends at any border between the lengths that it has had.
    Short(usize),
}

/// What becomes of names that no sync of their directory followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    Lost,
    Kept,
    /// Those before a point in time are there, as in a journal; each directory has its own.
    Journal,
    /// Any of them is there, whatever came before it.
    Reordered,
    /// All are there, and a renamed file goes by its old name too.
    Doubled,
}

/// One kind of crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) bytes: Bytes,
    pub(crate) names: Names,
}

impl Damage {
    pub(crate) const ALL_LOST: Damage = Damage { bytes: Bytes::Lost, names: Names::Lost };

    /// Any kind.
    pub(crate) fn any(chance: &mut Chance) -> Self {
        let bytes = match chance.below(8) {
            0 => Bytes::Lost,
            1 => Bytes::Kept,
            2..4 => Bytes::Torn(SECTOR),
            4 => Bytes::Torn(PAGE),
            5..7 => Bytes::Short(SECTOR),
            _ => Bytes::Short(PAGE),
        };
        let names = match chance.below(8) {
            0 => Names::Lost,
            1 => Names::Kept,
            2..4 => Names::Journal,
            4 => Names::Doubled,
            _ => Names::Reordered,
        };
        Damage { bytes, names }
    }
}

#[derive(Clone)]
enum NameChange {
    Link(PathBuf, usize),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf, usize),
}

impl NameChange {
    fn dir(&self) -> &Path {
        let path = match self {
            NameChange::Link(path, _) | NameChange::Unlink(path) | NameChange::Rename(path, ..) => path,
        };
        path.parent().unwrap()
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            NameChange::Link(path, node) => drop(names.insert(path, node)),
            NameChange::Unlink(path) => drop(names.remove(&path)),
            NameChange::Rename(from, to, node) => {
                names.remove(&from);
                names.insert(to, node);
            }
        }
    }

    fn apply_without_removal(self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            NameChange::Rename(_, to, node) => drop(names.insert(to, node)),
            other => other.apply(names),
        }
    }
}

#[derive(Clone)]
enum ByteChange {
    Write(usize, Arc<[u8]>),
    Len(usize),
}

impl ByteChange {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            ByteChange::Len(len) => content.resize(*len, 0),
            ByteChange::Write(offset, bytes) => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
        }
    }
}

#[derive(Clone, Default)]
struct Node {
    current: Arc<Vec<u8>>,
    durable: Arc<Vec<u8>>,
    // What leads from the one to the other.
    changes: Vec<ByteChange>,
}

impl Node {
    fn change(&mut self, change: ByteChange) {
        change.apply(Arc::make_mut(&mut self.current));
        self.changes.push(change);
    }

    fn crash(&mut self, bytes: Bytes, chance: &mut Chance) {
        let changes = std::mem::take(&mut self.changes);
        match bytes {
            _ if changes.is_empty() => {}
            Bytes::Kept => self.durable = Arc::clone(&self.current),
            Bytes::Lost => {}
            Bytes::Torn(piece) | Bytes::Short(piece) => {
                let mut versions = vec![Vec::clone(&self.durable)];
                for change in &changes {
                    let mut next = versions[versions.len() - 1].clone();
                    change.apply(&mut next);
                    versions.push(next);
                }
                let len = length(&versions, bytes, chance);
                self.durable = Arc::new(pieces(&versions, len, piece, chance));
            }
        }
        self.current = Arc::clone(&self.durable);
    }
}

fn any<'a>(versions: &'a [Vec<u8>], chance: &mut Chance) -> &'a [u8] {
    &versions[chance.below(versions.len() as u64) as usize]
}

fn length(versions: &[Vec<u8>], bytes: Bytes, chance: &mut Chance) -> usize {
    let Bytes::Short(piece) = bytes else { return any(versions, chance).len() };
    let lens = || versions.iter().map(Vec::len);
    let (least, most) = (lens().min().unwrap(), lens().max().unwrap());
    let at = least + chance.below((most - least) as u64 + 1) as usize;
    at.next_multiple_of(piece).min(most)
}

fn pieces(versions: &[Vec<u8>], len: usize, piece: usize, chance: &mut Chance) -> Vec<u8> {
    let mut content = vec![0; len];
    for (at, to) in content.chunks_mut(piece).enumerate() {
        let from = any(versions, chance).get(at * piece..).unwrap_or_default();
        let len = from.len().min(to.len());
        to[..len].copy_from_slice(&from[..len]);
    }
    content
}

/// Files and directories at one moment, with what the next power cut would take.
#[derive(Clone, Default)]
pub(crate) struct Content {
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    // Since the last sync of their directory, in order.
    pending: Vec<NameChange>,
    nodes: Vec<Node>,
}

impl Content {
    pub(crate) fn node(&self, path: &Path) -> Option<usize> {
        self.names.get(path).copied().filter(|node| *node != DIRECTORY)
    }

    pub(crate) fn is_there(&self, path: &Path) -> bool {
        path.parent().is_none() || self.names.contains_key(path)
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = (&Path, usize)> {
        self.names.iter().filter(|(_, node)| **node != DIRECTORY).map(|(path, node)| (&**path, *node))
    }

    pub(crate) fn bytes(&self, node: usize) -> &[u8] {
        &self.nodes[node].current
    }

    /// A number that two have in common if they hold the same. The lock, which is always empty, is passed over.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (path, node) in self.files().filter(|(path, _)| !path.ends_with("LOCK")) {
            (path, self.bytes(node)).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Bytes in all files.
    pub(crate) fn used(&self) -> u64 {
        self.files().map(|(_, node)| self.bytes(node).len() as u64).sum()
    }

    fn note(&mut self, change: NameChange) {
        change.clone().apply(&mut self.names);
        self.pending.push(change);
    }

    /// Whether anything was created.
    pub(crate) fn create_dirs(&mut self, dir: &Path) -> bool {
        let missing: Vec<&Path> = dir.ancestors().filter(|dir| !self.is_there(dir)).collect();
        let any = !missing.is_empty();
        missing.into_iter().rev().for_each(|dir| self.note(NameChange::Link(dir.to_owned(), DIRECTORY)));
        any
    }

    pub(crate) fn create(&mut self, path: &Path) -> usize {
        let node = self.nodes.len();
        self.nodes.push(Node::default());
        self.note(NameChange::Link(path.to_owned(), node));
        node
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path, node: usize) {
        self.note(NameChange::Rename(from.to_owned(), to.to_owned(), node));
    }

    pub(crate) fn remove(&mut self, path: &Path) {
        self.note(NameChange::Unlink(path.to_owned()));
    }

    pub(crate) fn write(&mut self, node: usize, offset: u64, bytes: &[u8]) {
        self.nodes[node].change(ByteChange::Write(offset as usize, bytes.into()));
    }

    pub(crate) fn set_len(&mut self, node: usize, len: u64) {
        self.nodes[node].change(ByteChange::Len(len as usize));
    }

    /// Makes the newest change durable, and not those before it.
    pub(crate) fn settle(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        if let Some(change) = node.changes.pop() {
            change.apply(Arc::make_mut(&mut node.durable));
        }
    }

    /// Whether there was anything to sync.
    pub(crate) fn sync(&mut self, node: usize) -> bool {
        let node = &mut self.nodes[node];
        node.durable = Arc::clone(&node.current);
        !std::mem::take(&mut node.changes).is_empty()
    }

    /// Whether there was anything to sync.
    pub(crate) fn sync_dir(&mut self, dir: &Path) -> bool {
        let (of_dir, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending).into_iter().partition(|change| change.dir() == dir);
        self.pending = others;
        let any = !of_dir.is_empty();
        of_dir.into_iter().for_each(|change| change.apply(&mut self.durable_names));
        any
    }

    /// Puts a durable file there, in durable directories.
    pub(crate) fn put(&mut self, path: &Path, bytes: &[u8]) {
        let bytes = Arc::new(bytes.to_vec());
        let node = self.nodes.len();
        self.nodes.push(Node { current: Arc::clone(&bytes), durable: bytes, changes: Vec::new() });
        self.put_name(path, node);
        let dirs: Vec<_> = path.ancestors().skip(1).filter(|dir| dir.parent().is_some()).collect();
        dirs.into_iter().for_each(|dir| self.put_name(dir, DIRECTORY));
    }

    fn put_name(&mut self, path: &Path, node: usize) {
        self.names.insert(path.to_owned(), node);
        self.durable_names.insert(path.to_owned(), node);
    }

    /// The same, all of it durable.
    pub(crate) fn saved(&self) -> Self {
        let mut copy = self.clone();
        copy.crash(Damage { bytes: Bytes::Kept, names: Names::Kept }, &mut Chance(0));
        copy
    }

    /// The machine ends, and comes back.
    pub(crate) fn crash(&mut self, damage: Damage, chance: &mut Chance) {
        let pending = std::mem::take(&mut self.pending);
        let dirs: BTreeSet<PathBuf> = pending.iter().map(|change| change.dir().to_owned()).collect();
        for dir in dirs {
            let of_dir: Vec<_> = pending.iter().filter(|change| change.dir() == dir).collect();
            let until = chance.below(of_dir.len() as u64 + 1) as usize;
            for (at, change) in of_dir.into_iter().enumerate() {
                let is_kept = match damage.names {
                    Names::Lost => false,
                    Names::Kept | Names::Doubled => true,
                    Names::Journal => at < until,
                    Names::Reordered => chance.below(2) == 0,
                };
                if is_kept && damage.names == Names::Doubled {
                    change.clone().apply_without_removal(&mut self.durable_names);
                } else if is_kept {
                    change.clone().apply(&mut self.durable_names);
                }
            }
        }
        self.forget_what_lies_in_lost_directories();
        self.names = self.durable_names.clone();
        self.nodes.iter_mut().for_each(|node| node.crash(damage.bytes, chance));
    }

    fn forget_what_lies_in_lost_directories(&mut self) {
        let all = std::mem::take(&mut self.durable_names);
        // A directory comes before what is in it.
        for (path, node) in all {
            let parent = path.parent().unwrap();
            if parent.parent().is_none() || self.durable_names.contains_key(parent) {
                self.durable_names.insert(path, node);
            }
        }
    }
}
