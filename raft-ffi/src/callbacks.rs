//! The host's callbacks as the engine's [`Host`].

use std::ffi::{CString, c_void};
use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;
use std::{mem, ptr};

use raft_core::engine::event::{Event, Level};
use raft_core::engine::host::{Applied, Host, SnapshotRead, SnapshotView};
use raft_core::engine::outcome::Outcome;
use raft_core::error::Error;
use raft_core::raftpb::entry::EntryType;
use raft_core::raftpb::message::Message;

use crate::boundary::{Checked, Failure, Handle};
use crate::data::{rft_entry_t, rft_entry_type};
use crate::host::{rft_event_kind, rft_event_t, rft_host_t, rft_log_level, rft_outcome_t};
use crate::membership;
use crate::outgoing::Outgoing;
use crate::payload::pointer;
use crate::snapshot::{Reader, Writer, rft_snapshot_writer_t};
use crate::status::rft_status;

/// The program behind an `rft_host_t`. Dropping it calls the host's `drop`.
pub(crate) struct Callbacks {
    host: rft_host_t,
    // Each is used by one thread, so that nobody ever waits for these locks.
    outgoing: Mutex<Outgoing>,
    entries: Mutex<Vec<rft_entry_t>>,
    outcomes: Mutex<Vec<rft_outcome_t>>,
}

// SAFETY: the header tells on which threads the callbacks are called, and that user_data goes with them; the arrays
// point to what is only borrowed while they are filled.
unsafe impl Send for Callbacks {}
// SAFETY: as above.
unsafe impl Sync for Callbacks {}

impl Drop for Callbacks {
    fn drop(&mut self) {
        if let Some(drop) = self.host.drop {
            // SAFETY: nobody else has this host any more, so this is the one call.
            unsafe { drop(self.host.user_data) };
        }
    }
}

impl Callbacks {
    /// Copies as much of the host as it says there is. From here on `drop` is owed.
    ///
    /// # Safety
    /// `host` is NULL or points to as many bytes as its field `size` says.
    pub(crate) unsafe fn new(host: *const rft_host_t) -> Checked<Self> {
        if host.is_null() || !host.is_aligned() {
            return Err(Failure::invalid("the host is NULL or misaligned"));
        }
        // SAFETY: the host has at least its size; the field is the first.
        let size = unsafe { (*host).size };
        // A host of the first version ends behind `log`; an older or smaller one there is not.
        if size < mem::offset_of!(rft_host_t, outcome) {
            return Err(Failure::invalid(format!(
                "rft_host_t has size {size}: set it to sizeof(rft_host_t)"
            )));
        }
        let mut copy = mem::MaybeUninit::<rft_host_t>::zeroed();
        let len = size.min(size_of::<rft_host_t>());
        // SAFETY: `len` bytes are there on both sides.
        unsafe { ptr::copy_nonoverlapping(host.cast::<u8>(), copy.as_mut_ptr().cast::<u8>(), len) };
        // SAFETY: zeros are a valid host without callbacks, and the host's own bytes are one with some.
        let mut host = unsafe { copy.assume_init() };
        // Of a callback that lies only in part within the size, nothing is known.
        if size < mem::offset_of!(rft_host_t, event) {
            host.outcome = None;
        }
        if size < mem::offset_of!(rft_host_t, log) {
            host.event = None;
        }
        if size < mem::offset_of!(rft_host_t, snapshot_view) {
            host.log = None;
        }
        // The three for views are of use together only.
        if size < size_of::<rft_host_t>() {
            (host.snapshot_view, host.snapshot_view_save, host.snapshot_view_drop) = (None, None, None);
        }
        Ok(Callbacks {
            host,
            outgoing: Mutex::default(),
            entries: Mutex::default(),
            outcomes: Mutex::default(),
        })
    }

    /// Whether the callbacks that have to be there are.
    pub(crate) fn check(&self, takes_snapshots: bool) -> Checked<()> {
        let host = &self.host;
        if host.apply.is_none() {
            return Err(Failure::invalid("the host has no apply"));
        }
        if host.snapshot_save.is_some() != host.snapshot_restore.is_some() {
            return Err(Failure::invalid("the host has one of snapshot_save and snapshot_restore, not both"));
        }
        let view = [
            host.snapshot_view.is_some(),
            host.snapshot_view_save.is_some(),
            host.snapshot_view_drop.is_some(),
        ];
        if view.contains(&true) && (view.contains(&false) || host.snapshot_save.is_none()) {
            let text = "the host has some of snapshot_view, snapshot_view_save and snapshot_view_drop, not all, or \
                        no snapshot_save beside them";
            return Err(Failure::invalid(text));
        }
        if takes_snapshots && host.snapshot_save.is_none() {
            let text = "the host has no snapshot_save, and RFT_CONFIG_SNAPSHOT_ENTRIES or \
                        RFT_CONFIG_SNAPSHOT_BYTES is not 0";
            return Err(Failure::invalid(text));
        }
        Ok(())
    }
}

