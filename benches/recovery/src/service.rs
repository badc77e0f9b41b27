//! A node alone that was killed: how long it takes from the start of its process until it has applied a new proposal, and
//! with it all of its log.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bench_harness::memory;
use bytes::Bytes;
use raft_core::engine::code::Code;
use raft_core::engine::node::Engine;
use raft_core::error::Error;

use crate::machine::{Machine, options};
use crate::{PATIENCE, folder, lead, wait_until};

/// What the two processes of a measurement are told to do.
pub const FILL: &str = "fill";
pub const SERVE: &str = "serve";

const BATCH: u64 = 64;
/// Batches on their way at a time.
const AHEAD: u64 = 16;

pub fn measure(size: u64, mib: u64) {
    let folder = folder();
    let dir = folder.path().join("node").display().to_string();
    drop(Node::start(&[FILL, &dir, &size.to_string(), &mib.to_string()]));
    let begun = Instant::now();
    let again = Node::start(&[SERVE, &dir]);
    let (ms, log) = (begun.elapsed().as_secs_f64() * 1e3, (mib << 20) as f64 / 1e3);
    assert!(again.applied > (mib << 20) / size, "{} of the log are applied", again.applied);
    println!("{{\"value\": {ms:.2}, \"mb_s\": {:.1}, \"rss_kib\": {}}}", log / ms, again.peak);
}

/// A process of this program that has said it is ready. It is killed in the end.
struct Node {
    process: Child,
    applied: u64,
    peak: u64,
}

impl Node {
    fn start(words: &[&str]) -> Self {
        let program = std::env::current_exe().expect("a path to this program");
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("a process");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let mut node = Node { process, applied: 0, peak: 0 };
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [applied, peak] = numbers[..] else { panic!("{words:?} said {line:?}") };
        (node.applied, node.peak) = (applied, peak);
        node
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Fills a log, says so, and waits to be killed.
pub fn fill(dir: &Path, size: u64, mib: u64) {
    let machine = Machine::new(0);
    let engine = Engine::open(options(1, &[1]), dir, machine.clone()).expect("an engine");
    lead(&engine);
    let (total, payload) = ((mib << 20) / size, Bytes::from(vec![0x5a; size as usize]));
    let mut sent = 0;
    while sent < total {
        // Each batch asks for the outcome of its last one, whose number is how many there are up to it.
        let count = BATCH.min(total - sent);
        let request = |at: u64| if at + 1 == count { sent + count } else { 0 };
        match engine.propose((0..count).map(|at| (payload.clone(), request(at))).collect()) {
            Ok(()) => sent += count,
            Err(Error::Busy) => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => panic!("{error}"),
        }
        let floor = sent.saturating_sub(BATCH * AHEAD);
        wait_until("a batch", || machine.decided.load(Ordering::Acquire) >= floor);
    }
    wait_until("the last batch", || machine.decided.load(Ordering::Acquire) == total);
    ready(&machine);
}

/// Opens the directory again, and has one more proposal applied.
pub fn serve(dir: &Path) {
    let machine = Machine::new(0);
    let engine = Engine::open(options(1, &[1]), dir, machine.clone()).expect("an engine");
    lead(&engine);
    let outcome = engine.propose_wait(Bytes::from_static(b"first"), PATIENCE).expect("a proposal");
    assert_eq!(outcome.code, Code::Ok);
    ready(&machine);
}

fn ready(machine: &Machine) {
    println!("{} {}", machine.applied.load(Ordering::Acquire), memory::status("VmHWM"));
    // Until it is killed, or whoever started it has ended.
    let _ = std::io::stdin().read(&mut [0]);
}
