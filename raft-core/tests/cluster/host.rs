//! [`Host`]: keeps the contract between a node, its disk and its state machine.

use std::collections::VecDeque;

use bytes::Bytes;
use raft_core::consensus::confchange::restore::conf_state_after;
use raft_core::consensus::raw_node::RawNode;
use raft_core::consensus::ready::{AppendTicket, ApplyTicket, ReadState, Ready};
use raft_core::consensus::status::RoleKind;
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::message::Snapshot;
use raft_core::raftpb::store_number::next_run;

use super::ambush::Doom;
use super::coverage::Rare;
use super::disk::{Disk, Shelf};
use super::machine::Machine;
use super::oracle::{Check, ensure, read_change};
use super::plant::Plant;
use super::seen::Seen;
use super::settings::TICK;
use super::world::{Event, World};

/// A machine with a disk, on which a node runs or not.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) id: u64,
    pub(crate) disk: Disk,
    pub(crate) up: Option<Box<Up>>,
    /// How many times the node has started.
    pub(crate) life: u64,
    pub(crate) tick_every: u64,
    pub(crate) paused_until: u64,
    /// Until then nothing it writes gets done.
    pub(crate) stalled_until: u64,
    /// Until then its state machine stands still.
    pub(crate) lags_until: u64,
    pub(crate) doom: Option<Doom>,
    /// A state machine of its own, that a crash has left: where it stood, and the membership there.
    pub(crate) kept: Option<(Machine, ConfState)>,
    /// The number of its disk, and what it has kept of those of others.
    pub(crate) store: u64,
    pub(crate) stores: Vec<(u64, u64)>,
    pub(crate) is_wiped: bool,
    /// What somebody has put by, before the last start.
    pub(crate) copy: Option<Box<Copied>>,
    pub(crate) has_lost: bool,
    /// Switched off for good: it is not a member any more, and everybody knows.
    pub(crate) is_retired: bool,
}

/// All that is in a directory.
#[derive(Debug)]
pub(crate) struct Copied {
    pub(crate) disk: Disk,
    pub(crate) stores: Vec<(u64, u64)>,
    pub(crate) store: u64,
}

/// A read on its way.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) context: Bytes,
    pub(crate) client: usize,
    pub(crate) number: u64,
    /// The context is one that this node uses again and again, for reads that it answers itself.
    pub(crate) is_repeated: bool,
    /// Set when the node has confirmed it.
    pub(crate) index: Option<u64>,
}

/// What a crash destroys.
#[derive(Debug)]
pub(crate) struct Up {
    pub(crate) raw: RawNode<Shelf>,
    pub(crate) machine: Machine,
    /// Where the machine stands. The node's may be ahead: it takes that of a snapshot when it accepts it.
    pub(crate) membership: ConfState,
    pub(crate) seen: Seen,
    pub(crate) reads: Vec<Read>,
    pub(crate) ready_is_due: bool,
    // Tickets with the position on disk where each ends.
    writing: VecDeque<(AppendTicket, u64)>,
    write_is_due: bool,
    applying: VecDeque<ApplyTicket>,
    apply_is_due: bool,
    /// It has sent entries since its window was last looked at.
    pub(crate) has_appended: bool,
    /// A received snapshot that is not in place yet: the membership is its, already.
    incoming: u64,
    /// The term in which a leader told it to take over.
    pub(crate) told: u64,
}

impl Host {
    pub(crate) fn new(id: u64, founders: u64) -> Self {
        let disk = match id <= founders {
            true => Disk::bootstrapped(ConfState::of_voters(1..=founders)),
            false => Disk::default(),
        };
        Host {
            id,
            disk,
            up: None,
            life: 0,
            tick_every: TICK,
            paused_until: 0,
            stalled_until: 0,
            lags_until: 0,
            doom: None,
            kept: None,
            store: (100 + id) << 32,
            stores: Vec::new(),
            copy: None,
            has_lost: false,
            is_wiped: false,
            is_retired: false,
        }
    }

    /// As the store does it when it is opened.
    fn begin_run(&mut self, life: u64) {
        if self.stores.contains(&(self.id, self.store)) {
            self.store = next_run(self.store, life);
        }
    }

    pub(crate) fn leads(&self) -> bool {
        self.up.as_ref().is_some_and(|up| up.seen.role == RoleKind::Leader)
    }
}

impl World {
    pub(crate) fn host(&self, id: u64) -> &Host {
        &self.hosts[id as usize - 1]
    }

    pub(crate) fn host_mut(&mut self, id: u64) -> &mut Host {
        &mut self.hosts[id as usize - 1]
    }

    /// The running node `id`.
    pub(crate) fn up(&mut self, id: u64) -> &mut Up {
        self.host_mut(id).up.as_mut().expect("asked of a node that runs")
    }

