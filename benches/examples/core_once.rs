//! The same work without criterion, for an instruction counter: `core_once GROUP BATCH LEN COUNT`.

use raft_benches::Group;
use raft_benches::ours::Ours;
use raft_benches::raft_rs::RaftRs;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let number =
        |at: usize, default: usize| args.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let mut group: Box<dyn Group> = match args.get(1).map(String::as_str) {
        Some("raft-0.7") => Box::<RaftRs>::default(),
        Some("ours/wire") => Box::new(Ours::new(true)),
        _ => Box::new(Ours::new(false)),
    };
    for _ in 0..number(4, 10_000) {
        group.commit(number(2, 1), number(3, 16));
    }
}
