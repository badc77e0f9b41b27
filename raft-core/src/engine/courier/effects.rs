//! [`Effects`]: what the courier wants done.

use super::files::FileJob;
use crate::engine::driver::{Driver, snapshot_index};
use crate::engine::event::Level;
use crate::engine::work::ApplierJob;
use crate::error::Result;
use crate::raftpb::message::Message;

/// What the driver does once the courier has looked at something. The courier itself only keeps the books.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// To send.
    pub(crate) messages: Vec<Message>,
    /// For the applier.
    pub(crate) jobs: Vec<FileJob>,
    /// To report to consensus: the snapshot to this node has arrived, or has not.
    pub(crate) reports: Vec<(u64, bool)>,
    /// `MsgSnap` without bytes for consensus: their files are durable, or they are too old to matter.
    pub(crate) steps: Vec<Message>,
    /// Where the snapshot stands whose file could not be read.
    pub(crate) unreadable: Option<u64>,
    /// Lines for the log.
    pub(crate) notes: Vec<String>,
}

impl Driver {
    /// Does what the courier wants done.
    pub(in crate::engine) fn carry_out(&mut self, effects: Effects) -> Result<()> {
        let Effects { messages, jobs, reports, steps, unreadable, notes } = effects;
        self.send(messages)?;
        jobs.into_iter().for_each(|job| self.hand_to_applier(ApplierJob::File(job)));
        for (id, arrived) in reports {
            let result = self.node.report_snapshot(id, arrived);
            self.tolerate(result, "report of a snapshot")?;
        }
        let waiting = self.received.take();
        self.received = waiting.into_iter().chain(steps).max_by_key(snapshot_index);
        if let Some(index) = unreadable {
            self.checkpoint.unreadable(index, self.now.checked_add(self.election_timeout));
        }
        notes.iter().for_each(|note| self.shared.log(Level::Warn, note));
        Ok(())
    }
}
