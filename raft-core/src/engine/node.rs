//! [`Engine`]: the handle of one running node.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::courier::header::Header;
use super::event::Level;
use super::forward::{self, Kind};
use super::host::Host;
use super::inbox::Input;
use super::lock::Mutex;
use super::members::MEMBER_BYTES_MAX;
use super::metrics::{Counter, Histogram, Timer};
use super::options::Options;
use super::outcome::{Outcome, Reply};
use super::replace::Wish;
use super::report::{self, Waiting};
use super::session::frame::{self, Frame};
use super::shared::Shared;
use super::start::start;
use super::uptime::Uptime;
use crate::consensus::status::Status;
use crate::disk::os::OsVolume;
use crate::disk::volume::Volume;
use crate::error::{Error, Result};
use crate::raftpb::conf_change::ConfChangeV2;
use crate::raftpb::message::{Message, MessageType};

type Body = Box<dyn FnOnce() + Send>;

/// How long dropping an engine waits for a callback that is still at work.
const DROP_TIMEOUT: Duration = Duration::from_secs(30);

/// One node of a cluster, with its directory, its clock and its threads. All methods may be called from any thread.
///
/// A request with a number other than 0 that was accepted gets exactly one [`Outcome`] through [`Host::outcome`]; one
/// that was not accepted gets none. Once the engine has failed, every call returns the failure, except
/// [`status`](Self::status) and [`stop`](Self::stop). Dropping an engine stops it.
pub struct Engine {
    pub(super) shared: Arc<Shared>,
    id: u64,
    cluster_id: u64,
    proposal_bytes_max: usize,
    queue_items_max: usize,
    queue_bytes_max: usize,
    pub(super) waits_for_room: bool,
    tick_interval: Duration,
    pub(super) untold_max: usize,
    // Disconnected once every thread is done with its work.
    done: Receiver<()>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// A copy of an engine's state.
#[derive(Clone, Debug)]
pub struct EngineStatus {
    /// The node's own word, at most a turn of the driver old; `applied` is how far the host's state machine is.
    pub status: Status,
    /// Where the newest snapshot stands; 0 is none.
    pub snapshot_index: u64,
    /// Whether the disk has less room than is kept for the log: no proposals are taken until there is more.
    pub disk_full: bool,
    /// How long the host has been at the oldest callback that has not returned; zero if none is under way.
    pub in_host: Duration,
    /// How long the disk has been at the write to the log that is under way; zero if none is.
    pub in_disk: Duration,
    /// The bytes of each member that has some, by ascending id: the context of the change that added or updated it.
    pub member_bytes: Vec<(u64, Bytes)>,
    /// The number of the group, see [`Options::force_new_cluster`]; 0 is the first one.
    pub group: u64,
    /// Why the engine has ended, if it was not told to.
    pub failure: Option<Error>,
}

impl Engine {
    /// Opens the node in `dir`, which is created if it is missing, restores the host and starts to work.
    ///
    /// Fails like [`Store::open`](crate::disk::store::Store::open), with `Config` where the options are at fault, and
    /// with `Host` where the host cannot be restored.
    pub fn open(options: Options, dir: &Path, host: Arc<dyn Host>) -> Result<Engine> {
        Engine::open_on(Arc::new(OsVolume), options, dir, host)
    }

    /// [`open`](Self::open) on another file system than the operating system's.
    pub fn open_on(
        volume: Arc<dyn Volume>,
        options: Options,
        dir: &Path,
        host: Arc<dyn Host>,
    ) -> Result<Engine> {
        options.validate()?;
        let (alive, done) = bounded(0);
        let parts = start(volume, &options, dir, host, alive.clone())?;
        let engine = Engine {
            shared: parts.shared,
            id: options.consensus.id,
            cluster_id: options.cluster_id,
            proposal_bytes_max: options.proposal_bytes_max,
            queue_items_max: options.queue_items_max,
            queue_bytes_max: options.queue_bytes_max,
            waits_for_room: options.wait_for_room,
            tick_interval: options.tick_interval,
            untold_max: options.backlog_items_max(),
            done,
            threads: Mutex::default(),
        };
        let (driver, writer, applier) = (parts.driver, parts.writer, parts.applier);
        let bodies: [(&str, Body); 3] = [
            ("rft-writer", Box::new(move || writer.run())),
            ("rft-applier", Box::new(move || applier.run())),
            ("rft-driver", Box::new(move || driver.run())),
        ];
        // If one thread cannot be had, dropping the engine and the other bodies ends those that run.
        engine.spawn(bodies, alive).map_err(|error| Error::io("start a thread for", dir, error))?;
        Ok(engine)
    }

