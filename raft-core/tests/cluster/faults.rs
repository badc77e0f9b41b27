//! What goes wrong, and the end of it.

use super::coverage::Rare;
use super::host::Host;
use super::links::Links;
use super::oracle::Check;
use super::settings::TICK;
use super::world::{Event, World, refusal};

impl World {
    /// A tick of the world: faults come and go.
    pub(crate) fn world_tick(&mut self) -> Check {
        self.schedule(TICK, Event::World);
        if self.is_healed {
            return self.recover();
        }
        if self.rng.permille(self.settings.crash) {
            let id = self.victim();
            self.fail(id);
        }
        self.cut_and_mend();
        if self.rng.permille(self.settings.pause) {
            self.pause();
        }
        if self.rng.permille(self.settings.stall) {
            let id = self.victim();
            let length = self.rng.within(1, 5 * self.settings.config.election_ticks) * TICK;
            self.host_mut(id).stalled_until = self.now + length;
            self.trace.line(self.now, || format!("the disk of {id} stalls for {length}"));
        }
        if self.rng.permille(self.settings.skew) {
            let id = self.victim();
            let (shortest, longest) = self.settings.tick_bounds();
            self.host_mut(id).tick_every = self.rng.within(shortest, longest);
        }
        self.request_transfer()?;
        self.nudge()?;
        if self.rng.permille(self.settings.compact) {
            let id = self.victim();
            if self.running().contains(&id) {
                let trail = self.rng.below(10);
                self.checkpoint(id, trail)?;
            }
        }
        if self.rng.permille(self.settings.churn) {
            self.change_membership()?;
        }
        self.conspire();
        self.wipe();
        if self.rng.permille(100) {
            self.replace_wiped()?;
        }
        self.leave_joint()
    }

    /// A node stands still, its clock too: what arrives waits.
    fn pause(&mut self) {
        let id = self.victim();
        if !self.running().contains(&id) {
            return;
        }
        let length = self.rng.within(1, 3 * self.settings.config.election_ticks) * TICK;
        let (until, life) = (self.now + length, self.host(id).life);
        // What is held back until then is scheduled later, and so comes behind.
        self.host_mut(id).paused_until = until;
        self.schedule(length, Event::Resume(id, life));
        self.trace.line(self.now, || format!("{id} pauses for {length}"));
    }

    /// Somebody for a fault to meet: as often as not the leader.
    pub(crate) fn victim(&mut self) -> u64 {
        match self.leader() {
            Some(id) if self.rng.coin() => id,
            _ => self.rng.within(1, self.settings.ids),
        }
    }

    /// Who is to leave a joint configuration, the leader aside.
    fn leaving(&self) -> Option<Vec<u64>> {
        let leader = self.leader()?;
        let conf_state = self.host(leader).up.as_ref()?.raw.conf_state();
        let stays = |id: &u64| *id == leader || conf_state.voters.contains(id);
        let side: Vec<u64> = conf_state.voters_outgoing.iter().copied().filter(|id| !stays(id)).collect();
        (!side.is_empty()).then_some(side)
    }

    fn cut_and_mend(&mut self) {
        if !self.links.is_whole() && self.now >= self.mend_at {
            self.links = Links::default();
            self.trace.line(self.now, || "the network is whole".to_owned());
        } else if self.links.is_whole() && self.rng.permille(self.settings.partition) {
            let victim = self.victim();
            match self.leaving() {
                Some(side) if self.rng.coin() => self.links.cut_off(&side),
                _ => self.links.break_up(&mut self.rng, victim),
            }
            self.mend_at =
                self.now + self.rng.within(2, self.settings.cut * self.settings.config.election_ticks) * TICK;
            self.trace.line(self.now, || format!("the network is cut: {} {victim}", self.links.shape));
        }
    }

    /// The power of a node fails, and comes back in a while.
    pub(crate) fn fail(&mut self, id: u64) {
        let keeps = self.rng.coin();
        let down = self.rng.within(1, self.settings.down);
        self.crash(id, keeps, down);
    }