    /// Starts a node from what its disk holds, unless it runs.
    pub(crate) fn start(&mut self, id: u64) -> Check {
        if self.host(id).up.is_some() || self.host(id).is_retired {
            return Ok(());
        }
        let life = self.host(id).life + 1;
        let mut config = self.settings.config_of(id, life, &mut self.rng);
        let (forgets, tells) = (self.plant == Plant::ForgetVote, self.settings.tells_stores);
        let host = self.host_mut(id);
        let (disk, stores) = (host.disk.clone(), host.stores.clone());
        host.copy = Some(Box::new(Copied { disk, stores, store: host.store }));
        host.begin_run(life);
        host.life = life;
        host.paused_until = 0;
        let durable = &mut host.disk.durable;
        if forgets {
            durable.hard_state.vote = 0;
        }
        let metadata = durable.snapshot.metadata.clone();
        let covers = metadata.index + 1..=durable.last();
        let kept = host.kept.as_ref().filter(|(machine, _)| covers.contains(&machine.applied)).cloned();
        let is_kept = kept.is_some();
        let (machine, membership) = kept.unwrap_or_else(|| {
            (Machine::restore(&durable.snapshot.data, metadata.index), metadata.conf_state.clone())
        });
        if is_kept {
            // What was applied is committed.
            config.applied = machine.applied;
            durable.hard_state.commit = durable.hard_state.commit.max(machine.applied);
        }
        config.store_id = if tells { host.store } else { 0 };
        let seen = Seen::new(id, life, durable, machine.applied);
        let is_both = metadata.index > 1 && !durable.entries.is_empty();
        let storage = host.disk.recover(membership.clone());
        let mut raw = RawNode::new(config, storage).map_err(|error| format!("node {id}: {error}"))?;
        raw.learn_stores(&host.stores);
        host.up = Some(Box::new(Up {
            raw,
            machine,
            membership,
            seen,
            reads: Vec::new(),
            ready_is_due: false,
            writing: VecDeque::new(),
            write_is_due: false,
            applying: VecDeque::new(),
            apply_is_due: false,
            has_appended: false,
            incoming: 0,
            told: 0,
        }));
        let state = host.disk.durable.hard_state;
        let last = self.up(id).seen.last();
        if is_kept {
            self.coverage.hit(Rare::RestartWithStateMachine);
        }
        if is_both {
            self.coverage.hit(Rare::RestartFromSnapshotAndLog);
        }
        self.trace.note(&[self.now, id, life, state.term, state.vote, state.commit, last]);
        self.trace
            .line(self.now, || format!("{id} starts its life {life} with {state:?}, last entry {last}"));
        let first = self.rng.within(1, TICK);
        self.schedule(first, Event::Tick(id, life));
        self.drain(id)
    }

    /// Takes what the node wants done until it wants nothing more.
    pub(crate) fn drain(&mut self, id: u64) -> Check {
        while self.host(id).up.as_ref().is_some_and(|up| up.raw.has_ready()) {
            let ready = self.up(id).raw.ready().map_err(|error| format!("node {id}: {error}"))?;
            self.take_ready(id, ready)?;
        }
        match self.host(id).up.as_ref().and_then(|up| up.raw.failure()) {
            Some(failure) => Err(format!("node {id} has stopped: {failure}")),
            None => {
                self.keep_stores(id);
                self.take_wanted(id)?;
                if self.host_mut(id).up.as_mut().is_some_and(|up| std::mem::take(&mut up.has_appended)) {
                    return self.check_window(id);
                }
                Ok(())
            }
        }
    }

    fn take_ready(&mut self, id: u64, mut ready: Ready) -> Check {
        let (old_term, old_role) = (self.up(id).seen.term, self.up(id).seen.role);
        let old_commit = self.up(id).seen.commit;
        self.cover_ready(id, &ready);
        let World { oracle, hosts, coverage, .. } = self;
        let Some(up) = &mut hosts[id as usize - 1].up else { return Ok(()) };
        oracle.observe(&mut up.seen, &ready, coverage)?;
        let seen = &up.seen;
        self.trace.note(&[id, seen.term, seen.role as u64, seen.leader, seen.commit, seen.last()]);
        if ready.soft_state.is_some() || seen.term != old_term {
            let (role, term, leader) = (seen.role, seen.term, seen.leader);
            self.trace.line(self.now, || format!("{id} is {role} in term {term}, led by {leader}"));
        }
        self.has_shown(id, &ready, (old_role, old_commit));
        let messages = std::mem::take(&mut ready.messages);
        for state in std::mem::take(&mut ready.read_states) {
            self.confirm_read(id, state);
        }
        let up = self.up(id);
        if (up.seen.term, up.seen.role) != (old_term, old_role) {
            // Reads that a leader had open end with its leadership.
            up.reads.retain(|read| !read.is_repeated || read.index.is_some());
        }
        self.send(id, messages)?;
        if let Some(index) =
            ready.append.as_ref().and_then(|ticket| ticket.snapshot()).map(|it| it.metadata.index)
        {
            self.up(id).incoming = index;
        }
        match self.settings.one_thread {
            true => self.finish_at_once(id, ready),
            false => {
                self.begin(id, ready)?;
                self.answer_reads(id)
            }
        }
    }

