//! Sixty-four engines in one process: each lives its life, and none notices another's end.

use std::sync::atomic::Ordering;
use std::thread;

use bytes::Bytes;
use raft_core::engine::code::Code;
use raft_core::raftpb::conf_change::ConfChangeType;

use crate::METER;
use crate::world::{PATIENCE, World, wait_for, wait_until};

const GROUPS: usize = 16;
const IDS: [u64; 4] = [1, 2, 3, 4];
/// Far more than an idle engine with these settings takes, far less than a queue or a segment each would.
const IDLE_BYTES_MAX: usize = 1 << 20;

/// Threads of this process that engines have named.
fn engine_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("rft-")).count()
}

fn group() -> World {
    World::new(&IDS, |options| {
        options.tick_interval = std::time::Duration::from_millis(50);
        options.segment_bytes = 64 << 10;
        options.snapshot_entries = 0;
    })
}

/// Propose, read, change, snapshot.
fn live(world: &World, name: usize) {
    world.write(&format!("set 1 {name}"));
    world.change(ConfChangeType::AddLearnerNode, 9);
    let leader = world.node(world.leader());
    let read = wait_for("a read", || leader.engine.read_wait(PATIENCE).ok());
    assert!(
        read.code != Code::Ok || leader.machine.register(1) == name as u64,
        "group {name} reads another's"
    );
    for node in world.nodes.values() {
        node.engine.snapshot(7).unwrap();
    }
    for node in world.nodes.values() {
        let outcome = wait_for("a snapshot", || node.machine.outcome(7));
        assert_eq!(outcome.code, Code::Ok);
    }
    let own = Bytes::from(format!("set 1 {name}"));
    assert!(world.agreed(1).iter().all(|command| *command == own), "group {name} holds another's");
}

pub(crate) fn sixty_four_engines_share_a_process() {
    assert_eq!(engine_threads(), 0);
    let before = METER.held();
    let groups: Vec<World> = (0..GROUPS).map(|_| group()).collect();
    for world in &groups {
        world.leader();
    }
    let engines = GROUPS * IDS.len();
    // Three each, and for a while one that makes the next file of the log ready.
    assert!((3 * engines..=4 * engines).contains(&engine_threads()), "{}", engine_threads());
    let idle = METER.held().saturating_sub(before) / engines;
    println!("{engines} engines, {} threads, {idle} bytes for an idle one", engine_threads());
    assert!(idle < IDLE_BYTES_MAX, "{idle} bytes for an idle engine");

    // One ends badly, and is nobody else's business.
    let broken = groups[0].leader();
    groups[0].node(broken).machine.apply_code.store(7, Ordering::SeqCst);
    let _ = groups[0].node(broken).engine.propose(vec![(Bytes::from_static(b"set 1 0"), 0)]);
    wait_until("its end", || groups[0].node(broken).engine.status().failure.is_some());
    thread::scope(|scope| {
        for (name, world) in groups.iter().enumerate().skip(1) {
            scope.spawn(move || live(world, name));
        }
    });
    for world in &groups[1..] {
        assert!(world.nodes.values().all(|node| node.engine.status().failure.is_none()));
    }
    drop(groups);
    // The system takes a thread that was joined off its list a moment later.
    wait_until("the end of all threads", || engine_threads() == 0);
    let left = METER.held().saturating_sub(before);
    assert!(left < IDLE_BYTES_MAX, "{left} bytes outlive their engines");
}
