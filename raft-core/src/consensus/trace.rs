//! A trace of what a node does, line by line, in the form in which etcd's raft writes it to be held against its TLA+
//! specification: one JSON object a line. Without a sink nothing is written, and nothing made up.
//!
//! The lines carry no time; those of several nodes have to be in the order in which things happened, which a sink that
//! all of them share keeps.

use std::fmt;
use std::sync::Arc;

use crate::consensus::log::storage::Storage;
use crate::consensus::quorum::configuration::Configuration;
use crate::consensus::raft::state::Raft;
use crate::raftpb::conf_change::{ConfChangeType, ConfChangeV2};
use crate::raftpb::message::{Message, MessageType};

/// Takes one line, without its end.
pub type Sink = Arc<dyn Fn(&str) + Send + Sync>;

/// Who listens, and what was put into the outbox since the last line: the outbox does not know the node's state.
#[derive(Default)]
pub(in crate::consensus) struct Trace {
    pub(in crate::consensus) sink: Option<Sink>,
    queued: Vec<(&'static str, String, bool)>,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.sink.is_some() { "on" } else { "off" })
    }
}

impl Trace {
    #[inline]
    pub(in crate::consensus) fn queued(&mut self, message: &Message) {
        if self.sink.is_some() {
            self.queue(message);
        }
    }

    fn queue(&mut self, message: &Message) {
        use MessageType::*;
        let name = match message.msg_type {
            MsgApp | MsgHeartbeat | MsgSnap => "SendAppendEntriesRequest",
            MsgAppResp | MsgHeartbeatResp => "SendAppendEntriesResponse",
            MsgVote => "SendRequestVoteRequest",
            MsgVoteResp => "SendRequestVoteResponse",
            _ => return,
        };
        self.queued.push((name, message_json(message), message.msg_type == MsgApp));
    }
}

impl<S: Storage> Raft<S> {
    /// Something has happened that has no more to it.
    #[inline]
    pub(in crate::consensus) fn trace(&mut self, name: &str) {
        if self.outbox.trace.sink.is_some() {
            self.trace_line(name, "");
        }
    }

    /// What was put into the outbox so far, under the state that holds now.
    #[inline]
    pub(in crate::consensus) fn trace_queued(&mut self) {
        if self.outbox.trace.sink.is_some() {
            self.write_queued();
        }
    }

    fn write_queued(&mut self) {
        for (name, message, is_append) in std::mem::take(&mut self.outbox.trace.queued) {
            let own = self.leader_state().and_then(|leader| leader.progress.get(self.id()));
            let prop = match own.filter(|_| is_append) {
                Some(own) => format!(",\"prop\":{{\"match\":{},\"next\":{}}}", own.matched, own.next),
                None => String::new(),
            };
            self.write(name, &format!(",\"msg\":{message}{prop}"));
        }
    }

    /// A message has come, and nothing was done with it yet.
    #[inline]
    pub(in crate::consensus) fn trace_received(&mut self, message: &Message) {
        if self.outbox.trace.sink.is_some() {
            self.write_received(message);
        }
    }

    fn write_received(&mut self, message: &Message) {
        use MessageType::*;
        let name = match message.msg_type {
            MsgApp | MsgHeartbeat | MsgSnap => "ReceiveAppendEntriesRequest",
            MsgAppResp | MsgHeartbeatResp => "ReceiveAppendEntriesResponse",
            MsgVote => "ReceiveRequestVoteRequest",
            MsgVoteResp => "ReceiveRequestVoteResponse",
            _ => return,
        };
        self.trace_line(name, &format!(",\"msg\":{}", message_json(message)));
    }

    /// A leader is about to append a change of the membership.
    pub(in crate::consensus) fn trace_change(&mut self, change: &ConfChangeV2) {
        if self.outbox.trace.sink.is_none() {
            return;
        }
        let changes: Vec<String> = change
            .changes
            .iter()
            .filter_map(|single| {
                let action = match ConfChangeType::try_from(single.change_type).ok()? {
                    ConfChangeType::AddNode => "AddNewServer",
                    ConfChangeType::RemoveNode => "RemoveServer",
                    ConfChangeType::AddLearnerNode => "AddLearner",
                    ConfChangeType::UpdateNode => return None,
                };
                Some(format!("{{\"nid\":\"{}\",\"action\":\"{action}\"}}", single.node_id))
            })
            .collect();
        if !changes.is_empty() {
            let list = changes.join(",");
            self.trace_line("ChangeConf", &format!(",\"prop\":{{\"cc\":{{\"changes\":[{list}]}}}}"));
        }
    }

    /// This membership is about to come into force.
    pub(in crate::consensus) fn trace_membership(&mut self, membership: &Configuration) {
        if self.outbox.trace.sink.is_none() {
            return;
        }
        let ids = ids_json(membership.voters.incoming.ids());
        self.trace_line("ApplyConfChange", &format!(",\"prop\":{{\"cc\":{{\"newconf\":{ids}}}}}"));
    }

    fn trace_line(&mut self, name: &str, more: &str) {
        self.trace_queued();
        self.write(name, more);
    }

    fn write(&self, name: &str, more: &str) {
        let Some(sink) = &self.outbox.trace.sink else { return };
        let voters = &self.membership.voters;
        sink(&format!(
            "{{\"tag\":\"trace\",\"event\":{{\"name\":\"{name}\",\"nid\":\"{}\",\
             \"state\":{{\"term\":{},\"vote\":\"{}\",\"commit\":{}}},\"role\":\"{}\",\"log\":{},\
             \"conf\":[{},{}]{more}}}}}",
            self.id(),
            self.term,
            self.vote,
            self.log.committed(),
            self.role.kind(),
            self.log.last_index(),
            ids_json(voters.incoming.ids()),
            ids_json(voters.outgoing.ids()),
        ));
    }
}

fn ids_json(ids: &[u64]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| format!("\"{id}\"")).collect();
    format!("[{}]", ids.join(","))
}

/// To the specification a snapshot is an append of everything from the beginning.
fn message_json(message: &Message) -> String {
    let (log_term, index, entries) = match &message.snapshot {
        Some(snapshot) if message.msg_type == MessageType::MsgSnap => (0, 0, snapshot.metadata.index),
        _ => (message.log_term, message.index, message.entries.len() as u64),
    };
    format!(
        "{{\"type\":\"{:?}\",\"term\":{},\"from\":\"{}\",\"to\":\"{}\",\"entries\":{entries},\
         \"logTerm\":{log_term},\"index\":{index},\"commit\":{},\"vote\":\"{}\",\"reject\":{},\"rejectHint\":{}}}",
        message.msg_type,
        message.term,
        message.from,
        message.to,
        message.commit,
        message.vote,
        message.reject,
        message.reject_hint,
    )
}