/// Runs `body` with an array that is reused, and empties it.
fn with<T, R>(array: &Mutex<Vec<T>>, body: impl FnOnce(&mut Vec<T>) -> R) -> R {
    let mut array = array.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    array.clear();
    let result = body(&mut array);
    array.clear();
    result
}

/// What a callback answered.
fn answered(status: i32) -> Result<(), i32> {
    if status == rft_status::RFT_OK.code() { Ok(()) } else { Err(status) }
}

impl Host for Callbacks {
    fn send(&self, messages: &[Message]) {
        let Some(send) = self.host.send else { return };
        let mut outgoing = self.outgoing.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        outgoing.fill(messages.iter());
        // SAFETY: the header's contract of the callback; the batch lives until it returns.
        unsafe { send(self.host.user_data, pointer(outgoing.messages()), outgoing.messages().len()) };
        outgoing.clear();
    }

    fn apply(&self, entries: &[Applied<'_>]) -> Result<(), i32> {
        let Some(apply) = self.host.apply else { return Err(rft_status::RFT_E_HOST.code()) };
        with(&self.entries, |array| {
            array.extend(entries.iter().map(entry_of));
            // SAFETY: the header's contract of the callback; the entries live until it returns.
            answered(unsafe { apply(self.host.user_data, pointer(array), array.len()) })
        })
    }

    fn snapshot_save(&self, stream: &mut dyn Write) -> Result<(), i32> {
        let Some(save) = self.host.snapshot_save else { return Err(rft_status::RFT_E_HOST.code()) };
        let mut failure = None;
        let writer = Writer { stream, failure: &mut failure };
        // SAFETY: the header's contract of the callback; the writer lives until it returns.
        let status = Handle::lend(writer, |writer| unsafe { save(self.host.user_data, writer) });
        first(failure, status)
    }

    fn snapshot_view(&self) -> Result<Option<Box<dyn SnapshotView>>, i32> {
        let rft_host_t { user_data, snapshot_view, snapshot_view_save, snapshot_view_drop, .. } = self.host;
        let (Some(take), Some(save), Some(drop)) = (snapshot_view, snapshot_view_save, snapshot_view_drop)
        else {
            return Ok(None);
        };
        let mut view = ptr::null_mut();
        // SAFETY: the header's contract of the callback; the place lives until it returns.
        let status = unsafe { take(user_data, &raw mut view) };
        let view = (!view.is_null()).then(|| View { user_data, view, save, drop });
        answered(status)?;
        Ok(view.map(|view| Box::new(view) as _))
    }

    fn snapshot_restore(&self, stream: &mut dyn SnapshotRead) -> Result<(), i32> {
        let Some(restore) = self.host.snapshot_restore else { return Err(rft_status::RFT_E_HOST.code()) };
        let mut failure = None;
        let reader = Reader { stream, failure: &mut failure };
        // SAFETY: the header's contract of the callback; the reader lives until it returns.
        let status = Handle::lend(reader, |reader| unsafe { restore(self.host.user_data, reader) });
        first(failure, status)
    }

    fn outcome(&self, outcomes: &[Outcome]) {
        let Some(outcome) = self.host.outcome else { return };
        with(&self.outcomes, |array| {
            array.extend(outcomes.iter().map(outcome_of));
            // SAFETY: the header's contract of the callback; the outcomes live until it returns.
            unsafe { outcome(self.host.user_data, pointer(array), array.len()) };
        });
    }

    fn event(&self, event: &Event) {
        let Some(tell) = self.host.event else { return };
        let (mut out, text) = event_of(event);
        if let Some(text) = &text {
            out.text = text.as_ptr();
            out.text_len = text.as_bytes().len();
        }
        // SAFETY: the header's contract of the callback; event and text live until it returns.
        unsafe { tell(self.host.user_data, &raw const out) };
    }

    fn log(&self, level: Level, text: &str) {
        let Some(log) = self.host.log else { return };
        let level = match level {
            Level::Error => rft_log_level::RFT_LOG_ERROR,
            Level::Warn => rft_log_level::RFT_LOG_WARN,
            Level::Info => rft_log_level::RFT_LOG_INFO,
            Level::Debug => rft_log_level::RFT_LOG_DEBUG,
            Level::Trace => rft_log_level::RFT_LOG_TRACE,
        };
        let text = c_text(text);
        // SAFETY: the header's contract of the callback; the text lives until it returns.
        unsafe { log(self.host.user_data, level as i32, text.as_ptr(), text.as_bytes().len()) };
    }
}

/// A state machine that the host has handed out. The engine lets it go before the host.
struct View {
    user_data: *mut c_void,
    view: *mut c_void,
    save: unsafe extern "C" fn(*mut c_void, *mut c_void, *mut rft_snapshot_writer_t) -> i32,
    drop: unsafe extern "C" fn(*mut c_void, *mut c_void),
}

// SAFETY: the header tells that views go to the saver thread.
unsafe impl Send for View {}

impl SnapshotView for View {
    fn save(&mut self, stream: &mut dyn Write) -> Result<(), i32> {
        let mut failure = None;
        let writer = Writer { stream, failure: &mut failure };
        // SAFETY: the header's contract of the callback; the view and the writer live until it returns.
        let status = Handle::lend(writer, |writer| unsafe { (self.save)(self.user_data, self.view, writer) });
        first(failure, status)
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: nobody else has this view, so this is the one call.
        unsafe { (self.drop)(self.user_data, self.view) };
    }
}

/// A stream that failed is a failure, whatever the callback made of it.
fn first(failure: Option<Error>, status: i32) -> Result<(), i32> {
    match failure {
        Some(error) => Err(rft_status::from(&error).code()),
        None => answered(status),
    }
}

fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "?")).unwrap_or_default()
}

