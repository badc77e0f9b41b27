//! Several engines in one process, and the switchboard between them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;
use raft_core::consensus::status::RoleKind;
use raft_core::disk::os::OsVolume;
use raft_core::engine::code::Code;
use raft_core::engine::node::Engine;
use raft_core::engine::options::Options;
use raft_core::raftpb::conf_change::{ConfChangeSingle, ConfChangeType, ConfChangeV2};
use raft_core::raftpb::message::Message;
use tempfile::TempDir;

use crate::gate::GatedVolume;
use crate::machine::Machine;
use crate::memory_volume::damage::Damage;
use crate::memory_volume::{Chance, MemoryVolume};

/// How long any condition may take. Far more than it takes, because the machine may be busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` gives something.
pub(crate) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until `condition` holds.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}

/// Whether a message gets through, and as what.
type Filter = Box<dyn FnMut(&mut Message) -> bool + Send>;

/// The way of a message: encoded, sent through a channel, decoded, stepped.
#[derive(Default)]
struct Switchboard {
    engines: Mutex<HashMap<u64, Arc<Engine>>>,
    cut: Mutex<HashSet<(u64, u64)>>,
    filter: Mutex<Option<Filter>>,
    // How often a message arrives besides the first time.
    repeats: AtomicUsize,
}

impl Switchboard {
    fn run(&self, messages: &Receiver<Message>) {
        while let Ok(mut message) = messages.recv() {
            let (from, to) = (message.from, message.to);
            if to == 0 {
                return; // the world ends
            }
            if self.cut.lock().contains(&(from, to)) {
                continue;
            }
            if let Some(filter) = self.filter.lock().as_mut()
                && !filter(&mut message)
            {
                continue;
            }
            let engine = self.engines.lock().get(&to).cloned();
            if let Some(engine) = engine {
                let message = Message::decode(Bytes::from(message.to_vec())).unwrap();
                for _ in 0..self.repeats.load(Ordering::Relaxed) {
                    let _ = engine.step(message.clone());
                }
                let _ = engine.step(message);
            }
        }
    }
}

pub(crate) struct World {
    pub(crate) nodes: BTreeMap<u64, Node>,
    dirs: BTreeMap<u64, TempDir>,
    // Of a world whose nodes have their files in memory.
    disks: Option<BTreeMap<u64, MemoryVolume>>,
    tune: Box<dyn Fn(&mut Options) + Send + Sync>,
    board: Arc<Switchboard>,
    transport: Sender<Message>,
    router: Option<JoinHandle<()>>,
}

pub(crate) struct Node {
    pub(crate) engine: Arc<Engine>,
    pub(crate) machine: Arc<Machine>,
    pub(crate) volume: GatedVolume,
}

impl World {
    /// A running cluster of these voters, whose options `tune` may change.
    pub(crate) fn new(voters: &[u64], tune: impl Fn(&mut Options) + Send + Sync + 'static) -> World {
        World::on(None, voters, tune)
    }

    /// One whose nodes have their files in memory, on disks of so many bytes.
    pub(crate) fn in_memory(
        bytes_max: u64,
        voters: &[u64],
        tune: impl Fn(&mut Options) + Send + Sync + 'static,
    ) -> World {
        let disk = |&id: &u64| {
            let disk = MemoryVolume::default();
            disk.set_bytes_max(Some(bytes_max));
            (id, disk)
        };
        World::on(Some(voters.iter().map(disk).collect()), voters, tune)
    }

    fn on(
        disks: Option<BTreeMap<u64, MemoryVolume>>,
        voters: &[u64],
        tune: impl Fn(&mut Options) + Send + Sync + 'static,
    ) -> World {
        // A network loses what it cannot carry.
        let (transport, messages) = bounded(4096);
        let board = Arc::new(Switchboard::default());
        let router = std::thread::spawn({
            let board = Arc::clone(&board);
            move || board.run(&messages)
        });
        let mut world = World {
            nodes: BTreeMap::new(),
            dirs: BTreeMap::new(),
            disks,
            tune: Box::new(tune),
            board,
            transport,
            router: Some(router),
        };
        voters.iter().for_each(|&id| world.start(id, voters));
        world
    }

    /// Starts node `id`, from its directory if it had one.
    pub(crate) fn start(&mut self, id: u64, voters: &[u64]) {
        let dir = self.dirs.entry(id).or_insert_with(|| tempfile::tempdir().unwrap());
        let mut options = Options::new(id);
        options.tick_interval = Duration::from_millis(20);
        options.segment_bytes = 1 << 20;
        options.voters = voters.to_vec();
        // Both ways to the disk, in every cluster; one by itself writes as all do that are told nothing.
        options.direct_writes = !id.is_multiple_of(2);
        // Most tests want to know who leads.
        options.consensus.forward_proposals = false;
        (self.tune)(&mut options);
        let machine = Machine::new(id, self.transport.clone());
        let disk = self.disks.as_mut().map(|disks| disks.entry(id).or_default().clone());
        let volume = GatedVolume::over(match disk {
            Some(disk) => Arc::new(disk),
            None => Arc::new(OsVolume),
        });
        let engine =
            Engine::open_on(Arc::new(volume.clone()), options, dir.path(), Arc::clone(&machine) as _)
                .unwrap();
        let engine = Arc::new(engine);
        self.board.engines.lock().insert(id, Arc::clone(&engine));
        self.nodes.insert(id, Node { engine, machine, volume });
    }

    /// The disk of node `id`, in a world in memory.
    pub(crate) fn disk(&self, id: u64) -> &MemoryVolume {
        &self.disks.as_ref().unwrap()[&id]
    }

