//! One node of a transcript, with the work that it has handed out.

use std::collections::VecDeque;

use raft_core::consensus::config::Config;
use raft_core::consensus::describe::{APPEND_THREAD, APPLY_THREAD};
use raft_core::consensus::raw_node::RawNode;
use raft_core::consensus::ready::{AppendTicket, ApplyTicket, Ready};
use raft_core::error::Result;
use raft_core::raftpb::message::{Message, MessageType};

use super::disk::Disk;

/// A node. A synchronous one saves and applies while it handles a `Ready`; for an asynchronous one two threads do,
/// which take what is asked of them as messages and answer with messages, as in etcd.
pub(crate) struct Member {
    pub(crate) node: RawNode<Disk>,
    pub(crate) config: Config,
    pub(crate) is_async: bool,
    append_work: VecDeque<AppendTicket>,
    // Saved, and waiting for its number to come back.
    saved: VecDeque<(u64, AppendTicket)>,
    saved_count: u64,
    apply_work: VecDeque<ApplyTicket>,
    applied: VecDeque<ApplyTicket>,
}

/// A message on its way.
pub(crate) struct Flight {
    pub(crate) message: Message,
    /// Whether the receiver takes it in by handing a ticket back, and which.
    pub(crate) settles: Option<Settles>,
}

/// The ticket whose way back a message stands for.
#[derive(Clone, Copy)]
pub(crate) enum Settles {
    /// Appends up to this number.
    Appended(u64),
    /// The oldest apply.
    Applied,
    /// None: another answer of the same append does.
    Nothing,
}

impl Flight {
    /// As etcd's nodes read it, who answer every append.
    pub(crate) fn to_peer(message: Message) -> Self {
        Flight { message: Message { quiet: false, ..message }, settles: None }
    }

    /// Whether it never leaves its node, and so cannot be lost on the network.
    pub(crate) fn is_local(&self) -> bool {
        self.message.from == self.message.to || self.settles.is_some()
    }
}

impl Member {
    pub(crate) fn new(config: Config, is_async: bool, disk: Disk) -> Result<Self> {
        Ok(Member {
            node: RawNode::new(config.clone(), disk)?,
            config,
            is_async,
            append_work: VecDeque::new(),
            saved: VecDeque::new(),
            saved_count: 0,
            apply_work: VecDeque::new(),
            applied: VecDeque::new(),
        })
    }

    pub(crate) fn id(&self) -> u64 {
        self.config.id
    }

    /// Saves, applies and hands both back. Returns what may leave then.
    pub(crate) fn handle(&mut self, ready: Ready) -> Result<Vec<Message>> {
        if let Some(ticket) = &ready.append {
            self.save(ticket)?;
        }
        if let Some(ticket) = &ready.apply {
            self.node.storage_mut().apply(ticket.entries().clone())?;
        }
        let mut messages = ready.messages;
        messages.extend(self.node.advance(ready.append, ready.apply)?);
        Ok(messages)
    }

    fn save(&mut self, ticket: &AppendTicket) -> Result<()> {
        self.node.storage_mut().save(ticket.hard_state(), ticket.snapshot(), ticket.entries())
    }

    /// Gives the tickets to the threads.
    pub(crate) fn queue(&mut self, append: Option<AppendTicket>, apply: Option<ApplyTicket>) {
        self.append_work.extend(append);
        self.apply_work.extend(apply);
    }

    pub(crate) fn has_append_work(&self) -> bool {
        !self.append_work.is_empty()
    }

    pub(crate) fn has_apply_work(&self) -> bool {
        !self.apply_work.is_empty()
    }

    /// The next thing to save.
    pub(crate) fn next_append(&self) -> Option<&AppendTicket> {
        self.append_work.front()
    }

    /// The next thing to apply.
    pub(crate) fn next_apply(&self) -> Option<&ApplyTicket> {
        self.apply_work.front()
    }