    /// Proposes entries, all of them or none, and returns at once. Each has a number of the host's; 0 wants no outcome.
    ///
    /// `Busy`: the queue is full. `TooLarge`: one is longer than allowed, or all together are more than the queue holds.
    pub fn propose(&self, mut proposals: Vec<(Bytes, u64)>) -> Result<()> {
        if proposals.is_empty() {
            return Ok(());
        }
        let mut total = 0usize;
        for (data, _) in &mut proposals {
            self.check_len(data.len())?;
            total = total.saturating_add(data.len());
            *data = frame::plain(std::mem::take(data));
        }
        check_max(proposals.len(), self.queue_items_max)?;
        check_max(total, self.queue_bytes_max)?;
        self.push(Input::Propose(proposals))
    }

    /// [`propose`](Self::propose) for one, which needs no list.
    pub fn propose_one(&self, data: Bytes, request: u64) -> Result<()> {
        self.check_len(data.len())?;
        self.push(Input::ProposeWait(frame::plain(data), Reply::to(request)))
    }

    /// Proposes one entry and waits for its outcome, for `timeout` at the most.
    ///
    /// `TimedOut`: it may or may not be applied. `Reentrant`: called from a callback.
    pub fn propose_wait(&self, data: Bytes, timeout: Duration) -> Result<Outcome> {
        self.check_len(data.len())?;
        let payload = frame::plain(data);
        self.wait(timeout, |reply| Input::ProposeWait(payload.clone(), reply))
    }

    /// Opens a session, in which a command that is proposed again is applied once. Its id is the index in the outcome.
    ///
    /// A cluster keeps the 4096 sessions that were used last.
    pub fn open_session(&self, request: u64) -> Result<()> {
        self.push(Input::Propose(vec![(Frame::Open.to_payload(), request)]))
    }

    /// Opens a session and waits for its id, for `timeout` at the most.
    pub fn open_session_wait(&self, timeout: Duration) -> Result<Outcome> {
        self.wait(timeout, |reply| Input::ProposeWait(Frame::Open.to_payload(), reply))
    }

    /// Closes a session. `Session` in the outcome: there is none.
    pub fn close_session(&self, session: u64, request: u64) -> Result<()> {
        self.push(Input::Propose(vec![(Frame::Close { session }.to_payload(), request)]))
    }

    /// Proposes the command number `sequence` of a session. The number rises from 1 on with each new command, and a
    /// command is proposed again, under its old number, until its outcome is certain: at this node or another, as often
    /// as it takes. It is applied once, and every try that is `Ok` has the same index, term and answer (an answer of more
    /// than 64 KiB comes only the first time).
    ///
    /// `Session` in the outcome: the session is closed, or has had a higher number. This try was not applied, an earlier
    /// one may have been.
    pub fn propose_once(&self, session: u64, sequence: u64, data: &[u8], request: u64) -> Result<()> {
        let payload = self.command(session, sequence, data)?;
        self.push(Input::Propose(vec![(payload, request)]))
    }

    /// Like [`propose_once`](Self::propose_once), and waits for the outcome, for `timeout` at the most.
    pub fn propose_once_wait(
        &self,
        session: u64,
        sequence: u64,
        data: &[u8],
        timeout: Duration,
    ) -> Result<Outcome> {
        let payload = self.command(session, sequence, data)?;
        self.wait(timeout, |reply| Input::ProposeWait(payload.clone(), reply))
    }

    /// Answers at once if this node is known to hold all that was acknowledged anywhere `age` ago; else it is like
    /// [`read`](Self::read). The outcome tells how old the state may be.
    ///
    /// What a node knows of its age it knows from its linearizable reads: one read in a while makes all others local.
    pub fn read_within(&self, age: Duration, request: u64) -> Result<()> {
        self.push(Input::ReadWithin(age, Reply::to(request)))
    }

