//! From kill -9 of the leader to the next write that is acknowledged.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use raft_core::engine::code::Code;
use raft_core::engine::node::Engine;

use crate::Fallible;
use crate::cluster::Cluster;

fn now_us() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_micros())
}

/// How long a probe waits before it is made again: what went to the dead leader waits for long.
const PROBE: Duration = Duration::from_millis(100);

/// In a survivor: writes until one is done, and tells when that was.
pub(crate) fn probe(engine: &Engine) {
    let end = Instant::now() + Duration::from_secs(30);
    while Instant::now() < end {
        let begun = Instant::now();
        let outcome = engine.propose_wait(Bytes::from_static(b"probe"), PROBE);
        if outcome.is_ok_and(|outcome| outcome.code == Code::Ok) {
            println!("{}", now_us());
            return;
        }
        std::thread::sleep(Duration::from_millis(1).saturating_sub(begun.elapsed()));
    }
    println!("0");
}

/// Kills the leader and asks both survivors.
pub(crate) fn measure(at_least: Duration, dir: &Path) -> Fallible<()> {
    let mut cluster = Cluster::start("engine", dir)?;
    // The survivors have heard a heartbeat or two.
    std::thread::sleep(at_least);
    let mut leader = cluster.nodes.remove(0);
    let killed = now_us();
    leader.child.kill()?;
    for node in &mut cluster.nodes {
        node.tell("probe")?;
    }
    let mut done = Vec::new();
    for node in &mut cluster.nodes {
        done.push(node.hear()?.parse::<u128>()?);
    }
    let first = done.into_iter().filter(|at| *at > killed).min().ok_or("nobody took over")?;
    println!("{{\"value\": {:.1}}}", (first - killed) as f64 / 1e3);
    Ok(())
}