    /// The same, for so long; `keeps` says whether some of what was not synced may survive.
    pub(crate) fn crash(&mut self, id: u64, keeps: bool, down: u64) {
        let Some(up) = self.host_mut(id).up.take() else { return };
        self.totals.crashes += 1;
        let World { hosts, rng, settings, .. } = self;
        let Host { disk, kept, .. } = &mut hosts[id as usize - 1];
        if settings.keeps_machine && rng.coin() {
            *kept = Some((up.machine.clone(), up.membership().clone()));
        }
        let lost = disk.crash(rng, keeps);
        let commit = disk.durable.hard_state.commit;
        for (happened, what) in [
            (up.seen.leading.is_some(), Rare::CrashOfLeader),
            (!up.raw.conf_state().voters_outgoing.is_empty(), Rare::CrashInJoint),
            (lost.entries > 0, Rare::CrashLosesEntries),
            (lost.states > 0, Rare::CrashLosesState),
            (lost.kept > 0 && lost.entries > 0, Rare::CrashKeepsPartOfAWrite),
            (commit < up.seen.commit, Rare::CommitRetreatsOverCrash),
        ] {
            if happened {
                self.coverage.hit(what);
            }
        }
        self.trace.note(&[self.now, id, lost.entries, lost.states, lost.kept]);
        self.trace.line(self.now, || format!("{id} crashes: {lost:?}"));
        self.schedule(down, Event::Restart(id));
    }

    fn request_transfer(&mut self) -> Check {
        if !self.rng.permille(self.settings.transfer) {
            return Ok(());
        }
        let running = self.running();
        if running.is_empty() {
            return Ok(());
        }
        let (at, to) = (self.rng.pick(&running), self.rng.within(1, self.settings.ids));
        self.trace.line(self.now, || format!("{at} is asked to hand over to {to}"));
        let result = self.up(at).raw.transfer_leader(to);
        self.settle(at, result)
    }

    /// What a host may do at any time, and seldom does.
    fn nudge(&mut self) -> Check {
        if !self.rng.permille(self.settings.nudge) {
            return Ok(());
        }
        let running = self.running();
        if running.is_empty() {
            return Ok(());
        }
        let (id, peer) = (self.rng.pick(&running), self.rng.within(1, self.settings.ids));
        let result = match self.rng.below(3) {
            0 => self.up(id).raw.campaign(),
            1 => {
                self.coverage.hit(Rare::LeaderForgotten);
                self.up(id).raw.forget_leader()
            }
            _ => self.up(id).raw.report_unreachable(peer),
        };
        self.settle(id, result)
    }

    /// All faults end: everybody runs, is heard, and keeps the time.
    pub(crate) fn heal(&mut self) -> Check {
        self.is_healed = true;
        self.calm_until = 0;
        self.links = Links::default();
        let settings = &mut self.settings;
        (settings.drop, settings.duplicate, settings.slow, settings.lazy_ready) = (0, 0, 0, 0);
        settings.delay = settings.delay.min(TICK / 2);
        settings.write = settings.write.min(TICK / 2);
        settings.apply = settings.apply.min(TICK / 2);
        self.trace.line(self.now, || "all faults end".to_owned());
        for id in 1..=self.settings.ids {
            let host = self.host_mut(id);
            host.tick_every = TICK;
            host.paused_until = 0;
            host.stalled_until = 0;
            host.lags_until = 0;
            host.doom = None;
            match &mut host.up {
                Some(up) => up.raw.drop_lease().map_err(|error| error.to_string())?,
                None if host.life > 0 => self.start(id)?,
                None => {}
            }
        }
        Ok(())
    }

    /// What an operator does after the faults: leaves a joint configuration, switches off who was removed.
    fn recover(&mut self) -> Check {
        self.replace_wiped()?;
        self.leave_joint()?;
        let committed = self.oracle.committed();
        let members = self.oracle.membership(committed).clone();
        // A change that was under way may have brought somebody back.
        for id in (1..=self.settings.ids).filter(|&id| members.contains(id)) {
            self.host_mut(id).is_retired = false;
            self.start(id)?;
        }
        // Those that stay must have applied the removal: until then they may need a removed node's vote.
        let know = self.hosts.iter().filter(|host| members.contains(host.id));
        let all_know =
            know.map(|host| host.up.as_ref().map_or(0, |up| up.seen.applied)).all(|at| at == committed);
        if all_know {
            for host in self.hosts.iter_mut().filter(|host| !members.contains(host.id)) {
                host.is_retired = true;
                host.up = None;
            }
        }
        Ok(())
    }

    /// Proposes to leave a joint configuration that is not left by itself.
    fn leave_joint(&mut self) -> Check {
        let Some(id) = self.leader() else { return Ok(()) };
        if !self.may_change(id) {
            return Ok(());
        }
        let conf_state = self.up(id).raw.conf_state();
        let chance = if self.is_healed { 500 } else { 30 };
        if conf_state.voters_outgoing.is_empty() || conf_state.auto_leave || !self.rng.permille(chance) {
            return Ok(());
        }
        match self.up(id).raw.propose_conf_change(&Default::default()) {
            Ok(_) => self.drain(id),
            Err(error) => refusal(id, error),
        }
    }
}
