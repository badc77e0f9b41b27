//! Snapshots on their way between nodes.
//!
//! Consensus names a snapshot in `MsgSnap` and leaves out its bytes. A short one is put into the message, which any peer
//! of etcd's kind understands. A longer one goes in chunks: `MsgSnap` messages that carry a [`header`] in their context,
//! a window of them at a time, answered by `MsgSnapStatus` messages that say which byte is wanted next. None of these
//! reach consensus. The receiver writes a `.snap` file, makes it durable, and only then steps a `MsgSnap` without bytes.
//!
//! All files are read and written on the applier thread, because checking a snapshot reads the whole of it, and that
//! must delay neither heartbeats nor the log.

pub(super) mod effects;
pub(super) mod files;
pub(super) mod header;
pub(super) mod pace;
pub(super) mod receiver;
pub(super) mod sender;
