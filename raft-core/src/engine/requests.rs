//! The driver's way with requests: from the inbox to consensus, and what consensus says at once.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::code::Code;
use super::courier::effects::Effects;
use super::courier::header::Header;
use super::driver::{Driver, snapshot_index};
use super::event::Level;
use super::forward::{self, Kind};
use super::gathering::Gathering;
use super::handover::Handover;
use super::inbox::Input;
use super::metrics::Counter;
use super::outcome::{Asker, Outcome, Outcomes, Reply};
use super::pending::Situation;
use super::replace::Replacement;
use super::risk;
use crate::consensus::log::entry_id::EntryId;
use crate::consensus::ready::ReadState;
use crate::consensus::status::RoleKind;
use crate::error::{Error, Result};
use crate::raftpb::conf_change::ConfChangeV2;
use crate::raftpb::entry::{Entries, EntryType};
use crate::raftpb::message::{Message, MessageType};

/// The most tickets that wait for the disk before appends of a leader are passed over: many more than it has on its way
/// to a follower, unless the disk stands still while each heartbeat finds out that something is missing.
const WRITES_MAX: usize = 1024;

/// How many election timeouts a follower waits for the leader's answer to a request.
const FORWARD_TIMEOUTS: u32 = 10;

/// Requests that the driver holds between the inbox and the table of pending ones. They lie here and not on the stack,
/// so that a panic in between leaves them to be answered.
#[derive(Default)]
pub(super) struct InHand {
    pub(super) inputs: VecDeque<Input>,
    payloads: Vec<Bytes>,
    payload_bytes: u64,
    replies: VecDeque<Reply>,
    // Since when they wait for others.
    pub(super) gathering: Gathering,
    reads: Vec<Reply>,
    pub(super) replacements: Vec<Replacement>,
    pub(super) handovers: Vec<Handover>,
}

impl InHand {
    fn push(&mut self, data: Bytes, reply: Reply) {
        self.payload_bytes = self.payload_bytes.saturating_add(data.len() as u64);
        self.payloads.push(data);
        self.replies.push_back(reply);
    }

    /// The engine ends: every reply there is.
    pub(super) fn into_replies(self) -> impl Iterator<Item = Reply> {
        let queued = self.inputs.into_iter().flat_map(|input| match input {
            Input::Propose(list) => list.into_iter().map(|(_, request)| Reply::to(request)).collect(),
            Input::ProposeWait(_, reply)
            | Input::Read(reply)
            | Input::ReadWithin(_, reply)
            | Input::Change(_, _, reply)
            | Input::Replace(_, _, reply)
            | Input::TransferLeader(_, reply)
            | Input::Snapshot(reply) => vec![reply],
            Input::Campaign | Input::Step(_) | Input::Unreachable(_) => Vec::new(),
        });
        let replacements = self.replacements.into_iter().map(|replacement| replacement.reply);
        let handovers = self.handovers.into_iter().map(|handover| handover.reply);
        self.replies.into_iter().chain(self.reads).chain(replacements).chain(handovers).chain(queued)
    }
}

impl Driver {
    /// Works off the inputs that were taken from the inbox. Proposals that stand side by side become one append, and all
    /// reads one question.
    pub(super) fn work_off(&mut self) -> Result<()> {
        while let Some(input) = self.in_hand.inputs.pop_front() {
            match input {
                Input::Propose(list) => {
                    for (data, request) in list {
                        self.in_hand.push(data, Reply::to(request));
                    }
                }
                Input::ProposeWait(data, reply) => self.in_hand.push(data, reply),
                Input::Read(reply) => self.in_hand.reads.push(reply),
                Input::ReadWithin(age, reply) => self.read_within(age, reply)?,
                Input::Change(change, kind, reply) => self.change(&change, kind, reply)?,
                Input::Replace(wish, deadline, reply) => self.replace(wish, deadline, reply)?,
                Input::Snapshot(reply) => {
                    self.shared.pending.lock().snapshot_asked(reply);
                    self.checkpoint.ask();
                }
                Input::TransferLeader(to, reply) => {
                    self.propose()?;
                    self.hand_over(to, reply)?;
                }
                Input::Campaign => {
                    let result = self.node.campaign();
                    self.tolerate(result, "campaign")?;
                }
                Input::Step(message) => self.step(message)?,
                Input::Unreachable(id) => {
                    let result = self.node.report_unreachable(id);
                    self.tolerate(result, "report of an unreachable node")?;
                }
            }
            // A refusal for too many uncommitted bytes is for one append as a whole: it must not grow without bound.
            if self.in_hand.payload_bytes >= self.group_bytes_max {
                self.propose()?;
            }
        }
        if !self.gathers() {
            self.propose()?;
        }
        let reads = std::mem::take(&mut self.in_hand.reads);
        self.ask_for_reads(reads, false)
    }

