//! The algorithm. `state` owns the data, `step` branches, the handlers compute; a handler never calls `step`.

pub(super) mod append;
pub(super) mod commit_word;
pub(super) mod durable;
pub(super) mod guard;
pub(super) mod heartbeat;
pub(super) mod outbox;
pub(super) mod propose;
pub(super) mod read_index;
pub(super) mod read_queue;
pub(super) mod reconfigure;
pub(super) mod recovery;
pub(super) mod replicate;
pub(super) mod role;
pub(super) mod snapshot;
pub(super) mod state;
pub(super) mod step;
pub(super) mod stores;
pub(super) mod tick;
pub(super) mod transfer;
pub(super) mod vote;
