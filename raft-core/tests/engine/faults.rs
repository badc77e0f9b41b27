//! Hosts and disks that fail: the process lives, the failure shows, nobody waits in vain.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use raft_core::consensus::status::RoleKind;
use raft_core::engine::code::Code;
use raft_core::engine::event::Event;
use raft_core::engine::node::Engine;
use raft_core::engine::options::Options;
use raft_core::error::Error;
use raft_core::raftpb::message::MessageType;

use crate::machine::Machine;
use crate::world::{PATIENCE, World, wait_for, wait_until};

/// Waits until node 1 has failed, and checks that all that speaks of it agrees.
fn failed(world: &World) -> Error {
    let node = world.node(1);
    let error = wait_for("the failure", || node.engine.status().failure);
    assert_eq!(node.engine.propose(vec![(Bytes::new(), 9)]), Err(error.clone()));
    assert_eq!(node.engine.read_wait(PATIENCE), Err(error.clone()));
    wait_until("the event", || {
        node.machine.has_event(|event| matches!(event, Event::Failed { error: own } if *own == error))
    });
    wait_until("the end of its leadership", || node.engine.status().status.role == RoleKind::Follower);
    assert!(node.machine.log.lock().iter().any(|line| line.starts_with("Error")));
    node.engine.stop(PATIENCE).unwrap();
    assert_eq!(node.machine.outcomes.lock().get(&9), None);
    error
}

#[test]
fn a_failing_apply_stops_the_engine() {
    let world = World::new(&[1], |_| {});
    world.leader();
    let node = world.node(1);
    node.machine.apply_code.store(42, Ordering::SeqCst);
    let outcome = node.engine.propose_wait(Bytes::from_static(b"x"), PATIENCE).unwrap();
    assert_eq!(outcome.code, Code::Host);
    assert_eq!(failed(&world), Error::Host { callback: "apply", code: 42, name: None });
}

#[test]
fn a_panic_in_apply_is_caught() {
    let world = World::new(&[1], |_| {});
    world.leader();
    let node = world.node(1);
    node.machine.apply_panics.store(true, Ordering::SeqCst);
    node.engine.propose(vec![(Bytes::from_static(b"x"), 1), (Bytes::from_static(b"y"), 2)]).unwrap();
    assert_eq!(wait_for("the outcome", || node.machine.outcome(2)).code, Code::Panic);
    assert_eq!(failed(&world), Error::Panic("apply panics".to_owned()));
    assert_eq!(node.machine.outcomes.lock().len(), 2);
}

#[test]
fn a_panic_in_send_is_caught_and_the_others_go_on() {
    let mut world = World::new(&[1, 2, 3], |_| {});
    world.write("x");
    world.node(1).machine.send_panics.store(true, Ordering::SeqCst);
    wait_until("a send", || world.node(1).engine.status().failure.is_some());
    assert_eq!(failed(&world), Error::Panic("send panics".to_owned()));
    world.stop(1);
    world.write("y");
    assert_eq!(world.agreed(2), ["x", "y"]);
}

#[test]
fn a_failing_disk_stops_the_engine_and_the_others_go_on() {
    let mut world = World::new(&[1, 2, 3], |_| {});
    world.write("x");
    let engine = Arc::clone(&world.node(1).engine);
    wait_until("node 1 to lead", || {
        let _ = world.node(world.leader()).engine.transfer_leader(1, 0);
        world.leader() == 1
    });
    world.node(1).volume.fails.store(true, Ordering::SeqCst);
    let outcome = engine.propose_wait(Bytes::from_static(b"perhaps"), PATIENCE).unwrap();
    assert_eq!(outcome.code, Code::Io);
    assert!(matches!(failed(&world), Error::Io(io) if io.operation == "fdatasync"));
    world.stop(1);
    world.write("y");
    // Followers may have had it before the leader's own disk failed: unknown is unknown.
    let commands = world.agreed(2);
    assert_eq!(
        (commands.first().unwrap().as_ref(), commands.last().unwrap().as_ref()),
        (&b"x"[..], &b"y"[..])
    );
    world.start(1, &[1, 2, 3]);
    world.write("z");
    world.agreed(3);
}

