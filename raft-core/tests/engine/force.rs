//! The last resort: a survivor alone becomes a group of its own, and who comes back from before is turned away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use raft_core::consensus::status::RoleKind;
use raft_core::engine::code::Code;
use raft_core::engine::event::Event;
use raft_core::engine::node::Engine;
use raft_core::engine::options::Options;
use raft_core::error::Error;
use raft_core::raftpb::conf_change::ConfChangeType::{AddLearnerNode, UpdateNode};
use raft_core::raftpb::conf_change::ConfState;

use crate::machine::Machine;
use crate::world::{PATIENCE, World, wait_until};

/// A world in which a node is forced when it starts while the number is not 0.
fn world(voters: &[u64], snapshot_entries: u64) -> (World, Arc<AtomicU64>) {
    let force = Arc::new(AtomicU64::new(0));
    let number = Arc::clone(&force);
    let world = World::new(voters, move |options| {
        options.force_new_cluster = number.load(Ordering::SeqCst);
        options.consensus.forward_proposals = true;
        options.snapshot_entries = snapshot_entries;
        options.snapshot_trailing = 1;
    });
    (world, force)
}

fn voters(world: &World, id: u64) -> ConfState {
    world.node(id).engine.status().status.membership.conf_state()
}

fn leads(world: &World, id: u64) -> bool {
    world.node(id).engine.status().status.role == RoleKind::Leader
}

/// Adds node `id`, with an empty directory, to a group that node `leader` leads.
fn add(world: &mut World, leader: u64, id: u64) {
    world.start(id, &[]);
    let outcome = world.node(leader).engine.replace_wait(0, id, Bytes::new(), PATIENCE).unwrap();
    assert_eq!(outcome.code, Code::Ok, "{outcome:?}");
}

#[test]
fn a_survivor_keeps_all_it_has_grows_again_and_turns_away_who_comes_back() {
    let (mut world, force) = world(&[1, 2, 3], 30);
    world.change(UpdateNode, 2);
    (0..20).for_each(|n| world.write(&format!("{n}")));
    world.agreed(20);
    world.stop(2);
    world.stop(3);
    let lost = world.node(1).engine.propose_wait(Bytes::from_static(b"x"), Duration::from_millis(300));
    assert!(lost.is_err() || lost.is_ok_and(|outcome| outcome.code != Code::Ok), "there is no quorum");
    world.stop(1);

    force.store(77, Ordering::SeqCst);
    world.start(1, &[]);
    force.store(0, Ordering::SeqCst);
    wait_until("the survivor to lead", || leads(&world, 1));
    assert_eq!(voters(&world, 1), ConfState::of_voters([1]));
    let told = |event: &Event| match event {
        Event::Recovered { notes, .. } => notes.iter().any(|note| note.contains("nodes [2, 3]")),
        _ => false,
    };
    assert!(world.node(1).machine.has_event(told));
    world.write("after");
    let commands = world.node(1).machine.commands();
    assert_eq!(commands[..20], (0..20).map(|n| Bytes::from(format!("{n}"))).collect::<Vec<_>>());
    assert_eq!(commands.last().unwrap(), "after");
    // Who has left has no bytes, and the number of the group is nobody's.
    assert!(world.node(1).engine.status().member_bytes.is_empty());
    assert!(world.node(1).engine.status_json().contains("\"group\":77,"));

    add(&mut world, 1, 4);
    add(&mut world, 1, 5);
    (0..40).for_each(|n| world.write(&format!("later {n}")));
    assert!(world.agreed(61).starts_with(&commands));

    // An old member is heard by nobody and hears nobody.
    let before = world.leader();
    world.start(2, &[]);
    let warned = |log: &[String]| log.iter().any(|line| line.contains("empty directory"));
    wait_until("a refusal", || warned(&world.node(before).machine.log.lock()));
    wait_until("word of it", || warned(&world.node(2).machine.log.lock()));
    assert_eq!(voters(&world, 2), ConfState::of_voters([1, 2, 3]));
    let status = world.node(2).engine.status();
    assert_eq!((status.group, status.status.leader), (0, 0));
    world.stop(2);
    // With its old directory it cannot be added, with an empty one it can.
    world.change(AddLearnerNode, 2);
    world.start(2, &[]);
    let outcome = world.node(1).engine.replace_wait(0, 2, Bytes::new(), Duration::from_millis(800));
    assert!(outcome.is_err() || outcome.is_ok_and(|outcome| outcome.code != Code::Ok));
    world.stop(2);
    world.wipe(2);
    let leader = world.leader();
    add(&mut world, leader, 2);
    let all = world.agreed(61);
    assert!(all.starts_with(&commands));
}

#[test]
fn the_same_number_again_is_harmless_and_the_group_survives_restarts() {
    let (mut world, force) = world(&[1, 2, 3], 0);
    world.write("before");
    world.agreed(1);
    (1..=3).for_each(|id| drop(world.stop(id)));
    force.store(5, Ordering::SeqCst);
    world.start(1, &[]);
    wait_until("the survivor to lead", || leads(&world, 1));
    force.store(0, Ordering::SeqCst);
    add(&mut world, 1, 4);
    add(&mut world, 1, 6);
    world.write("after");
    world.agreed(2);
    force.store(5, Ordering::SeqCst);
    for id in [1, 4, 6] {
        world.stop(id);
        world.start(id, &[]);
        assert_eq!(world.node(id).engine.status().group, 5);
    }
    world.write("end");
    assert_eq!(world.agreed(3), ["before", "after", "end"]);
    assert_eq!(voters(&world, 1), ConfState::of_voters([1, 4, 6]));
}

#[test]
fn entries_that_were_not_committed_become_so() {
    let (mut world, force) = world(&[1, 2, 3], 0);
    let leader = world.leader();
    world.write("committed");
    world.agreed(1);
    // Only the leader has the next one.
    world.set_cut(leader, true);
    world.node(leader).engine.propose(vec![(Bytes::from_static(b"alone"), 0)]).unwrap();
    let appended = world.node(leader).engine.status().status.hard_state.commit + 1;
    wait_until("the entry", || world.node(leader).engine.status().status.last_index >= appended);
    (1..=3).for_each(|id| drop(world.stop(id)));
    force.store(9, Ordering::SeqCst);
    world.start(leader, &[]);
    wait_until("the survivor to lead", || leads(&world, leader));
    world.write("after");
    assert_eq!(world.node(leader).machine.commands(), ["committed", "alone", "after"]);
}

#[test]
fn who_has_no_membership_cannot_be_forced() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(1);
    options.force_new_cluster = 3;
    let host = Machine::new(1, crossbeam_channel::unbounded().0);
    let refused = Engine::open(options, dir.path(), host).err();
    assert!(matches!(&refused, Some(Error::Config(text)) if text.contains("no membership")), "{refused:?}");
}
