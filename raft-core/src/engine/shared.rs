//! [`Shared`]: what the handle and the three threads of an engine have in common.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::calls::{Calls, Thread};
use super::event::Level;
use super::host::Host;
use super::inbox::Inbox;
use super::lock::Mutex;
use super::members::Members;
use super::metrics::{Counter, Metrics};
use super::outcome::Outcome;
use super::pending::Pending;
use super::process::Process;
use super::uptime::Uptime;
use crate::consensus::status::Status;
use crate::error::{Error, Result};

/// Shared by reference; each lock is held for a few instructions and never across a callback.
pub(super) struct Shared {
    pub(super) host: Arc<dyn Host>,
    pub(super) inbox: Inbox,
    pub(super) pending: Mutex<Pending>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) status: Mutex<Status>,
    /// The members' bytes, as of the applied index.
    pub(super) members: Mutex<Members>,
    /// The group that this node belongs to: 0, or the number of one that was made by force.
    pub(super) group: AtomicU64,
    /// How far the host's state machine is.
    pub(super) applied: AtomicU64,
    /// Where the newest snapshot stands that the log names.
    pub(super) snapshot_index: AtomicU64,
    /// Outcomes that the driver has handed to the applier and the host has not been told.
    pub(super) untold: AtomicUsize,
    /// Whether the disk has less room than is kept for the log.
    pub(super) disk_full: AtomicBool,
    /// What is held up, and by whom.
    pub(super) calls: Calls,
    /// Where the threads are.
    pub(super) process: Process,
    failure: OnceLock<Error>,
    stopping: AtomicBool,
    #[cfg(feature = "mutants")]
    planted: Option<super::mutants::Mutant>,
}

thread_local! {
    // The engine that the current thread belongs to, by the address of its `Shared`.
    static ENGINE: Cell<usize> = const { Cell::new(0) };
}

impl Shared {
    pub(super) fn new(host: Arc<dyn Host>, inbox: Inbox, status: Status, applied: u64, nonce: u64) -> Self {
        let metrics = Arc::new(Metrics::default());
        Shared {
            host,
            inbox,
            pending: Mutex::new(Pending::new(applied, nonce, Arc::clone(&metrics))),
            metrics,
            status: Mutex::new(status),
            members: Mutex::default(),
            group: AtomicU64::new(0),
            applied: AtomicU64::new(applied),
            snapshot_index: AtomicU64::new(applied),
            untold: AtomicUsize::new(0),
            disk_full: AtomicBool::new(false),
            calls: Calls::default(),
            process: Process::current(),
            failure: OnceLock::new(),
            stopping: AtomicBool::new(false),
            #[cfg(feature = "mutants")]
            planted: super::mutants::planted(),
        }
    }

    /// Makes the current thread one of this engine's own.
    pub(super) fn enter(self: &Arc<Self>, thread: Thread) {
        Calls::enter(thread);
        ENGINE.set(Arc::as_ptr(self).addr());
        #[cfg(feature = "mutants")]
        super::mutants::plant(self.planted);
    }

    /// Whether the current thread is one of this engine's own, that is: whether a callback is calling.
    pub(super) fn is_own_thread(self: &Arc<Self>) -> bool {
        ENGINE.get() == Arc::as_ptr(self).addr()
    }

    /// The outcome of a read that may see a state of at most this age, if the state machine's is known to be no older.
    pub(super) fn fresh_within(&self, age: Duration, now: Uptime) -> Option<Outcome> {
        let pending = self.pending.lock();
        let own = pending.age(now).filter(|own| *own <= age)?;
        self.metrics.add(Counter::Reads, 1);
        Some(Outcome { age: own, ..Outcome::done(pending.applied_index(), 0) })
    }

    /// The table of the members has become this one.
    pub(super) fn show_members(&self, members: &Members) {
        // One who waited to be added knows the number from its leader before.
        if members.group() != 0 {
            self.group.store(members.group(), Ordering::Release);
        }
        self.members.lock().clone_from(members);
    }

    /// Calls the host and stops a panic there.
    pub(super) fn call<T>(&self, callback: impl FnOnce(&dyn Host) -> T) -> Result<T> {
        // A thread of another engine that calls here in a callback of its own is held up there.
        let is_own = ENGINE.get() == std::ptr::from_ref(self).addr();
        let _inside = if is_own { self.calls.host() } else { None };
        guarded(|| callback(self.host.as_ref()))
    }

    /// Hands a line to the host's log, with the node that says it and its term.
    pub(super) fn log(&self, level: Level, text: &str) {
        let (node, term) = {
            let status = self.status.lock();
            (status.id, status.hard_state.term)
        };
        let line = format!("node={node} term={term} msg={text:?}");
        // Nobody is left to be told that the log itself fails.
        let _ = self.call(|host| host.log(level, &line));
    }

    /// The engine ends because of `error`; the first one stands.
    pub(super) fn fail(&self, error: Error) {
        if self.failure.set(error.clone()).is_ok() {
            self.log(Level::Error, &error.to_string());
        }
        self.inbox.close(error);
    }

    /// Why the engine ended, if not because it was told to.
    pub(super) fn failure(&self) -> Option<&Error> {
        self.failure.get()
    }

    /// The engine is told to end.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.inbox.close(Error::Stopped);
    }

    /// Whether what is not begun should be left alone.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire) || self.failure.get().is_some()
    }
}

/// Calls `body` and turns a panic in it into an error.
pub(super) fn guarded<T>(body: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| {
        let text = panic_text(payload.as_ref());
        // What was thrown may panic again when it is dropped.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
        Error::Panic(text)
    })
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "no text".to_owned(),
    }
}
