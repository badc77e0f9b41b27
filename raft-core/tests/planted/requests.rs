//! Acts about what is said to those who asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use raft_core::engine::code::Code;
use raft_core::engine::event::Event;
use raft_core::engine::options::Options;
use raft_core::raftpb::conf_change::{ConfChangeSingle, ConfChangeType, ConfChangeV2};
use raft_core::raftpb::message::{Message, MessageType};

use crate::Verdict;
use crate::ledger::Ledger;
use crate::world::{PATIENCE, World, wait_for, wait_until};

const IDS: [u64; 3] = [1, 2, 3];

fn others(id: u64) -> [u64; 2] {
    [id % 3 + 1, (id + 1) % 3 + 1]
}

/// Stops all nodes, so that every request has ended, and judges.
fn close(mut world: World, ledger: &Ledger) -> Verdict {
    world.write("end");
    let commands = world.agreed(1);
    IDS.iter().for_each(|id| drop(world.stop(*id)));
    ledger.judge(&commands)
}

fn forwarding(options: &mut Options) {
    options.consensus.forward_proposals = true;
}

pub(crate) fn what_a_network_repeats_is_applied_and_answered_once() -> Verdict {
    let world = World::new(&IDS, forwarding);
    world.set_repeats(2);
    world.leader();
    let mut ledger = Ledger::default();
    for id in IDS {
        (0..5).for_each(|_| ledger.propose(&world, id, 5));
        ledger.await_outcomes(id);
    }
    close(world, &ledger)
}

pub(crate) fn what_another_leader_overwrote_is_not_called_applied() -> Verdict {
    let world = World::new(&IDS, |options| {
        // It does not notice that it is alone before it hears of the other.
        options.consensus.check_quorum = false;
        options.consensus.election_ticks = 20;
    });
    world.write("before");
    let old = world.leader();
    let mut ledger = Ledger::default();
    world.set_cut(old, true);
    ledger.propose(&world, old, 5);
    let new = world.leader_among(&others(old));
    (0..4).for_each(|_| ledger.propose(&world, new, 5));
    ledger.await_outcomes(new);
    world.set_cut(old, false);
    // Its log is overwritten then, and it knows what became of its own.
    wait_until("the old leader to follow", || world.node(old).machine.commands().len() > 20);
    close(world, &ledger)
}

pub(crate) fn what_another_leader_took_over_is_not_called_refused() -> Verdict {
    let world = World::new(&IDS, |_| {});
    world.write("before");
    let old = world.leader();
    let last = world.node(old).engine.status().status.last_index;
    let mut ledger = Ledger::default();
    // It speaks and does not hear.
    world.set_filter(move |message| message.to != old);
    ledger.propose(&world, old, 5);
    wait_until("the others to have it", || {
        others(old).iter().any(|id| world.node(*id).engine.status().status.last_index >= last + 5)
    });
    ledger.await_outcomes(old);
    world.set_filter(|_| true);
    close(world, &ledger)
}

pub(crate) fn a_stop_answers_what_the_driver_has_in_hand() -> Verdict {
    let mut world = World::new(&IDS, |_| {});
    world.write("before");
    let leader = world.leader();
    let mut ledger = Ledger::default();
    let machine = Arc::clone(&world.node(leader).machine);
    machine.send_gate.set_shut(true);
    wait_until("the driver to wait", || machine.send_gate.waiting() > 0);
    ledger.propose(&world, leader, 5);
    // Told to end while the driver cannot look.
    let early = world.node(leader).engine.stop(Duration::ZERO);
    machine.send_gate.set_shut(false);
    if early.is_ok() {
        return Err("the driver was not held up".to_owned());
    }
    world.stop(leader);
    world.write("end");
    ledger.judge(&world.agreed(2))
}

pub(crate) fn a_session_goes_on_behind_a_snapshot() -> Verdict {
    let mut world = World::new(&[1], |options| options.snapshot_entries = 0);
    world.leader();
    let engine = Arc::clone(&world.node(1).engine);
    let session = engine.open_session_wait(PATIENCE).unwrap().index;
    let first = engine.propose_once_wait(session, 1, b"once", PATIENCE).unwrap();
    engine.snapshot(7).unwrap();
    wait_until("a snapshot", || world.node(1).machine.outcome(7).is_some());
    world.stop(1);
    drop(engine);
    world.start(1, &[1]);
    world.leader();
    let again = world.node(1).engine.propose_once_wait(session, 1, b"once", PATIENCE).unwrap();
    if again != first {
        return Err(format!("the command was {first:?}, and proposed again {again:?}"));
    }
    Ok(())
}

