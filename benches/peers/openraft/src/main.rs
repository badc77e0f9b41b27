//! The core rows of openraft 0.9: `bench-openraft ct LEN CLIENTS`, all of it on one thread.
//!
//! It is an engine, so a batch is so many clients that each wait for their write before the next, which lets it overlap them.

mod store;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bench_harness::sample;
use openraft::error::{InstallSnapshotError, RPCError, RaftError, Unreachable};
use openraft::network::{RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use openraft::{BasicNode, Config, Raft, SnapshotPolicy};
use tokio::runtime::Builder;

use crate::store::{Applied, LogStore, Payload, StateMachine, TypeConfig};

type Nodes = Arc<Mutex<Vec<Raft<TypeConfig>>>>;
type CallError<E = openraft::error::Infallible> = RPCError<u64, BasicNode, RaftError<u64, E>>;

/// Calls of functions instead of a network.
#[derive(Clone)]
struct Network {
    nodes: Nodes,
    target: usize,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Network;

    async fn new_client(&mut self, target: u64, _: &BasicNode) -> Network {
        Network { nodes: self.nodes.clone(), target: target as usize - 1 }
    }
}

impl Network {
    fn node(&self) -> Raft<TypeConfig> {
        self.nodes.lock().unwrap()[self.target].clone()
    }
}

fn unreachable<E: std::error::Error + 'static, F: std::error::Error>(
    fault: E,
) -> RPCError<u64, BasicNode, F> {
    RPCError::Unreachable(Unreachable::new(&fault))
}

impl RaftNetwork<TypeConfig> for Network {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, CallError> {
        self.node().append_entries(request).await.map_err(unreachable)
    }

    async fn install_snapshot(
        &mut self,
        request: InstallSnapshotRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, CallError<InstallSnapshotError>> {
        self.node().install_snapshot(request).await.map_err(unreachable)
    }

    async fn vote(
        &mut self,
        request: VoteRequest<u64>,
        _: RPCOption,
    ) -> Result<VoteResponse<u64>, CallError> {
        self.node().vote(request).await.map_err(unreachable)
    }
}

async fn start(applied: &[Applied]) -> Vec<Raft<TypeConfig>> {
    let config = Config {
        heartbeat_interval: 2_000,
        election_timeout_min: 20_000,
        election_timeout_max: 30_000,
        max_payload_entries: 4096,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(sample::CYCLE),
        max_in_snapshot_log_to_keep: 0,
        ..Config::default()
    };
    let config = Arc::new(config.validate().unwrap());
    let nodes: Nodes = Arc::default();
    for (at, applied) in applied.iter().enumerate() {
        let network = Network { nodes: nodes.clone(), target: 0 };
        let machine = StateMachine::new(applied.clone());
        let node =
            Raft::new(at as u64 + 1, config.clone(), network, LogStore::default(), machine).await.unwrap();
        nodes.lock().unwrap().push(node);
    }
    let nodes = nodes.lock().unwrap().clone();
    let members: BTreeMap<u64, BasicNode> = (1..=3).map(|id| (id, BasicNode::default())).collect();
    nodes[0].initialize(members).await.unwrap();
    nodes[0].wait(Some(Duration::from_secs(60))).current_leader(1, "the first node leads").await.unwrap();
    nodes
}

/// So many clients, each with its share of a cycle; then what has not arrived everywhere yet.
async fn cycle(leader: &Raft<TypeConfig>, applied: &[Applied], payload: &[u8], clients: u64) {
    let target = applied[0].bytes() + sample::CYCLE * payload.len() as u64;
    let client = |_| {
        let (leader, payload) = (leader.clone(), payload.to_vec());
        tokio::spawn(async move {
            for _ in 0..sample::CYCLE / clients {
                leader.client_write(Payload::from(&payload[..])).await.unwrap();
            }
        })
    };
    let running: Vec<_> = (0..clients).map(client).collect();
    for one in running {
        one.await.unwrap();
    }
    for node in applied {
        while node.bytes() < target {
            tokio::task::yield_now().await;
        }
        assert_eq!(node.bytes(), target);
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, _, len, clients] = &args[..] else { panic!("usage: PROGRAM ct LEN CLIENTS") };
    let (len, clients): (usize, u64) =
        (len.parse().expect("a length"), clients.parse().expect("a number of clients"));
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let applied: Vec<Applied> = (0..3).map(|_| Applied::default()).collect();
    let nodes = runtime.block_on(start(&applied));
    let payload = vec![0x55; len];
    sample::take(sample::CYCLE, || runtime.block_on(cycle(&nodes[0], &applied, &payload, clients)));
}
