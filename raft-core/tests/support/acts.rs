//! What can be done to one node, as values: by peers, by its host, by time.

use bytes::Bytes;
use raft_core::consensus::log::memory_storage::MemoryStorage;
use raft_core::consensus::raw_node::RawNode;
use raft_core::error::Error;
use raft_core::raftpb::conf_change::ConfChangeV2;
use raft_core::raftpb::message::Message;

#[derive(Clone, Debug)]
pub(crate) enum Act {
    Step(Message),
    Tick(u8),
    Campaign,
    Propose,
    Change(ConfChangeV2),
    Read,
    Transfer(u64),
    ForgetLeader,
    Unreachable(u64),
    SnapshotSent(u64, bool),
    DropLease,
    Work,
    Snapshot,
}

/// Does what the node asks for until it asks for nothing more.
pub(crate) fn work(node: &mut RawNode<MemoryStorage>) {
    while node.has_ready() {
        let ready = node.ready().unwrap();
        for message in &ready.messages {
            assert_ne!(message.to, node.status().id, "a message to itself");
        }
        if let Some(ticket) = ready.append {
            node.appended(ticket).unwrap();
        }
        if let Some(ticket) = ready.apply {
            node.applied(ticket).unwrap();
        }
    }
}

pub(crate) fn perform(node: &mut RawNode<MemoryStorage>, act: Act) -> Result<(), Error> {
    match act {
        Act::Step(message) => node.step(message),
        Act::Tick(ticks) => (0..ticks).try_for_each(|_| node.tick()),
        Act::Campaign => node.campaign(),
        Act::Propose => node.propose(vec![Bytes::from_static(b"p")]).map(|_| ()),
        Act::Change(change) => node.propose_conf_change(&change).map(|_| ()),
        Act::Read => node.read_index(Bytes::from_static(b"r")),
        Act::Transfer(to) => node.transfer_leader(to),
        Act::ForgetLeader => node.forget_leader(),
        Act::Unreachable(id) => node.report_unreachable(id),
        Act::SnapshotSent(id, ok) => node.report_snapshot(id, ok),
        Act::DropLease => node.drop_lease(),
        Act::Work => {
            work(node);
            Ok(())
        }
        Act::Snapshot => {
            let (index, conf_state) = (node.status().applied, node.conf_state());
            let storage = node.storage_mut();
            if storage.create_snapshot(index, conf_state, Bytes::new()).is_ok() {
                let _ = storage.compact(index);
            }
            Ok(())
        }
    }
}

/// Whether an error says no and leaves the node as it was.
pub(crate) fn is_refusal(error: &Error) -> bool {
    matches!(
        error,
        Error::ProposalDropped(_)
            | Error::ConfChange(_)
            | Error::Decode(_)
            | Error::Contradiction(_)
            | Error::StepLocalMessage(_)
            | Error::StepPeerNotFound(_)
            | Error::ReplacedStore(_)
            | Error::WrongReceiver(_)
    )
}
