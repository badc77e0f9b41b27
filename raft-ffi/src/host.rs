//! The host: what an engine needs of your program.
//!
//! The callbacks of one engine come from four threads of its own, named below. None of them is called while
//! another one of the same thread is at work. Inside of a callback every call on the engine is allowed but those that
//! wait, which return RFT_E_REENTRANT. A callback must return and must not throw: a C++ exception or a longjmp that
//! leaves it is undefined behaviour. What a callback gets is borrowed until it returns.

use std::ffi::{c_char, c_void};

use crate::data::{rft_entry_t, rft_message_t};
use crate::snapshot::{rft_snapshot_reader_t, rft_snapshot_writer_t};
use crate::status::rft_status_t;

/// What became of a request.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rft_outcome_t {
    /// The number the host gave it; 0 for a call that waits.
    pub request: u64,
    /// RFT_OK: applied, or readable, or saved. Else why not; the code tells whether a proposal certainly was not
    /// applied.
    pub status: rft_status_t,
    /// Of a read that is RFT_OK: how old the state may be that it sees, in milliseconds; 0 for a linearizable one.
    pub age_ms: u32,
    /// With RFT_OK: the entry of a proposal or change, what a read sees at the least, what a snapshot covers. What was
    /// forwarded is applied at the leader, and at this node once its status tells this index.
    pub index: u64,
    /// With RFT_OK: the term of that entry; 0 for a read.
    pub term: u64,
    /// With RFT_E_NOT_LEADER, and where leadership was to be handed over: the leader; 0 is unknown.
    pub leader: u64,
    /// With RFT_OK: what `apply` said with rft_answer_set. NULL when it said nothing. Of a membership change that was
    /// refused: why, as a sentence in UTF-8.
    pub answer: *const u8,
    /// Its bytes.
    pub answer_len: usize,
}

/// What an event tells. Pass over a number you do not know.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rft_event_kind {
    /// Role, term or known leader changed: `role`, `term`, `leader`.
    RFT_EVENT_ROLE = 1,
    /// A membership change was applied: `index`. rft_engine_members tells the members.
    RFT_EVENT_MEMBERSHIP = 2,
    /// A snapshot of the state machine is durable: `index`, `term`, `bytes`.
    RFT_EVENT_SNAPSHOT_SAVED = 3,
    /// The state machine was replaced by a leader's snapshot: `index`, `term`, `bytes`.
    RFT_EVENT_SNAPSHOT_RESTORED = 4,
    /// The engine has stopped for good: `status`, `text`. rft_engine_status still works.
    RFT_EVENT_FAILED = 5,
    /// The engine came up from its directory, with the snapshot at `index`: `text` tells, a sentence a line, what was
    /// mended.
    RFT_EVENT_RECOVERED = 6,
    /// The disk has less room than RFT_CONFIG_DISK_RESERVE_BYTES: `bytes` are left.
    RFT_EVENT_DISK_FULL = 7,
    /// The disk has room again: `bytes` are left.
    RFT_EVENT_DISK_HAS_ROOM = 8,
    /// The disk has lost what this node had acknowledged, up to `index` at the most (UINT64_MAX if nobody can tell),
    /// now or before an earlier start; `text` tells the places found now, a sentence a line. The node neither votes nor
    /// leads until RFT_EVENT_REFILLED.
    RFT_EVENT_DAMAGED = 9,
    /// This node holds again all that its disk had lost; its log ends at `index`.
    RFT_EVENT_REFILLED = 10,
    /// Nothing of the engine ran for `millis`, more than half an election timeout: the process was stopped, the machine
    /// slept, or `send` held it up. A lease has ended, and the ticks that were missed are not made up for.
    RFT_EVENT_PAUSED = 11,
    /// The disk has been at one write to the log for `millis`, more than half an election timeout, and more than half
    /// a second. An engine that leads hands over, and steps down where nobody takes it within as long again.
    RFT_EVENT_DISK_STALLED = 12,
    /// The disk has finished that write, after `millis`.
    RFT_EVENT_DISK_MOVES = 13,
}

/// Something that happened. What its kind does not name is 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rft_event_t {
    /// One of the RFT_EVENT_ constants.
    pub kind: i32,
    /// One of the RFT_ROLE_ constants.
    pub role: i32,
    /// A term.
    pub term: u64,
    /// The leader; 0 is none.
    pub leader: u64,
    /// An entry.
    pub index: u64,
    /// The length of a snapshot, or what is left of the disk.
    pub bytes: u64,
    /// Why the engine stopped.
    pub status: rft_status_t,
    /// 0.
    pub reserved0: u32,
    /// UTF-8, ends with NUL; NULL when there is none.
    pub text: *const c_char,
    /// Its bytes, without the NUL.
    pub text_len: usize,
    /// How long something took, in milliseconds.
    pub millis: u64,
    /// 0.
    pub reserved: [u64; 1],
}

