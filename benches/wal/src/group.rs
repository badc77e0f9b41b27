//! Several appends outstanding: a thread that owns the store takes all that wait under one sync, as the engine's does, and
//! acknowledges them in order.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use bench_harness::log::{Log as _, Times};
use raft_core::raftpb::entry::{Entries, Entry};
use raft_core::raftpb::message::HardState;

use crate::ours::Ours;

type Job = (Instant, HardState, Entries);

/// Keeps `count` appends of one entry each outstanding.
pub(crate) fn run(dir: &Path, size: usize, count: usize, wanted: Duration, direct: bool) -> Times {
    let mut log = Ours::new(dir, size, direct);
    log.warm_up();
    let (mut times, mut all) = (Vec::new(), Duration::ZERO);
    if count == 1 {
        // Nobody to share a sync with: no other thread either.
        while all < wanted {
            log.prepare(1);
            let start = Instant::now();
            log.append(true);
            times.push(start.elapsed());
            all += start.elapsed();
        }
        return (times, all);
    }
    let (jobs, waiting) = channel::<Job>();
    let (done, finished) = channel::<Instant>();
    std::thread::scope(|scope| {
        // Entries are numbered here, and the store is owned there.
        let commit = log.state().commit;
        let (mut store, mut source) = (log, Source { commit, next: commit + 1 });
        scope.spawn(move || write(&mut store, &waiting, &done));
        let begun = Instant::now();
        (0..count).for_each(|_| source.send(size, &jobs));
        while all < wanted {
            let Ok(start) = finished.recv() else { break };
            times.push(start.elapsed());
            all = begun.elapsed();
            source.send(size, &jobs);
        }
        drop(jobs);
    });
    (times, all)
}

struct Source {
    commit: u64,
    next: u64,
}

impl Source {
    fn send(&mut self, size: usize, jobs: &Sender<Job>) {
        let entry = Entry { term: 1, index: self.next, data: vec![0x5a; size].into(), ..Entry::default() };
        // What was acknowledged long ago is committed.
        let state = HardState { term: 1, vote: 1, commit: self.commit.max(self.next.saturating_sub(65)) };
        self.next += 1;
        let _ = jobs.send((Instant::now(), state, Entries::from(entry)));
    }
}

fn write(log: &mut Ours, waiting: &Receiver<Job>, done: &Sender<Instant>) {
    let mut group = Vec::new();
    while let Ok(first) = waiting.recv() {
        group.push(first);
        group.extend(waiting.try_iter());
        let last = group.len() - 1;
        for (at, (_, state, entries)) in group.iter().enumerate() {
            let outcome = if at == last {
                log.store.append(Some(state), entries, true)
            } else {
                log.store.append_later(Some(state), entries)
            };
            outcome.expect("an append");
        }
        for (start, ..) in group.drain(..) {
            let _ = done.send(start);
        }
    }
}
