//! [`Driver`]: the thread that owns consensus and the clock. It never touches a file, and the only callback it makes is
//! `send`, so heartbeats leave on time whatever disk and state machine do.

use std::collections::VecDeque;
use std::mem::take;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::backlog::Backlog;
use super::calls::Thread;
use super::checkpoint::Checkpoint;
use super::clock::{Clock, Due};
use super::courier::effects::Effects;
use super::courier::files::FileDone;
use super::courier::receiver::Receiver as SnapshotReceiver;
use super::courier::sender::Sender as SnapshotSender;
use super::event::{Event, Level};
use super::forward::{self, Served};
use super::heard::Heard;
use super::metrics::Counter;
use super::mutants::{Mutant, is_planted};
use super::outcome::{Asker, Outcome, Outcomes};
use super::queue::Sender;
use super::requests::InHand;
use super::shared::{Shared, guarded};
use super::uptime::Uptime;
use super::words::Words;
use super::work::{ApplierJob, Completion, WriterJob};
use crate::consensus::log::memory_storage::MemoryStorage;
use crate::consensus::lost::Lost;
use crate::consensus::raw_node::RawNode;
use crate::consensus::ready::{AppendTicket, Ready, SoftState};
use crate::consensus::status::{RoleKind, Status};
use crate::disk::loss::Loss;
use crate::error::{Error, Result};
use crate::raftpb::message::{HardState, Message, MessageType};

pub(super) struct Driver {
    pub(super) shared: Arc<Shared>,
    pub(super) node: RawNode<MemoryStorage>,
    pub(super) clock: Clock,
    pub(super) writer: Sender<WriterJob>,
    pub(super) applier: Sender<ApplierJob>,
    pub(super) checkpoint: Checkpoint,
    pub(super) sender: SnapshotSender,
    pub(super) receiver: SnapshotReceiver,
    pub(super) in_hand: InHand,
    /// What the log holds for a state machine that is slow. As many reads may wait for it.
    pub(super) backlog: Backlog,
    pub(super) id: u64,
    /// Whether a follower hands requests to the leader.
    pub(super) forwards: bool,
    pub(super) served: Served,
    /// The most requests that may wait for the leader's answer.
    pub(super) forwarded_max: usize,
    /// Payload of one append, about; more become several.
    pub(super) group_bytes_max: u64,
    pub(super) election_timeout: Duration,
    /// Numbers the questions for reads. Starts elsewhere in every run: an answer to the last one must not be taken for
    /// one of this.
    pub(super) read_context: u64,
    /// Tickets that the applier holds.
    pub(super) applying: usize,
    /// The last entry that it was given.
    pub(super) handed_out: u64,
    /// Word of the commit index that has not been sent.
    pub(super) words: Words,
    /// A `MsgSnap` whose file is durable, for consensus.
    pub(super) received: Option<Message>,
    /// A leader's `MsgTimeoutNow`, for consensus.
    pub(super) called: Option<Message>,
    /// Which disk each member stands on, as the writer was told last.
    pub(super) known_stores: Vec<(u64, u64)>,
    /// Whether the disk is known to lack what this node had acknowledged.
    pub(super) is_recovering: bool,
    /// The term in which the pending proposals were appended.
    pub(super) lead_term: u64,
    pub(super) role: RoleKind,
    /// Who was heard of lately.
    pub(super) heard: Heard,
    /// When the tickets that the writer holds were given to it.
    pub(super) writing_since: VecDeque<Instant>,
    /// Term, vote and commit as they are, where the disk knows of an older commit.
    pub(super) unwritten: Option<HardState>,
    /// When a message of another group was last spoken of.
    pub(super) turned_away: Option<Instant>,
    /// The last leader that told no number of its disk, and its term: it is none of this library, and answers no request
    /// that is forwarded to it.
    pub(super) mute: Option<(u64, u64)>,
    /// When leadership was last offered to somebody with a better disk.
    pub(super) offered: Option<Instant>,
    /// Since when the disk has been at a write that takes too long.
    pub(super) stalled: Option<Instant>,
    /// The time of this turn, and what it has brought.
    pub(super) now: Instant,
    pub(super) uptime: Uptime,
    pub(super) due: Due,
    /// A state that was shown, for that of the next turn.
    pub(super) shown: Status,
}

