//! [`Saver`]: writes the state machine to a snapshot file, on the applier thread or beside it.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Builder;

use crossbeam_channel::Sender;

use super::calls::Thread;
use super::code::failed;
use super::event::Level;
use super::host::SnapshotView;
use super::mutants::{Mutant, is_planted};
use super::replicated::{self, Replicated};
use super::session::table::Sessions;
use super::shared::Shared;
use super::work::{Completion, Saved};
use crate::disk::snap::dir::SnapDir;
use crate::error::{Error, Result};
use crate::raftpb::message::SnapshotMetadata;

/// Who holds one is a thread of the engine that is waited for when it stops.
pub(super) type Alive = Sender<()>;

/// Takes snapshots, one at a time: the driver asks for the next one when it has heard of the last.
#[derive(Clone)]
pub(super) struct Saver {
    shared: Arc<Shared>,
    pub(super) snapshots: SnapDir,
    /// Where the newest snapshot stands; 0 if its file cannot be read, so that it is written once more.
    pub(super) saved_index: Arc<AtomicU64>,
    _alive: Alive,
}

impl Saver {
    /// For a state machine whose newest snapshot stands at `saved_index`.
    pub(super) fn new(shared: Arc<Shared>, snapshots: SnapDir, saved_index: u64, alive: Alive) -> Self {
        let saved_index = Arc::new(AtomicU64::new(saved_index));
        Saver { shared, snapshots, saved_index, _alive: alive }
    }

    /// The state machine is what the snapshot at `index` holds.
    pub(super) fn is_saved(&self, index: u64) {
        self.saved_index.fetch_max(index, Ordering::AcqRel);
    }

    /// Takes a snapshot of the state machine, which is at `at`. That it fails is no reason to stop, because the log still
    /// has everything; a panic is, and a disk that failed.
    pub(super) fn save(&self, at: &SnapshotMetadata, own: &Replicated) -> Result<()> {
        if at.index == self.saved_index.load(Ordering::Acquire) {
            self.shared.inbox.complete(Completion::Saved(Ok(None)));
            return Ok(());
        }
        match self.shared.call(|host| host.snapshot_view())? {
            Err(code) => self.ended(Err(failed("snapshot_view")(code))),
            Ok(None) => {
                let body = |writer: &mut dyn Write| {
                    self.shared.host.snapshot_save(writer).map_err(failed("snapshot_save"))
                };
                let result = self.shared.call(|_| self.write(at, own, body))?;
                self.ended(result)
            }
            Ok(Some(view)) => self.save_beside(view, at.clone(), own.clone()),
        }
    }

    /// Writes a view on a thread of its own, while the applier goes on.
    fn save_beside(
        &self,
        mut view: Box<dyn SnapshotView>,
        at: SnapshotMetadata,
        own: Replicated,
    ) -> Result<()> {
        let saver = self.clone();
        let body = move || {
            saver.shared.enter(Thread::Saver);
            let write = |writer: &mut dyn Write| view.save(writer).map_err(failed("snapshot_view_save"));
            let result = saver.shared.call(|_| saver.write(&at, &own, write));
            // The host's own code, which may panic as well.
            let dropped = saver.shared.call(|_| drop(view));
            if let Err(error) = result.and_then(|result| dropped.and_then(|()| saver.ended(result))) {
                saver.shared.fail(error.clone());
                saver.shared.inbox.complete(Completion::Failed(error));
            }
        };
        match Builder::new().name("rft-saver".to_owned()).spawn(body) {
            // It is waited for by what it holds of `alive`.
            Ok(_) => Ok(()),
            Err(error) => {
                self.shared.log(Level::Error, &format!("a thread cannot be had: {error}"));
                self.ended(Err(Error::SnapshotTemporarilyUnavailable))
            }
        }
    }

    fn write(
        &self,
        at: &SnapshotMetadata,
        own: &Replicated,
        body: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<Saved> {
        let mut file = self.snapshots.create(at.clone())?;
        let forgetful;
        let own = if is_planted(Mutant::ForgetSessionInSnapshot) {
            forgetful = Replicated { sessions: Sessions::default(), ..own.clone() };
            &forgetful
        } else {
            own
        };
        let mut writer = replicated::Writer::new(&mut file, own);
        let result = body(&mut Stoppable { inner: &mut writer, shared: &self.shared });
        // A failure stays with the file, which tells it now.
        let _ = writer.finish();
        if self.shared.is_stopping() {
            return Err(Error::Stopped);
        }
        if let Err(error) = result {
            // A host that gave up because the disk did has nothing to add.
            return Err(file.failure().cloned().unwrap_or(error));
        }
        let info = file.finish()?;
        Ok(Saved { metadata: info.metadata, bytes: info.data_len })
    }

    fn ended(&self, result: Result<Saved>) -> Result<()> {
        match &result {
            Ok(saved) => self.is_saved(saved.metadata.index),
            Err(error) if error.is_failed_write() => return Err(error.clone()),
            // Nobody waits for it any more.
            Err(Error::Stopped) => {}
            Err(error) => self.shared.log(Level::Error, &format!("no snapshot: {error}")),
        }
        self.shared.inbox.complete(Completion::Saved(result.map(Some)));
        Ok(())
    }
}

/// Ends a long snapshot when the engine is told to stop.
struct Stoppable<'a> {
    inner: &'a mut dyn Write,
    shared: &'a Shared,
}

impl Write for Stoppable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.shared.is_stopping() {
            return Err(io::Error::other(Error::Stopped));
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