    /// Like [`read_within`](Self::read_within), and waits for `timeout` at the most.
    pub fn read_within_wait(&self, age: Duration, timeout: Duration) -> Result<Outcome> {
        self.check_process()?;
        self.shared.inbox.check_open()?;
        if let Some(outcome) = self.shared.fresh_within(age, Uptime::now()) {
            return Ok(outcome);
        }
        self.read_wait(timeout)
    }

    fn command(&self, session: u64, sequence: u64, data: &[u8]) -> Result<Bytes> {
        self.check_len(data.len())?;
        Ok(Frame::Command { session, sequence, data }.to_payload())
    }

    /// Asks for a linearizable read and returns at once. The outcome comes when the state machine holds all that was
    /// acknowledged anywhere before this call.
    pub fn read(&self, request: u64) -> Result<()> {
        self.push(Input::Read(Reply::to(request)))
    }

    /// Waits until the state machine may be read, for `timeout` at the most.
    pub fn read_wait(&self, timeout: Duration) -> Result<Outcome> {
        self.wait(timeout, Input::Read)
    }

    /// Proposes a change of the membership and returns at once. The outcome comes when it is in force at the
    /// leader; at a follower it may be in force a moment later, when the index of the outcome is applied there.
    ///
    /// The context, 64 KiB at the most, is the bytes of the one member that the change adds or updates: every node shows
    /// them in its status from then on, until the member is updated or removed. An added member keeps those that it has if
    /// the context is empty. Of a change that adds or updates several members the context is for `apply` alone.
    ///
    /// A leader refuses what would lose the quorum, see [`force_change`](Self::force_change) for the way around it.
    /// `QuorumAtRisk`: of the new voters, in either half of a joint configuration, those that were heard of within the last
    /// two election timeouts are no majority; or a group of one or two voters gets one that is no learner. `LearnerBehind`:
    /// a learner is to vote that does not hold what was committed two election timeouts ago. Both are certain, and the
    /// outcome's answer says why.
    pub fn change(&self, change: ConfChangeV2, request: u64) -> Result<()> {
        check_max(change.context.len(), MEMBER_BYTES_MAX)?;
        self.push(Input::Change(change, Kind::Plain, Reply::to(request)))
    }

    /// Proposes a change of the membership and waits for its outcome, for `timeout` at the most.
    pub fn change_wait(&self, change: ConfChangeV2, timeout: Duration) -> Result<Outcome> {
        check_max(change.context.len(), MEMBER_BYTES_MAX)?;
        self.wait(timeout, |reply| Input::Change(change.clone(), Kind::Plain, reply))
    }

    /// Like [`change`](Self::change), and takes what that refuses as `QuorumAtRisk` or `LearnerBehind`. What does not fit
    /// the membership is refused all the same, and so is the removal of the last voter.
    pub fn force_change(&self, change: ConfChangeV2, request: u64) -> Result<()> {
        check_max(change.context.len(), MEMBER_BYTES_MAX)?;
        self.push(Input::Change(change, Kind::Forced, Reply::to(request)))
    }

    /// Like [`force_change`](Self::force_change), and waits for the outcome, for `timeout` at the most.
    pub fn force_change_wait(&self, change: ConfChangeV2, timeout: Duration) -> Result<Outcome> {
        check_max(change.context.len(), MEMBER_BYTES_MAX)?;
        self.wait(timeout, |reply| Input::Change(change.clone(), Kind::Forced, reply))
    }

    /// Puts node `new` with these bytes in the place of the member `old`, and returns at once. `new` becomes a
    /// learner, catches up, and votes from the moment on in which `old` leaves, by one joint change. `old` 0: nobody
    /// leaves, `new` is added or promoted.
    ///
    /// The outcome comes when that is in force, or when `timeout` has passed. Whatever becomes of this node or of the
    /// leader meanwhile, the same request, here or at any other node, goes on from where the membership stands; where
    /// it is as wished, it is `Ok` at once, with term 0. What is refused for the moment is tried again until the time
    /// has passed, and is the outcome then: `LearnerBehind`, `QuorumAtRisk`, `ConfChange`, `NotLeader` (`new` may
    /// have become a learner). `TimedOut`: a step is under way. `InvalidArg`: `old` is no member. `Busy`: 16 such
    /// requests are under way here.
    ///
    /// With [`forward_proposals`](crate::consensus::config::Config::forward_proposals) off, only a leader can be asked.
    /// `Config`: `new` is 0 or `old`.
    pub fn replace(&self, old: u64, new: u64, bytes: Bytes, timeout: Duration, request: u64) -> Result<()> {
        let wish = wish(old, new, bytes)?;
        self.push(Input::Replace(wish, after(timeout), Reply::to(request)))
    }

