//! The floor: a log on three disks without Raft. A batch is everything that was asked for while the last one was written;
//! it goes to both followers and to the own disk, and is done when two of the three have synced it. No terms, no
//! elections, no checks, no state machine: what is left is what a replicated log cannot do without.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::Fallible;
use crate::load::{self, Leader, Load, Window};

/// Already written with zeros, then written over again and again: no block is new to the file system.
const LOG_BYTES: u64 = 64 << 20;

/// Payload of one batch, about.
const BATCH_MAX: usize = 1 << 20;

/// The longest frame that is taken.
const FRAME_MAX: usize = 64 << 20;

struct Log {
    file: File,
    at: u64,
}

impl Log {
    fn create(dir: &Path) -> Fallible<Log> {
        let file = File::create(dir.join("log"))?;
        let zeros = vec![0; 1 << 20];
        for at in (0..LOG_BYTES).step_by(zeros.len()) {
            file.write_all_at(&zeros, at)?;
        }
        file.sync_all()?;
        Ok(Log { file, at: 0 })
    }

    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if self.at + bytes.len() as u64 > LOG_BYTES {
            self.at = 0;
        }
        self.file.write_all_at(bytes, self.at)?;
        self.at += bytes.len() as u64;
        self.file.sync_data()
    }
}

/// A frame: its length without these four bytes, the number of the last entry in it (8 bytes), then each entry behind
/// its length.
fn frame(last: u64, entries: &[(Bytes, Answer)]) -> Vec<u8> {
    let len: usize = 8 + entries.iter().map(|(data, _)| 4 + data.len()).sum::<usize>();
    let mut frame = Vec::with_capacity(4 + len);
    frame.extend_from_slice(&(len as u32).to_le_bytes());
    frame.extend_from_slice(&last.to_le_bytes());
    for (data, _) in entries {
        frame.extend_from_slice(&(data.len() as u32).to_le_bytes());
        frame.extend_from_slice(data);
    }
    frame
}

enum Answer {
    Number(u64),
    Waiter(Arc<Waiter>),
}

#[derive(Default)]
struct Waiter {
    is_done: Mutex<bool>,
    done: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(Bytes, Answer)>,
    // Each read asks for a round of its own batch: an empty frame, which no follower syncs.
    reads: Vec<Answer>,
    // Under way, with the number of the last one of a batch.
    sent: VecDeque<(u64, Vec<Answer>)>,
    // What each of the three has.
    has: [u64; 3],
}

struct Floor {
    state: Mutex<State>,
    more: Condvar,
    last: AtomicU64,
    window: Window,
}

impl Floor {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, entries: impl Iterator<Item = (Bytes, Answer)>) {
        self.lock().queue.extend(entries);
        self.more.notify_one();
    }

    /// One of the three has everything up to `last`.
    fn has(&self, who: usize, last: u64) {
        let mut done = Vec::new();
        let mut state = self.lock();
        state.has[who] = last;
        let mut sorted = state.has;
        sorted.sort_unstable();
        while let Some((_, answers)) = state.sent.pop_front_if(|(last, _)| *last <= sorted[1]) {
            done.extend(answers);
        }
        drop(state);
        let numbers = done.iter().filter_map(|answer| match answer {
            Answer::Number(number) => Some(*number),
            Answer::Waiter(_) => None,
        });
        if numbers.clone().next().is_some() {
            self.window.done(numbers);
        }
        for answer in &done {
            if let Answer::Waiter(waiter) = answer {
                *waiter.is_done.lock().unwrap_or_else(PoisonError::into_inner) = true;
                waiter.done.notify_one();
            }
        }
    }

    /// Takes what is asked for, sends it and writes it.
    fn lead(&self, log: &mut Log, peers: &mut [TcpStream]) -> std::io::Result<()> {
        loop {
            let mut state = self.lock();
            while state.queue.is_empty() && state.reads.is_empty() {
                state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let mut batch = Vec::new();
            let mut bytes = 0;
            while bytes < BATCH_MAX
                && let Some((data, answer)) = state.queue.pop_front()
            {
                bytes += data.len();
                batch.push((data, answer));
            }
            let count = (batch.len() as u64).max(1);
            let last = self.last.fetch_add(count, Ordering::Relaxed) + count;
            let frame = frame(last, &batch);
            let is_empty = batch.is_empty();
            let mut answers: Vec<Answer> = batch.into_iter().map(|(_, answer)| answer).collect();
            answers.append(&mut state.reads);
            state.sent.push_back((last, answers));
            drop(state);
            for peer in &mut *peers {
                peer.write_all(&frame)?;
            }
            if !is_empty {
                log.append(&frame)?;
            }
            self.has(0, last);
        }
    }
}

