//! Proposals committed and applied on all three nodes, beside crate `raft` in the same run.
//!
//! `ours/wire` also encodes and decodes every message, which the peer's row does not.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use raft_benches::Group;
use raft_benches::ours::Ours;
use raft_benches::raft_rs::RaftRs;

fn core(c: &mut Criterion) {
    for len in [16, 256, 4096] {
        for batch in [1, 64] {
            let mut group = c.benchmark_group(format!("core/{len}B"));
            group.throughput(Throughput::Elements(batch as u64));
            let mut rows: [(&str, Box<dyn Group>); 3] = [
                ("ours", Box::new(Ours::new(false))),
                ("ours/wire", Box::new(Ours::new(true))),
                ("raft-0.7", Box::<RaftRs>::default()),
            ];
            for (name, row) in &mut rows {
                group.bench_function(BenchmarkId::new(*name, batch), |b| b.iter(|| row.commit(batch, len)));
            }
            group.finish();
        }
    }
}

criterion_group!(benches, core);
criterion_main!(benches);
