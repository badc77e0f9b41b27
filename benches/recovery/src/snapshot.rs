//! A snapshot that is saved, sent to a node that has nothing, and restored by the next start; and the memory it takes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};

use bench_harness::memory::measured;
use bytes::Bytes;
use raft_core::engine::code::Code;
use raft_core::engine::node::Engine;
use raft_core::raftpb::conf_change::{ConfChangeSingle, ConfChangeType, ConfChangeV2};
use raft_core::raftpb::message::Message;

use crate::machine::{Machine, options};
use crate::{PATIENCE, folder, lead, wait_until};

/// Messages on their way at a time.
const NETWORK: usize = 256;
/// To whom the network sends when it ends.
const NOBODY: u64 = 0;

fn take(engine: &Engine) {
    let outcome = engine.propose_wait(Bytes::from_static(b"x"), PATIENCE).expect("a proposal");
    assert_eq!(outcome.code, Code::Ok);
    assert_eq!(engine.snapshot_wait(PATIENCE).expect("a snapshot").code, Code::Ok);
}

pub fn save(mib: u64) {
    let folder = folder();
    let engine = Engine::open(options(1, &[1]), folder.path(), Machine::new(mib << 20)).expect("an engine");
    lead(&engine);
    measured(mib, || take(&engine));
    engine.stop(PATIENCE).expect("an end");
}

pub fn restore(mib: u64) {
    let folder = folder();
    let engine = Engine::open(options(1, &[1]), folder.path(), Machine::new(mib << 20)).expect("an engine");
    lead(&engine);
    take(&engine);
    engine.stop(PATIENCE).expect("an end");
    drop(engine);
    let machine = Machine::new(mib << 20);
    let mut again = None;
    measured(mib, || {
        again = Some(Engine::open(options(1, &[]), folder.path(), machine.clone()).expect("an engine"));
    });
    assert_eq!(machine.restored.load(Ordering::Acquire), mib << 20);
    again.expect("it was opened").stop(PATIENCE).expect("an end");
}

/// From one engine to another of this process: through the messages, onto its disk, and into its state machine.
pub fn send(mib: u64) {
    let folder = folder();
    let (network, messages) = sync_channel(NETWORK);
    let machine = || Machine { bytes: mib << 20, network: Some(network.clone()), ..Machine::default() };
    let received = Arc::new(machine());
    let from = Engine::open(options(1, &[1]), &folder.path().join("1"), Arc::new(machine()));
    let to = Engine::open(options(2, &[]), &folder.path().join("2"), received.clone());
    let engines = [from.expect("an engine"), to.expect("an engine")];
    lead(&engines[0]);
    take(&engines[0]);
    std::thread::scope(|scope| {
        let nodes = &engines;
        scope.spawn(move || carry(nodes, &messages));
        measured(mib, || {
            let learner = ConfChangeSingle::new(ConfChangeType::AddLearnerNode, 2);
            let outcome = engines[0].change_wait(ConfChangeV2::new(vec![learner]), PATIENCE);
            assert_eq!(outcome.expect("a change").code, Code::Ok);
            wait_until("it is restored", || received.restored.load(Ordering::Acquire) >= mib << 20);
        });
        network.send((NOBODY, Vec::new())).expect("a network");
    });
    assert_eq!(received.restored.load(Ordering::Acquire), mib << 20);
    engines.iter().for_each(|engine| engine.stop(PATIENCE).expect("an end"));
}

/// Brings messages to their receivers, encoded and decoded as on any way between two processes.
fn carry(engines: &[Engine; 2], messages: &Receiver<(u64, Vec<u8>)>) {
    for (to, bytes) in messages {
        if to == NOBODY {
            return;
        }
        let message = Message::decode(Bytes::from(bytes)).expect("a message");
        // What is not taken is lost, and sent again.
        let _ = engines[to as usize - 1].step(message);
    }
}