#[test]
fn heartbeats_go_on_while_a_sync_hangs() {
    // Followers wait a second at the least, and so long the leader waits for its disk.
    let world = World::new(&[1, 2, 3], |options| options.consensus.election_ticks = 50);
    world.node(1).engine.campaign().unwrap();
    world.write("x");
    let leader = world.leader();
    let term = world.node(leader).engine.status().status.hard_state.term;
    let gate = &world.node(leader).volume.gate;
    gate.set_shut(true);
    world.node(leader).engine.propose(vec![(Bytes::from_static(b"y"), 1)]).unwrap();
    wait_until("the sync to hang", || gate.waiting() > 0);
    let beats = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&beats);
    world.set_filter(move |message| {
        let is_beat = message.from == leader && message.msg_type == MessageType::MsgHeartbeat;
        count.fetch_add(u64::from(is_beat), Ordering::SeqCst);
        // The leader offers its leadership; nobody hears of it.
        message.msg_type != MessageType::MsgTimeoutNow
    });
    // The others have saved it, so it is committed. The leader itself applies only what its own disk holds.
    for node in world.nodes.values().filter(|node| node.machine.id != leader) {
        wait_until("what others hold to be applied", || node.machine.commands() == ["x", "y"]);
    }
    wait_until("heartbeats", || beats.load(Ordering::SeqCst) >= 20);
    assert_eq!(world.node(leader).machine.outcome(1), None);
    for node in world.nodes.values() {
        let status = node.engine.status().status;
        assert_eq!((status.leader, status.hard_state.term), (leader, term));
    }
    gate.set_shut(false);
    wait_for("the outcome", || world.node(leader).machine.outcome(1));
    world.write("z");
    assert_eq!(world.agreed(3), ["x", "y", "z"]);
}

#[test]
fn a_leader_whose_disk_hangs_hands_over() {
    let world = World::new(&[1, 2, 3], |_| {});
    world.write("x");
    let old = world.leader();
    world.node(old).volume.gate.set_shut(true);
    world.node(old).engine.propose(vec![(Bytes::from_static(b"y"), 0)]).unwrap();
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != old).collect();
    let new = world.leader_among(&others);
    let outcome = world.node(new).engine.propose_wait(Bytes::from_static(b"z"), PATIENCE).unwrap();
    assert_eq!(outcome.code, Code::Ok);
    world.node(old).volume.gate.set_shut(false);
    assert_eq!(world.agreed(3), ["x", "y", "z"]);
}

#[test]
fn calls_that_wait_are_refused_in_a_callback() {
    let world = World::new(&[1], |_| {});
    world.leader();
    let node = world.node(1);
    let answers = Arc::new(Mutex::new(Vec::new()));
    let (engine, noted) = (Arc::clone(&node.engine), Arc::clone(&answers));
    *node.machine.hook.lock() = Some(Box::new(move |_| {
        if noted.lock().is_empty() {
            noted.lock().push(engine.stop(PATIENCE).err());
            noted.lock().push(engine.read_wait(PATIENCE).err());
            noted.lock().push(engine.propose_wait(Bytes::new(), PATIENCE).err());
            noted.lock().push(engine.propose(vec![(Bytes::from_static(b"from inside"), 0)]).err());
        }
    }));
    world.write("x");
    assert_eq!(world.agreed(2), ["x", "from inside"]);
    let refused = Some(Error::Reentrant);
    assert_eq!(*answers.lock(), [refused.clone(), refused.clone(), refused, None]);
    *node.machine.hook.lock() = None;
    assert_eq!(node.engine.status().failure, None);
}

#[test]
fn an_engine_dropped_in_its_own_callback_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (transport, _messages) = crossbeam_channel::unbounded();
    let machine = Machine::new(1, transport);
    let mut options = Options::new(1);
    options.tick_interval = Duration::from_millis(10);
    options.segment_bytes = 1 << 20;
    options.voters = vec![1];
    let engine = Engine::open(options.clone(), dir.path(), Arc::clone(&machine) as _).unwrap();
    wait_until("leadership", || engine.status().status.role == RoleKind::Leader);
    engine.propose(vec![(Bytes::from_static(b"x"), 1), (Bytes::from_static(b"y"), 2)]).unwrap();
    let own = Mutex::new(Some(engine));
    *machine.hook.lock() = Some(Box::new(move |_| drop(own.lock().take())));
    // The next proposal's apply drops the engine, unless this one's did.
    wait_until("outcomes", || machine.outcomes.lock().len() == 2);
    machine.hook.lock().take();
    // Its directory is free again once its threads are gone.
    wait_for("the lock", || Engine::open(options.clone(), dir.path(), Arc::clone(&machine) as _).ok());
}

#[test]
fn a_directory_stays_locked_until_the_last_callback_has_returned() {
    let dir = tempfile::tempdir().unwrap();
    let (transport, _messages) = crossbeam_channel::unbounded();
    let machine = Machine::new(1, transport);
    let mut options = Options::new(1);
    options.tick_interval = Duration::from_millis(1);
    options.segment_bytes = 1 << 16;
    options.voters = vec![1];
    let engine = Engine::open(options.clone(), dir.path(), Arc::clone(&machine) as _).unwrap();
    wait_until("leadership", || engine.status().status.role == RoleKind::Leader);
    let (enter, entered) = crossbeam_channel::unbounded();
    let (release, released) = crossbeam_channel::unbounded::<()>();
    *machine.hook.lock() = Some(Box::new(move |_| {
        enter.send(()).unwrap();
        let _ = released.recv();
    }));
    engine.propose(vec![(Bytes::from_static(b"x"), 1)]).unwrap();
    entered.recv_timeout(PATIENCE).unwrap();
    // Driver and writer end; the state machine is at work, and a snapshot might be.
    assert_eq!(engine.stop(Duration::from_millis(300)), Err(Error::TimedOut));
    let open = || Engine::open(options.clone(), dir.path(), Arc::clone(&machine) as _);
    assert_eq!(open().map(|_| ()).unwrap_err(), Error::Locked(dir.path().to_owned()));
    drop(release);
    assert_eq!(engine.stop(PATIENCE), Ok(()));
    machine.hook.lock().take();
    open().map(|_| ()).unwrap();
}