impl Leader for Floor {
    fn start(&self, writes: Vec<(Bytes, u64)>) -> bool {
        self.push(writes.into_iter().map(|(data, number)| (data, Answer::Number(number))));
        true
    }

    fn start_reads(&self, numbers: &[u64]) -> bool {
        self.lock().reads.extend(numbers.iter().map(|number| Answer::Number(*number)));
        self.more.notify_one();
        true
    }

    fn write(&self, data: Bytes) -> bool {
        let waiter = Arc::new(Waiter::default());
        self.push([(data, Answer::Waiter(Arc::clone(&waiter)))].into_iter());
        waiter.wait()
    }

    fn read(&self) -> bool {
        let waiter = Arc::new(Waiter::default());
        self.lock().reads.push(Answer::Waiter(Arc::clone(&waiter)));
        self.more.notify_one();
        waiter.wait()
    }
}

impl Waiter {
    fn wait(&self) -> bool {
        let is_done = self.is_done.lock().unwrap_or_else(PoisonError::into_inner);
        let patience = Duration::from_secs(30);
        let waited = self.done.wait_timeout_while(is_done, patience, |is_done| !*is_done);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Runs until the input ends. Node 1 leads.
pub(crate) fn run(id: u64, ports: &[u16], dir: &Path) -> Fallible<()> {
    let mut log = Log::create(dir)?;
    if id != 1 {
        let listener = TcpListener::bind(("127.0.0.1", ports[id as usize - 1]))?;
        println!("up");
        let stream = listener.accept()?.0;
        return Ok(follow(&mut log, stream)?);
    }
    println!("up");
    let floor = Arc::new(Floor {
        state: Mutex::default(),
        more: Condvar::new(),
        last: AtomicU64::new(0),
        window: Window::default(),
    });
    let leader: Arc<dyn Leader> = Arc::clone(&floor) as _;
    for line in std::io::stdin().lines() {
        match line?.as_str() {
            "lead" => {
                let mut peers = Vec::new();
                for (at, port) in (1..).zip(&ports[1..]) {
                    let stream = TcpStream::connect(("127.0.0.1", *port))?;
                    stream.set_nodelay(true)?;
                    let (mut answers, floor) = (stream.try_clone()?, Arc::clone(&floor));
                    std::thread::spawn(move || {
                        let mut last = [0; 8];
                        while answers.read_exact(&mut last).is_ok() {
                            floor.has(at, u64::from_le_bytes(last));
                        }
                    });
                    peers.push(stream);
                }
                let own = Arc::clone(&floor);
                let mut log = Log { file: log.file.try_clone()?, at: 0 };
                std::thread::spawn(move || {
                    if own.lead(&mut log, &mut peers).is_err() {
                        own.window.fail();
                    }
                });
                println!("leads");
            }
            line => println!("{}", load::run(&leader, &floor.window, &Load::of_line(line)?)?),
        }
    }
    Ok(())
}

/// Writes what comes, all that is there under one sync, and acknowledges it.
fn follow(log: &mut Log, mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buf = vec![0; 2 * BATCH_MAX];
    let mut filled = 0;
    loop {
        filled += match stream.read(&mut buf[filled..])? {
            0 => return Ok(()),
            n => n,
        };
        let (mut whole, mut last, mut must_sync) = (0, None, false);
        while let Some(len) = buf[whole..filled].first_chunk::<4>() {
            let len = 4 + u32::from_le_bytes(*len) as usize;
            if len > FRAME_MAX {
                return Err(std::io::ErrorKind::InvalidData.into());
            }
            if buf.len() < len {
                buf.resize(len, 0);
            }
            if filled - whole < len {
                break;
            }
            last = buf[whole + 4..].first_chunk::<8>().map(|last| u64::from_le_bytes(*last));
            must_sync |= len > 12;
            whole += len;
        }
        if must_sync {
            log.append(&buf[..whole])?;
        }
        if let Some(last) = last {
            stream.write_all(&last.to_le_bytes())?;
        }
        buf.copy_within(whole..filled, 0);
        filled -= whole;
    }
}
