//! Leadership handed over by request: one outcome, and a true one.

use std::time::Duration;

use raft_core::engine::code::Code;
use raft_core::error::Error;

use crate::world::{PATIENCE, World, wait_for, wait_until};

fn others(leader: u64) -> [u64; 2] {
    [leader % 3 + 1, (leader + 1) % 3 + 1]
}

#[test]
fn who_asks_hears_that_the_other_one_leads_at_the_leader_and_at_a_follower() {
    let world = World::new(&[1, 2, 3], |_| {});
    for at_follower in [false, true] {
        let leader = world.leader();
        let [to, third] = others(leader);
        let asked = if at_follower { third } else { leader };
        let term = world.node(leader).engine.status().status.hard_state.term;
        // A loaded machine may need a second try, and each ends.
        let outcome = wait_for("the transfer", || {
            let outcome = world.node(asked).engine.transfer_leader_wait(to, PATIENCE).unwrap();
            (outcome.code == Code::Ok).then_some(outcome)
        });
        assert_eq!(outcome.leader, to);
        assert!(outcome.term > term || world.leader() == to);
        wait_until("its leadership", || world.node(to).engine.status().status.leader == to);
    }
}

#[test]
fn what_cannot_be_is_refused_at_once() {
    let world = World::new(&[1, 2, 3], |_| {});
    let leader = world.leader();
    let engine = &world.node(leader).engine;
    let own = engine.transfer_leader_wait(leader, PATIENCE).unwrap();
    assert_eq!((own.code, own.leader), (Code::Ok, leader));
    let stranger = engine.transfer_leader_wait(9, PATIENCE).unwrap();
    assert_eq!(stranger.code, Code::InvalidArg);
    assert!(std::str::from_utf8(&stranger.answer).unwrap().contains("node 9"));
}

#[test]
fn one_to_a_node_that_is_away_ends_in_time_and_the_leader_goes_on() {
    let world = World::new(&[1, 2, 3], |_| {});
    let leader = world.leader();
    let [away, _] = others(leader);
    world.set_cut(away, true);
    let outcome = world.node(leader).engine.transfer_leader_wait(away, PATIENCE).unwrap();
    assert!(matches!(outcome.code, Code::TimedOut | Code::Dropped), "{outcome:?}");
    assert_ne!(outcome.leader, away);
    // Proposals are taken again.
    world.write("after");
}

#[test]
fn one_that_is_under_way_ends_with_the_engine() {
    let mut world = World::new(&[1, 2, 3], |_| {});
    let leader = world.leader();
    let [away, _] = others(leader);
    world.set_cut(away, true);
    // One more than there may be.
    let requests = 1..=17;
    for request in requests.clone() {
        world.node(leader).engine.transfer_leader(away, request).unwrap();
    }
    assert_eq!(world.node(leader).engine.stop(Duration::from_secs(30)), Ok(()));
    assert_eq!(world.node(leader).engine.transfer_leader(away, 99), Err(Error::Stopped));
    let machine = world.stop(leader);
    let codes: Vec<Code> = requests.map(|request| machine.outcome(request).unwrap().code).collect();
    assert!(
        codes.iter().all(|code| matches!(code, Code::Stopped | Code::Busy | Code::TimedOut)),
        "{codes:?}"
    );
}