impl Driver {
    /// Works until the engine is told to end, or something ends it.
    pub(super) fn run(mut self) {
        self.shared.enter(Thread::Driver);
        if let Err(error) = guarded(|| self.work()).and_then(|result| result) {
            self.shared.fail(error);
        }
        // What remains is answered under a guard of its own; a second panic leaves nothing to be done.
        let _ = guarded(|| self.finish());
    }

    fn work(&mut self) -> Result<()> {
        let mut completions = Vec::new();
        loop {
            let now = Instant::now();
            let moment = self.words.wait(now).min(self.in_hand.gathering.wait(now));
            self.shared.inbox.wait(self.clock.wait(Uptime::now()).min(moment), self.waits_for_applier());
            let open = self.shared.inbox.take(&mut self.in_hand.inputs, &mut completions);
            self.look_at_clocks()?;
            // First: what a thread learned from a completion is to be known here before what it asks next.
            self.take_completions(&mut completions)?;
            if !open {
                return Ok(());
            }
            self.work_off()?;
            self.install()?;
            self.tick()?;
            // Before the leader is told, so that it is kept by then.
            self.note_recovery();
            self.pump()?;
            let words = self.words.due(self.now);
            self.send(words)?;
            self.follow_call()?;
            self.keep_known_stores();
            self.checkpoint();
            self.publish()?;
            self.pursue()?;
            self.watch_handovers()?;
        }
    }

