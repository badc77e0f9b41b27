//! A node of the library's engine, with a plain transport: each message behind its length.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use raft_core::consensus::config::ReadOnlyOption;
use raft_core::consensus::status::RoleKind;
use raft_core::engine::code::Code;
use raft_core::engine::host::{Applied, Host, SnapshotRead, SnapshotView};
use raft_core::engine::node::Engine;
use raft_core::engine::options::Options;
use raft_core::engine::outcome::Outcome;
use raft_core::raftpb::message::Message;

use crate::Fallible;
use crate::failover;
use crate::load::{self, Leader, Load, Window};
use crate::outgoing::Outgoing;

/// How long any one thing may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Entries between two snapshots.
const SNAPSHOT_ENTRIES: u64 = 100_000;

/// What is read at once.
const READ_BYTES: usize = 1 << 20;

/// The longest message that is taken.
const MESSAGE_MAX: usize = 64 << 20;

/// The program around the engine. Its state machine counts bytes.
#[derive(Default)]
struct Machine {
    peers: OnceLock<Vec<(u64, Arc<Outgoing>)>>,
    window: Window,
    bytes: Mutex<u64>,
}

impl Host for Machine {
    fn send(&self, messages: &[Message]) {
        for (id, peer) in self.peers.get().into_iter().flatten() {
            let own = || messages.iter().filter(|message| message.to == *id);
            let room: usize = own().map(|message| 4 + message.encoded_bound()).sum();
            let mut buf = Vec::with_capacity(room);
            for message in own() {
                let begin = buf.len();
                buf.extend_from_slice(&[0; 4]);
                message.encode(&mut buf);
                let len = (buf.len() - begin - 4) as u32;
                buf[begin..begin + 4].copy_from_slice(&len.to_le_bytes());
            }
            if !buf.is_empty() {
                peer.send(&buf);
            }
        }
    }

    fn apply(&self, entries: &[Applied<'_>]) -> Result<(), i32> {
        let bytes: u64 = entries.iter().map(|applied| applied.context.len() as u64).sum();
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) += bytes;
        Ok(())
    }

    fn snapshot_save(&self, writer: &mut dyn std::io::Write) -> Result<(), i32> {
        let bytes = *self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(&bytes.to_le_bytes()).map_err(|_| 1)
    }

    // The applier goes on while the copy is written.
    fn snapshot_view(&self) -> Result<Option<Box<dyn SnapshotView>>, i32> {
        let bytes = *self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Some(Box::new(Copied(bytes))))
    }

    fn snapshot_restore(&self, reader: &mut dyn SnapshotRead) -> Result<(), i32> {
        let mut bytes = [0; 8];
        reader.read_exact(&mut bytes).map_err(|_| 1)?;
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) = u64::from_le_bytes(bytes);
        Ok(())
    }

    fn outcome(&self, outcomes: &[Outcome]) {
        if outcomes.iter().any(|outcome| outcome.code != Code::Ok) {
            self.window.fail();
        }
        self.window.done(outcomes.iter().map(|outcome| outcome.request));
    }
}

/// The state machine as it was.
struct Copied(u64);

impl SnapshotView for Copied {
    fn save(&mut self, writer: &mut dyn std::io::Write) -> Result<(), i32> {
        writer.write_all(&self.0.to_le_bytes()).map_err(|_| 1)
    }
}

struct Own(Arc<Engine>);

impl Leader for Own {
    fn start(&self, writes: Vec<(Bytes, u64)>) -> bool {
        self.0.propose(writes).is_ok()
    }

    fn start_reads(&self, numbers: &[u64]) -> bool {
        numbers.iter().all(|number| self.0.read(*number).is_ok())
    }

    fn write(&self, data: Bytes) -> bool {
        self.0.propose_wait(data, PATIENCE).is_ok_and(|outcome| outcome.code == Code::Ok)
    }

    fn read(&self) -> bool {
        self.0.read_wait(PATIENCE).is_ok_and(|outcome| outcome.code == Code::Ok)
    }
}

/// Runs until the input ends.
pub(crate) fn run(id: u64, ports: &[u16], dir: &Path, reads_by_lease: bool) -> Fallible<()> {
    let mut options = Options::new(id);
    options.voters = (1..=ports.len() as u64).collect();
    options.wait_for_room = true;
    // As often as etcd by default, before 3.6: at several hundred thousand entries a second, the engine's own default
    // would be forty times a second.
    options.snapshot_entries = SNAPSHOT_ENTRIES;
    if reads_by_lease {
        options.consensus.read_only = ReadOnlyOption::LeaseBased;
    }
    let machine = Arc::new(Machine::default());
    let listener = TcpListener::bind(("127.0.0.1", ports[id as usize - 1]))?;
    let engine = Arc::new(Engine::open(options, dir, Arc::clone(&machine) as _)?);
    let accepts = Arc::clone(&engine);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let engine = Arc::clone(&accepts);
            std::thread::spawn(move || receive(&engine, stream));
        }
    });
    let others = (1..).zip(ports).filter(|(other, _)| *other != id);
    let peers: Vec<_> = others.map(|(other, port)| (other, Outgoing::new(*port))).collect();
    let end = Instant::now() + PATIENCE;
    while !peers.iter().all(|(_, peer)| peer.is_connected()) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = machine.peers.set(peers);
    println!("up");
    let leader: Arc<dyn Leader> = Arc::new(Own(Arc::clone(&engine)));
    for line in std::io::stdin().lines() {
        match line?.as_str() {
            "lead" => {
                lead(&engine)?;
                println!("leads");
            }
            "probe" => failover::probe(&engine),
            line => println!("{}", load::run(&leader, &machine.window, &Load::of_line(line)?)?),
        }
    }
    Ok(())
}

/// Campaigns until it leads and the others have its log.
fn lead(engine: &Engine) -> Fallible<()> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let status = engine.status().status;
        let is_followed = status.progress.iter().all(|(_, of)| of.matched == status.last_index);
        match status.role {
            RoleKind::Leader if is_followed => return Ok(()),
            RoleKind::Leader => {}
            _ => engine.campaign()?,
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err("it never led".into())
}

/// Steps what comes, until the connection ends. What is read is copied once, message by message: the entries of a
/// message share its copy, and nothing else keeps it.
fn receive(engine: &Engine, mut stream: TcpStream) {
    let mut buf = vec![0; READ_BYTES];
    let mut filled = 0;
    loop {
        filled += match stream.read(&mut buf[filled..]) {
            Ok(0) | Err(_) => return,
            Ok(n) => n,
        };
        let mut whole = 0;
        while let Some(len) = buf[whole..filled].first_chunk::<4>() {
            let end = whole + 4 + u32::from_le_bytes(*len) as usize;
            if end - whole > MESSAGE_MAX {
                return;
            }
            if end > filled {
                if buf.len() < end - whole {
                    buf.resize(end - whole, 0);
                }
                break;
            }
            let Ok(message) = Message::read(&buf[whole + 4..end]) else { return };
            // One that is refused is lost, which raft survives.
            let _ = engine.step(message);
            whole = end;
        }
        buf.copy_within(whole..filled, 0);
        filled -= whole;
    }
}