#[test]
fn bad_directories_and_options_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (transport, _messages) = crossbeam_channel::unbounded();
    let open = |options: Options, dir: &Path| {
        let machine = Machine::new(options.consensus.id, transport.clone());
        Engine::open(options, dir, machine).map(|_| ()).unwrap_err()
    };
    let mut options = Options::new(1);
    options.segment_bytes = 1 << 16;
    options.voters = vec![1, 1];
    assert!(matches!(open(options.clone(), dir.path()), Error::Config(_)));
    options.voters = vec![1];
    let machine = Machine::new(1, transport.clone());
    let engine = Engine::open(options.clone(), dir.path(), machine).unwrap();
    assert_eq!(open(options.clone(), dir.path()), Error::Locked(dir.path().to_owned()));
    drop(engine);
    let mut other = options.clone();
    other.cluster_id = 2;
    assert!(matches!(open(other, dir.path()), Error::Foreign(_)));
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(matches!(open(options, &file), Error::Io(_)));
}

#[test]
fn a_member_that_lost_its_directory_does_not_help_to_elect_a_leader() {
    cannot_elect_with_what_it_lost(|_, _| {}, |world, lost| world.wipe(lost));
}

#[test]
fn a_member_with_an_older_copy_of_its_directory_does_not_help_to_elect_a_leader() {
    let copy = tempfile::tempdir().unwrap();
    let put_by = |world: &mut World, id| {
        // Its own number is in it, taken by the group.
        let own = world.file(id, "stores");
        wait_until("word of all disks", || std::fs::metadata(&own).is_ok_and(|file| file.len() == 60));
        world.stop(id);
        copy_dir(own.parent().unwrap(), copy.path());
        world.start(id, &[1, 2, 3]);
        // Everybody has heard of the run that follows.
        let heard: Vec<_> = [1, 2, 3].map(|id| world.file(id, "stores")).into();
        let number = |path: &Path| std::fs::read(path).map(|bytes| bytes[8..].to_vec()).unwrap_or_default();
        let before = number(&copy.path().join("stores"));
        wait_until("word of the new run", || {
            let now = number(&heard[0]);
            now != before && heard.iter().all(|path| number(path) == now)
        });
    };
    cannot_elect_with_what_it_lost(put_by, |world, lost| {
        let dir = world.file(lost, "stores").parent().unwrap().to_owned();
        std::fs::remove_dir_all(&dir).unwrap();
        copy_dir(copy.path(), &dir);
    });
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_dir(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// A follower of three is `prepare`d, later does what `lose` does to its stopped node, and shall not elect the one that lacks
/// what is acknowledged.
fn cannot_elect_with_what_it_lost(prepare: impl FnOnce(&mut World, u64), lose: impl FnOnce(&mut World, u64)) {
    let ids = [1, 2, 3];
    let mut world = World::new(&ids, |_| {});
    world.write("first");
    let leader = world.leader_among(&ids);
    let others: Vec<u64> = ids.into_iter().filter(|id| *id != leader).collect();
    let (lost, behind) = (others[0], others[1]);
    // The mark, three members and the checksum: it has heard of everybody.
    let stores = world.file(behind, "stores");
    wait_until("word of all disks", || std::fs::metadata(&stores).is_ok_and(|file| file.len() == 60));
    prepare(&mut world, lost);
    world.set_cut(behind, true);
    world.write("acknowledged");
    world.stop(lost);
    lose(&mut world, lost);
    world.stop(leader);
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    world.set_filter(move |message| {
        if message.msg_type == MessageType::MsgPreVote && message.from == behind {
            count.fetch_add(1, Ordering::SeqCst);
        }
        true
    });
    world.start(lost, &ids);
    world.set_cut(behind, false);
    wait_until("five campaigns", || asked.load(Ordering::SeqCst) >= 10);
    for id in others {
        assert_eq!(world.node(id).engine.status().status.leader, 0, "node {id}");
    }
    world.start(leader, &ids);
    world.set_cut(behind, false);
    world.write("later");
    let has_all = |id: u64| world.node(id).machine.commands() == ["first", "acknowledged", "later"];
    wait_until("the same on both", || has_all(leader) && has_all(behind));
}
