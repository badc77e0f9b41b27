//! Reads by the leader's lease.

use std::time::Duration;

use raft_core::consensus::config::ReadOnlyOption;
use raft_core::engine::code::Code;
use raft_core::engine::options::Options;

use crate::hold_ups::pass;
use crate::world::{World, wait_for, wait_until};

/// Leases of 89 ticks, which are 1.8 seconds, and elections after 2 to 4 seconds.
pub(crate) fn leased(options: &mut Options) {
    options.consensus.read_only = ReadOnlyOption::LeaseBased;
    options.consensus.election_ticks = 100;
}

const SOON: Duration = Duration::from_millis(500);

/// Whether node `id` lets its state machine be read within a short time.
fn reads(world: &World, id: u64) -> bool {
    world.node(id).engine.read_wait(SOON).is_ok_and(|outcome| outcome.code == Code::Ok)
}

/// A cluster with a leader that has a lease, and that leader.
fn with_lease(tune: fn(&mut Options)) -> (World, u64) {
    let world = World::new(&[1, 2, 3], tune);
    world.write("x");
    let leader = world.leader();
    wait_until("a first read", || reads(&world, leader));
    (world, leader)
}

#[test]
fn a_leader_that_is_cut_off_answers_as_long_as_its_lease_and_no_longer() {
    let (world, leader) = with_lease(leased);
    world.set_cut(leader, true);
    assert!(reads(&world, leader), "the lease holds");
    pass(95);
    assert!(!reads(&world, leader), "the lease has ended");
    world.set_cut(leader, false);
    wait_until("reads by anybody", || (1..=3).all(|id| reads(&world, id)));
    // Without leases no read is answered where nobody answers the leader.
    let (world, leader) = with_lease(|options| options.consensus.election_ticks = 100);
    world.set_cut(leader, true);
    assert!(!reads(&world, leader));
}

#[test]
fn a_pause_ends_a_lease_before_it_answers_what_came_meanwhile() {
    let (world, leader) = with_lease(leased);
    let node = world.node(leader);
    // It is cut off with a lease, and stands still until another one leads and has written.
    world.set_cut(leader, true);
    node.machine.send_gate.set_shut(true);
    wait_until("the old leader to stand still", || node.machine.send_gate.waiting() > 0);
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != leader).collect();
    let new = world.leader_among(&others);
    let outcome = world.node(new).engine.propose_wait("newer".into(), Duration::from_secs(60)).unwrap();
    assert_eq!(outcome.code, Code::Ok);
    node.engine.read(7).unwrap();
    node.machine.send_gate.set_shut(false);
    let outcome = wait_for("the outcome", || node.machine.outcome(7));
    assert_ne!(outcome.code, Code::Ok, "a stale read: {:?}", node.machine.commands());
    world.set_cut(leader, false);
    world.agreed(2);
}

#[test]
fn a_drift_that_leaves_no_lease_reads_by_rounds() {
    let (world, leader) = with_lease(|options| {
        leased(options);
        options.consensus.clock_drift_percent = 99;
    });
    world.set_cut(leader, true);
    assert!(!reads(&world, leader));
}
