//! [`World`]: virtual time, and what happens in it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use bytes::Bytes;
use raft_core::consensus::log::memory_storage::BOOTSTRAP_INDEX;
use raft_core::error::Error;
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::message::{Message, MessageType};

use super::clients::Client;
use super::coverage::{Coverage, Rare};
use super::host::Host;
use super::links::Links;
use super::oracle::{Check, Oracle};
use super::plant::Plant;
use super::plots::Act;
use super::rng::Rng;
use super::settings::{Settings, TICK};
use super::trace::{Trace, mix};

/// Something due. What concerns one life of a node is void in its next.
#[derive(Debug)]
pub(crate) enum Event {
    Tick(u64, u64),
    /// The node is asked for its ready at last.
    Ready(u64, u64),
    Written(u64, u64),
    Applied(u64, u64),
    Deliver(Packet),
    /// The sender learns what became of its snapshot to a node.
    SnapshotReport(u64, u64, u64, bool),
    /// A pause is over, and the host has noticed that its clock stood still.
    Resume(u64, u64),
    Crash(u64, u64),
    Restart(u64),
    Client(usize),
    Act(Act),
    /// A tick of an unskewed clock, at which faults begin and end.
    World,
}

#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) from: u64,
    pub(crate) life: u64,
    pub(crate) to: u64,
    pub(crate) bytes: Bytes,
}

#[derive(Debug)]
struct Scheduled {
    at: Reverse<(u64, u64)>,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) events: u64,
    pub(crate) messages: u64,
    pub(crate) crashes: u64,
    pub(crate) moments: u64,
    pub(crate) requests: u64,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) rng: Rng,
    pub(crate) plant: Plant,
    pub(crate) now: u64,
    queue: BinaryHeap<Scheduled>,
    scheduled: u64,
    /// By id, less one.
    pub(crate) hosts: Vec<Host>,
    pub(crate) links: Links,
    /// When the links are whole again.
    pub(crate) mend_at: u64,
    pub(crate) clients: Vec<Client>,
    /// Until then clients begin nothing new.
    pub(crate) calm_until: u64,
    pub(crate) oracle: Oracle,
    pub(crate) coverage: Coverage,
    pub(crate) trace: Trace,
    pub(crate) totals: Totals,
    /// No faults from here on.
    pub(crate) is_healed: bool,
}

impl World {
    pub(crate) fn new(seed: u64, plant: Plant, is_verbose: bool) -> Check<Self> {
        let mut rng = Rng::new(seed);
        let settings = Settings::draw(&mut rng);
        let membership = ConfState::of_voters(1..=settings.nodes);
        let mut world = World {
            rng,
            plant,
            now: 0,
            queue: BinaryHeap::new(),
            scheduled: 0,
            hosts: (1..=settings.ids).map(|id| Host::new(id, settings.nodes)).collect(),
            links: Links::default(),
            mend_at: 0,
            clients: Client::all(settings.clients),
            calm_until: 0,
            oracle: Oracle::new(membership, BOOTSTRAP_INDEX, settings.config.uncommitted_bytes_max),
            coverage: Coverage::default(),
            trace: Trace { is_verbose, ..Trace::default() },
            totals: Totals::default(),
            is_healed: false,
            settings,
        };
        world.trace.line(0, || format!("{:#?}", world.settings));
        for id in 1..=world.settings.nodes {
            world.start(id)?;
        }
        for client in 0..world.settings.clients as usize {
            world.schedule(1, Event::Client(client));
        }
        world.schedule(TICK, Event::World);
        Ok(world)
    }

    pub(crate) fn schedule(&mut self, after: u64, event: Event) {
        self.scheduled += 1;
        self.queue.push(Scheduled { at: Reverse((self.now + after, self.scheduled)), event });
    }

