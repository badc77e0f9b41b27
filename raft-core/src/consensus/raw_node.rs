//! [`RawNode`]: one node, driven by its host.

use bytes::Bytes;

use super::config::Config;
use super::log::entry_id::EntryId;
use super::log::storage::Storage;
use super::lost::Lost;
use super::raft::state::Raft;
use super::raft::vote::Campaign;
use super::raft::{durable, guard, propose, read_index, replicate, snapshot, step, tick, transfer, vote};
use super::ready::{AppendTicket, ApplyTicket, Ready, SoftState};
use super::status::Status;
use super::tracker::progress::Progress;
use crate::error::{Error, Result};
use crate::raftpb::conf_change::{ConfChangeV2, ConfState};
use crate::raftpb::entry::{Entries, Entry};
use crate::raftpb::message::{HardState, Message, MessageType};

/// A node of a group, without thread, clock, file or network.
///
/// The host calls [`tick`](Self::tick) at a steady pace and [`step`](Self::step) with what peers send. After either it
/// takes [`ready`](Self::ready) while [`has_ready`](Self::has_ready): it sends the messages, saves the append ticket and
/// applies the apply ticket, and hands the tickets back when that is done.
///
/// An error that breaks an invariant, or comes from the storage, is final: every later call returns it again, except
/// [`status`](Self::status). All others mean that the call was refused; of a message that contradicts what is committed, a
/// newer term may have been taken all the same.
#[derive(Debug)]
pub struct RawNode<S> {
    raft: Raft<S>,
    // As last handed out.
    soft_state: SoftState,
    hard_state: HardState,
    failure: Option<Error>,
}

impl<S: Storage> RawNode<S> {
    /// A node that starts from what `storage` holds.
    pub fn new(config: Config, storage: S) -> Result<Self> {
        let raft = Raft::new(config, storage)?;
        let soft_state = SoftState { leader: raft.leader(), role: raft.role.kind() };
        let hard_state = raft.hard_state();
        Ok(RawNode { raft, soft_state, hard_state, failure: None })
    }

    /// One unit of time has passed.
    pub fn tick(&mut self) -> Result<()> {
        self.run(tick::tick)
    }

    /// Campaigns now instead of waiting for the election timeout. No effect on a leader, on a node that must not lead,
    /// and with lease-based reads for an election timeout after the last word of a leader.
    pub fn campaign(&mut self) -> Result<()> {
        self.run(|raft| vote::hup(raft, Campaign::first(&raft.config)))
    }

    /// Takes a message from a peer.
    ///
    /// `Decode`, `Contradiction`, `StepLocalMessage`, `StepPeerNotFound`, `WrongReceiver` say what is wrong with it;
    /// `ProposalDropped` answers a forwarded proposal. None of them harms the node.
    pub fn step(&mut self, mut message: Message) -> Result<()> {
        self.step_mut(&mut message)
    }

    /// The same with a message that stays where it lies; its parts are taken out of it.
    pub fn step_mut(&mut self, message: &mut Message) -> Result<()> {
        self.run(|raft| {
            guard::check(raft, message)?;
            step::step(raft, message)
        })
    }

    /// Proposes one entry for each payload, all of them or none, and on a leader tells the id of the first. A follower
    /// forwards them if it may; then nothing is known of their fate. `ProposalDropped` if nobody took them.
    pub fn propose(&mut self, payloads: Vec<Bytes>) -> Result<Option<EntryId>> {
        if payloads.is_empty() {
            return Err(Error::Decode("a proposal of no entries".to_owned()));
        }
        self.propose_entries(Entries::proposals(payloads))
    }

    /// [`propose`](Self::propose) for one, which needs no list.
    pub fn propose_one(&mut self, payload: Bytes) -> Result<Option<EntryId>> {
        self.propose_entries(Entries::from(Entry { data: payload, ..Entry::default() }))
    }

    /// Proposes a change of the membership, like [`propose`](Self::propose). `ConfChange` if the leader must not take
    /// it now; a follower that forwards it cannot tell, and the leader puts an empty entry in its place.
    pub fn propose_conf_change(&mut self, change: &ConfChangeV2) -> Result<Option<EntryId>> {
        change.enter_joint()?;
        if self.raft.config.validate_conf_changes {
            propose::check(&self.raft, change)?;
        }
        self.propose_entries(Entries::from(change.to_entry()))
    }

