//! The bytes of the members: in every status, over restarts, and in a snapshot.

use bytes::Bytes;
use raft_core::engine::code::Code;
use raft_core::engine::event::Event;
use raft_core::engine::members::MEMBER_BYTES_MAX;
use raft_core::error::Error;
use raft_core::raftpb::conf_change::{ConfChangeSingle, ConfChangeType, ConfChangeV2};

use crate::world::{PATIENCE, World, wait_until};

/// Says of member `id`, through whoever leads, that these are its bytes.
fn update(world: &World, id: u64, bytes: &'static [u8]) {
    let step = ConfChangeSingle::new(ConfChangeType::UpdateNode, id);
    let change = ConfChangeV2 { context: Bytes::from_static(bytes), ..ConfChangeV2::new(vec![step]) };
    wait_until("an update", || {
        let outcome = world.node(world.leader()).engine.change_wait(change.clone(), PATIENCE);
        outcome.is_ok_and(|outcome| outcome.code == Code::Ok)
    });
}

fn bytes_at(world: &World, id: u64) -> Vec<(u64, Vec<u8>)> {
    let list = world.node(id).engine.status().member_bytes;
    list.into_iter().map(|(member, bytes)| (member, bytes.to_vec())).collect()
}

#[test]
fn a_change_of_several_steps_is_done_when_its_joint_configuration_is_left() {
    use ConfChangeType::{AddLearnerNode, AddNode, RemoveNode};
    let world = World::new(&[1, 2, 3], |_| {});
    world.write("first");
    let leader = world.leader();
    let other = leader % 3 + 1;
    let steps = |first, second| {
        let step = |(kind, id)| ConfChangeSingle::new(kind, id);
        ConfChangeV2::new(vec![step(first), step(second)])
    };
    for _ in 0..5 {
        // Nothing is refused because the change before it is still under way.
        for change in
            [steps((AddLearnerNode, other), (AddLearnerNode, 9)), steps((AddNode, other), (RemoveNode, 9))]
        {
            wait_until("the learner to keep pace", || {
                let outcome = world.node(leader).engine.change_wait(change.clone(), PATIENCE).unwrap();
                assert!(matches!(outcome.code, Code::Ok | Code::LearnerBehind), "{outcome:?}");
                outcome.code == Code::Ok
            });
            let members = world.node(leader).engine.status().status.membership;
            assert!(members.voters.outgoing.ids().is_empty(), "{members:?}");
        }
    }
}

#[test]
fn the_bytes_of_each_member_come_back_everywhere_and_over_restarts_and_snapshots() {
    let mut world = World::new(&[1, 2, 3], |options| {
        options.snapshot_entries = 20;
        options.snapshot_trailing = 1;
    });
    update(&world, 1, b"10.0.0.1:7000");
    update(&world, 2, b"\x00\xff\"");
    let expected = vec![(1, b"10.0.0.1:7000".to_vec()), (2, b"\x00\xff\"".to_vec())];
    for id in [1, 2, 3] {
        wait_until("the bytes", || bytes_at(&world, id) == expected);
    }
    let json = world.node(3).engine.status_json();
    assert!(
        json.contains("\"id\":1,\"voter\":true") && json.contains("\"bytes\":\"10.0.0.1:7000\""),
        "{json}"
    );
    assert!(json.contains("\"bytes\":\"\\u0000\\u00ff\\\"\""), "{json}");

    // From the log alone.
    world.stop(3);
    world.start(3, &[]);
    wait_until("the bytes from the log", || bytes_at(&world, 3) == expected);
    // From a snapshot, at once.
    (0..50).for_each(|n| world.write(&format!("{n}")));
    wait_until("a snapshot", || world.node(3).engine.status().snapshot_index > 10);
    world.stop(3);
    world.start(3, &[]);
    assert_eq!(bytes_at(&world, 3), expected);
    // A newcomer has only the snapshot.
    world.change(ConfChangeType::AddLearnerNode, 4);
    world.start(4, &[]);
    let with_4 = [expected.clone(), vec![(4, b"AddLearnerNode 4".to_vec())]].concat();
    wait_until("the bytes of a newcomer", || bytes_at(&world, 4) == with_4);
    assert!(world.node(4).machine.has_event(|event| matches!(event, Event::SnapshotRestored { .. })));
    // Who goes is forgotten.
    world.change(ConfChangeType::RemoveNode, 4);
    world.stop(4);
    for id in [1, 2, 3] {
        wait_until("the bytes without 4", || bytes_at(&world, id) == expected);
    }
}

#[test]
fn the_bytes_of_a_member_are_bounded() {
    let world = World::new(&[1], |_| {});
    let leader = &world.node(world.leader()).engine;
    let step = ConfChangeSingle::new(ConfChangeType::UpdateNode, 1);
    let change = |len: usize| ConfChangeV2 { context: vec![7; len].into(), ..ConfChangeV2::new(vec![step]) };
    let refused = Error::TooLarge { len: MEMBER_BYTES_MAX + 1, max: MEMBER_BYTES_MAX };
    assert_eq!(leader.change_wait(change(MEMBER_BYTES_MAX + 1), PATIENCE), Err(refused));
    assert_eq!(leader.change_wait(change(MEMBER_BYTES_MAX), PATIENCE).unwrap().code, Code::Ok);
    assert_eq!(leader.status().member_bytes[0].1.len(), MEMBER_BYTES_MAX);
}
