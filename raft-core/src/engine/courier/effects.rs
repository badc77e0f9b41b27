//! [`Effects`]: what the courier wants done.

use super::files::FileJob;
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
    /// Lines for the log.
    pub(crate) notes: Vec<String>,
}