    /// Stops node `id`; its machine is what it was.
    pub(crate) fn stop(&mut self, id: u64) -> Arc<Machine> {
        let node = self.nodes.remove(&id).unwrap();
        self.board.engines.lock().remove(&id);
        node.engine.stop(PATIENCE).unwrap();
        node.machine
    }

    /// Cuts the power of these nodes at this moment, in a world in memory, and starts them on what was durable.
    #[allow(dead_code)] // not every test that has a world does
    pub(crate) fn cut_power(&mut self, ids: &[u64]) {
        let mut chance = Chance(1);
        let disks: Vec<MemoryVolume> =
            ids.iter().map(|id| self.disk(*id).now().crashed(Damage::ALL_LOST, &mut chance)).collect();
        ids.iter().for_each(|id| drop(self.stop(*id)));
        for (id, disk) in ids.iter().zip(disks) {
            self.disks.as_mut().unwrap().insert(*id, disk);
            self.start(*id, ids);
        }
    }

    /// Destroys the directory of node `id`, which is stopped.
    pub(crate) fn wipe(&mut self, id: u64) {
        self.dirs.remove(&id);
    }

    /// A file in the directory of node `id`.
    pub(crate) fn file(&self, id: u64, name: &str) -> std::path::PathBuf {
        self.dirs[&id].path().join(name)
    }

    pub(crate) fn node(&self, id: u64) -> &Node {
        &self.nodes[&id]
    }

    /// Lets nothing through between `id` and the others, or everything again.
    pub(crate) fn set_cut(&self, id: u64, cut: bool) {
        let mut links = self.board.cut.lock();
        for &other in self.nodes.keys() {
            for link in [(id, other), (other, id)] {
                if cut {
                    links.insert(link)
                } else {
                    links.remove(&link)
                };
            }
        }
    }

    /// Lets only those messages through for which `filter` says so.
    pub(crate) fn set_filter(&self, filter: impl FnMut(&mut Message) -> bool + Send + 'static) {
        *self.board.filter.lock() = Some(Box::new(filter));
    }

    /// Every message arrives so often besides the first time.
    pub(crate) fn set_repeats(&self, repeats: usize) {
        self.board.repeats.store(repeats, Ordering::Relaxed);
    }

    /// The leader of the highest term among `ids`, once there is one that a majority of them follows.
    pub(crate) fn leader_among(&self, ids: &[u64]) -> u64 {
        wait_for("a leader", || {
            let statuses: Vec<_> = ids.iter().map(|id| self.nodes[id].engine.status().status).collect();
            let leader = statuses
                .iter()
                .filter(|status| status.role == RoleKind::Leader)
                .max_by_key(|status| status.hard_state.term)?;
            let followers = statuses
                .iter()
                .filter(|s| s.leader == leader.id && s.hard_state.term == leader.hard_state.term);
            (followers.count() > ids.len() / 2).then_some(leader.id)
        })
    }

    pub(crate) fn leader(&self) -> u64 {
        let ids: Vec<u64> = self.nodes.keys().copied().collect();
        self.leader_among(&ids)
    }

    /// Writes once, through whoever leads.
    pub(crate) fn write(&self, command: &str) {
        let written = |node: &Node| node.machine.commands().iter().filter(|other| *other == command).count();
        let before = self.nodes.values().map(written).max();
        wait_until("a write", || {
            let outcome = self
                .node(self.leader())
                .engine
                .propose_wait(Bytes::copy_from_slice(command.as_bytes()), PATIENCE);
            if outcome.as_ref().is_ok_and(|outcome| outcome.code == Code::Ok) {
                return true;
            }
            // It may have been taken all the same. Whoever confirms a read after that has applied it then.
            let node = wait_for("a read", || {
                let node = self.node(self.leader());
                let outcome = node.engine.read_wait(PATIENCE);
                outcome.is_ok_and(|outcome| outcome.code == Code::Ok).then_some(node)
            });
            Some(written(node)) > before
        });
    }

    /// Changes the membership through whoever leads.
    pub(crate) fn change(&self, kind: ConfChangeType, id: u64) {
        let mut change = ConfChangeV2::new(vec![ConfChangeSingle::new(kind, id)]);
        change.context = Bytes::from(format!("{kind:?} {id}"));
        wait_until("a change", || {
            let outcome = self.node(self.leader()).engine.change_wait(change.clone(), PATIENCE);
            outcome.is_ok_and(|outcome| outcome.code == Code::Ok)
        });
    }

    /// Waits until all nodes hold the same commands, `n` of them or more; returns them.
    pub(crate) fn agreed(&self, n: usize) -> Vec<Bytes> {
        wait_for("agreement", || {
            let mut all = self.nodes.values().map(|node| node.machine.state.lock().clone());
            let first = all.next()?;
            (first.commands.len() >= n && all.all(|other| other == first)).then_some(first.commands)
        })
    }
}

impl Drop for World {
    // What the nodes of a failing test have to say about themselves.
    #[allow(clippy::print_stderr)]
    fn drop(&mut self) {
        let is_failing = std::thread::panicking();
        for node in self.nodes.values() {
            if is_failing {
                eprintln!("{}", node.engine.status_json());
            }
            node.volume.gate.set_shut(false);
            node.machine.save_gate.set_shut(false);
            node.machine.send_gate.set_shut(false);
            node.machine.apply_gate.set_shut(false);
        }
        self.board.engines.lock().clear();
        self.board.filter.lock().take();
        for (_, node) in std::mem::take(&mut self.nodes) {
            let _ = node.engine.stop(PATIENCE);
        }
        let _ = self.transport.send(Message::default());
        if let Some(router) = self.router.take() {
            let _ = router.join();
        }
    }
}