    /// Lets the next thing happen.
    pub(crate) fn advance(&mut self) -> Check {
        let Some(Scheduled { at: Reverse((at, _)), event }) = self.queue.pop() else {
            return Err("nothing is left to happen".to_owned());
        };
        self.now = at;
        self.totals.events += 1;
        self.totals.moments = at;
        match event {
            Event::Tick(id, life) => self.on_node(id, life, event, Self::tick),
            Event::Ready(id, life) => self.on_node(id, life, event, |world, id| {
                world.up(id).ready_is_due = false;
                world.drain(id)
            }),
            Event::Written(id, life) => self.on_node(id, life, event, Self::written),
            Event::Applied(id, life) => self.on_node(id, life, event, Self::apply_some),
            Event::SnapshotReport(id, life, to, ok) => self.on_node(id, life, event, |world, id| {
                let result = world.up(id).raw.report_snapshot(to, ok);
                world.settle(id, result)
            }),
            Event::Resume(id, life) => self.on_node(id, life, event, |world, id| {
                let result = world.up(id).raw.drop_lease();
                world.settle(id, result)
            }),
            Event::Crash(id, life) => self.on_node(id, life, event, |world, id| {
                if !world.is_healed {
                    world.coverage.hit(Rare::CrashAfterMessage);
                    world.fail(id);
                }
                Ok(())
            }),
            Event::Deliver(packet) => self.deliver(packet),
            Event::Restart(id) => self.start(id),
            Event::Client(client) => self.client(client),
            Event::Act(act) => self.act(act),
            Event::World => self.world_tick(),
        }
    }

    /// Does `what` on a node that is still in the same life, when it is not paused.
    fn on_node(
        &mut self,
        id: u64,
        life: u64,
        event: Event,
        what: impl FnOnce(&mut Self, u64) -> Check,
    ) -> Check {
        let host = self.host(id);
        if host.up.is_none() || host.life != life {
            return Ok(());
        }
        if host.paused_until > self.now {
            let wait = host.paused_until - self.now;
            self.schedule(wait, event);
            return Ok(());
        }
        what(self, id)
    }

    fn tick(&mut self, id: u64) -> Check {
        let (after, life) = (self.host(id).tick_every, self.host(id).life);
        self.schedule(after, Event::Tick(id, life));
        let result = self.up(id).raw.tick();
        self.settle(id, result)
    }

    /// Puts messages of a node on the network.
    pub(crate) fn send(&mut self, id: u64, messages: Vec<Message>) -> Check {
        for mut message in messages {
            self.totals.messages += 1;
            let to = message.to;
            if message.from == 0 || to == id || to == 0 {
                return Err(format!("node {id} sends {message:?}"));
            }
            let is_snapshot = message.msg_type == MessageType::MsgSnap;
            let is_void = is_snapshot && !self.attach_snapshot(id, &mut message);
            self.cover_sent(id, &message);
            let bytes = Bytes::from(message.to_vec());
            if Message::decode(bytes.clone()).as_ref() != Ok(&message) {
                return Err(format!("{message:?} does not survive its encoding"));
            }
            let kind = message.msg_type as u64;
            self.trace.note(&[self.now, id, to, kind, message.term, message.index, bytes.len() as u64]);
            self.trace.line(self.now, || format!("{id} sends {}", brief(&message)));
            let lost = is_void || self.links.is_cut(id, to) || self.rng.permille(self.settings.drop);
            let delay = self.delay();
            if is_snapshot {
                let life = self.host(id).life;
                if lost {
                    self.coverage.hit(Rare::SnapshotLost);
                }
                let after = delay + self.rng.below(4 * TICK);
                self.schedule(after, Event::SnapshotReport(id, life, to, !lost));
            }
            self.has_said(id, &message);
            let delay = delay.max(self.links.not_before(id, to).saturating_sub(self.now));
            if lost {
                continue;
            }
            if self.rng.permille(self.settings.duplicate) {
                self.coverage.hit(Rare::MessageDoubled);
                let again = self.delay();
                self.post(again, id, to, bytes.clone());
            }
            self.post(delay, id, to, bytes);
        }
        Ok(())
    }

    fn post(&mut self, delay: u64, from: u64, to: u64, bytes: Bytes) {
        let life = self.host(from).life;
        self.schedule(delay, Event::Deliver(Packet { from, life, to, bytes }));
    }

