//! A command that is proposed again in its session is applied once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raft_core::engine::code::Code;
use raft_core::engine::node::Engine;
use raft_core::engine::outcome::Outcome;
use raft_core::raftpb::conf_change::ConfChangeType;

use crate::world::{PATIENCE, World, wait_for, wait_until};

fn world() -> World {
    World::new(&[1, 2, 3], |options| {
        options.consensus.forward_proposals = true;
        options.snapshot_entries = 0;
    })
}

fn open(engine: &Engine) -> u64 {
    wait_for("a session", || {
        let outcome = engine.open_session_wait(PATIENCE).ok()?;
        (outcome.code == Code::Ok).then_some(outcome.index)
    })
}

/// Proposes until the outcome is certain.
fn insist(engine: &Engine, session: u64, sequence: u64, data: &str) -> Outcome {
    wait_for("a certain outcome", || {
        let outcome =
            engine.propose_once_wait(session, sequence, data.as_bytes(), Duration::from_secs(2)).ok()?;
        matches!(outcome.code, Code::Ok | Code::Session).then_some(outcome)
    })
}

#[test]
fn it_has_the_same_outcome_at_every_node() {
    let world = world();
    world.leader();
    let session = open(&world.node(1).engine);
    let first = insist(&world.node(1).engine, session, 1, "once");
    assert_eq!((first.code, first.answer.is_empty()), (Code::Ok, false));
    for id in [1, 2, 3] {
        assert_eq!(insist(&world.node(id).engine, session, 1, "once"), first);
    }
    let second = insist(&world.node(2).engine, session, 2, "twice");
    assert!(second.index > first.index);
    assert_eq!(insist(&world.node(3).engine, session, 1, "once").code, Code::Session, "it has gone on");
    assert_eq!(insist(&world.node(3).engine, session + 1, 1, "never").code, Code::Session, "there is none");
    world.node(2).engine.close_session(session, 77).unwrap();
    assert_eq!(wait_for("the end", || world.node(2).machine.outcome(77)).code, Code::Ok);
    assert_eq!(insist(&world.node(2).engine, session, 3, "late").code, Code::Session, "it is closed");
    assert_eq!(world.agreed(2), ["once", "twice"]);
}

#[test]
fn it_has_the_same_outcome_beside_the_next_command_and_beside_the_end_of_its_session() {
    let world = world();
    let mut last = 0;
    // A leader that loses its place meanwhile cannot tell, and another one gives answers with its own name in them.
    wait_for("certain outcomes", || {
        let node = world.node(world.leader());
        let session = open(&node.engine);
        let first = insist(&node.engine, session, 1, "once");
        let requests = [1, 2, 3, 4].map(|n| last + n);
        last += 4;
        // What comes while the driver sends it takes up together, and it is applied together then.
        node.machine.send_gate.set_shut(true);
        wait_until("a driver that sends", || node.machine.send_gate.waiting() > 0);
        for (request, (sequence, data)) in
            requests.into_iter().zip([(1, b"once"), (2, b"more"), (2, b"more")])
        {
            node.engine.propose_once(session, sequence, data, request).unwrap();
        }
        node.engine.close_session(session, requests[3]).unwrap();
        node.machine.send_gate.set_shut(false);
        let outcomes = requests.map(|request| {
            let outcome = wait_for("an outcome", || node.machine.outcome(request));
            Outcome { request: 0, ..outcome }
        });
        let is_certain = outcomes.iter().all(|outcome| outcome.code == Code::Ok);
        let is_certain = is_certain && outcomes[3].term == first.term;
        is_certain.then(|| {
            assert_eq!(outcomes[0], first);
            assert_eq!(outcomes[2], outcomes[1]);
            assert!(!outcomes[1].answer.is_empty() && outcomes[1].answer != first.answer);
        })
    });
}

/// Clients that do not know what became of a command propose it again, anywhere, while leaders come and go and the
/// network repeats everything.
#[test]
fn impatient_clients_have_each_command_applied_once_and_in_order() {
    let world = world();
    world.set_repeats(1);
    world.leader();
    let engines: Vec<Arc<Engine>> = world.nodes.values().map(|node| Arc::clone(&node.engine)).collect();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..3usize)
            .map(|client| {
                let engines = &engines;
                scope.spawn(move || {
                    let session = open(&engines[client]);
                    let mut at = client;
                    for sequence in 1..=60 {
                        wait_for("a certain outcome", || {
                            at = (at + 1) % engines.len();
                            let data = format!("{client} {sequence}");
                            let engine = &engines[at];
                            let wait = Duration::from_millis(20);
                            let outcome =
                                engine.propose_once_wait(session, sequence, data.as_bytes(), wait).ok()?;
                            assert_ne!(outcome.code, Code::Session);
                            (outcome.code == Code::Ok).then_some(())
                        });
                    }
                })
            })
            .collect();
        while clients.iter().any(|client| !client.is_finished()) {
            let leader = world.leader();
            let _ = world.node(leader).engine.transfer_leader(leader % 3 + 1, 0);
            std::thread::sleep(Duration::from_millis(50));
        }
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
    let commands = world.agreed(180);
    for client in 0..3 {
        let own: Vec<&Bytes> =
            commands.iter().filter(|command| command.starts_with(format!("{client} ").as_bytes())).collect();
        assert_eq!(
            own,
            (1..=60)
                .map(|n| Bytes::from(format!("{client} {n}")))
                .collect::<Vec<_>>()
                .iter()
                .collect::<Vec<_>>()
        );
    }
}

#[test]
fn they_are_in_snapshots() {
    let mut world = world();
    let leader = world.leader();
    let session = open(&world.node(leader).engine);
    let first = insist(&world.node(leader).engine, session, 1, "once");
    for (id, node) in &world.nodes {
        node.engine.snapshot(*id).unwrap();
        assert_eq!(wait_for("a snapshot", || node.machine.outcome(*id)).code, Code::Ok);
    }
    // A newcomer has them from the leader's snapshot, the others from their own.
    world.start(4, &[]);
    world.change(ConfChangeType::AddNode, 4);
    world.agreed(1);
    for id in [1, 2, 3] {
        world.stop(id);
        world.start(id, &[]);
    }
    world.leader();
    for id in [4, 1, 2, 3] {
        let again = insist(&world.node(id).engine, session, 1, "once");
        assert_eq!((again.code, again.index, again.term), (Code::Ok, first.index, first.term), "node {id}");
        // Which node answered first is in the answer of this machine, and another one leads now.
        let answer = format!(" at {}", first.index);
        assert!(again.answer.ends_with(answer.as_bytes()), "node {id}: {:?}", again.answer);
    }
    assert_eq!(world.agreed(1), ["once"]);
}

#[test]
fn bytes_that_look_like_a_session_reach_the_state_machine_as_they_are() {
    let world = world();
    let leader = world.leader();
    let engine = &world.node(leader).engine;
    let looks_alike = [&b"rftsess1"[..], b"rftsess1\x01", b"rftsess1\x00x"];
    for data in looks_alike {
        assert_eq!(engine.propose_wait(Bytes::from_static(data), PATIENCE).unwrap().code, Code::Ok);
    }
    engine.propose(looks_alike.iter().map(|data| (Bytes::from_static(data), 0)).collect()).unwrap();
    assert_eq!(world.agreed(6), [looks_alike, looks_alike].concat());
}