fn entry_of(applied: &Applied<'_>) -> rft_entry_t {
    let kind = match applied.entry.entry_type {
        EntryType::Normal => rft_entry_type::RFT_ENTRY_NORMAL,
        EntryType::ConfChange | EntryType::ConfChangeV2 => rft_entry_type::RFT_ENTRY_CONF_CHANGE,
    };
    rft_entry_t {
        index: applied.entry.index,
        term: applied.entry.term,
        request: applied.request,
        data: pointer(applied.context),
        len: applied.context.len(),
        r#type: kind as i32,
        reserved: 0,
        answer: ptr::from_ref(applied.slot).cast_mut().cast(),
    }
}

/// The header's form of an outcome, pointing at its answer.
pub(crate) fn outcome_of(outcome: &Outcome) -> rft_outcome_t {
    rft_outcome_t {
        request: outcome.request,
        status: rft_status::from(outcome.code).code(),
        age_ms: u32::try_from(outcome.age.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX),
        index: outcome.index,
        term: outcome.term,
        leader: outcome.leader,
        answer: pointer(&outcome.answer),
        answer_len: outcome.answer.len(),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// An event of no kind.
fn no_event() -> rft_event_t {
    rft_event_t {
        kind: 0,
        role: 0,
        term: 0,
        leader: 0,
        index: 0,
        bytes: 0,
        status: rft_status::RFT_OK.code(),
        reserved0: 0,
        text: ptr::null(),
        text_len: 0,
        millis: 0,
        reserved: [0; 1],
    }
}

fn event_of(event: &Event) -> (rft_event_t, Option<CString>) {
    let mut out = no_event();
    let mut text = None;
    let kind = match event {
        Event::Role { role, term, leader } => {
            (out.role, out.term, out.leader) = (membership::role(*role), *term, *leader);
            rft_event_kind::RFT_EVENT_ROLE
        }
        Event::Membership { index, conf_state: _ } => {
            out.index = *index;
            rft_event_kind::RFT_EVENT_MEMBERSHIP
        }
        Event::SnapshotSaved { index, term, bytes } => {
            (out.index, out.term, out.bytes) = (*index, *term, *bytes);
            rft_event_kind::RFT_EVENT_SNAPSHOT_SAVED
        }
        Event::SnapshotRestored { index, term, bytes } => {
            (out.index, out.term, out.bytes) = (*index, *term, *bytes);
            rft_event_kind::RFT_EVENT_SNAPSHOT_RESTORED
        }
        Event::DiskFull { free } => {
            out.bytes = *free;
            rft_event_kind::RFT_EVENT_DISK_FULL
        }
        Event::DiskHasRoom { free } => {
            out.bytes = *free;
            rft_event_kind::RFT_EVENT_DISK_HAS_ROOM
        }
        Event::Failed { error } => {
            out.status = rft_status::from(error).code();
            text = Some(c_text(&error.to_string()));
            rft_event_kind::RFT_EVENT_FAILED
        }
        Event::Damaged { first_lost: _, last_lost, damages } => {
            out.index = *last_lost;
            text = (!damages.is_empty()).then(|| c_text(&damages.join("\n")));
            rft_event_kind::RFT_EVENT_DAMAGED
        }
        Event::Paused { time } => {
            out.millis = milliseconds(*time);
            rft_event_kind::RFT_EVENT_PAUSED
        }
        Event::DiskStalled { time } => {
            out.millis = milliseconds(*time);
            rft_event_kind::RFT_EVENT_DISK_STALLED
        }
        Event::DiskMoves { time } => {
            out.millis = milliseconds(*time);
            rft_event_kind::RFT_EVENT_DISK_MOVES
        }
        Event::Refilled { last_index } => {
            out.index = *last_index;
            rft_event_kind::RFT_EVENT_REFILLED
        }
        Event::Recovered { index, last_index: _, notes } => {
            out.index = *index;
            text = (!notes.is_empty()).then(|| c_text(&notes.join("\n")));
            rft_event_kind::RFT_EVENT_RECOVERED
        }
    };
    out.kind = kind as i32;
    (out, text)
}