    fn delay(&mut self) -> u64 {
        match self.rng.permille(self.settings.slow) {
            true => self.rng.within(1, self.settings.slow_delay),
            false => self.rng.within(1, self.settings.delay),
        }
    }

    fn deliver(&mut self, packet: Packet) -> Check {
        let Packet { from, to, life, ref bytes } = packet;
        if to > self.settings.ids || self.host(to).up.is_none() {
            return Ok(());
        }
        if self.host(to).paused_until > self.now {
            self.coverage.hit(Rare::MessageHeldByPause);
            // What has piled up takes its time to get through.
            let wait = self.host(to).paused_until - self.now + self.rng.below(3 * TICK);
            self.schedule(wait, Event::Deliver(packet));
            return Ok(());
        }
        let message = Message::decode(bytes.clone()).map_err(|error| error.to_string())?;
        if self.host(from).life != life {
            self.coverage.hit(Rare::MessageFromEarlierLife);
        }
        self.cover_received(to, &message);
        self.trace.line(self.now, || format!("{to} takes {}", brief(&message)));
        let result = self.up(to).raw.step(message);
        self.settle(to, result)
    }

    /// What every call into a node ends with: no error but a refusal, and its ready is taken now or soon.
    pub(crate) fn settle<T>(&mut self, id: u64, result: Result<T, Error>) -> Check {
        if let Err(error) = result {
            self.trace.line(self.now, || format!("{id} refuses: {error}"));
            refusal(id, error)?;
        }
        if self.rng.permille(self.settings.lazy_ready) {
            let life = self.host(id).life;
            if !std::mem::replace(&mut self.up(id).ready_is_due, true) {
                let after = self.rng.within(1, TICK);
                self.schedule(after, Event::Ready(id, life));
            }
            return Ok(());
        }
        self.drain(id)
    }

    /// One that leads an older term than the leader does, and does not know it yet.
    pub(crate) fn old_leader(&self) -> Option<u64> {
        let newest = self.leader()?;
        let old =
            self.hosts.iter().find(|host| host.leads() && host.paused_until <= self.now && host.id != newest);
        old.map(|host| host.id)
    }

    /// The node that leads, as far as those that are awake know of themselves: of several the one in the newest term.
    pub(crate) fn leader(&self) -> Option<u64> {
        let leaders = self.hosts.iter().filter(|host| host.leads() && host.paused_until <= self.now);
        leaders.max_by_key(|host| host.up.as_ref().map(|up| up.seen.term)).map(|host| host.id)
    }

    /// The nodes that run and are not paused.
    pub(crate) fn running(&self) -> Vec<u64> {
        let awake = self.hosts.iter().filter(|host| host.up.is_some() && host.paused_until <= self.now);
        awake.map(|host| host.id).collect()
    }

    pub(crate) fn finish_hash(&self) -> u64 {
        let totals = self.totals;
        [totals.events, totals.messages, self.now].into_iter().fold(self.trace.hash, mix)
    }
}

/// Lets those errors pass that a correct node may give to a correct host.
pub(crate) fn refusal(id: u64, error: Error) -> Check {
    match error {
        Error::ProposalDropped(_)
        | Error::ConfChange(_)
        | Error::StepPeerNotFound(_)
        | Error::ReplacedStore(_) => Ok(()),
        other => Err(format!("node {id}: {other}")),
    }
}

fn brief(message: &Message) -> String {
    let Message { msg_type, from, to, term, log_term, index, commit, reject, .. } = message;
    let mut text = format!("{msg_type:?} {from}->{to} term {term} at {log_term}/{index} commit {commit}");
    if *reject {
        text += &format!(" reject {}/{}", message.log_term, message.reject_hint);
    }
    if let (Some(first), Some(last)) = (message.entries.first(), message.entries.last()) {
        text += &format!(" entries {}/{} to {}/{}", first.term, first.index, last.term, last.index);
    }
    if let Some(snapshot) = &message.snapshot {
        text += &format!(" snapshot {:?}", snapshot.metadata);
    }
    text
}