    /// Whether the proposals in hand wait for others. They are fewer than what is under way, which the log bounds.
    fn gathers(&mut self) -> bool {
        let (_, committed, last) = self.node.cursors();
        let under_way = if self.role == RoleKind::Leader { last - committed } else { 0 };
        self.in_hand.gathering.holds(self.in_hand.payloads.len(), under_way, self.now)
    }

    /// Appends the proposals in hand, if this node leads.
    fn propose(&mut self) -> Result<()> {
        if self.in_hand.payloads.is_empty() {
            return Ok(());
        }
        let payloads = std::mem::take(&mut self.in_hand.payloads);
        self.in_hand.payload_bytes = 0;
        if let Some(leader) = self.to_forward_to() {
            return self.forward(leader, Entries::proposals(payloads), Kind::Plain);
        }
        if self.shared.disk_full.load(Ordering::Acquire) && self.role == RoleKind::Leader {
            // What is left is for what the log holds already, for changes of the membership and for other leaders.
            let replies = std::mem::take(&mut self.in_hand.replies);
            return self.refuse(replies, &Outcome::not(Code::DiskFull));
        }
        let (applied, _, last) = self.node.cursors();
        if self.role == RoleKind::Leader && !self.backlog.has_room(applied, last, payloads.len()) {
            let replies = std::mem::take(&mut self.in_hand.replies);
            return self.refuse(replies, &Outcome::not(Code::Busy));
        }
        let result = self.node.propose(payloads);
        self.proposed(result, false)
    }

    pub(super) fn change(&mut self, change: &ConfChangeV2, kind: Kind, reply: Reply) -> Result<()> {
        self.propose()?;
        let leads = self.node.leader() == self.id;
        if leads && kind == Kind::Replace {
            return self.make_step(change, reply);
        }
        self.in_hand.replies.push_back(reply);
        if let (Some(leader), Ok(_)) = (self.to_forward_to(), change.enter_joint()) {
            return self.forward(leader, Entries::from(change.to_entry()), kind);
        }
        if kind == Kind::Replace {
            let replies = std::mem::take(&mut self.in_hand.replies);
            return self
                .refuse(replies, &Outcome { leader: self.node.leader(), ..Outcome::not(Code::NotLeader) });
        }
        let risk = if leads && kind == Kind::Plain { self.check_risk(change) } else { Ok(()) };
        let result = risk.and_then(|()| self.node.propose_conf_change(change));
        self.proposed(result, true)
    }

    /// Whether a leader may make this change without being forced to.
    fn check_risk(&self, change: &ConfChangeV2) -> Result<()> {
        let is_heard = |id| id == self.id || self.heard.lately(id, self.now);
        let matched =
            |id| self.node.progress().find(|(member, _)| *member == id).map_or(0, |(_, of)| of.matched);
        let keeps_pace = |id| is_heard(id) && self.heard.keeps_pace(matched(id));
        let result = risk::check(&self.node.conf_state(), change, is_heard, keeps_pace);
        if let Err(error @ Error::QuorumAtRisk(_)) = &result {
            self.shared.log(Level::Warn, &error.to_string());
        }
        result
    }

    /// The leader, if requests go there.
    fn to_forward_to(&self) -> Option<u64> {
        let leader = self.node.leader();
        let answers = self.mute != Some((leader, self.node.term()));
        Some(leader).filter(|&leader| self.forwards && answers && leader != 0 && leader != self.id)
    }

