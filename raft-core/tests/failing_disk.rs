//! A real process on a real disk that fails or ends at its n-th call, for every n: `RFT_DISK` says where, as
//! `kill:37` or `fail:37`, and as `direct:kill:37` with a log that is written past the system's cache. The process writes
//! numbered commands and says which are acknowledged; when it is started again, they are there, each once, and nothing
//! else is.
//!
//! `RFT_DISK=fail:37 cargo test -p raft-core --test failing_disk` tries one of them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "support/skipped.rs"]
mod skipped;

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use raft_core::disk::os::OsVolume;
use raft_core::disk::volume::{Access, File, Volume};
use raft_core::engine::code::Code;
use raft_core::engine::host::{Applied, Host, SnapshotRead};
use raft_core::engine::node::Engine;
use raft_core::engine::options::Options;
use raft_core::error::{Error, Result};
use raft_core::raftpb::message::Message;
use skipped::skipped;

const DIR: &str = "RFT_DISK_DIR";
const PLAN: &str = "RFT_DISK";
/// Three segments and three snapshots of them.
const COMMANDS: u64 = 40;
const COMMAND_BYTES: usize = 4000;
/// So many at a time: they wait for the disk most of the time.
const PROCESSES: usize = 4;
const PATIENCE: Duration = Duration::from_secs(30);

fn main() {
    if let Ok(dir) = env::var(DIR) {
        return child(Path::new(&dir), &env::var(PLAN).unwrap_or_default());
    }
    // Without a harness the filter is this program's to heed.
    let filter = env::args().skip(1).find(|arg| !arg.starts_with('-'));
    if filter.is_none_or(|filter| "failing_disk".contains(&filter)) {
        every_call_can_be_the_last();
    }
}

/// Runs through every call of a run without a fault; those behind are not reached.
fn every_call_can_be_the_last() {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("failing_disk");
    let _ = std::fs::remove_dir_all(&root);
    if let Ok(plan) = env::var(PLAN) {
        attempt(&root, &plan);
        return;
    }
    for way in ["", "direct:"] {
        let dir = root.join(format!("whole-{}", way.trim_end_matches(':')));
        std::fs::create_dir_all(&dir).unwrap();
        if way == "direct:" && OsVolume.open_direct(&probe(&dir), true).unwrap().is_none() {
            skipped("a disk that fails under a log past the cache, which cannot be written so here");
            continue;
        }
        let whole = run(&dir.join("node"), way);
        assert_eq!(whole.acknowledged, COMMANDS, "{}", whole.text);
        for how in ["kill", "fail"] {
            every_call(&root, &format!("{way}{how}"), whole.calls);
        }
        println!("{way} {} calls, each of them the last once and failing once", whole.calls);
    }
}

/// An empty file.
fn probe(dir: &Path) -> PathBuf {
    let path = dir.join("probe");
    std::fs::write(&path, b"").unwrap();
    path
}

/// Tries so many calls, several at a time.
fn every_call(root: &Path, how: &str, calls: u64) {
    let (next, ended) = (AtomicU64::new(1), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..PROCESSES {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    if at > calls {
                        return;
                    }
                    let acknowledged = attempt(root, &format!("{how}:{at}"));
                    ended.fetch_add(u64::from(acknowledged < COMMANDS), Ordering::SeqCst);
                }
            });
        }
    });
    let ended = ended.into_inner();
    // Which call is the n-th differs a little, since a thread of the store makes segments ready; the last ones come
    // behind the last command.
    assert!(ended > calls * 8 / 10, "{how}: {ended} of {calls} ended early");
}

/// Has a process end as planned, starts it again, and says how many commands were acknowledged by then.
fn attempt(root: &Path, plan: &str) -> u64 {
    let dir = root.join(plan.replace(':', "-"));
    let replay = format!("{PLAN}={plan} cargo test -p raft-core --test failing_disk");
    let first = run(&dir, plan);
    assert!(first.had.unwrap_or_default() == 0, "{replay}\n{}", first.text);
    assert!(first.is_clean || plan.contains("kill"), "{replay}\n{}", first.text);
    let way = if plan.starts_with("direct:") { "direct:" } else { "" };
    let second = run(&dir, way);
    // The calls are told at the end only, behind the last command.
    assert!(second.is_clean && second.calls > 0, "{replay}\n{}", second.text);
    let had = second.had.unwrap_or_default();
    let allowed = first.acknowledged..=first.acknowledged + 1;
    assert!(allowed.contains(&had), "{replay}\n{} acknowledged, {had} there", first.acknowledged);
    std::fs::remove_dir_all(&dir).unwrap();
    first.acknowledged
}

/// What became of a process.
struct Ran {
    had: Option<u64>,
    acknowledged: u64,
    calls: u64,
    is_clean: bool,
    text: String,
}

