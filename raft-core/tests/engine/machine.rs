//! A state machine and a transport for tests: it keeps every command in order, and every outcome and event.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use bytes::Bytes;
use crossbeam_channel::Sender;
use parking_lot::Mutex;
use raft_core::engine::event::{Event, Level};
use raft_core::engine::host::{Applied, Host, SnapshotRead, SnapshotView};
use raft_core::engine::outcome::Outcome;
use raft_core::raftpb::entry::EntryType;
use raft_core::raftpb::message::Message;

use crate::gate::Gate;

type Hook = Box<dyn Fn(&[Applied<'_>]) + Send + Sync>;

/// One node's host.
pub(crate) struct Machine {
    pub(crate) id: u64,
    pub(crate) state: Mutex<State>,
    pub(crate) outcomes: Mutex<HashMap<u64, Vec<Outcome>>>,
    pub(crate) events: Mutex<Vec<Event>>,
    pub(crate) log: Mutex<Vec<String>>,
    /// What `apply` and `snapshot_save` answer when it is not 0.
    pub(crate) apply_code: AtomicI32,
    pub(crate) save_code: AtomicI32,
    /// Whether `apply` and `send` panic.
    pub(crate) apply_panics: AtomicBool,
    pub(crate) send_panics: AtomicBool,
    /// `snapshot_save` waits here.
    pub(crate) save_gate: Arc<Gate>,
    /// `send` waits here, and so does the driver.
    pub(crate) send_gate: Gate,
    /// `apply` waits here, before it does anything.
    pub(crate) apply_gate: Gate,
    /// Whether snapshots are written from a view, which waits at the gate of `snapshot_save` then.
    pub(crate) gives_views: AtomicBool,
    /// Called at the end of `apply`.
    pub(crate) hook: Mutex<Option<Hook>>,
    transport: Sender<Message>,
}

/// What a snapshot holds: everything there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) commands: Vec<Bytes>,
    pub(crate) changes: Vec<Bytes>,
    pub(crate) applied: u64,
    // Follows from the commands.
    registers: BTreeMap<u64, u64>,
}

impl State {
    /// Takes a command; answers what register it found, if it is one of `set KEY NEW` and `swap KEY FROM NEW`. Registers
    /// hold 0 at first.
    fn push(&mut self, command: Bytes) -> Option<u64> {
        self.commands.push(command.clone());
        let mut words = str::from_utf8(&command).ok()?.split(' ');
        let verb = words.next()?;
        let mut number = || words.next()?.parse::<u64>().ok();
        let (key, first) = (number()?, number()?);
        let register = self.registers.entry(key).or_default();
        let found = *register;
        match verb {
            "set" => *register = first,
            "swap" if found == first => *register = number()?,
            _ => {}
        }
        Some(found)
    }

    fn write(&self, writer: &mut dyn Write) -> Result<(), i32> {
        let mut put = |bytes: &[u8]| writer.write_all(bytes).map_err(|_| 7);
        put(&self.applied.to_le_bytes())?;
        for list in [&self.commands, &self.changes] {
            put(&(list.len() as u64).to_le_bytes())?;
            for bytes in list {
                put(&(bytes.len() as u64).to_le_bytes())?;
                put(bytes)?;
            }
        }
        Ok(())
    }
}

/// A copy of the state.
struct View {
    state: State,
    gate: Arc<Gate>,
}

impl SnapshotView for View {
    fn save(&mut self, writer: &mut dyn Write) -> Result<(), i32> {
        self.gate.pass();
        self.state.write(writer)
    }
}

impl Machine {
    pub(crate) fn new(id: u64, transport: Sender<Message>) -> Arc<Self> {
        Arc::new(Machine {
            id,
            state: Mutex::default(),
            outcomes: Mutex::default(),
            events: Mutex::default(),
            log: Mutex::default(),
            apply_code: AtomicI32::new(0),
            save_code: AtomicI32::new(0),
            apply_panics: AtomicBool::new(false),
            send_panics: AtomicBool::new(false),
            save_gate: Arc::new(Gate::open()),
            send_gate: Gate::open(),
            apply_gate: Gate::open(),
            gives_views: AtomicBool::new(false),
            hook: Mutex::new(None),
            transport,
        })
    }

    pub(crate) fn commands(&self) -> Vec<Bytes> {
        self.state.lock().commands.clone()
    }

    pub(crate) fn register(&self, key: u64) -> u64 {
        self.state.lock().registers.get(&key).copied().unwrap_or_default()
    }

    pub(crate) fn outcome(&self, request: u64) -> Option<Outcome> {
        self.outcomes.lock().get(&request).map(|all| all[0].clone())
    }

    pub(crate) fn has_event(&self, test: impl Fn(&Event) -> bool) -> bool {
        self.events.lock().iter().any(test)
    }
}

impl Host for Machine {
    fn send(&self, messages: &[Message]) {
        assert!(!self.send_panics.load(Ordering::SeqCst), "send panics");
        self.send_gate.pass();
        for message in messages {
            let _ = self.transport.try_send(message.clone());
        }
    }

    fn apply(&self, entries: &[Applied<'_>]) -> Result<(), i32> {
        assert!(!self.apply_panics.load(Ordering::SeqCst), "apply panics");
        self.apply_gate.pass();
        match self.apply_code.load(Ordering::SeqCst) {
            0 => {}
            code => return Err(code),
        }
        {
            let mut state = self.state.lock();
            for applied in entries {
                let entry = applied.entry;
                assert!(entry.index > state.applied, "{} again behind {}", entry.index, state.applied);
                state.applied = entry.index;
                let data = Bytes::copy_from_slice(applied.context);
                let found = match entry.entry_type {
                    EntryType::Normal => state.push(data),
                    EntryType::ConfChange | EntryType::ConfChangeV2 => {
                        state.changes.push(data);
                        None
                    }
                };
                let answer =
                    found.map_or(format!("{} at {}", self.id, entry.index), |found| found.to_string());
                applied.answer(Bytes::from(answer));
            }
        }
        if let Some(hook) = self.hook.lock().as_ref() {
            hook(entries);
        }
        Ok(())
    }

    fn snapshot_save(&self, writer: &mut dyn Write) -> Result<(), i32> {
        self.save_gate.pass();
        match self.save_code.load(Ordering::SeqCst) {
            0 => {}
            code => return Err(code),
        }
        self.state.lock().write(writer)
    }

    fn snapshot_view(&self) -> Result<Option<Box<dyn SnapshotView>>, i32> {
        let gives = self.gives_views.load(Ordering::SeqCst);
        let view = || View { state: self.state.lock().clone(), gate: Arc::clone(&self.save_gate) };
        Ok(gives.then(|| Box::new(view()) as _))
    }

    fn snapshot_restore(&self, reader: &mut dyn SnapshotRead) -> Result<(), i32> {
        let len = reader.len();
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map_err(|_| 8)?;
        assert_eq!(bytes.len() as u64, len);
        let mut rest = bytes.as_slice();
        let number = |rest: &mut &[u8]| {
            let (head, tail) = rest.split_at(8);
            *rest = tail;
            u64::from_le_bytes(head.try_into().unwrap())
        };
        let mut state = State { applied: number(&mut rest), ..State::default() };
        for list in [&mut state.commands, &mut state.changes] {
            for _ in 0..number(&mut rest) {
                let len = number(&mut rest) as usize;
                let (head, tail) = rest.split_at(len);
                list.push(Bytes::copy_from_slice(head));
                rest = tail;
            }
        }
        assert!(rest.is_empty());
        for command in std::mem::take(&mut state.commands) {
            state.push(command);
        }
        *self.state.lock() = state;
        Ok(())
    }

    fn outcome(&self, outcomes: &[Outcome]) {
        let mut all = self.outcomes.lock();
        for outcome in outcomes {
            all.entry(outcome.request).or_default().push(outcome.clone());
        }
    }

    fn event(&self, event: &Event) {
        self.events.lock().push(event.clone());
    }

    fn log(&self, level: Level, text: &str) {
        self.log.lock().push(format!("{level:?} {text}"));
    }
}