    /// Who leads shows by its messages whether it is an engine: they tell the number of its disk.
    fn note_leader(&mut self, message: &Message) {
        use MessageType::{MsgApp, MsgHeartbeat, MsgSnap};
        let is_of_leader = matches!(message.msg_type, MsgApp | MsgHeartbeat | MsgSnap);
        if is_of_leader && message.term >= self.node.term() {
            self.mute = (message.store == 0).then_some((message.from, message.term));
        }
    }

    /// Sends what the replies in hand are for to the leader.
    fn forward(&mut self, leader: u64, entries: Entries, kind: Kind) -> Result<()> {
        let replies = std::mem::take(&mut self.in_hand.replies);
        let deadline = self.now + self.election_timeout * FORWARD_TIMEOUTS;
        let mut header = {
            let mut pending = self.shared.pending.lock();
            if pending.forwarded.len().saturating_add(replies.len()) > self.forwarded_max {
                drop(pending);
                return self.refuse(replies, &Outcome::not(Code::Busy));
            }
            self.shared.metrics.add(Counter::Forwarded, replies.len() as u64);
            pending.forwarded.send(leader, self.node.term(), deadline, replies)
        };
        header.kind = kind;
        let message = forward::request(self.id, leader, header, entries);
        self.send(vec![message])
    }

    /// Takes what a follower forwards, if this node leads and has not seen it before.
    fn serve(&mut self, message: &Message, header: forward::Header) -> Result<()> {
        if !self.served.admits(message.from, header, message.entries.len()) {
            return Ok(());
        }
        let asker = |at: usize| Asker {
            node: message.from,
            nonce: header.nonce,
            number: header.number.saturating_add(at as u64),
        };
        let replies = (0..message.entries.len()).map(|at| Reply::Peer(asker(at)));
        let leader = self.node.leader();
        if leader != self.id || header.term != self.node.term() {
            let outcome = Outcome { leader, ..Outcome::not(Code::NotLeader) };
            return self.refuse(replies.collect(), &outcome);
        }
        for (entry, reply) in message.entries.owned().zip(replies) {
            match entry.entry_type {
                EntryType::Normal => self.in_hand.push(entry.data, reply),
                EntryType::ConfChange | EntryType::ConfChangeV2 => match ConfChangeV2::of(&entry) {
                    Ok(change) => self.change(&change, header.kind, reply)?,
                    Err(error) => self.refuse([reply].into(), &Outcome::from(&error))?,
                },
            }
        }
        Ok(())
    }

    pub(super) fn refuse(&mut self, replies: VecDeque<Reply>, outcome: &Outcome) -> Result<()> {
        let mut outcomes = Outcomes::default();
        replies.into_iter().for_each(|reply| reply.answer(outcome.clone(), &mut outcomes));
        self.tell(outcomes)
    }

    /// Consensus has taken what the replies in hand are for, or has not.
    fn proposed(&mut self, result: Result<Option<EntryId>>, change: bool) -> Result<()> {
        let error = match result {
            Ok(Some(EntryId { term, index })) => {
                let mut pending = self.shared.pending.lock();
                if term != self.lead_term {
                    // Lost and won again before anybody looked.
                    pending.orphan(self.now + self.election_timeout * 2);
                    self.lead_term = term;
                }
                let replies = std::mem::take(&mut self.in_hand.replies);
                pending.proposed(index, term, change, self.now, replies);
                return Ok(());
            }
            Ok(None) => None,
            Err(error) => Some(error),
        };
        let outcome = error.as_ref().map_or(Outcome::not(Code::Unknown), Outcome::from);
        let replies = std::mem::take(&mut self.in_hand.replies);
        self.refuse(replies, &outcome)?;
        self.node.failure().map_or(Ok(()), |failure| Err(failure.clone()))
    }

    /// Asks the leader for an index at which these reads are linearizable.
    pub(super) fn ask_for_reads(&mut self, reads: Vec<Reply>, again: bool) -> Result<()> {
        if reads.is_empty() {
            return Ok(());
        }
        if !again && !self.backlog.has_room(0, self.shared.pending.lock().reads() as u64, reads.len()) {
            return self.refuse(reads.into(), &Outcome::not(Code::Busy));
        }
        let context = self.read_context;
        self.read_context = context.wrapping_add(1);
        let deadline = self.now + self.election_timeout;
        self.shared.pending.lock().asked(context, again, self.uptime, deadline, reads);
        let result = self.node.read_index(Bytes::copy_from_slice(&context.to_le_bytes()));
        self.tolerate(result, "read")
    }

