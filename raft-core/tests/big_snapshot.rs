//! A long snapshot between two processes: taken, sent, interrupted, resumed, restored, started from again, and neither
//! side keeps more than a small part of it in memory.
//!
//! `BYTES=n` says how long it is: 64 MiB by itself, and 2 GiB in `make soak-snapshot`. The processes are this program
//! again; what they say to each other goes through the first one, which can hold it up.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "big_snapshot/link.rs"]
mod link;
#[path = "big_snapshot/node.rs"]
mod node;

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use link::{Frame, read_frame, write_frame};

const MIB: u64 = 1 << 20;
/// Far more than any step takes, because the machine may be busy with other things.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long nothing passes, in the middle of the transfer: several times what a sender waits before it sends again.
const INTERRUPTION: Duration = Duration::from_secs(1);
/// Frames longer than this are pieces of the snapshot.
const PIECE_MIN: usize = 10_000;

/// The way between the two nodes.
#[derive(Default)]
struct Way {
    is_held_up: AtomicBool,
    pieces: AtomicU64,
    piece_bytes: AtomicU64,
    streams: Mutex<[Option<TcpStream>; 2]>,
}

/// A process that runs a node, and what it reports.
struct Process {
    id: u64,
    child: Child,
    reports: Receiver<String>,
    way: Arc<Way>,
}

impl Process {
    fn start(id: u64, dir: &Path, bytes: u64, listener: &TcpListener, way: &Arc<Way>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(node::ID, id.to_string()).env("BYTES", bytes.to_string());
        command.env(node::ADDRESS, listener.local_addr().unwrap().to_string()).env(node::DIR, dir);
        let child = command.spawn().unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        way.streams.lock().unwrap()[id as usize - 1] = Some(stream.try_clone().unwrap());
        let (report, reports) = channel();
        std::thread::spawn({
            let way = Arc::clone(way);
            move || way.carry(id, stream, &report)
        });
        let process = Process { id, child, reports, way: Arc::clone(way) };
        process.expect("open");
        process
    }

    /// Tells it to do something, and waits until that is done; says how many seconds it took, and its peak of memory
    /// since it began, beyond what it had before.
    fn run(&self, command: &str) -> (f64, u64) {
        let began = Instant::now();
        self.way.tell(self.id, &Frame::Word(command.to_owned()));
        (began.elapsed().as_secs_f64(), self.expect(command))
    }

    fn expect(&self, what: &str) -> u64 {
        let report = self.reports.recv_timeout(PATIENCE);
        let report = report.unwrap_or_else(|_| panic!("node {} does not come to {what}", self.id));
        let (word, grown) = report.split_once(' ').unwrap();
        assert_eq!(word, what, "node {}", self.id);
        grown.parse().unwrap()
    }

    fn end(mut self) {
        self.way.tell(self.id, &Frame::Word("end".to_owned()));
        assert!(self.child.wait().unwrap().success(), "node {}", self.id);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Way {
    /// Brings what node `from` sends to the other, and its reports to this process.
    fn carry(&self, from: u64, mut stream: TcpStream, report: &Sender<String>) {
        while let Some(frame) = read_frame(&mut stream) {
            match frame {
                Frame::Word(text) => drop(report.send(text)),
                Frame::Message(_) if self.is_held_up.load(Ordering::SeqCst) => {}
                Frame::Message(bytes) => {
                    if bytes.len() > PIECE_MIN {
                        self.pieces.fetch_add(1, Ordering::SeqCst);
                        self.piece_bytes.fetch_add(bytes.len() as u64, Ordering::SeqCst);
                    }
                    self.tell(3 - from, &Frame::Message(bytes));
                }
            }
        }
    }

    fn tell(&self, to: u64, frame: &Frame) {
        // Whoever is not there misses it.
        if let Some(stream) = &mut self.streams.lock().unwrap()[to as usize - 1] {
            let _ = write_frame(stream, frame);
        }
    }

    fn wait_for_bytes(&self, bytes: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.piece_bytes.load(Ordering::SeqCst) < bytes {
            assert!(Instant::now() < deadline, "the transfer does not come to {bytes} bytes");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn rate(bytes: u64, seconds: f64) -> u64 {
    (bytes as f64 / 1e6 / seconds) as u64
}

/// The whole story.
fn transfer(bytes: u64) {
    // A quarter of a short one, and no more than 64 MiB of any.
    let allowed = (bytes / 4).min(64 * MIB);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let way = Arc::new(Way::default());
    let leader = Process::start(1, &dir.path().join("1"), bytes, &listener, &way);
    let began = Instant::now();
    let (_, saving) = leader.run("save");
    let saved = began.elapsed().as_secs_f64();
    println!("saved    {bytes} bytes, {} MB/s, {} KiB more memory", rate(bytes, saved), saving >> 10);

    let follower = Process::start(2, &dir.path().join("2"), bytes, &listener, &way);
    let began = Instant::now();
    way.tell(1, &Frame::Word("add".to_owned()));
    way.wait_for_bytes(bytes / 2);
    way.is_held_up.store(true, Ordering::SeqCst);
    let held_at = way.piece_bytes.load(Ordering::SeqCst);
    std::thread::sleep(INTERRUPTION);
    assert_eq!(way.piece_bytes.load(Ordering::SeqCst), held_at, "the interruption holds nothing up");
    way.is_held_up.store(false, Ordering::SeqCst);
    let receiving = follower.expect("restored");
    let sent = began.elapsed().saturating_sub(INTERRUPTION).as_secs_f64();
    let sending = leader.expect("add");
    let carried = way.piece_bytes.load(Ordering::SeqCst);
    println!(
        "sent     {carried} bytes in {} pieces, interrupted for {INTERRUPTION:?}, verified and restored, {} MB/s, \
         {} KiB more memory at the sender, {} KiB at the receiver",
        way.pieces.load(Ordering::SeqCst),
        rate(bytes, sent),
        sending >> 10,
        receiving >> 10
    );
    // What was on its way is sent again, a window or two of it, and not all from the beginning.
    assert!(carried < bytes + bytes / 4, "{carried} bytes were sent for {bytes}");

    follower.end();
    let began = Instant::now();
    let follower = Process::start(2, &dir.path().join("2"), bytes, &listener, &way);
    let restarting = follower.expect("restored");
    let restarted = began.elapsed().as_secs_f64();
    println!("restart  {} MB/s, {} KiB more memory", rate(bytes, restarted), restarting >> 10);
    follower.end();
    leader.end();
    for (what, grown) in
        [("saving", saving), ("sending", sending), ("receiving", receiving), ("restart", restarting)]
    {
        assert!(grown < allowed, "{what} took {grown} bytes of memory more, {allowed} are allowed");
    }
}

fn main() {
    let bytes = std::env::var("BYTES").map_or(64 * MIB, |text| text.parse().unwrap());
    if let Ok(id) = std::env::var(node::ID) {
        return node::run(id.parse().unwrap(), bytes);
    }
    // Without a harness the filter is this program's to heed.
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    if filter.is_none_or(|filter| "big_snapshot".contains(&filter)) {
        transfer(bytes);
    }
}