    fn take_completions(&mut self, completions: &mut Vec<Completion>) -> Result<()> {
        for completion in completions.drain(..) {
            match completion {
                Completion::Appended(tickets) => {
                    for ticket in tickets {
                        self.writing_since.pop_front();
                        let restored = ticket.snapshot().map(|snapshot| snapshot.metadata.clone());
                        let messages = self.node.appended(ticket)?;
                        self.dispatch(messages)?;
                        if let Some(metadata) = restored {
                            self.hand_to_applier(ApplierJob::Restore(metadata));
                        }
                    }
                }
                Completion::Applied(ticket) => {
                    self.applying = self.applying.saturating_sub(1);
                    self.checkpoint.grow(ticket.bytes());
                    self.node.applied(ticket)?;
                    self.backlog.applied(self.node.cursors().0);
                }
                Completion::Decided(outcomes) => self.answer_peers(outcomes)?,
                Completion::Saved(result) => self.saved(result)?,
                Completion::Recorded(saved) => self.recorded(saved)?,
                Completion::File(done) => self.file_done(done)?,
                Completion::Room { full, free } => self.note_room(full, free),
                Completion::Failed(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn note_room(&mut self, full: bool, free: u64) {
        self.shared.disk_full.store(full, Ordering::Release);
        let (event, text) = if full {
            (Event::DiskFull { free }, "the disk is full: no proposals are taken until there is room")
        } else {
            (Event::DiskHasRoom { free }, "the disk has room again")
        };
        self.shared.log(Level::Warn, &format!("{text}; {free} bytes are left"));
        self.hand_to_applier(ApplierJob::Event(event));
    }

    fn file_done(&mut self, done: FileDone) -> Result<()> {
        let mut effects = Effects::default();
        match done {
            FileDone::Read { to, index, offset, result } => {
                self.sender.read(to, index, offset, result, &mut effects);
            }
            FileDone::Written { transfer, result } => {
                self.receiver.written(transfer, result, &mut effects);
            }
        }
        self.carry_out(effects)
    }

    fn tick(&mut self) -> Result<()> {
        for _ in 0..self.due.ticks {
            let result = self.node.tick();
            self.tolerate(result, "tick")?;
            let mut effects = Effects::default();
            self.sender.tick(&mut effects);
            self.receiver.tick(&mut effects);
            self.carry_out(effects)?;
        }
        if self.due.ticks > 0 {
            self.heard.tick(self.now, self.node.cursors().1);
            self.write_commit();
            self.expire()?;
            self.watch_disk()?;
        }
        Ok(())
    }

    /// Takes what consensus wants done until it wants no more. Messages leave first: a leader's appends are on their way
    /// while its own disk writes (thesis 10.2.1).
    fn pump(&mut self) -> Result<()> {
        let mut ready = Ready::default();
        while self.node.has_ready() {
            self.node.take_ready(&mut ready)?;
            if let Some(soft_state) = ready.soft_state {
                self.note_role(soft_state)?;
            }
            self.dispatch(take(&mut ready.messages))?;
            self.confirm_reads(take(&mut ready.read_states))?;
            if let Some(ticket) = ready.append.take() {
                self.save(ticket)?;
            }
            if let Some(ticket) = ready.apply.take() {
                self.applying += 1;
                let last = ticket.entries().last().map_or(0, |entry| entry.index);
                self.handed_out = last;
                self.hand_to_applier(ApplierJob::Apply(ticket));
                self.hold_up(Mutant::HeartbeatBehindApply, || self.applied() >= last);
            }
        }
        Ok(())
    }

    /// Has a ticket written. One that has nothing to be durable for goes back at once if all before it is durable: how far
    /// the log is committed is only good to know after a restart, and is written with what comes next, at the next tick, or
    /// before a snapshot is recorded.
    fn save(&mut self, ticket: AppendTicket) -> Result<()> {
        if !ticket.must_sync() && self.writing_since.is_empty() && !self.is_recovering {
            self.unwritten = ticket.hard_state().copied().or(self.unwritten);
            let messages = self.node.appended(ticket)?;
            return self.dispatch(messages);
        }
        if let Some(snapshot) = ticket.snapshot() {
            self.checkpoint.overtaken(snapshot.metadata.index);
            self.backlog.clear();
        }
        if ticket.hard_state().is_some() {
            self.unwritten = None;
        }
        self.backlog.appended(ticket.entries());
        self.writing_since.push_back(self.now);
        self.hand_to_writer(WriterJob::Append(ticket));
        self.hold_up(Mutant::HeartbeatBehindFsync, || self.shared.inbox.has_completions());
        Ok(())
    }

    /// Has the commit index written that no ticket has brought to the disk.
    pub(super) fn write_commit(&mut self) {
        if let Some(hard_state) = self.unwritten.take() {
            self.hand_to_writer(WriterJob::Commit(hard_state));
        }
    }

    /// Waits for one of the other threads, which the driver never does.
    fn hold_up(&self, mutant: Mutant, is_done: impl Fn() -> bool) {
        while is_planted(mutant) && !is_done() && !self.shared.is_stopping() {
            std::thread::yield_now();
        }
    }

    /// Campaigns for a leader that has asked for it, once all is durable that it sent before: a candidate speaks only for
    /// what is, and others that hold more would not vote for it.
    fn follow_call(&mut self) -> Result<()> {
        if !self.writing_since.is_empty() {
            return Ok(());
        }
        let Some(message) = self.called.take() else { return Ok(()) };
        let result = self.node.step(message);
        self.tolerate(result, "call to lead")?;
        self.pump()
    }

    fn keep_known_stores(&mut self) {
        if self.known_stores != self.node.known_stores() {
            self.known_stores = self.node.known_stores().to_vec();
            self.hand_to_writer(WriterJob::KnownStores(self.known_stores.clone()));
        }
    }

    /// The store keeps in mind that something is missing until consensus says that nothing is any more.
    fn note_recovery(&mut self) {
        let lost = self.node.lost();
        if self.is_recovering == lost.is_some() {
            return;
        }
        self.is_recovering = lost.is_some();
        if let Some(Lost { last, term }) = lost {
            let (_, _, last_index) = self.node.cursors();
            return self.note_loss(Loss { first: last_index + 1, last, term });
        }
        self.hand_to_writer(WriterJob::ForgetLoss);
        let last_index = self.node.status().last_index;
        self.shared
            .log(Level::Info, &format!("this node is refilled, up to entry {last_index}, and votes again"));
        self.hand_to_applier(ApplierJob::Event(Event::Refilled { last_index }));
    }

    /// The leader knows this node to hold more than it does.
    fn note_loss(&mut self, loss: Loss) {
        let Loss { first, last, .. } = loss;
        self.hand_to_writer(WriterJob::KeepLoss(loss));
        let what = "the disk holds less than this node has acknowledged, as if it were an older copy";
        self.shared
            .log(Level::Error, &format!("{what}: it does not vote until it is refilled in a later term"));
        self.hand_to_applier(ApplierJob::Event(Event::Damaged {
            first_lost: first,
            last_lost: last,
            damages: Vec::new(),
        }));
    }

    fn note_role(&mut self, soft_state: SoftState) -> Result<()> {
        let SoftState { leader, role } = soft_state;
        if self.role == RoleKind::Leader && role != RoleKind::Leader {
            self.shared.pending.lock().orphan(self.now + self.election_timeout * 2);
            let mut effects = Effects::default();
            self.sender.clear(&mut effects);
            self.words.take();
            self.carry_out(effects)?;
        }
        if self.role != RoleKind::Leader && role == RoleKind::Leader {
            self.shared.metrics.add(Counter::Elected, 1);
        }
        self.role = role;
        let term = self.node.term();
        self.shared.pending.lock().forwarded.leader_is(leader, self.now + self.election_timeout * 2);
        self.hand_to_applier(ApplierJob::Event(Event::Role { role, term, leader }));
        Ok(())
    }

    /// Gives messages to the host, except for snapshots, which the courier takes.
    fn dispatch(&mut self, mut messages: Vec<Message>) -> Result<()> {
        let mut effects = Effects::default();
        for message in messages.extract_if(.., |message| message.msg_type == MessageType::MsgSnap) {
            let takes_pieces = self.node.tells_store(message.to);
            self.sender.begin(message, takes_pieces, &mut effects);
        }
        if self.role == RoleKind::Leader {
            self.words.hold_back(&mut messages, self.node.cursors().2, self.now);
        }
        effects.messages = messages;
        self.carry_out(effects)
    }

    /// Whether something is to be done at once when the applier comes back: a snapshot to be installed behind it, the next
    /// step of a replacement, what is committed and has no place with the applier, a snapshot to be taken. Else it waits
    /// for whatever else wakes the driver, the next tick at the latest, because waking it for each apply would cost as
    /// much as the apply.
    fn waits_for_applier(&self) -> bool {
        self.received.is_some()
            || !self.in_hand.replacements.is_empty()
            || self.node.cursors().1 > self.handed_out
            || self.checkpoint.is_due(self.handed_out, self.now)
    }

    /// Tells consensus of a snapshot from its leader, once nothing is being applied: a membership change that came back
    /// behind it would be made again, on the membership of the snapshot.
    fn install(&mut self) -> Result<()> {
        if self.applying > 0 {
            return Ok(());
        }
        let Some(message) = self.received.take() else { return Ok(()) };
        let result = self.node.step(message);
        self.tolerate(result, "snapshot")
    }

    /// Shows the state of this turn to everybody, and then says that the membership changes in it are done. One through a
    /// joint configuration is when that is left, as long as this node leads: until then the old members are needed, and no
    /// other change is taken.
    fn publish(&mut self) -> Result<()> {
        self.node.write_status(&mut self.shown);
        let applied = self.shown.applied;
        // Whoever asks meanwhile waits for a swap only.
        std::mem::swap(&mut *self.shared.status.lock(), &mut self.shown);
        let snapshot_index = self.node.storage().snapshot_metadata().index;
        self.shared.snapshot_index.store(snapshot_index, Ordering::Release);
        let mut outcomes = Outcomes::default();
        let mut pending = self.shared.pending.lock();
        if pending.has_settled() && !(self.role == RoleKind::Leader && self.node.conf_state().auto_leave) {
            pending.settle_changes(applied, &mut outcomes);
        }
        drop(pending);
        self.tell(outcomes)
    }

    /// Answers everything that is left, so that nobody waits for an engine that has ended.
    fn finish(&mut self) {
        let failure = self.shared.failure().cloned();
        self.write_commit();
        let words = self.words.take();
        let _ = self.send(words);
        self.shared.inbox.close(Error::Stopped);
        let outcome = Outcome::from(failure.as_ref().unwrap_or(&Error::Stopped));
        let mut outcomes = Outcomes::default();
        loop {
            let in_hand = std::mem::take(&mut self.in_hand);
            let kept = !is_planted(Mutant::ForgetInHand);
            in_hand
                .into_replies()
                .filter(|_| kept)
                .for_each(|reply| reply.answer(outcome.clone(), &mut outcomes));
            self.shared.inbox.take(&mut self.in_hand.inputs, &mut Vec::new());
            if self.in_hand.inputs.is_empty() {
                break;
            }
        }
        self.shared.pending.lock().close(outcome, &mut outcomes);
        // A transport that fails now fails nobody.
        let _ = self.tell(outcomes);
        if failure.is_some() {
            self.abdicate();
        }
        if let Some(error) = failure {
            self.hand_to_applier(ApplierJob::Event(Event::Failed { error }));
        }
        let mut status = self.shared.status.lock();
        (status.role, status.leader) = (RoleKind::Follower, 0);
        status.progress.clear();
    }

    /// Has another node lead, which would otherwise begin only when it misses heartbeats.
    fn abdicate(&mut self) {
        if self.role == RoleKind::Leader
            && self.node.abdicate().is_ok()
            && let Ok(mut ready) = self.node.ready()
        {
            ready.messages.retain(|message| message.msg_type == MessageType::MsgTimeoutNow);
            // It is an offer; if the transport does not take it, time will tell the others.
            let _ = self.send(ready.messages);
        }
    }

    /// How far the host's state machine is.
    pub(super) fn applied(&self) -> u64 {
        self.shared.applied.load(Ordering::Acquire)
    }

    /// Has the applier tell the host, and tells peers.
    pub(super) fn tell(&mut self, outcomes: Outcomes) -> Result<()> {
        if !outcomes.own.is_empty() {
            self.shared.untold.fetch_add(outcomes.own.len(), Ordering::AcqRel);
            self.hand_to_applier(ApplierJob::Outcomes(outcomes.own));
        }
        self.answer_peers(outcomes.peers)
    }

    fn answer_peers(&mut self, outcomes: Vec<(Asker, Outcome)>) -> Result<()> {
        if outcomes.is_empty() {
            return Ok(());
        }
        self.send(forward::answers(self.id, outcomes))
    }

    /// Gives messages to the host.
    pub(super) fn send(&mut self, mut messages: Vec<Message>) -> Result<()> {
        if messages.is_empty() {
            self.node.recycle(messages);
            return Ok(());
        }
        let group = self.shared.group.load(Ordering::Acquire);
        messages.iter_mut().for_each(|message| message.group = group);
        self.shared.metrics.add(Counter::Sent, messages.len() as u64);
        let result = self.shared.call(|host| host.send(&messages));
        self.node.recycle(messages);
        result
    }

    pub(super) fn hand_to_applier(&self, job: ApplierJob) {
        self.applier.send(job);
    }

    pub(super) fn hand_to_writer(&self, job: WriterJob) {
        self.writer.send(job);
    }
}

/// Where the snapshot stands that a message names; 0 is none.
pub(super) fn snapshot_index(message: &Message) -> u64 {
    message.snapshot.as_ref().map_or(0, |snapshot| snapshot.metadata.index)
}