    /// Saves, applies and hands back, all before anything else happens to this node, unless the power fails between.
    fn finish_at_once(&mut self, id: u64, ready: Ready) -> Check {
        if self.crashes_here(id) {
            return Ok(());
        }
        if let Some(ticket) = &ready.append {
            let disk = &mut self.host_mut(id).disk;
            let end = disk.write(ticket);
            if ticket.must_sync() || ticket.snapshot().is_some() {
                disk.sync_to(end);
            }
            if let Some(snapshot) = ticket.snapshot() {
                self.restore(id, &snapshot.clone());
            }
        }
        if self.crashes_here(id) {
            return Ok(());
        }
        if let Some(ticket) = &ready.apply {
            self.apply(id, ticket)?;
        }
        let last = ready.apply.as_ref().and_then(|ticket| ticket.entries().last()).map(|entry| entry.index);
        let up = self.up(id);
        let released =
            up.raw.advance(ready.append, ready.apply).map_err(|error| format!("node {id}: {error}"))?;
        if let Some(index) = last {
            up.seen.applied_to(index);
        }
        self.send(id, released)?;
        self.check_node(id)?;
        self.answer_reads(id)
    }

    fn crashes_here(&mut self, id: u64) -> bool {
        if self.is_healed || !self.rng.permille(self.settings.crash_in_ready) {
            return false;
        }
        self.coverage.hit(Rare::CrashWithinReady);
        self.fail(id);
        true
    }

    /// Gives the tickets to the threads that save and apply.
    fn begin(&mut self, id: u64, ready: Ready) -> Check {
        let life = self.host(id).life;
        if let Some(ticket) = ready.append {
            let end = self.host_mut(id).disk.write(&ticket);
            self.up(id).writing.push_back((ticket, end));
            if self.plant == Plant::AckBeforeDurable {
                return self.hand_back_unsynced(id, ready.apply);
            }
            if self.up(id).writing.len() > 3 {
                self.coverage.hit(Rare::ManyWritesOutstanding);
            }
            if !std::mem::replace(&mut self.up(id).write_is_due, true) {
                let after = self.rng.within(1, self.settings.write);
                self.schedule(after, Event::Written(id, life));
            }
        }
        if let Some(ticket) = ready.apply {
            self.up(id).applying.push_back(ticket);
            self.schedule_apply(id);
        }
        Ok(())
    }

    fn hand_back_unsynced(&mut self, id: u64, apply: Option<ApplyTicket>) -> Check {
        self.up(id).applying.extend(apply);
        self.schedule_apply(id);
        while let Some((ticket, end)) = self.up(id).writing.pop_front() {
            if ticket.snapshot().is_some() {
                self.host_mut(id).disk.sync_to(end);
            }
            self.hand_back(id, ticket)?;
        }
        Ok(())
    }

    fn schedule_apply(&mut self, id: u64) {
        let life = self.host(id).life;
        if !self.up(id).applying.is_empty() && !std::mem::replace(&mut self.up(id).apply_is_due, true) {
            let after = self.rng.within(1, self.settings.apply);
            self.schedule(after, Event::Applied(id, life));
        }
    }

    /// The disk has done some of the outstanding writes: a group commit.
    pub(crate) fn written(&mut self, id: u64) -> Check {
        let (stalled_until, life) = (self.host(id).stalled_until, self.host(id).life);
        if stalled_until > self.now {
            self.coverage.hit(Rare::DiskStalled);
            self.schedule(stalled_until - self.now, Event::Written(id, life));
            return Ok(());
        }
        let outstanding = self.up(id).writing.len() as u64;
        let count = self.rng.within(1, outstanding);
        let done: Vec<_> = self.up(id).writing.drain(..count as usize).collect();
        let syncs = done.iter().filter(|(ticket, _)| ticket.must_sync() || ticket.snapshot().is_some());
        if let Some(end) = syncs.map(|(_, end)| *end).max() {
            self.host_mut(id).disk.sync_to(end);
        }
        for (ticket, _) in done {
            self.hand_back(id, ticket)?;
        }
        self.up(id).write_is_due = !self.up(id).writing.is_empty();
        if self.up(id).write_is_due {
            let (after, life) = (self.rng.within(1, self.settings.write), self.host(id).life);
            self.schedule(after, Event::Written(id, life));
        }
        self.drain(id)
    }

