//! [`Outgoing`]: a connection that is written to without ever waiting. What the network does not take at once, a thread
//! brings after.

use std::io::{ErrorKind, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What may wait for a receiver that does not read; a network loses the rest.
const WAITING_MAX: usize = 64 << 20;

pub(crate) struct Outgoing {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Default)]
struct State {
    stream: Option<TcpStream>,
    waiting: Vec<u8>,
    // The thread is at work: whatever comes has to wait behind it.
    is_behind: bool,
}

impl Outgoing {
    /// Dials in the background until somebody answers.
    pub(crate) fn new(port: u16) -> Arc<Outgoing> {
        let own = Arc::new(Outgoing { state: Mutex::default(), more: Condvar::new() });
        let thread = Arc::clone(&own);
        std::thread::spawn(move || thread.run(port));
        own
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.lock().stream.is_some()
    }

    /// Sends, or loses.
    pub(crate) fn send(&self, bytes: &[u8]) {
        let mut state = self.lock();
        if state.is_behind {
            if state.waiting.len() + bytes.len() <= WAITING_MAX {
                state.waiting.extend_from_slice(bytes);
            }
            return;
        }
        let Some(stream) = &mut state.stream else { return };
        let written = match stream.write(bytes) {
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            // Dialled anew by the thread.
            Err(_) => return self.lose(state),
        };
        if written < bytes.len() {
            state.waiting.extend_from_slice(&bytes[written..]);
            state.is_behind = true;
            drop(state);
            self.more.notify_one();
        }
    }

    fn lose(&self, mut state: MutexGuard<'_, State>) {
        state.stream = None;
        state.waiting.clear();
        drop(state);
        self.more.notify_one();
    }

    fn run(&self, port: u16) {
        let end = Instant::now() + Duration::from_secs(600);
        while Instant::now() < end {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => self.serve(stream),
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// Brings what waits, until the connection is gone.
    fn serve(&self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let _ = stream.set_nonblocking(true);
        let Ok(mut own) = stream.try_clone() else { return };
        let mut state = self.lock();
        (state.stream, state.is_behind) = (Some(stream), false);
        while state.stream.is_some() {
            if state.waiting.is_empty() {
                if state.is_behind {
                    state.is_behind = own.set_nonblocking(true).is_err();
                }
                state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let bytes = std::mem::take(&mut state.waiting);
            drop(state);
            let written = own.set_nonblocking(false).and_then(|()| own.write_all(&bytes));
            state = self.lock();
            if written.is_err() {
                state.stream = None;
            }
        }
        state.waiting.clear();
    }
}
