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

/// It works for half of the time at the most, so that the log's own writes find the disk free: after each piece it pauses
/// as long as that took, but no longer than this.
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// What the thread is asked for.
enum Request {
    Prepare,
    /// These files of this directory: to free the blocks of a large one takes the system longer than many writes.
    Remove(PathBuf, Vec<String>),
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
                        Request::Remove(dir, names) => remove(&*volume, &dir, &names),
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

fn remove(volume: &dyn Volume, dir: &Path, names: &[String]) {
    for name in names {
        let _ = volume.remove(&dir.join(name));
    }
    let _ = volume.sync_dir(dir);
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

    #[test]
    fn a_spare_is_all_zeros_and_what_was_to_be_removed_is_gone_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spare.tmp");
        // Neither a whole piece nor a whole block at the end.
        let len = (1 << 20) + 5000;
        let volume: Arc<dyn Volume> = Arc::new(OsVolume);
        let room = Room::new(Arc::clone(&volume), dir.path(), 0);
        let mut spare = Spare::start(volume, room, &path, len).unwrap();
        let file = std::iter::repeat_with(|| spare.take()).find_map(|file| {
            thread::yield_now();
            file
        });
        let mut content = vec![9; len as usize + 1];
        assert_eq!(file.unwrap().read_at(&mut content, 0).unwrap() as u64, len);
        assert!(content[..len as usize].iter().all(|byte| *byte == 0));
        let names = ["a", "missing", "b"].map(str::to_owned);
        names.iter().filter(|name| name.len() == 1).for_each(|name| {
            fs::write(dir.path().join(name), name).unwrap();
        });
        spare.remove(dir.path(), names.to_vec());
        drop(spare);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