    fn propose_entries(&mut self, entries: Entries) -> Result<Option<EntryId>> {
        self.run(|raft| {
            if raft.leader_state().is_some() {
                return propose::append(raft, entries).map(Some);
            }
            let id = raft.id();
            let mut proposal = Message { from: id, entries, ..Message::new(MessageType::MsgProp, id) };
            step::step(raft, &mut proposal).map(|()| None)
        })
    }

    /// Asks for an index at which a read is linearizable. The answer is a [`ReadState`](super::ready::ReadState) with
    /// `context` in a later `Ready`. It may be lost with a leader or a message: the host keeps the time and asks again.
    pub fn read_index(&mut self, context: Bytes) -> Result<()> {
        self.request(MessageType::MsgReadIndex, 0, Entries::proposals(vec![context]))
    }

    /// Asks the leader, this node or another, to hand its leadership to node `to`. Watch the soft state for success.
    pub fn transfer_leader(&mut self, to: u64) -> Result<()> {
        self.request(MessageType::MsgTransferLeader, to, Entries::new())
    }

    /// A leader that cannot go on, because its disk has failed: has the voter that is furthest campaign at once. Only the
    /// messages of the next [`ready`](Self::ready) are to be used then.
    pub fn abdicate(&mut self) -> Result<()> {
        self.run(|raft| {
            transfer::abdicate(raft);
            Ok(())
        })
    }

    /// A leader that cannot do its work any more becomes a follower, in its term and without a leader, so that others elect
    /// one. No effect on others.
    pub fn step_down(&mut self) -> Result<()> {
        self.run(|raft| {
            transfer::step_down(raft);
            Ok(())
        })
    }

    /// Makes a follower forget its leader, so that it votes at once. No effect on a leader or with lease reads.
    pub fn forget_leader(&mut self) -> Result<()> {
        self.request(MessageType::MsgForgetLeader, 0, Entries::new())
    }

    fn request(&mut self, kind: MessageType, from: u64, entries: Entries) -> Result<()> {
        self.run(|raft| {
            let mut request = Message { from, entries, ..Message::new(kind, raft.id()) };
            step::step(raft, &mut request)
        })
    }

    /// A message to node `id` could not be delivered. Optional, and helps a leader not to flood it.
    pub fn report_unreachable(&mut self, id: u64) -> Result<()> {
        self.run(|raft| {
            replicate::report_unreachable(raft, id);
            Ok(())
        })
    }

    /// A snapshot to node `id` was sent, or could not be. Required after each `MsgSnap`, whose receiver gets nothing
    /// else until then.
    pub fn report_snapshot(&mut self, id: u64, ok: bool) -> Result<()> {
        self.run(|raft| {
            snapshot::report(raft, id, ok);
            Ok(())
        })
    }

    /// The clock that drives `tick` stood still, or may have: a leader no longer trusts its lease until a quorum has
    /// answered anew. For lease-based reads; no effect otherwise.
    pub fn drop_lease(&mut self) -> Result<()> {
        self.run(|raft| {
            read_index::drop_lease(raft);
            Ok(())
        })
    }

    /// So many ticks have passed already that [`tick`](Self::tick) was not called for yet: a host that is behind its clock
    /// calls it only after it has stepped what came meanwhile, so that nobody campaigns against a leader that was merely
    /// not read. A lease has run on all the same, and a promise given now begins now. Each tick takes one off. For
    /// lease-based reads; no effect otherwise.
    pub fn set_late_ticks(&mut self, ticks: u64) {
        self.raft.late = ticks;
    }

    /// Whether [`ready`](Self::ready) has something.
    pub fn has_ready(&self) -> bool {
        let raft = &self.raft;
        self.failure.is_none()
            && (!raft.outbox.messages.is_empty()
                || !raft.outbox.after_append.is_empty()
                || !raft.read_states.is_empty()
                || raft.log.has_next_unstable()
                || raft.log.has_next_committed(raft.config.apply_unstable)
                || raft.hard_state() != self.hard_state
                || self.next_soft_state() != self.soft_state)
    }

    fn next_soft_state(&self) -> SoftState {
        SoftState { leader: self.raft.leader(), role: self.raft.role.kind() }
    }

