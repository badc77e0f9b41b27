//! Ten times the work that disk and state machine take: what does not fit is `Busy` at once, and memory stays below what
//! the options allow.

use bytes::Bytes;
use raft_core::engine::code::Code;
use raft_core::engine::options::Options;
use raft_core::error::Error;

use crate::METER;
use crate::gate::Gate;
use crate::world::{Node, PATIENCE, World, wait_until};

const IDS: [u64; 3] = [1, 2, 3];
const QUEUE_ITEMS: usize = 32;
const QUEUE_BYTES: usize = 128 << 10;
const UNCOMMITTED_BYTES: usize = 256 << 10;
const INFLIGHT_BYTES: usize = 64 << 10;

/// What the options let one node hold: its inbox, what is not applied in its log, what is on its way to two followers,
/// and for every item some hundred bytes beside the payload: there are an inbox, and entries, outcomes and reads sixteen
/// times as many each. Twice, for what moves from one place to the next.
const NODE_BYTES_MAX: usize =
    2 * (QUEUE_BYTES + UNCOMMITTED_BYTES + 2 * INFLIGHT_BYTES + (1 + 3 * 16) * QUEUE_ITEMS * 256);
const PEAK_MAX: usize = NODE_BYTES_MAX * IDS.len();
/// What an item that was refused would take, were it kept.
const ITEM_BYTES: usize = 128;

fn tight(options: &mut Options) {
    options.queue_items_max = QUEUE_ITEMS;
    options.queue_bytes_max = QUEUE_BYTES;
    options.proposal_bytes_max = 32 << 10;
    options.segment_bytes = 128 << 10;
    options.snapshot_entries = 32;
    options.snapshot_trailing = 16;
    // Nobody is to be elected for want of a processor, as far as that can be helped.
    options.consensus.election_ticks = 200;
    options.consensus.message_bytes_max = 32 << 10;
    options.consensus.uncommitted_bytes_max = UNCOMMITTED_BYTES as u64;
    options.consensus.inflight_bytes_max = INFLIGHT_BYTES as u64;
    options.consensus.inflight_messages_max = 16;
}

/// The test's own state machines and lists of outcomes must not grow.
fn keep_little(world: &World) {
    for node in world.nodes.values() {
        let mut outcomes = node.machine.outcomes.lock();
        // A disk that stands still for long costs its node the leadership.
        let is_known = |code: Code| {
            matches!(
                code,
                Code::Ok | Code::Busy | Code::Dropped | Code::NotLeader | Code::TimedOut | Code::Unknown
            )
        };
        assert!(outcomes.values().flatten().all(|outcome| is_known(outcome.code)), "{outcomes:?}");
        outcomes.clear();
        drop(outcomes);
        node.machine.state.lock().commands.clear();
    }
}

/// What the work amounts to.
#[derive(Default)]
struct Work {
    taken: usize,
    refused: usize,
    bytes: usize,
}

/// Offers payloads and reads, whether they are taken or not, as fast as they are refused.
fn offer(node: &Node, len: usize, work: &mut Work) {
    let data = Bytes::from(vec![7; len]);
    let propose = node.engine.propose(vec![(data, 1)]);
    for result in [propose, node.engine.read(1)] {
        match result {
            Ok(()) => work.taken += 1,
            Err(error) => {
                assert_eq!(error, Error::Busy);
                work.refused += 1;
                std::thread::yield_now();
            }
        }
    }
    work.bytes += len + 2 * ITEM_BYTES;
}

/// Writes at the pace of the cluster.
fn write(node: &Node, len: usize, work: &mut Work) {
    let outcome = node.engine.propose_wait(Bytes::from(vec![7; len]), PATIENCE).unwrap();
    assert_eq!(outcome.code, Code::Ok);
    work.taken += 1;
    work.bytes += len + ITEM_BYTES;
}

/// Works with the gates shut until all of it, were it kept, would be ten times what is allowed; `rounds` times in all.
fn flood(
    what: &str,
    rounds: usize,
    held_up: impl Fn(&World, u64) -> Vec<&Gate>,
    do_some: impl Fn(&Node, &mut Work),
) {
    let world = World::new(&IDS, tight);
    world.node(1).engine.campaign().unwrap();
    world.write("before");
    let idle = METER.held();
    METER.take_peak();
    let mut work = Work::default();
    for round in 1..=rounds {
        let leader = world.leader();
        let gates = held_up(&world, leader);
        gates.iter().for_each(|gate| gate.set_shut(true));
        while work.bytes < 10 * PEAK_MAX / rounds * round {
            do_some(world.node(leader), &mut work);
            keep_little(&world);
        }
        gates.iter().for_each(|gate| gate.set_shut(false));
        wait_until("the backlog to go", || {
            keep_little(&world);
            world.nodes.values().all(|node| {
                let status = node.engine.status().status;
                status.applied == status.last_index
            })
        });
    }
    let peak = METER.take_peak().saturating_sub(idle);
    let Work { taken, refused, bytes } = work;
    println!(
        "{what}: {taken} taken, {refused} refused at once, {bytes} bytes of work, peak {peak} of {PEAK_MAX}"
    );
    assert!(peak <= PEAK_MAX, "{what}: {peak} bytes, {PEAK_MAX} are allowed");
}

pub(crate) fn memory_stays_flat_under_ten_times_the_work() {
    for len in [8 << 10, 1] {
        let offer = |node: &Node, work: &mut Work| offer(node, len, work);
        flood("all disks stand still", 5, |world, _| gates(world, |node| &node.volume.gate), offer);
        flood("the leader's disk stands still", 5, |world, id| vec![&world.node(id).volume.gate], offer);
        flood(
            "state machines stand still",
            5,
            |world, _| gates(world, |node| &node.machine.apply_gate),
            offer,
        );
    }
    flood(
        "a follower's state machine stands still",
        1,
        |world, id| vec![&world.node(id % 3 + 1).machine.apply_gate],
        |node, work| write(node, 30 << 10, work),
    );
}

fn gates(world: &World, gate: impl Fn(&Node) -> &Gate) -> Vec<&Gate> {
    world.nodes.values().map(gate).collect()
}
