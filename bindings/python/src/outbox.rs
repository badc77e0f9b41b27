//! [`Outbox`]: messages and log lines on their way to the interpreter. The driver leaves them and goes on: what does not
//! fit is dropped, which raft survives.

use std::collections::{BTreeSet, VecDeque};

use parking_lot::{Condvar, Mutex};
use raft_core::engine::event::Level;
use raft_core::raftpb::encoder::Encoder;
use raft_core::raftpb::message::Message;

const MESSAGES_MAX: usize = 4096;
const BYTES_MAX: usize = 64 << 20;
const LINES_MAX: usize = 1024;

/// What the sending thread of an engine waits for.
#[derive(Default)]
pub(crate) struct Outbox {
    state: Mutex<Batch>,
    filled: Condvar,
}

/// What has gathered since the last call.
#[derive(Default)]
pub(crate) struct Batch {
    /// Encoded messages, each with its receiver.
    pub(crate) messages: Vec<(u64, Vec<u8>)>,
    bytes: usize,
    /// Receivers of messages that were dropped.
    pub(crate) dropped: BTreeSet<u64>,
    /// Lines for the log.
    pub(crate) lines: VecDeque<(Level, String)>,
    closed: bool,
}

impl Outbox {
    /// Leaves messages.
    pub(crate) fn send(&self, messages: &[Message]) {
        let mut encoded = Vec::new();
        let mut encoder = Encoder::new(&mut encoded);
        let parts: Vec<_> = messages.iter().map(|message| (message.to, encoder.put(message))).collect();
        let mut state = self.state.lock();
        for (to, part) in parts {
            let len = part.len();
            // One message always fits into an empty outbox.
            let full = state.messages.len() >= MESSAGES_MAX || state.bytes.saturating_add(len) > BYTES_MAX;
            if state.closed || (full && !state.messages.is_empty()) {
                state.dropped.insert(to);
            } else {
                state.bytes = state.bytes.saturating_add(len);
                state.messages.push((to, encoded[part].to_vec()));
            }
        }
        self.filled.notify_one();
    }

    /// Leaves a line, in the place of the oldest one if there are too many.
    pub(crate) fn log(&self, level: Level, text: &str) {
        let mut state = self.state.lock();
        if state.lines.len() == LINES_MAX {
            state.lines.pop_front();
        }
        state.lines.push_back((level, text.to_owned()));
        self.filled.notify_one();
    }

    /// Waits for something. None: it is closed, and empty.
    pub(crate) fn take(&self) -> Option<Batch> {
        let mut state = self.state.lock();
        loop {
            if !state.messages.is_empty() || !state.lines.is_empty() || !state.dropped.is_empty() {
                let closed = state.closed;
                return Some(std::mem::replace(&mut state, Batch { closed, ..Batch::default() }));
            }
            if state.closed {
                return None;
            }
            self.filled.wait(&mut state);
        }
    }

    /// Nothing more comes.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        self.filled.notify_all();
    }
}