pub(crate) fn a_change_that_is_done_is_in_force() -> Verdict {
    let world = World::new(&IDS, |_| {});
    world.write("before");
    let leader = world.leader();
    let node = world.node(leader);
    // The change is being applied while the driver, which brings it into force, is held up.
    node.machine.apply_gate.set_shut(true);
    let change = ConfChangeV2::new(vec![ConfChangeSingle::new(ConfChangeType::AddLearnerNode, 9)]);
    node.engine.change(change, 5).unwrap();
    wait_until("the apply to wait", || node.machine.apply_gate.waiting() > 0);
    node.machine.send_gate.set_shut(true);
    wait_until("the driver to wait", || node.machine.send_gate.waiting() > 0);
    node.machine.apply_gate.set_shut(false);
    // The applier tells outcomes first.
    wait_until("the event", || node.machine.has_event(|event| matches!(event, Event::Membership { .. })));
    let is_done = || node.machine.outcome(5).is_some_and(|outcome| outcome.code == Code::Ok);
    let is_in_force = || node.engine.status().status.membership.learners.contains(&9);
    let verdict = match is_done() && !is_in_force() {
        true => Err("a change is said to be done, and is not in force".to_owned()),
        false => Ok(()),
    };
    node.machine.send_gate.set_shut(false);
    wait_until("the outcome", || node.machine.outcome(5).is_some());
    verdict
}

/// As many heartbeats later whatever a message sets off has happened, unless the machine is very busy; then a fault may
/// go unnoticed, and a correct engine is not blamed.
const LATER: u64 = 25;

pub(crate) fn a_read_waits_for_its_index() -> Verdict {
    let world = World::new(&IDS, |_| {});
    world.write("set 1 1");
    let leader = world.leader();
    let [reader, _] = others(leader);
    let node = world.node(reader);
    wait_until("the reader to have it", || node.machine.register(1) == 1);
    node.machine.apply_gate.set_shut(true);
    world.write("set 1 2");
    let later = Arc::new(AtomicU64::new(0));
    let (count, is_answered) = (Arc::clone(&later), AtomicU64::new(0));
    world.set_filter(move |message| {
        let kind = message.msg_type;
        if message.to == reader && kind == MessageType::MsgReadIndexResp {
            is_answered.store(1, Ordering::SeqCst);
        } else if message.from == reader && kind == MessageType::MsgHeartbeatResp {
            count.fetch_add(is_answered.load(Ordering::SeqCst), Ordering::SeqCst);
        }
        true
    });
    std::thread::scope(|scope| {
        let read = scope.spawn(|| {
            let outcome = node.engine.read_wait(PATIENCE).unwrap();
            (outcome.code, node.machine.register(1))
        });
        wait_until("time to pass", || read.is_finished() || later.load(Ordering::SeqCst) >= LATER);
        node.machine.apply_gate.set_shut(false);
        match read.join().unwrap() {
            (Code::Ok, 2) => Ok(()),
            (code, found) => Err(format!("a read behind the write of 2 found {found} ({code:?})")),
        }
    })
}

pub(crate) fn a_state_is_as_fresh_as_the_question_for_it() -> Verdict {
    let world = World::new(&IDS, |options| options.consensus.election_ticks = 200);
    world.node(1).engine.campaign().unwrap();
    world.write("set 1 1");
    let reader = world.node(2);
    wait_until("the reader to have it", || reader.machine.register(1) == 1);
    // The leader's answer is held up, and then all that it sends.
    let held: Arc<Mutex<Option<Message>>> = Arc::default();
    let hold = Arc::clone(&held);
    world.set_filter(move |message| {
        let mut held = hold.lock();
        let is_answer = message.to == 2 && message.msg_type == MessageType::MsgReadIndexResp;
        if is_answer {
            held.get_or_insert(message.clone());
        }
        !is_answer && (message.to != 2 || held.is_none())
    });
    reader.engine.read(5).unwrap();
    let answer = wait_for("the answer", || held.lock().clone());
    world.write("set 1 2");
    let written = Instant::now();
    reader.engine.step(answer).unwrap();
    wait_until("the outcome", || reader.machine.outcome(5).is_some());
    let outcome = reader.engine.read_within_wait(written.elapsed(), Duration::from_millis(1));
    match outcome {
        Ok(outcome) if outcome.age < written.elapsed() && reader.machine.register(1) != 2 => {
            Err(format!("a state is called {:?} old, and lacks what is older", outcome.age))
        }
        _ => Ok(()),
    }
}
