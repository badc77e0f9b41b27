//! [`Spare`]: the next segment, made ready by a thread of its own before it is needed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::segment;
use crate::disk::room::Room;
use crate::disk::volume::{File, Volume};

/// One file of zeros at a time, waiting under a name of its own for [`Spare::take`].
///
/// A failure to prepare one is not the store's failure: there is then no spare, and the writer prepares a segment
/// itself, where an error counts. Dropping it ends the thread and removes the file.
pub(super) struct Spare {
    volume: Arc<dyn Volume>,
    path: PathBuf,
    requests: Option<Sender<()>>,
    // Empty while one is being prepared; None says that it failed.
    ready: Receiver<Option<Box<dyn File>>>,
    // Whether the thread has something to do, or its outcome waits.
    is_asked: bool,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Spare {
    /// Starts preparing `path` with `len` zeros; none if there is no thread to be had.
    pub(super) fn start(volume: Arc<dyn Volume>, room: Room, path: &Path, len: u64) -> Option<Spare> {
        let (requests, requested) = bounded::<()>(1);
        let (hand_over, ready) = bounded(1);
        let stop = Arc::new(AtomicBool::new(false));
        let prepare = {
            let (volume, path, stop) = (Arc::clone(&volume), path.to_owned(), Arc::clone(&stop));
            move || {
                for () in requested {
                    let stopped = || stop.load(Ordering::Relaxed);
                    let prepare = || segment::prepare(&*volume, &path, len, stopped);
                    let is_there_room = room.check_spare(len).is_ok();
                    let file = is_there_room.then(prepare).and_then(|file| file.ok().flatten());
                    if is_there_room && file.is_none() {
                        // On a full disk the log needs the room. A leftover is removed by the next open.
                        let _ = volume.remove(&path);
                    }
                    // Fails only when nobody is left to take it.
                    let _ = hand_over.send(file);
                }
            }
        };
        let thread = thread::Builder::new().name("rft-segment".into()).spawn(prepare).ok()?;
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
        if let Some(requests) = &self.requests
            && !self.is_asked
        {
            self.is_asked = requests.try_send(()).is_ok();
        }
    }
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