    /// Answers a read that may see a state of at most this age; where that is not known, it asks the leader.
    fn read_within(&mut self, age: Duration, reply: Reply) -> Result<()> {
        let mut outcomes = Outcomes::default();
        match self.shared.fresh_within(age, self.uptime) {
            Some(outcome) => reply.answer(outcome, &mut outcomes),
            None => self.in_hand.reads.push(reply),
        }
        self.tell(outcomes)
    }

    /// The leader has answered.
    pub(super) fn confirm_reads(&mut self, states: Vec<ReadState>) -> Result<()> {
        let mut outcomes = Outcomes::default();
        for ReadState { index, context } in states {
            let Ok(context) = <[u8; 8]>::try_from(context.as_ref()) else { continue };
            self.shared.pending.lock().confirmed(u64::from_le_bytes(context), index, &mut outcomes);
        }
        self.tell(outcomes)
    }

    /// Answers what has waited too long, or asks again.
    pub(super) fn expire(&mut self) -> Result<()> {
        let situation = Situation {
            now: self.now,
            committed: self.shared.status.lock().hard_state.commit,
            leader: self.node.leader(),
        };
        let mut outcomes = Outcomes::default();
        let again = self.shared.pending.lock().expire(situation, &mut outcomes);
        self.tell(outcomes)?;
        self.ask_for_reads(again, true)
    }

    /// Takes a message from a peer. Snapshots and what is said about them are the courier's.
    fn step(&mut self, message: Message) -> Result<()> {
        if !self.is_of_group(&message) {
            return self.turn_away(&message);
        }
        self.note_leader(&message);
        let mut effects = Effects::default();
        match message.msg_type {
            MessageType::MsgSnap => {
                let (term, committed) = {
                    let status = self.node.status();
                    (status.hard_state.term, status.hard_state.commit)
                };
                // One that waits for consensus need not be received again.
                let known = committed.max(self.received.as_ref().map_or(0, snapshot_index));
                self.receiver.receive(message, term, known, &mut effects);
            }
            MessageType::MsgSnapStatus => {
                if let Some(header) = Header::read(&message.context) {
                    self.sender.acknowledged(&message, header, &mut effects);
                }
            }
            _ => {
                if let Some(header) = forward::Header::of(&message) {
                    return self.serve(&message, header);
                }
                if forward::nonce_of_answers(&message).is_some() {
                    let mut outcomes = Outcomes::default();
                    self.shared.pending.lock().forwarded.answered(&message, &mut outcomes);
                    return self.tell(outcomes);
                }
                if message.msg_type == MessageType::MsgApp && self.is_swamped(&message) {
                    // As if it had been lost: heartbeats go on, and the leader sends it again.
                    return Ok(());
                }
                if message.msg_type == MessageType::MsgTimeoutNow {
                    self.called = Some(message);
                    return Ok(());
                }
                let from = message.from;
                let result = self.node.step(message);
                if result.is_ok() {
                    self.heard.note(from, self.now);
                }
                return self.tolerate(result, "message");
            }
        }
        self.carry_out(effects)
    }

    /// Whether the state machine is so far behind that the log must not grow, or the disk so far that not even one more
    /// answer may wait for it.
    fn is_swamped(&self, append: &Message) -> bool {
        let (applied, committed, _) = self.node.cursors();
        self.writing_since.len() >= WRITES_MAX
            || !append.entries.is_empty() && self.backlog.is_full(applied, committed)
    }

    /// Logs a refusal and goes on; passes on what has stopped the node.
    pub(super) fn tolerate(&self, result: Result<()>, what: &str) -> Result<()> {
        match (result, self.node.failure()) {
            (Ok(()), _) => Ok(()),
            (Err(_), Some(failure)) => Err(failure.clone()),
            (Err(error), None) => {
                self.shared.log(Level::Debug, &format!("{what} refused: {error}"));
                Ok(())
            }
        }
    }
}
