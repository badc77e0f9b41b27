//! [`Engine`]: the handle of one running node.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use parking_lot::Mutex;

use super::courier::header::Header;
use super::event::Level;
use super::forward;
use super::host::Host;
use super::inbox::Input;
use super::metrics::{Counter, Histogram, Timer};
use super::options::Options;
use super::outcome::{Outcome, Reply, Waiter};
use super::report::{self, Waiting};
use super::session::frame::{self, Frame};
use super::shared::Shared;
use super::start::start;
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
    shared: Arc<Shared>,
    id: u64,
    cluster_id: u64,
    proposal_bytes_max: usize,
    queue_items_max: usize,
    queue_bytes_max: usize,
    untold_max: usize,
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
        let parts = start(volume, &options, dir, host)?;
        let (alive, done) = bounded(0);
        let engine = Engine {
            shared: parts.shared,
            id: options.consensus.id,
            cluster_id: options.cluster_id,
            proposal_bytes_max: options.proposal_bytes_max,
            queue_items_max: options.queue_items_max,
            queue_bytes_max: options.queue_bytes_max,
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

    /// Proposes one entry and waits for its outcome, for `timeout` at the most.
    ///
    /// `TimedOut`: it may or may not be applied. `Reentrant`: called from a callback.
    pub fn propose_wait(&self, data: Bytes, timeout: Duration) -> Result<Outcome> {
        self.check_len(data.len())?;
        self.wait(timeout, |reply| Input::ProposeWait(frame::plain(data), reply))
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
        self.wait(timeout, |reply| Input::ProposeWait(payload, reply))
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
        self.shared.inbox.check_open()?;
        if let Some(outcome) = self.shared.fresh_within(age, Instant::now()) {
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

    /// Proposes a change of the membership and returns at once. The outcome comes when it is in force here.
    pub fn change(&self, change: ConfChangeV2, request: u64) -> Result<()> {
        self.check_len(change.context.len())?;
        self.push(Input::Change(change, Reply::to(request)))
    }

    /// Proposes a change of the membership and waits for its outcome, for `timeout` at the most.
    pub fn change_wait(&self, change: ConfChangeV2, timeout: Duration) -> Result<Outcome> {
        self.check_len(change.context.len())?;
        self.wait(timeout, |reply| Input::Change(change, reply))
    }

    /// Asks the leader, this node or another, to hand leadership to node `to`. Whether it does shows in the status.
    pub fn transfer_leader(&self, to: u64) -> Result<()> {
        self.push(Input::TransferLeader(to))
    }

    /// Has a snapshot taken. The outcome carries its index once it is durable.
    pub fn snapshot(&self, request: u64) -> Result<()> {
        self.push(Input::Snapshot(Reply::to(request)))
    }

    /// Starts an election now.
    pub fn campaign(&self) -> Result<()> {
        self.push(Input::Campaign)
    }

    /// Takes a message from a peer. `Busy` drops it, which raft survives.
    ///
    /// `StepLocalMessage`, `WrongReceiver`, `StepPeerNotFound`: it should not have come here.
    pub fn step(&self, message: Message) -> Result<()> {
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
        self.shared.inbox.push(Input::Step(message))?;
        self.shared.metrics.add(Counter::Received, 1);
        Ok(())
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

    /// Queues an input whose outcome this thread waits for.
    fn wait(&self, timeout: Duration, input: impl FnOnce(Reply) -> Input) -> Result<Outcome> {
        if self.shared.is_own_thread() {
            return Err(Error::Reentrant);
        }
        let waiter = Arc::new(Waiter::default());
        self.push(input(Reply::Waiter(Arc::clone(&waiter))))?;
        let now = Instant::now();
        // A year is for ever, and does not overflow.
        let deadline = now + timeout.min(Duration::from_secs(365 * 24 * 3600));
        if let Some(outcome) = waiter.wait_until(deadline) {
            return Ok(outcome);
        }
        self.shared.pending.lock().forget(&waiter);
        // It may have come in the last moment.
        waiter.wait_until(now).ok_or(Error::TimedOut)
    }

    /// Queues a request.
    fn push(&self, input: Input) -> Result<()> {
        let untold = self.shared.untold.load(Ordering::Acquire);
        let result = if untold >= self.untold_max { Err(Error::Busy) } else { self.shared.inbox.push(input) };
        if result == Err(Error::Busy) {
            self.shared.metrics.add(Counter::Busy, 1);
        }
        result
    }

    fn check_len(&self, len: usize) -> Result<()> {
        check_max(len, self.proposal_bytes_max)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
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

fn check_max(len: usize, max: usize) -> Result<()> {
    if len > max { Err(Error::TooLarge { len, max }) } else { Ok(()) }
}
