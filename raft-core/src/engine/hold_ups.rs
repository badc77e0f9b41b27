//! What holds an engine up: a process that is stopped, a machine that sleeps, a disk that stands still.

use std::time::{Duration, Instant};

use super::driver::Driver;
use super::event::{Event, Level};
use super::metrics::Counter;
use super::mutants::{Mutant, is_planted};
use super::uptime::Uptime;
use super::work::ApplierJob;
use crate::consensus::status::RoleKind;
use crate::error::Result;

/// A write to a disk that works may take half as long as this, also where elections are quicker.
const STALL_MIN: Duration = Duration::from_secs(1);

impl Driver {
    /// Looks at the clocks, once a turn and behind the inbox: what was in it came before this moment, so a lease that
    /// holds at this moment vouches for every read of this turn, however long the turn then takes.
    pub(super) fn look_at_clocks(&mut self) -> Result<()> {
        self.now = Instant::now();
        self.uptime = Uptime::now();
        self.due = self.clock.due(self.uptime);
        let is_kept = is_planted(Mutant::LeaseOverPause);
        self.node.set_late_ticks(if is_kept { 0 } else { self.due.ticks });
        if self.due.forgets && !is_kept {
            let result = self.node.drop_lease();
            self.tolerate(result, "end of a lease")?;
        }
        if let Some(time) = self.due.pause {
            self.shared.metrics.add(Counter::Pauses, 1);
            let why = "the process was stopped, the machine slept, or send held it up";
            self.shared.log(Level::Warn, &format!("nothing ran here for {time:?}: {why}"));
            self.hand_to_applier(ApplierJob::Event(Event::Paused { time }));
        }
        Ok(())
    }

    /// A leader whose disk stands still for half an election timeout offers its leadership to the member that is furthest,
    /// and goes on meanwhile: entries that the others have saved are committed without it. But it applies nothing, so
    /// where nobody takes the offer within as long again, it leaves the others to elect whom they can.
    pub(super) fn watch_disk(&mut self) -> Result<()> {
        let limit = self.election_timeout.max(STALL_MIN) / 2;
        let since = self.writing_since.front().copied();
        let stalled = since.filter(|&since| self.now.duration_since(since) > limit);
        self.note_stall(stalled);
        if stalled.is_none() || self.role != RoleKind::Leader {
            self.offered = None;
            return Ok(());
        }
        match self.offered {
            Some(at) if self.now.duration_since(at) <= limit => Ok(()),
            Some(_) => {
                self.offered = None;
                self.shared
                    .log(Level::Warn, "the disk stands still, and nobody took over: this node steps down");
                let result = self.node.step_down();
                self.tolerate(result, "end of leadership")
            }
            None => self.offer_leadership(),
        }
    }

    fn offer_leadership(&mut self) -> Result<()> {
        let status = self.node.status();
        let able = status.progress.iter().filter(|(id, progress)| {
            *id != status.id && progress.recent_active && status.membership.voters.contains(*id)
        });
        let Some((to, _)) = able.max_by_key(|(_, progress)| progress.matched) else { return Ok(()) };
        self.shared.log(Level::Warn, &format!("the disk stands still: node {to} is asked to lead"));
        self.offered = Some(self.now);
        let result = self.node.transfer_leader(*to);
        self.tolerate(result, "transfer of leadership")
    }

    /// Tells that the disk has stopped, or goes on.
    fn note_stall(&mut self, stalled: Option<Instant>) {
        match (self.stalled, stalled) {
            (None, Some(since)) => {
                let time = self.now.duration_since(since);
                self.stalled = Some(since);
                self.shared.log(Level::Warn, &format!("the disk has been at one write for {time:?}"));
                self.hand_to_applier(ApplierJob::Event(Event::DiskStalled { time }));
            }
            (Some(since), None) => {
                let time: Duration = self.now.duration_since(since);
                self.stalled = None;
                self.shared.log(Level::Warn, &format!("the disk goes on after {time:?}"));
                self.hand_to_applier(ApplierJob::Event(Event::DiskMoves { time }));
            }
            (None, None) | (Some(_), Some(_)) => {}
        }
    }
}