    fn hand_back(&mut self, id: u64, ticket: AppendTicket) -> Check {
        if ticket.stable().1 < self.up(id).seen.term {
            self.coverage.hit(Rare::TermRisesWhileWriting);
        }
        if let Some(snapshot) = ticket.snapshot() {
            self.restore(id, &snapshot.clone());
        }
        let released = self.up(id).raw.appended(ticket).map_err(|error| format!("node {id}: {error}"))?;
        self.send(id, released)
    }

    /// The state machine takes a snapshot that is durable.
    fn restore(&mut self, id: u64, snapshot: &Snapshot) {
        let index = snapshot.metadata.index;
        let up = self.up(id);
        let is_overtaken = !up.applying.is_empty();
        let was_empty = up.machine.applied == 0;
        up.machine = Machine::restore(&snapshot.data, index);
        up.membership = snapshot.metadata.conf_state.clone();
        up.seen.applied_to(index);
        if up.incoming == index {
            up.incoming = 0;
        }
        for (happened, what) in [
            (true, Rare::SnapshotInstalled),
            (!snapshot.metadata.conf_state.voters_outgoing.is_empty(), Rare::SnapshotOfJointInstalled),
            (was_empty, Rare::SnapshotToNewcomer),
            (is_overtaken, Rare::SnapshotOvertakesApply),
        ] {
            if happened {
                self.coverage.hit(what);
            }
        }
        self.trace.line(self.now, || format!("{id} restores the snapshot at {index}"));
    }

    /// The state machine has done some of the outstanding tickets.
    pub(crate) fn apply_some(&mut self, id: u64) -> Check {
        let (lags_until, life) = (self.host(id).lags_until, self.host(id).life);
        if lags_until > self.now {
            self.schedule(lags_until - self.now, Event::Applied(id, life));
            return Ok(());
        }
        let outstanding = self.up(id).applying.len() as u64;
        let count = self.rng.within(1, outstanding);
        for _ in 0..count {
            let Some(ticket) = self.up(id).applying.pop_front() else { break };
            self.apply(id, &ticket)?;
            let last = ticket.entries().last().map_or(0, |entry| entry.index);
            let up = self.up(id);
            up.raw.applied(ticket).map_err(|error| format!("node {id}: {error}"))?;
            up.seen.applied_to(last);
        }
        self.up(id).apply_is_due = false;
        self.schedule_apply(id);
        self.check_node(id)?;
        self.drain(id)?;
        self.answer_reads(id)
    }

    fn apply(&mut self, id: u64, ticket: &ApplyTicket) -> Check {
        for entry in ticket.entries().owned() {
            // A snapshot may have overtaken the ticket.
            if entry.index <= self.up(id).machine.applied {
                continue;
            }
            let up = self.up(id);
            ensure!(entry.index == up.machine.applied + 1, "node {id} applies {} too early", entry.index);
            let write = up.machine.apply(&entry);
            if let Some(Ok(membership)) =
                read_change(&entry).map(|change| conf_state_after(&up.membership, &change))
            {
                up.membership = membership;
            }
            let (machine, commit) = (up.machine.clone(), up.seen.commit);
            self.oracle.check_applied(&entry, &machine, commit)?;
            self.trace.note(&[id, entry.index, machine.hash]);
            self.cover_change(id, &entry);
            if let Some(write) = write {
                self.write_done(id, write, &entry)?;
            }
        }
        Ok(())
    }

    /// What must hold of a node whenever its state machine has moved.
    fn check_node(&mut self, id: u64) -> Check {
        let World { oracle, hosts, .. } = self;
        let Some(up) = &hosts[id as usize - 1].up else { return Ok(()) };
        let seen = &up.seen;
        ensure!(
            seen.applied <= seen.commit && seen.commit <= seen.last(),
            "node {id} has applied {}, commit {}, last {}",
            seen.applied,
            seen.commit,
            seen.last()
        );
        // An accepted snapshot brings its membership before it is in place.
        if up.incoming == 0 && !up.raw.has_ready() {
            oracle
                .check_membership(seen.applied, &up.raw.conf_state())
                .map_err(|text| format!("node {id}: {text}"))?;
        }
        Ok(())
    }

    fn confirm_read(&mut self, id: u64, state: ReadState) {
        let reads = &mut self.up(id).reads;
        let open = reads.iter_mut().find(|read| read.index.is_none() && read.context == state.context);
        if let Some(read) = open {
            read.index = Some(state.index);
        }
    }

    /// What a node has heard of the disks of others outlives it.
    fn keep_stores(&mut self, id: u64) {
        let Host { up, stores, .. } = self.host_mut(id);
        if let Some(up) = up
            && up.raw.known_stores() != stores.as_slice()
        {
            *stores = up.raw.known_stores().to_vec();
        }
    }
}
