//! [`Place`]: where in a directory the log and the snapshots lie.

use std::fs;
use std::path::{Path, PathBuf};

use raft_core::disk::os::{OsVolume, is_locked};
use raft_core::disk::volume::Volume;

use crate::output::{Outcome, refuse};

/// The directories of a node.
pub(crate) struct Place {
    /// What holds the two, as a store lays them out; none for a bare directory of segments.
    pub(crate) node: Option<PathBuf>,
    pub(crate) wal: PathBuf,
    pub(crate) snap: Option<PathBuf>,
}

impl Place {
    /// Finds them in what the user has named.
    pub(crate) fn find(dir: &Path) -> Outcome<Place> {
        if let Err(error) = fs::read_dir(dir) {
            return refuse(format!("{}: {error}", dir.display()));
        }
        for node in [dir.to_owned(), dir.join("member")] {
            let (wal, snap) = (node.join("wal"), node.join("snap"));
            if wal.is_dir() && !has_segments(&wal) {
                return refuse(format!("{}: there is no segment of a log in it", wal.display()));
            }
            if wal.is_dir() {
                return Ok(Place { node: Some(node), wal, snap: snap.is_dir().then_some(snap) });
            }
        }
        if has_segments(dir) {
            return Ok(Place::around(dir));
        }
        refuse(format!("{}: there is no log in it, and no directory wal or member/wal", dir.display()))
    }

    /// That of the node whose segments these are, or of nobody.
    fn around(segments: &Path) -> Place {
        // What has no name of its own, like `.`, does not tell what it lies in.
        let named = segments.file_name().is_none().then(|| fs::canonicalize(segments).ok()).flatten();
        let wal = named.unwrap_or_else(|| segments.to_owned());
        let node = wal.parent().filter(|_| wal.file_name() == Some("wal".as_ref())).map(Path::to_owned);
        let snap = node.as_ref().map(|node| node.join("snap")).filter(|snap| snap.is_dir());
        Place { node: node.filter(|_| snap.is_some()), wal, snap }
    }

    /// Whether a node has it open just now. What cannot be found out is no.
    pub(crate) fn is_in_use(&self) -> bool {
        let Some(node) = &self.node else { return false };
        is_locked(&node.join("LOCK")).unwrap_or(false)
    }

    /// Bytes of all files that a look at everything reads.
    pub(crate) fn size(&self) -> u64 {
        let dirs = [Some(&self.wal), self.snap.as_ref()];
        let files = dirs.into_iter().flatten().filter_map(|dir| fs::read_dir(dir).ok()).flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
    }
}

fn has_segments(dir: &Path) -> bool {
    let names = OsVolume.list(dir).unwrap_or_default();
    names.iter().any(|name| name.ends_with(".wal"))
}