    /// Takes what is to be done.
    pub fn ready(&mut self) -> Result<Ready> {
        let mut ready = Ready::default();
        self.take_ready(&mut ready)?;
        Ok(ready)
    }

    /// The same into a place that the host keeps, whose list of messages is used again. What is still in it is dropped.
    pub fn take_ready(&mut self, ready: &mut Ready) -> Result<()> {
        let soft_state = self.next_soft_state();
        let old_soft_state = std::mem::replace(&mut self.soft_state, soft_state);
        let hard_state = self.raft.hard_state();
        let old_hard_state = std::mem::replace(&mut self.hard_state, hard_state);
        ready.soft_state = (soft_state != old_soft_state).then_some(soft_state);
        self.run(|raft| {
            ready.read_states = std::mem::take(&mut raft.read_states);
            raft.outbox.take_into(&mut ready.messages);
            let messages = raft.outbox.take_promises();
            let snapshot = raft.log.accept_unstable_snapshot();
            let entries = raft.log.accept_unstable_entries();
            let hard_state = (hard_state != old_hard_state).then_some(hard_state);
            ready.append = None;
            if hard_state.is_some() || snapshot.is_some() || !entries.is_empty() || !messages.is_empty() {
                let is_promise = hard_state
                    .is_some_and(|new| (new.term, new.vote) != (old_hard_state.term, old_hard_state.vote));
                ready.append = Some(AppendTicket {
                    term: raft.term,
                    hard_state,
                    must_sync: !entries.is_empty() || is_promise,
                    stable: raft.log.last_unstable_id(),
                    snapshot,
                    entries,
                    messages,
                });
            }
            ready.apply = None;
            if raft.log.has_next_committed(raft.config.apply_unstable) {
                let (entries, bytes) = raft.log.accept_committed(raft.config.apply_unstable)?;
                ready.apply = Some(ApplyTicket { entries, bytes });
            }
            raft.trace("Ready");
            Ok(())
        })
    }

    /// Takes back the memory of a list of messages that [`ready`](Self::ready) or [`appended`](Self::appended) gave, for
    /// those to come. Optional: it saves an allocation.
    pub fn recycle(&mut self, messages: Vec<Message>) {
        self.raft.outbox.recycle(messages);
    }

    /// The ticket's write is durable. Publishes it to the storage, counts this node's own acknowledgement or vote, and
    /// returns the messages that may leave now.
    pub fn appended(&mut self, mut ticket: AppendTicket) -> Result<Vec<Message>> {
        self.run(|raft| durable::appended(raft, &mut ticket))?;
        Ok(ticket.messages)
    }

    /// The ticket's entries are in the state machine. Membership changes among them take effect.
    pub fn applied(&mut self, ticket: ApplyTicket) -> Result<()> {
        self.run(|raft| {
            durable::reconfigure(raft, &ticket)?;
            durable::applied(raft, &ticket)
        })
    }

    /// `appended` and `applied` at once, for a host that does both on one thread. The entries of `apply` may only have
    /// been applied after `append` was durable.
    pub fn advance(
        &mut self,
        mut append: Option<AppendTicket>,
        apply: Option<ApplyTicket>,
    ) -> Result<Vec<Message>> {
        self.run(|raft| {
            if let Some(ticket) = &apply {
                durable::reconfigure(raft, ticket)?;
            }
            if let Some(ticket) = &mut append {
                durable::appended(raft, ticket)?;
            }
            if let Some(ticket) = &apply {
                durable::applied(raft, ticket)?;
            }
            Ok(())
        })?;
        Ok(append.map_or_else(Vec::new, |ticket| ticket.messages))
    }

    /// A copy of the node's state. Works on a failed node too.
    pub fn status(&self) -> Status {
        let mut status = Status::default();
        self.write_status(&mut status);
        status
    }