    /// Like [`replace`](Self::replace), and waits for the outcome, for `timeout` and two ticks at the most.
    pub fn replace_wait(&self, old: u64, new: u64, bytes: Bytes, timeout: Duration) -> Result<Outcome> {
        let wish = wish(old, new, bytes)?;
        let deadline = after(timeout);
        let patience = timeout.saturating_add(self.tick_interval * 2);
        self.wait(patience, |reply| Input::Replace(wish.clone(), deadline, reply))
    }

    /// Asks the leader, this node or another, to hand leadership to the voter `to`, and returns at once.
    ///
    /// The outcome comes within two election timeouts. `Ok`: it leads, in the term that the outcome tells. `Dropped`:
    /// another node does, which the outcome names. `TimedOut`: the old leader goes on as far as is known here, and `to`
    /// may still take over. `NotLeader`: no leader is known. `InvalidArg`: `to` is no voter. `Busy`: 16 such requests
    /// are under way here.
    pub fn transfer_leader(&self, to: u64, request: u64) -> Result<()> {
        self.push(Input::TransferLeader(to, Reply::to(request)))
    }

    /// Like [`transfer_leader`](Self::transfer_leader), and waits for the outcome, for `timeout` at the most.
    pub fn transfer_leader_wait(&self, to: u64, timeout: Duration) -> Result<Outcome> {
        self.wait(timeout, |reply| Input::TransferLeader(to, reply))
    }

    /// Has a snapshot taken. The outcome carries its index once it is durable.
    pub fn snapshot(&self, request: u64) -> Result<()> {
        self.push(Input::Snapshot(Reply::to(request)))
    }

    /// Has a snapshot taken, and waits until it is durable, for `timeout` at the most.
    pub fn snapshot_wait(&self, timeout: Duration) -> Result<Outcome> {
        self.wait(timeout, Input::Snapshot)
    }

    /// Starts an election now.
    pub fn campaign(&self) -> Result<()> {
        self.push(Input::Campaign)
    }

    /// Takes a message from a peer. `Busy` drops it, which raft survives.
    ///
    /// `StepLocalMessage`, `WrongReceiver`, `StepPeerNotFound`: it should not have come here.
    pub fn step(&self, message: Message) -> Result<()> {
        self.check_process()?;
        let Message { msg_type, to, from, .. } = message;
        if msg_type == MessageType::MsgSnapStatus {
            if Header::read(&message.context).is_none() {
                return Err(Error::StepLocalMessage(format!("{msg_type:?}")));
            }
        } else if msg_type.is_local() {
            return Err(Error::StepLocalMessage(format!("{msg_type:?}")));
        } else if (msg_type.is_response() || forward::Header::of(&message).is_some())
            && msg_type != MessageType::MsgReadIndexResp
        {
            // Checked again by consensus; here so that the caller learns of it.
            if !self.shared.status.lock().membership.contains(from) {
                return Err(Error::StepPeerNotFound(from));
            }
        }
        if to != self.id {
            return Err(Error::WrongReceiver(to));
        }
        self.shared.inbox.push(Input::Step(message), None)?;
        self.shared.metrics.add(Counter::Received, 1);
        Ok(())
    }

    /// Like [`step`](Self::step), for a message that `peer` has brought: `WrongSender` if it names another sender. Only
    /// requests may, which name whom they are for: whoever leads no more passes them on, and any member may make them.
    pub fn step_from(&self, peer: u64, message: Message) -> Result<()> {
        use MessageType::{MsgProp, MsgReadIndex, MsgTransferLeader};
        let Message { msg_type, from, .. } = message;
        let is_request = matches!(msg_type, MsgProp | MsgReadIndex | MsgTransferLeader);
        if from != peer && !is_request {
            return Err(Error::WrongSender { peer, named: from });
        }
        self.step(message)
    }

    /// Says that a message could not be brought to node `id`.
    pub fn report_unreachable(&self, id: u64) -> Result<()> {
        self.push(Input::Unreachable(id))
    }

