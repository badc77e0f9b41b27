//! What stands in the place of `trace.rs` without the feature: nobody listens, and nothing is written.

use crate::consensus::log::storage::Storage;
use crate::consensus::quorum::configuration::Configuration;
use crate::consensus::raft::state::Raft;
use crate::raftpb::conf_change::ConfChangeV2;
use crate::raftpb::message::Message;

/// Nobody listens.
#[derive(Debug, Default)]
pub(in crate::consensus) struct Trace;

impl Trace {
    pub(in crate::consensus) fn queued(&mut self, _: &Message) {}
}

impl<S: Storage> Raft<S> {
    pub(in crate::consensus) fn trace(&mut self, _: &str) {}
    pub(in crate::consensus) fn trace_queued(&mut self) {}
    pub(in crate::consensus) fn trace_received(&mut self, _: &Message) {}
    pub(in crate::consensus) fn trace_change(&mut self, _: &ConfChangeV2) {}
    pub(in crate::consensus) fn trace_membership(&mut self, _: &Configuration) {}
}
