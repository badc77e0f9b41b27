//! [`Load`]: what a leader is asked to do, and the two ways of asking.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::Fallible;
use crate::latency::Latencies;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// One generator with many writes outstanding.
    Window,
    /// Blocked threads that write.
    Threads,
    /// One generator with many linearizable reads outstanding.
    ReadWindow,
    /// Blocked threads that read.
    ReadThreads,
}

impl Work {
    const NAMES: [(&'static str, Work); 4] = [
        ("win", Work::Window),
        ("thr", Work::Threads),
        ("read-win", Work::ReadWindow),
        ("read-thr", Work::ReadThreads),
    ];

    pub(crate) fn named(name: &str) -> Fallible<Work> {
        let found = Work::NAMES.iter().find(|(own, _)| *own == name);
        Ok(found.ok_or_else(|| format!("no work is called {name}"))?.1)
    }

    fn name(self) -> &'static str {
        Work::NAMES.iter().find(|(_, own)| *own == self).map_or("", |(name, _)| name)
    }

    fn is_read(self) -> bool {
        matches!(self, Work::ReadWindow | Work::ReadThreads)
    }
}

#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) work: Work,
    pub(crate) outstanding: usize,
    pub(crate) bytes: usize,
    pub(crate) time: Duration,
}

impl Load {
    pub(crate) fn to_line(&self) -> String {
        let Load { work, outstanding, bytes, time } = self;
        format!("load {} {outstanding} {bytes} {}", work.name(), time.as_secs_f64())
    }

    pub(crate) fn of_line(line: &str) -> Fallible<Load> {
        let words: Vec<&str> = line.split(' ').collect();
        let ["load", work, outstanding, bytes, seconds] = words[..] else {
            return Err(format!("not understood: {line}").into());
        };
        Ok(Load {
            work: Work::named(work)?,
            outstanding: outstanding.parse()?,
            bytes: bytes.parse()?,
            time: Duration::from_secs_f64(seconds.parse()?),
        })
    }

    pub(crate) fn is_read(&self) -> bool {
        self.work.is_read()
    }

    pub(crate) fn shortened(&self) -> Load {
        Load { time: self.time.min(Duration::from_millis(300)), ..self.clone() }
    }
}

/// What can be loaded. Both contestants have the same two doors: a call that takes many and answers later in batches, and
/// one that blocks.
pub(crate) trait Leader: Send + Sync + 'static {
    /// Starts these, each under its number; [`Window::done`] is told of each once.
    fn start(&self, writes: Vec<(Bytes, u64)>) -> bool;
    /// Starts reads under these numbers.
    fn start_reads(&self, numbers: &[u64]) -> bool;
    /// One write; whether it is done.
    fn write(&self, data: Bytes) -> bool;
    /// One read; whether it is done.
    fn read(&self) -> bool;
}

/// Where the answers to what was started arrive.
#[derive(Default)]
pub(crate) struct Window {
    done: Mutex<Vec<u64>>,
    more: Condvar,
    failed: AtomicBool,
}

impl Window {
    pub(crate) fn done(&self, numbers: impl Iterator<Item = u64>) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.extend(numbers);
        drop(done);
        self.more.notify_one();
    }

    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Release);
        self.more.notify_one();
    }

    fn take(&self, into: &mut Vec<u64>) -> bool {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = |done: &mut Vec<u64>| done.is_empty() && !self.failed.load(Ordering::Acquire);
        let patience = Duration::from_secs(10);
        let waited = self.more.wait_timeout_while(done, patience, waits);
        let mut done = waited.unwrap_or_else(PoisonError::into_inner).0;
        std::mem::swap(&mut *done, into);
        !into.is_empty() && !self.failed.load(Ordering::Acquire)
    }
}

/// Does the load; `OPS "value": ...`.
pub(crate) fn run(leader: &Arc<dyn Leader>, window: &Window, load: &Load) -> Fallible<String> {
    let begun = Instant::now();
    let latencies = match load.work {
        Work::Window | Work::ReadWindow => run_window(leader.as_ref(), window, load)?,
        Work::Threads | Work::ReadThreads => run_threads(leader, load)?,
    };
    let ops = latencies.count();
    let value = ops as f64 / begun.elapsed().as_secs_f64();
    let (p50, p99) = (latencies.percentile_us(50), latencies.percentile_us(99));
    let mb_s = if load.work.is_read() { 0.0 } else { value * load.bytes as f64 / 1e6 };
    Ok(format!(
        "{ops} \"value\": {value:.1}, \"p50_us\": {p50:.1}, \"p99_us\": {p99:.1}, \"mb_s\": {mb_s:.1}"
    ))
}

fn run_window(leader: &dyn Leader, window: &Window, load: &Load) -> Fallible<Latencies> {
    let payload = Bytes::from(vec![7; load.bytes]);
    let mut latencies = Latencies::default();
    let end = Instant::now() + load.time;
    // Numbers are places in the table of starts, plus one: 0 would want no answer.
    let mut since = vec![Instant::now(); load.outstanding];
    let mut free: Vec<u64> = (1..=load.outstanding as u64).collect();
    let mut under_way = 0;
    loop {
        let now = Instant::now();
        if now < end {
            free.iter().for_each(|number| since[*number as usize - 1] = now);
            under_way += free.len();
            let taken = match load.work.is_read() {
                true => leader.start_reads(&free),
                false => leader.start(free.iter().map(|number| (payload.clone(), *number)).collect()),
            };
            if !taken {
                return Err("a request was refused".into());
            }
        }
        if under_way == 0 {
            return Ok(latencies);
        }
        free.clear();
        if !window.take(&mut free) {
            return Err("a request failed".into());
        }
        let now = Instant::now();
        free.iter().for_each(|number| latencies.add(now - since[*number as usize - 1]));
        under_way -= free.len();
    }
}

fn run_threads(leader: &Arc<dyn Leader>, load: &Load) -> Fallible<Latencies> {
    let end = Instant::now() + load.time;
    let failed = AtomicU64::new(0);
    let payload = Bytes::from(vec![7; load.bytes]);
    let all = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..load.outstanding)
            .map(|_| {
                scope.spawn(|| {
                    let mut latencies = Latencies::default();
                    let mut now = Instant::now();
                    while now < end {
                        let is_done =
                            if load.work.is_read() { leader.read() } else { leader.write(payload.clone()) };
                        if !is_done {
                            failed.fetch_add(1, Ordering::Relaxed);
                            break;
                        }
                        let then = Instant::now();
                        latencies.add(then - now);
                        now = then;
                    }
                    latencies
                })
            })
            .collect();
        let mut all = Latencies::default();
        for thread in threads {
            match thread.join() {
                Ok(latencies) => all.merge(&latencies),
                Err(_) => _ = failed.fetch_add(1, Ordering::Relaxed),
            }
        }
        all
    });
    match failed.into_inner() {
        0 => Ok(all),
        n => Err(format!("{n} threads failed").into()),
    }
}