    /// The node's state. Never waits long, and works after a failure and after a stop.
    pub fn status(&self) -> EngineStatus {
        let mut status = self.shared.status.lock().clone();
        // The applier may be ahead of what the driver showed last, and has applied nothing that is not committed.
        status.applied = self.shared.applied.load(Ordering::Acquire);
        status.hard_state.commit = status.hard_state.commit.max(status.applied);
        status.last_index = status.last_index.max(status.applied);
        EngineStatus {
            status,
            snapshot_index: self.shared.snapshot_index.load(Ordering::Acquire),
            disk_full: self.shared.disk_full.load(Ordering::Acquire),
            in_host: self.shared.calls.in_host(),
            in_disk: self.shared.calls.in_disk(),
            member_bytes: self.shared.members.lock().list(),
            group: self.shared.group.load(Ordering::Acquire),
            failure: self.shared.failure().cloned(),
        }
    }

    /// The node's state, its members, its queue, counters and times as one JSON object on one line. Works after a failure
    /// and after a stop, like [`status`](Self::status).
    pub fn status_json(&self) -> String {
        report::json(&self.status(), self.waiting(), &self.shared.metrics)
    }

    /// Counters, times and state in the text format of Prometheus, version 0.0.4, labelled with cluster and node.
    pub fn prometheus(&self) -> String {
        report::prometheus(&self.status(), self.cluster_id, self.waiting(), &self.shared.metrics)
    }

    /// A counter, since the engine was opened.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.shared.metrics.count(counter)
    }

    /// Times, since the engine was opened.
    pub fn histogram(&self, timer: Timer) -> Histogram {
        self.shared.metrics.histogram(timer)
    }

    fn waiting(&self) -> Waiting {
        let (queue_items, queue_bytes) = self.shared.inbox.len();
        Waiting { queue_items, queue_bytes, requests: self.shared.pending.lock().len() }
    }

    /// Ends the engine: answers everything that is pending with `Stopped` and waits for the threads, for `timeout` at the
    /// most. May be called again.
    ///
    /// `TimedOut`: a callback, or the disk, is still at work; it is told to end all the same. `Reentrant`: called from
    /// a callback, and without effect.
    pub fn stop(&self, timeout: Duration) -> Result<()> {
        self.check_process()?;
        if self.shared.is_own_thread() {
            return Err(Error::Reentrant);
        }
        self.shared.stop();
        match self.done.recv_timeout(timeout) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {}
            Err(RecvTimeoutError::Timeout) => return Err(Error::TimedOut),
        }
        for thread in self.threads.lock().drain(..) {
            // A panic was caught in the thread, and is the failure.
            let _ = thread.join();
        }
        Ok(())
    }

    fn spawn(&self, bodies: [(&str, Body); 3], alive: Sender<()>) -> io::Result<()> {
        for (name, body) in bodies {
            let alive = alive.clone();
            let body = move || {
                body();
                drop(alive);
            };
            self.threads.lock().push(Builder::new().name(name.to_owned()).spawn(body)?);
        }
        Ok(())
    }

    /// Whether this is the process in which the engine was opened. In one that was forked off, where its threads are not,
    /// every other call that can fail is `Stopped`; the directory belongs to the first process.
    pub fn check_process(&self) -> Result<()> {
        self.shared.process.check()
    }

    fn check_len(&self, len: usize) -> Result<()> {
        check_max(len, self.proposal_bytes_max)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The threads of a process that was forked off are in the other one.
        if self.check_process().is_err() {
            return;
        }
        self.shared.stop();
        match self.stop(DROP_TIMEOUT) {
            Ok(()) => {}
            // The threads end by themselves, and own what they use.
            Err(error) => {
                self.shared.log(Level::Warn, &format!("the engine is left to end by itself: {error}"))
            }
        }
    }
}

/// When `timeout` has passed. A year is for ever, and does not overflow.
pub(super) fn after(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(Duration::from_secs(365 * 24 * 3600))
}

fn wish(old: u64, new: u64, bytes: Bytes) -> Result<Wish> {
    check_max(bytes.len(), MEMBER_BYTES_MAX)?;
    if new == 0 || new == old {
        return Err(Error::Config(format!("node {new} cannot take the place of node {old}")));
    }
    Ok(Wish::new(old, new, bytes))
}

fn check_max(len: usize, max: usize) -> Result<()> {
    if len > max { Err(Error::TooLarge { len, max }) } else { Ok(()) }
}