fn run(dir: &Path, plan: &str) -> Ran {
    let output = Command::new(env::current_exe().unwrap()).env(DIR, dir).env(PLAN, plan).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = |word: &str| text.lines().rev().find_map(|line| line.strip_prefix(word)?.trim().parse().ok());
    Ran {
        had: last("had "),
        acknowledged: last("acknowledged ").unwrap_or_default(),
        calls: last("calls ").unwrap_or_default(),
        is_clean: output.status.success(),
        text: format!("{text}{}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// Opens the engine, tells what it has, and goes on from there until the commands or the disk are at their end.
fn child(dir: &Path, plan: &str) {
    let calls = Arc::new(AtomicU64::new(0));
    let (is_direct, plan) = plan.strip_prefix("direct:").map_or((false, plan), |rest| (true, rest));
    let (how, at) = plan.split_once(':').unwrap_or(("", "0"));
    let volume = Failing { calls: Arc::clone(&calls), at: at.parse().unwrap(), kills: how == "kill" };
    let machine = Arc::new(Counter::default());
    let mut options = Options::new(1);
    options.tick_interval = Duration::from_millis(5);
    options.segment_bytes = 64 << 10;
    options.direct_writes = is_direct;
    options.snapshot_entries = 15;
    options.snapshot_trailing = 2;
    options.voters = vec![1];
    let Ok(engine) = Engine::open_on(Arc::new(volume), options, dir, Arc::clone(&machine) as _) else {
        return;
    };
    let _ = engine.campaign(); // instead of a wait for the election timeout
    while engine.read_wait(PATIENCE).is_ok_and(|outcome| outcome.code != Code::Ok) {
        thread::sleep(Duration::from_millis(1));
    }
    if engine.status().failure.is_some() {
        return;
    }
    say(&format!("had {}", machine.0.load(Ordering::SeqCst)));
    for number in machine.0.load(Ordering::SeqCst) + 1..=COMMANDS {
        let mut command = vec![0; COMMAND_BYTES];
        command[..8].copy_from_slice(&number.to_le_bytes());
        match engine.propose_wait(command.into(), PATIENCE) {
            Ok(outcome) if outcome.code == Code::Ok => say(&format!("acknowledged {number}")),
            refused if engine.status().failure.is_some() => return say(&format!("{refused:?}")),
            refused => panic!("{refused:?}"),
        }
    }
    engine.stop(PATIENCE).unwrap();
    say(&format!("calls {}", calls.load(Ordering::SeqCst)));
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

/// A state machine that takes each number once, in order.
#[derive(Default)]
struct Counter(AtomicU64);

impl Host for Counter {
    fn send(&self, _: &[Message]) {}

    fn apply(&self, entries: &[Applied<'_>]) -> std::result::Result<(), i32> {
        for applied in entries {
            let data = &applied.entry.data;
            if let Some(number) = data.first_chunk::<8>().copied().map(u64::from_le_bytes) {
                assert_eq!((number, data.len()), (self.0.load(Ordering::SeqCst) + 1, COMMAND_BYTES));
                self.0.store(number, Ordering::SeqCst);
            }
        }
        Ok(())
    }

    fn snapshot_save(&self, writer: &mut dyn Write) -> std::result::Result<(), i32> {
        writer.write_all(&self.0.load(Ordering::SeqCst).to_le_bytes()).map_err(|_| 1)
    }

    fn snapshot_restore(&self, reader: &mut dyn SnapshotRead) -> std::result::Result<(), i32> {
        let mut number = [0; 8];
        reader.read_exact(&mut number).map_err(|_| 1)?;
        self.0.store(u64::from_le_bytes(number), Ordering::SeqCst);
        Ok(())
    }
}

/// The system's files, of which call `at` and all behind it fail, or the process ends with it.
#[derive(Clone)]
struct Failing {
    calls: Arc<AtomicU64>,
    at: u64,
    kills: bool,
}

impl Failing {
    /// Counts a call that changes something.
    fn call(&self, operation: &'static str, path: &Path) -> Result<()> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if self.at == 0 || number < self.at {
            return Ok(());
        }
        if self.kills {
            // As abrupt as a kill: nothing is flushed, no destructor runs.
            std::process::abort();
        }
        Err(Error::io(operation, path, io::Error::from_raw_os_error(5)))
    }
}

struct FailingFile {
    file: Box<dyn File>,
    volume: Failing,
    path: PathBuf,
}

impl Volume for Failing {
    fn create_dir_all(&self, dir: &Path) -> Result<()> {
        self.call("mkdir", dir)?;
        OsVolume.create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        OsVolume.list(dir)
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        OsVolume.exists(path)
    }

    fn open(&self, path: &Path, access: Access) -> Result<Box<dyn File>> {
        if access != Access::Read {
            self.call("open", path)?;
        }
        let file = OsVolume.open(path, access)?;
        Ok(Box::new(FailingFile { file, volume: self.clone(), path: path.to_owned() }))
    }

    fn open_direct(&self, path: &Path, durably: bool) -> Result<Option<Box<dyn File>>> {
        self.call("open", path)?;
        let file = OsVolume.open_direct(path, durably)?;
        Ok(file.map(|file| Box::new(FailingFile { file, volume: self.clone(), path: path.to_owned() }) as _))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.call("rename", from)?;
        OsVolume.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.call("remove", path)?;
        OsVolume.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.call("fsync", dir)?;
        OsVolume.sync_dir(dir)
    }

    fn free_bytes(&self, dir: &Path) -> Result<u64> {
        OsVolume.free_bytes(dir)
    }
}

impl File for FailingFile {
    fn len(&self) -> Result<u64> {
        self.file.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> Result<()> {
        self.volume.call("write", &self.path)?;
        self.file.write_at(buf, offset)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.volume.call("truncate", &self.path)?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> Result<()> {
        self.volume.call("fdatasync", &self.path)?;
        self.file.sync_data()
    }

    fn sync_all(&self) -> Result<()> {
        self.volume.call("fsync", &self.path)?;
        self.file.sync_all()
    }

    fn try_lock(&self) -> Result<bool> {
        self.file.try_lock()
    }
}