/// How much a log line matters.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rft_log_level {
    /// The engine cannot go on.
    RFT_LOG_ERROR = 1,
    /// Something is not as it should be.
    RFT_LOG_WARN = 2,
    /// Seldom, and good to know.
    RFT_LOG_INFO = 3,
    /// For those who look for a fault.
    RFT_LOG_DEBUG = 4,
    /// A step of consensus, where RFT_CONFIG_TRACE asks for it. On the driver thread, the first one on that which opens.
    RFT_LOG_TRACE = 5,
}

/// The host's side of an engine. Borrowed for rft_engine_open, which copies it. Set all of it to 0 first: a callback
/// that is NULL is not called.
///
/// `user_data` belongs to the engine from the call of rft_engine_open on, also when that fails, until `drop`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rft_host_t {
    /// sizeof(rft_host_t): tells the library how much of it this host knows.
    pub size: usize,
    /// The first argument of every callback.
    pub user_data: *mut c_void,
    /// Frees user_data: exactly once, after the last callback, also when rft_engine_open fails. On the thread that frees
    /// the engine, or on the engine's last one.
    pub drop: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
    /// Brings messages to their receivers' rft_engine_step. Driver thread: must not block, because heartbeats wait
    /// behind it. May lose messages. NULL: all are lost, which a cluster of one node does not notice.
    pub send: Option<unsafe extern "C" fn(user_data: *mut c_void, messages: *const rft_message_t, n: usize)>,
    /// Applies entries to the state machine, in order, each exactly once between two restores. An entry without payload
    /// is left out. Applier thread: may take its time. Anything but RFT_OK stops the engine with RFT_E_HOST. Never
    /// NULL.
    pub apply: Option<
        unsafe extern "C" fn(user_data: *mut c_void, entries: *const rft_entry_t, n: usize) -> rft_status_t,
    >,
    /// Writes the state machine, as of the last apply, with rft_snapshot_write. Applier thread: applying waits, nothing
    /// else does. Anything but RFT_OK: no snapshot this time. NULL only together with snapshot_restore, and with
    /// RFT_CONFIG_SNAPSHOT_ENTRIES and RFT_CONFIG_SNAPSHOT_BYTES 0.
    pub snapshot_save: Option<
        unsafe extern "C" fn(user_data: *mut c_void, writer: *mut rft_snapshot_writer_t) -> rft_status_t,
    >,
    /// Replaces the whole state machine with what rft_snapshot_read gives. Applier thread, and during rft_engine_open
    /// the thread that opens. Anything but RFT_OK stops the engine with RFT_E_HOST.
    pub snapshot_restore: Option<
        unsafe extern "C" fn(user_data: *mut c_void, reader: *mut rft_snapshot_reader_t) -> rft_status_t,
    >,
    /// Tells what became of requests, each exactly once, after the apply that decided it. Applier thread. NULL when
    /// only calls that wait are used.
    pub outcome:
        Option<unsafe extern "C" fn(user_data: *mut c_void, outcomes: *const rft_outcome_t, n: usize)>,
    /// Tells what happened. Applier thread. May be NULL.
    pub event: Option<unsafe extern "C" fn(user_data: *mut c_void, event: *const rft_event_t)>,
    /// A line for the log: one of the RFT_LOG_ constants, and `len` bytes of UTF-8 that end with NUL, in the form
    /// node=1 term=7 msg="a sentence", with backslashes before quotes and the like; of RFT_LOG_TRACE, JSON. Any thread of the engine, also two
    /// at once: must not block. May be NULL.
    pub log:
        Option<unsafe extern "C" fn(user_data: *mut c_void, level: i32, text: *const c_char, len: usize)>,
    /// Hands out the state machine as of the last apply, as a copy or as a view that later applies do not touch: `*view`,
    /// anything but NULL, which is the engine's until snapshot_view_drop. Applying goes on while it is written. Applier
    /// thread: should be quick. RFT_OK with `*view` left NULL has snapshot_save called instead; anything else: no
    /// snapshot this time. NULL: snapshot_save is called always. Needs the two that follow, and snapshot_save.
    pub snapshot_view:
        Option<unsafe extern "C" fn(user_data: *mut c_void, view: *mut *mut c_void) -> rft_status_t>,
    /// Writes a view, as snapshot_save would have written the state machine. Saver thread, one at a time: may take its
    /// time. When the engine is told to stop, rft_snapshot_write fails, and this should return.
    pub snapshot_view_save: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            view: *mut c_void,
            writer: *mut rft_snapshot_writer_t,
        ) -> rft_status_t,
    >,
    /// Frees a view: exactly once, behind its snapshot_view_save. Saver thread; applier thread where that was not called.
    pub snapshot_view_drop: Option<unsafe extern "C" fn(user_data: *mut c_void, view: *mut c_void)>,
}
