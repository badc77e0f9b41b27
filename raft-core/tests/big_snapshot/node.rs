//! A process that runs one node. Its state is a number, from which it can make as many bytes as are wanted.

use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use bytes::Bytes;
use raft_core::engine::code::Code;
use raft_core::engine::event::Event;
use raft_core::engine::host::{Applied, Host, SnapshotRead};
use raft_core::engine::node::Engine;
use raft_core::engine::options::Options;
use raft_core::raftpb::conf_change::{ConfChangeSingle, ConfChangeType, ConfChangeV2};
use raft_core::raftpb::message::Message;

use crate::PATIENCE;
use crate::link::{Frame, read_frame, write_frame};

/// What the environment of such a process names.
pub(crate) const ID: &str = "BIG_SNAPSHOT_NODE";
pub(crate) const ADDRESS: &str = "BIG_SNAPSHOT_ADDRESS";
pub(crate) const DIR: &str = "BIG_SNAPSHOT_DIR";

const BLOCK: usize = 64 << 10;

/// The most memory that this process has ever had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

struct Machine {
    len: u64,
    seed: AtomicU64,
    before: AtomicU64,
    out: Sender<Frame>,
}

impl Machine {
    /// Says that something is done, and by how much the peak of memory has grown since the beginning.
    fn report(&self, what: &str) {
        let grown = peak() - self.before.load(Ordering::SeqCst);
        self.out.send(Frame::Word(format!("{what} {grown}"))).unwrap();
    }

    /// The bytes of the state, block by block.
    fn blocks(&self, seed: u64, mut each: impl FnMut(&[u8]) -> Result<(), i32>) -> Result<(), i32> {
        let (mut block, mut word, mut left) = (vec![0; BLOCK], seed, self.len);
        while left > 0 {
            for chunk in block.chunks_exact_mut(8) {
                word ^= word << 13;
                word ^= word >> 7;
                word ^= word << 17;
                chunk.copy_from_slice(&word.to_le_bytes());
            }
            let len = left.min(BLOCK as u64);
            each(&block[..len as usize])?;
            left -= len;
        }
        Ok(())
    }
}

impl Host for Machine {
    fn send(&self, messages: &[Message]) {
        for message in messages {
            let _ = self.out.send(Frame::Message(message.to_vec()));
        }
    }

    fn apply(&self, entries: &[Applied<'_>]) -> Result<(), i32> {
        for applied in entries {
            if let Ok(seed) = applied.context.try_into() {
                self.seed.store(u64::from_le_bytes(seed), Ordering::SeqCst);
            }
        }
        Ok(())
    }

    fn snapshot_save(&self, writer: &mut dyn Write) -> Result<(), i32> {
        let seed = self.seed.load(Ordering::SeqCst);
        writer.write_all(&seed.to_le_bytes()).map_err(|_| 1)?;
        self.blocks(seed, |block| writer.write_all(block).map_err(|_| 2))
    }

    fn snapshot_restore(&self, reader: &mut dyn SnapshotRead) -> Result<(), i32> {
        let mut seed = [0; 8];
        reader.read_exact(&mut seed).map_err(|_| 3)?;
        let seed = u64::from_le_bytes(seed);
        let mut read = vec![0; BLOCK];
        self.blocks(seed, |block| {
            let read = &mut read[..block.len()];
            reader.read_exact(read).map_err(|_| 4)?;
            if read == block { Ok(()) } else { Err(5) }
        })?;
        self.seed.store(seed, Ordering::SeqCst);
        self.report("restored");
        Ok(())
    }

    fn event(&self, event: &Event) {
        if let Event::Failed { error } = event {
            panic!("{error}");
        }
    }
}

fn options(id: u64) -> Options {
    let mut options = Options::new(id);
    options.tick_interval = Duration::from_millis(20);
    options.segment_bytes = 1 << 20;
    options.snapshot_entries = 0;
    options.snapshot_trailing = 0;
    options.voters = if id == 1 { vec![1] } else { Vec::new() };
    options
}

/// Runs node `id`, whose state makes `bytes` bytes, until it is told to end.
pub(crate) fn run(id: u64, bytes: u64) {
    let mut input = TcpStream::connect(std::env::var(ADDRESS).unwrap()).unwrap();
    input.set_nodelay(true).unwrap();
    let mut output = input.try_clone().unwrap();
    let (out, frames) = channel();
    std::thread::spawn(move || frames.iter().try_for_each(|frame: Frame| write_frame(&mut output, &frame)));
    let machine =
        Arc::new(Machine { len: bytes, seed: AtomicU64::new(0), before: AtomicU64::new(peak()), out });
    machine.report("open");
    let dir = PathBuf::from(std::env::var(DIR).unwrap());
    let engine = Arc::new(Engine::open(options(id), &dir, Arc::clone(&machine) as _).unwrap());
    while let Some(frame) = read_frame(&mut input) {
        match frame {
            Frame::Message(bytes) => {
                let _ = engine.step(Message::decode(Bytes::from(bytes)).unwrap());
            }
            Frame::Word(word) if word == "end" => break,
            Frame::Word(word) => {
                let (engine, machine) = (Arc::clone(&engine), Arc::clone(&machine));
                std::thread::spawn(move || obey(&word, &engine, &machine));
            }
        }
    }
    engine.stop(PATIENCE).unwrap();
}

fn obey(word: &str, engine: &Engine, machine: &Machine) {
    if word == "save" {
        let state = Bytes::copy_from_slice(&0x5eed_0f57_a7e5_u64.to_le_bytes());
        // It leads as soon as it has voted for itself.
        while !engine.propose_wait(state.clone(), PATIENCE).is_ok_and(|outcome| outcome.code == Code::Ok) {
            std::thread::sleep(Duration::from_millis(5));
        }
        engine.snapshot(1).unwrap();
        while engine.status().snapshot_index < 2 {
            std::thread::sleep(Duration::from_millis(1));
        }
    } else {
        let learner = ConfChangeSingle::new(ConfChangeType::AddLearnerNode, 2);
        let outcome = engine.change_wait(ConfChangeV2::new(vec![learner]), PATIENCE).unwrap();
        assert_eq!(outcome.code, Code::Ok);
        let applied = |engine: &Engine| engine.status().status.applied;
        let matched = |engine: &Engine| {
            let progress = engine.status().status.progress;
            progress.iter().find(|(id, _)| *id == 2).map_or(0, |(_, progress)| progress.matched)
        };
        while matched(engine) < applied(engine) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    machine.report(word);
}
