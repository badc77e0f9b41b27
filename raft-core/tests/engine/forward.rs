//! A follower hands requests to the leader, and their outcomes come back.

use std::time::Duration;

use bytes::Bytes;
use raft_core::engine::code::Code;
use raft_core::engine::metrics::Counter;
use raft_core::error::Error;
use raft_core::raftpb::conf_change::{ConfChangeSingle, ConfChangeType, ConfChangeV2};
use raft_core::raftpb::entry::Entries;
use raft_core::raftpb::message::{Message, MessageType};

use crate::world::{PATIENCE, World, wait_for, wait_until};

fn world() -> World {
    World::new(&[1, 2, 3], |options| options.consensus.forward_proposals = true)
}

fn other_than(leader: u64) -> u64 {
    leader % 3 + 1
}

fn learner(id: u64) -> ConfChangeV2 {
    ConfChangeV2::new(vec![ConfChangeSingle::new(ConfChangeType::AddLearnerNode, id)])
}

#[test]
fn a_follower_gets_the_answer_of_the_leaders_state_machine() {
    let world = world();
    let leader = world.leader();
    let follower = world.node(other_than(leader));
    let outcome = follower.engine.propose_wait(Bytes::from_static(b"one"), PATIENCE).unwrap();
    assert_eq!(outcome.code, Code::Ok);
    assert_eq!(outcome.answer, format!("{leader} at {}", outcome.index));
    // A batch, by the callback.
    follower.engine.propose((0..50).map(|n| (Bytes::from(format!("{n}")), n + 1)).collect()).unwrap();
    for request in 1..=50 {
        let outcome = wait_for("an outcome", || follower.machine.outcome(request));
        assert_eq!((outcome.code, outcome.request), (Code::Ok, request));
        assert_eq!(outcome.answer, format!("{leader} at {}", outcome.index));
    }
    let commands = world.agreed(51);
    assert_eq!(commands.len(), 51);
    assert_eq!(commands[1..], (0..50).map(|n| Bytes::from(format!("{n}"))).collect::<Vec<_>>());
    // The leader's own requests have answers too.
    let outcome = world.node(leader).engine.propose_wait(Bytes::from_static(b"two"), PATIENCE).unwrap();
    assert_eq!(outcome.answer, format!("{leader} at {}", outcome.index));
}

#[test]
fn a_follower_changes_the_membership_and_hears_of_what_does_not_fit() {
    let world = world();
    let leader = world.leader();
    let follower = world.node(other_than(leader));
    let outcome = follower.engine.change_wait(learner(4), PATIENCE).unwrap();
    assert_eq!(outcome.code, Code::Ok);
    assert!(world.node(leader).engine.status().status.membership.learners.contains(&4));
    let leave = ConfChangeV2::default();
    assert_eq!(follower.engine.change_wait(leave, PATIENCE).unwrap().code, Code::ConfChange);
}

#[test]
fn without_a_leader_the_refusal_is_certain_and_at_once() {
    let world = world();
    let leader = world.leader();
    let follower = other_than(leader);
    // One that has not heard of its leader yet may do so from a message that is under way now.
    wait_until("it to follow", || world.node(follower).engine.status().status.leader == leader);
    world.set_cut(follower, true);
    wait_until("no leader", || world.node(follower).engine.status().status.leader == 0);
    let outcome = world.node(follower).engine.propose_wait(Bytes::from_static(b"x"), PATIENCE).unwrap();
    assert_eq!((outcome.code, outcome.leader), (Code::NotLeader, 0));
}

#[test]
fn a_request_whose_answer_is_lost_ends_as_unknown() {
    let world = world();
    let leader = world.leader();
    let follower = world.node(other_than(leader));
    world.set_filter(|message| message.msg_type != MessageType::MsgReadIndexResp);
    let outcome = follower.engine.propose_wait(Bytes::from_static(b"lost answer"), PATIENCE).unwrap();
    assert_eq!(outcome.code, Code::Unknown);
    // It was applied, and nobody could know.
    assert_eq!(world.agreed(1), ["lost answer"]);
    world.set_filter(|message| message.msg_type != MessageType::MsgProp);
    let outcome = follower.engine.propose_wait(Bytes::from_static(b"lost"), PATIENCE).unwrap();
    assert_eq!(outcome.code, Code::Unknown);
    world.set_filter(|_| true);
    world.write("end");
    assert_eq!(world.agreed(2), ["lost answer", "end"]);
}