    /// The same into a place that the host keeps, in the memory there is: a node that shows itself often allocates nothing.
    pub fn write_status(&self, to: &mut Status) {
        let raft = &self.raft;
        to.id = raft.id();
        to.hard_state = raft.hard_state();
        to.leader = raft.leader();
        to.role = raft.role.kind();
        to.applied = raft.log.applied();
        to.first_index = raft.log.first_index();
        to.last_index = raft.log.last_index();
        to.transferee = raft.leader_state().map_or(0, |leader| leader.transferee);
        to.lost = self.lost();
        if to.membership != raft.membership {
            to.membership = raft.membership.clone();
        }
        let mut count = 0;
        for (id, progress) in self.progress() {
            match to.progress.get_mut(count) {
                Some((old, copy)) => {
                    *old = id;
                    copy.copy_from(progress);
                }
                None => to.progress.push((id, progress.clone())),
            }
            count += 1;
        }
        to.progress.truncate(count);
    }

    /// The term.
    pub fn term(&self) -> u64 {
        self.raft.term
    }

    /// What a leader knows of each member, itself included, by ascending id; nothing on all others.
    pub fn progress(&self) -> impl Iterator<Item = (u64, &Progress)> {
        self.raft.leader_state().into_iter().flat_map(|leader| leader.progress.iter())
    }

    /// Up to where the log is applied, and committed, and where it ends.
    pub fn cursors(&self) -> (u64, u64, u64) {
        let log = &self.raft.log;
        (log.applied(), log.committed(), log.last_index())
    }

    /// Who leads, as far as this node knows; 0 is unknown.
    pub fn leader(&self) -> u64 {
        self.raft.leader()
    }

    /// The membership in force. A snapshot that was received brings its own as soon as it is accepted, before the state
    /// machine is restored from it: a host that takes snapshots keeps the membership of what it has applied, by
    /// [`conf_state_after`](super::confchange::restore::conf_state_after).
    pub fn conf_state(&self) -> ConfState {
        self.raft.membership.conf_state()
    }

    /// Which disk each member is known to stand on, by ascending id: to be kept over a restart.
    pub fn known_stores(&self) -> &[(u64, u64)] {
        self.raft.stores.known()
    }

    /// Whether member `id` told its disk when it was last heard of, as a node of this library does: one of another make
    /// that goes on with its directory tells nothing.
    pub fn tells_store(&self, id: u64) -> bool {
        self.raft.stores.is_told(id)
    }

    /// Takes up what [`known_stores`](Self::known_stores) said before a restart.
    pub fn learn_stores(&mut self, stores: &[(u64, u64)]) {
        self.raft.stores.learn(stores);
    }

    /// What the disk has lost of what this node had acknowledged. None once the node holds all that again, durably: the
    /// store may then forget the loss.
    pub fn lost(&self) -> Option<Lost> {
        self.raft.recovery.map(|recovery| recovery.lost)
    }

    /// Why the node has stopped, if it has.
    pub fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    /// The storage.
    pub fn storage(&self) -> &S {
        self.raft.log.storage()
    }

    /// The storage, to compact it or to give it a snapshot. Entries are published by `appended` only.
    pub fn storage_mut(&mut self) -> &mut S {
        self.raft.log.storage_mut()
    }

    /// Sets the number of ticks to the next election, which chance has drawn, until it is drawn again. For tests in
    /// virtual time.
    pub fn set_randomized_election_timeout(&mut self, ticks: u64) {
        self.raft.randomized_election_timeout = ticks;
    }

    /// From now on `sink` gets a line for everything that the specification knows, on the thread that calls the node.
    pub fn trace_to(&mut self, sink: super::trace::Sink) {
        self.raft.outbox.trace.sink = Some(sink);
        self.raft.trace("InitState");
    }

    /// Runs `call` unless the node has failed, and remembers it if it fails now.
    #[inline]
    fn run<T>(&mut self, call: impl FnOnce(&mut Raft<S>) -> Result<T>) -> Result<T> {
        self.check()?;
        let result = call(&mut self.raft);
        self.raft.trace_queued();
        match result {
            Ok(done) => Ok(done),
            Err(error) => Err(self.fail(error)),
        }
    }

    #[inline]
    fn check(&self) -> Result<()> {
        match &self.failure {
            Some(failure) => Err(failure.clone()),
            None => Ok(()),
        }
    }

    /// An error that is no refusal is final.
    #[cold]
    fn fail(&mut self, error: Error) -> Error {
        if !is_refusal(&error) {
            self.failure = Some(error.clone());
        }
        error
    }
}

/// Whether the error says that a request was refused, and nothing has happened. Any other is of the node itself.
fn is_refusal(error: &Error) -> bool {
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
