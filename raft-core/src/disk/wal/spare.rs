//! [`Spare`]: the next segment, made ready by a thread of its own before it is needed, which also removes what is not
//! needed any more.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::segment;
use crate::disk::room::Room;
use crate::disk::volume::{File, Volume};
use crate::error::Result;

/// It works for half of the time at the most, so that the log's own writes find the disk free: after each piece it pauses
/// as long as that took, but no longer than this.
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// What the thread is asked for.
enum Request {
    Prepare,
    /// These files of this directory: to free the blocks of a large one takes the system longer than many writes.
    Remove(PathBuf, Vec<String>),
    /// To say so when all before is done.
    Settle(Sender<()>),
}

/// One file of zeros at a time, waiting under a name of its own for [`Spare::take`].
///
/// A failure to prepare one is not the store's failure: there is then no spare, and the writer prepares a segment
/// itself, where an error counts. Nor is one to remove a file, which the next open finds. Dropping it ends the thread and
/// removes the spare.
pub(super) struct Spare {
    volume: Arc<dyn Volume>,
    path: PathBuf,
    requests: Option<Sender<Request>>,
    // Empty while one is being prepared; None says that it failed.
    ready: Receiver<Option<Box<dyn File>>>,
    // Whether the thread has something to prepare, or its outcome waits.
    is_asked: bool,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Spare {
    /// Starts preparing `path` with `len` zeros; none if there is no thread to be had.
    pub(super) fn start(volume: Arc<dyn Volume>, room: Room, path: &Path, len: u64) -> Option<Spare> {
        let (requests, requested) = unbounded();
        let (hand_over, ready) = bounded(1);
        let stop = Arc::new(AtomicBool::new(false));
        let work = {
            let (volume, path, stop) = (Arc::clone(&volume), path.to_owned(), Arc::clone(&stop));
            move || {
                for request in requested {
                    match request {
                        // Fails only when nobody is left to take it.
                        Request::Prepare => {
                            let _ = hand_over.send(prepare(&*volume, &room, &path, len, &stop));
                        }
                        Request::Remove(dir, names) => {
                            let _ = remove(&*volume, &dir, &names);
                        }
                        Request::Settle(done) => {
                            let _ = done.send(());
                        }
                    }
                }
            }
        };
        let thread = thread::Builder::new().name("rft-segment".into()).spawn(work).ok()?;
        let path = path.to_owned();
        let (requests, thread) = (Some(requests), Some(thread));
        let mut spare = Spare { volume, path, requests, ready, is_asked: false, stop, thread };
        spare.request();
        Some(spare)
    }

    /// Where the spare lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Hands it over, if it is ready. The caller renames it, then asks for the next with [`Spare::request`].
    pub(super) fn take(&mut self) -> Option<Box<dyn File>> {
        let outcome = self.ready.try_recv().ok()?;
        self.is_asked = false;
        outcome
    }

    /// Has the next one prepared, unless one is already. One that was taken must have been renamed: all have the same
    /// name. After a failure this is what tries again.
    pub(super) fn request(&mut self) {
        if !self.is_asked {
            self.is_asked = self.ask(Request::Prepare);
        }
    }

    /// Has files removed, in this order.
    pub(super) fn remove(&self, dir: &Path, names: Vec<String>) {
        self.ask(Request::Remove(dir.to_owned(), names));
    }

    /// Waits until the thread has done all that it was asked for.
    pub(super) fn settle(&self) {
        let (done, settled) = bounded(1);
        if self.ask(Request::Settle(done)) {
            // Fails when the thread is gone: then there is nothing to wait for.
            let _ = settled.recv();
        }
    }

    fn ask(&self, request: Request) -> bool {
        self.requests.as_ref().is_some_and(|requests| requests.send(request).is_ok())
    }
}

fn prepare(
    volume: &dyn Volume,
    room: &Room,
    path: &Path,
    len: u64,
    stop: &AtomicBool,
) -> Option<Box<dyn File>> {
    // On a full disk the log needs the room.
    room.check_spare(len).ok()?;
    let mut begun = Instant::now();
    let stopped = || {
        thread::sleep(begun.elapsed().min(PAUSE_MAX));
        begun = Instant::now();
        stop.load(Ordering::Relaxed)
    };
    let file = segment::prepare(volume, path, len, stopped).ok().flatten();
    if file.is_none() {
        // A leftover is removed by the next open.
        let _ = volume.remove(path);
    }
    file
}

/// Removes these files of `dir`, in this order and none behind one that cannot be removed: of the segments an unbroken row
/// is to be left. One may be gone already, if it was asked for twice.
pub(super) fn remove(volume: &dyn Volume, dir: &Path, names: &[String]) -> Result<()> {
    for path in names.iter().map(|name| dir.join(name)) {
        if volume.exists(&path)? {
            volume.remove(&path)?;
        }
    }
    volume.sync_dir(dir)
}

impl Drop for Spare {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic in there has nothing left to harm.
            let _ = thread.join();
        }
        // A leftover is removed by the next open.
        let _ = self.volume.remove(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::disk::os::OsVolume;

    fn start(dir: &Path, len: u64) -> Spare {
        let volume: Arc<dyn Volume> = Arc::new(OsVolume);
        let room = Room::new(Arc::clone(&volume), dir, 0);
        Spare::start(volume, room, &dir.join("spare.tmp"), len).unwrap()
    }

    #[test]
    fn a_spare_is_all_zeros_and_is_removed_with_its_thread() {
        let dir = tempfile::tempdir().unwrap();
        // Neither a whole piece nor a whole block at the end.
        let len = (1 << 20) + 5000;
        let mut spare = start(dir.path(), len);
        spare.settle();
        let mut content = vec![9; len as usize + 1];
        assert_eq!(spare.take().unwrap().read_at(&mut content, 0).unwrap() as u64, len);
        assert!(content[..len as usize].iter().all(|byte| *byte == 0));
        drop(spare);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn nothing_is_removed_behind_what_cannot_be() {
        let dir = tempfile::tempdir().unwrap();
        let spare = start(dir.path(), 10);
        let path = |name| dir.path().join(name);
        for name in ["a", "c", "e"] {
            fs::write(path(name), name).unwrap();
        }
        fs::create_dir(path("d")).unwrap();
        spare.remove(dir.path(), ["a", "gone", "c", "d", "e"].map(str::to_owned).to_vec());
        spare.settle();
        assert_eq!(["a", "c", "d", "e"].map(|name| path(name).exists()), [false, false, true, true]);
    }
}
