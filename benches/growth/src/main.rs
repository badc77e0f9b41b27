//! What grows, and with what: `bench-growth CURVE X [MORE]`.

mod engines;
mod log;
mod snapshot;
#[path = "../../../raft-core/tests/support/trio.rs"]
mod trio;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [curve, numbers @ ..] = &args[..] else { panic!("usage: bench-growth CURVE X [MORE]") };
    let number = |at: usize| -> u64 { numbers[at].parse().expect("a number") };
    match curve.as_str() {
        "nodes" => log::nodes(number(0), number(1) as usize),
        "length" => log::length(number(0)),
        "flight" => log::flight(number(0) as usize),
        "entries" => log::entries(number(0)),
        "engines-memory" => engines::memory(number(0)),
        "engines-threads" => engines::threads(number(0)),
        "engines-cpu" => engines::cpu(number(0)),
        "snapshot-save" => snapshot::save(number(0)),
        "snapshot-restore" => snapshot::restore(number(0)),
        _ => panic!("there is no curve {curve}"),
    }
}