#[test]
fn a_leader_that_has_gone_refuses_with_certainty() {
    let world = world();
    let leader = world.leader();
    let follower = other_than(leader);
    // A request meant for the leader of a term that is over.
    let term = world.node(leader).engine.status().status.hard_state.term;
    let next = other_than(follower);
    let next = if next == leader { follower } else { next };
    world.node(leader).engine.transfer_leader(next, 0).unwrap();
    wait_until("another leader", || world.leader() == next);
    let mut context = b"rftprop1".to_vec();
    [77u64, 0, term].iter().for_each(|field| context.extend(field.to_le_bytes()));
    let late = Message {
        from: follower,
        context: context.into(),
        entries: Entries::proposals(vec![Bytes::from_static(b"late")]),
        ..Message::new(MessageType::MsgProp, leader)
    };
    world.node(leader).engine.step(late.clone()).unwrap();
    world.write("end");
    assert_eq!(world.agreed(1), ["end"]);
    // A node that is no member is not served.
    let stranger = Message { from: 9, ..late };
    assert_eq!(world.node(leader).engine.step(stranger), Err(Error::StepPeerNotFound(9)));
}

#[test]
fn what_waits_for_the_leader_is_bounded() {
    let world = World::new(&[1, 2, 3], |options| {
        options.consensus.forward_proposals = true;
        options.queue_items_max = 16;
    });
    let leader = world.leader();
    let follower = world.node(other_than(leader));
    world.set_filter(|message| message.msg_type != MessageType::MsgReadIndexResp);
    let mut accepted = 0;
    let busy = wait_for("a full table", || {
        accepted +=
            u64::from(follower.engine.propose(vec![(Bytes::from_static(b"x"), accepted + 1)]).is_ok());
        let outcomes = follower.machine.outcomes.lock();
        outcomes.values().flatten().find(|outcome| outcome.code == Code::Busy).cloned()
    });
    // Those that the driver takes up together are refused together, so the first of them may be an earlier one.
    assert!(accepted > 16, "{busy:?}");
    world.set_filter(|_| true);
    wait_until("all outcomes", || follower.machine.outcomes.lock().len() as u64 == accepted);
    let code =
        follower.engine.propose_wait(Bytes::from_static(b"again"), Duration::from_secs(60)).unwrap().code;
    assert_eq!(code, Code::Ok);
}

#[test]
fn a_request_that_is_lost_leaves_room_for_those_behind_it() {
    let world = World::new(&[1, 2, 3], |options| {
        options.consensus.forward_proposals = true;
        options.queue_items_max = 16;
    });
    let leader = world.leader();
    let follower = world.node(other_than(leader));
    wait_until("it to follow", || follower.engine.status().status.leader == leader);
    let mut is_lost = false;
    world.set_filter(move |message| {
        message.msg_type != MessageType::MsgProp || std::mem::replace(&mut is_lost, true)
    });
    follower.engine.propose(vec![(Bytes::from_static(b"lost"), 1)]).unwrap();
    // Not together with the others.
    wait_until("it to be sent", || follower.engine.counter(Counter::Forwarded) == 1);
    for n in 0..40 {
        let outcome = follower.engine.propose_wait(Bytes::from(format!("{n}")), PATIENCE).unwrap();
        assert_ne!(outcome.code, Code::Busy, "{n}");
    }
    let lost = wait_for("the end of its time", || follower.machine.outcome(1));
    assert_eq!(lost.code, Code::Unknown);
}

/// A leader on etcd's raft appends what is forwarded to it and says nothing. It tells no number of its disk either.
#[test]
fn nothing_is_forwarded_to_a_leader_of_another_make() {
    let world = world();
    world.leader();
    let follower = world.node(1);
    world.set_cut(1, true);
    let term = 1000;
    let heartbeat =
        |store, term| Message { from: 2, term, store, ..Message::new(MessageType::MsgHeartbeat, 1) };
    let propose = |patience| follower.engine.propose_wait(Bytes::from_static(b"x"), patience);
    let follows = |term: u64| {
        let status = follower.engine.status().status;
        (status.leader, status.hard_state.term) == (2, term)
    };
    follower.engine.step(heartbeat(0, term)).unwrap();
    wait_until("the leader is known", || follows(term));
    let refused = propose(PATIENCE).unwrap();
    assert_eq!((refused.code, refused.leader), (Code::NotLeader, 2));
    // A late one, of a leader of old that does answer, changes nothing.
    follower.engine.step(heartbeat(7 << 32, term - 1)).unwrap();
    let refused = propose(PATIENCE).unwrap();
    assert_eq!((refused.code, refused.leader), (Code::NotLeader, 2));
    // One of this library is asked.
    follower.engine.step(heartbeat(7 << 32, term + 1)).unwrap();
    wait_until("the leader is known", || follows(term + 1));
    assert_eq!(propose(Duration::from_millis(1)), Err(Error::TimedOut));
}
