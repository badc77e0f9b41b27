//! [`Outbox`]: messages on their way out, in two lists.

use crate::consensus::config::{Config, ReadOnlyOption};
use crate::consensus::mutants::{Mutant, is_planted};
use crate::consensus::trace::Trace;
use crate::raftpb::message::{Message, MessageType};

/// How many empty lists are kept, and for how many messages each.
const SPARE_LISTS: usize = 4;
const SPARE_CAPACITY: usize = 256;

/// Messages that may leave at once, and messages that promise something and wait until it is durable.
#[derive(Debug)]
pub(in crate::consensus) struct Outbox {
    id: u64,
    store_id: u64,
    /// Whether answers to heartbeats are promises too, on which a leader may build a lease.
    gives_leases: bool,
    /// The term up to which this node has saved that it saw it.
    pub(in crate::consensus) durable_term: u64,
    pub(in crate::consensus) messages: Vec<Message>,
    pub(in crate::consensus) after_append: Vec<Message>,
    /// Empty lists that the host has given back.
    spare: Vec<Vec<Message>>,
    pub(in crate::consensus) trace: Trace,
}

impl Outbox {
    pub(super) fn new(config: &Config, durable_term: u64) -> Self {
        let Config { id, store_id, .. } = *config;
        let gives_leases = config.read_only == ReadOnlyOption::LeaseBased;
        let (messages, after_append, spare) = (Vec::new(), Vec::new(), Vec::new());
        let trace = Trace::default();
        Outbox { id, store_id, gives_leases, durable_term, messages, after_append, spare, trace }
    }

    /// Takes the messages that may leave now, in exchange for a list whose memory those to come will use.
    pub(in crate::consensus) fn take_into(&mut self, list: &mut Vec<Message>) {
        list.clear();
        if list.capacity() == 0 && !self.messages.is_empty() {
            *list = self.spare.pop().unwrap_or_default();
        }
        std::mem::swap(list, &mut self.messages);
    }

    /// Takes the messages that promise something.
    pub(in crate::consensus) fn take_promises(&mut self) -> Vec<Message> {
        match self.after_append.is_empty() {
            true => Vec::new(),
            false => std::mem::replace(&mut self.after_append, self.spare.pop().unwrap_or_default()),
        }
    }

    /// Keeps a list for the messages to come, unless a burst has made it large.
    pub(in crate::consensus) fn recycle(&mut self, mut list: Vec<Message>) {
        if (1..=SPARE_CAPACITY).contains(&list.capacity()) && self.spare.len() < SPARE_LISTS {
            list.clear();
            self.spare.push(list);
        }
    }

    /// Sends `message`, with this node as its sender where none is set. `term` is the node's, and is written into
    /// every kind but two: a vote names the term it is about, and what is forwarded may outlive the sender's term.
    pub(super) fn send(&mut self, term: u64, message: Message) {
        let (kind, to) = (message.msg_type, message.to);
        self.put(term, kind, to, |place| *place = message);
    }

    /// The same for one of `kind` to `to` that `fill` writes where it will lie: what is as large and was written just now
    /// would be moved slowly.
    #[inline]
    pub(super) fn put(&mut self, term: u64, kind: MessageType, to: u64, fill: impl FnOnce(&mut Message)) {
        use MessageType::*;
        let promises = match kind {
            MsgAppResp if to != self.id && is_planted(Mutant::AckBeforeDurable) => false,
            MsgVoteResp if to != self.id && is_planted(Mutant::VoteBeforeDurable) => false,
            // "I hold these entries" and "you have my vote" must not be said before they survive a crash. The
            // node's own answers to itself take the same way.
            MsgAppResp | MsgVoteResp | MsgPreVoteResp => true,
            // After a crash a node keeps a promise that it may have given only if it finds that it was in a term.
            MsgHeartbeatResp => self.gives_leases && term > self.durable_term,
            _ => false,
        };
        let list = if promises { &mut self.after_append } else { &mut self.messages };
        // `push` would make it elsewhere first.
        list.extend(std::iter::once_with(|| Message::new(kind, to)));
        let Some(message) = list.last_mut() else { return };
        fill(message);
        if message.from == 0 {
            message.from = self.id;
            message.store = self.store_id;
        }
        match kind {
            MsgVote | MsgVoteResp | MsgPreVote | MsgPreVoteResp => {}
            MsgProp | MsgReadIndex => message.term = 0,
            _ => message.term = term,
        }
        self.trace.queued(message);
    }
}