    /// The append thread's turn. Returns its answers; the last one to this node brings the ticket back.
    pub(crate) fn run_append_thread(&mut self) -> Result<Vec<Flight>> {
        let Some(ticket) = self.append_work.pop_front() else { return Ok(Vec::new()) };
        self.save(&ticket)?;
        self.saved_count += 1;
        let id = self.id();
        let mut answers: Vec<Flight> = append_answers(id, &ticket)
            .into_iter()
            .map(|message| {
                let settles = (message.to == id).then_some(Settles::Nothing);
                Flight { message, settles }
            })
            .collect();
        if let Some(last) = answers.iter_mut().rfind(|answer| answer.settles.is_some()) {
            last.settles = Some(Settles::Appended(self.saved_count));
        }
        self.saved.push_back((self.saved_count, ticket));
        self.hand_back_silent()?;
        Ok(answers)
    }

    /// The apply thread's turn.
    pub(crate) fn run_apply_thread(&mut self) -> Result<Vec<Flight>> {
        let Some(ticket) = self.apply_work.pop_front() else { return Ok(Vec::new()) };
        self.node.storage_mut().apply(ticket.entries().clone())?;
        let message = apply_answer(self.id(), &ticket);
        self.applied.push_back(ticket);
        Ok(vec![Flight { message, settles: Some(Settles::Applied) }])
    }

    /// An answer of one of the threads has arrived. What waited for it left with the answer.
    pub(crate) fn settle(&mut self, settles: Settles) -> Result<()> {
        match settles {
            Settles::Nothing => {}
            Settles::Appended(number) => {
                self.hand_back_while(|&(saved, _)| saved <= number)?;
                self.hand_back_silent()?;
            }
            Settles::Applied => {
                if let Some(ticket) = self.applied.pop_front() {
                    self.node.applied(ticket)?;
                }
            }
        }
        Ok(())
    }

    /// Hands back what has no answer to this node, in its turn.
    fn hand_back_silent(&mut self) -> Result<()> {
        let id = self.id();
        self.hand_back_while(|(_, ticket)| append_answers(id, ticket).iter().all(|answer| answer.to != id))
    }

    fn hand_back_while(&mut self, is_due: impl Fn(&(u64, AppendTicket)) -> bool) -> Result<()> {
        while self.saved.front().is_some_and(&is_due) {
            let Some((_, ticket)) = self.saved.pop_front() else { break };
            self.node.appended(ticket)?;
        }
        Ok(())
    }
}

/// What etcd tells its append thread.
pub(crate) fn append_request(id: u64, ticket: &AppendTicket) -> Message {
    let hard_state = ticket.hard_state().copied().unwrap_or_default();
    Message {
        from: id,
        term: hard_state.term,
        vote: hard_state.vote,
        commit: hard_state.commit,
        entries: ticket.entries().clone(),
        snapshot: ticket.snapshot().cloned().map(Box::new),
        ..Message::new(MessageType::MsgStorageAppend, APPEND_THREAD)
    }
}

/// What etcd's append thread answers: what waited for the write, and then the word that it is done, if that matters.
pub(crate) fn append_answers(id: u64, ticket: &AppendTicket) -> Vec<Message> {
    let mut answers = ticket.messages().to_vec();
    let (stable, term) = ticket.stable();
    if stable.is_some() || ticket.snapshot().is_some() {
        let last = stable.unwrap_or_default();
        answers.push(Message {
            from: APPEND_THREAD,
            term,
            log_term: last.term,
            index: last.index,
            snapshot: ticket.snapshot().cloned().map(Box::new),
            ..Message::new(MessageType::MsgStorageAppendResp, id)
        });
    }
    answers
}

/// What etcd tells its apply thread.
pub(crate) fn apply_request(id: u64, ticket: &ApplyTicket) -> Message {
    let entries = ticket.entries().clone();
    Message { from: id, entries, ..Message::new(MessageType::MsgStorageApply, APPLY_THREAD) }
}

/// What etcd's apply thread answers.
pub(crate) fn apply_answer(id: u64, ticket: &ApplyTicket) -> Message {
    let entries = ticket.entries().clone();
    Message { from: APPLY_THREAD, entries, ..Message::new(MessageType::MsgStorageApplyResp, id) }
}
