//! The node layer: what a node hands out.
//!
//! A node has no thread, callback, clock or file. Between two calls it does nothing. What it wants done it hands
//! out as one rft_ready_t; rft_node_advance says that all of it is done, and gives the node leave to go on.

use crate::data::{rft_entry_t, rft_message_t};

/// A node, opaque. Owned by whoever created it; one thread at a time (RFT_E_BUSY), and it may move between threads.
pub struct rft_node_t {
    _private: [u8; 0],
}

/// A directory with a write-ahead log and snapshots, opaque. Owned by whoever opened it; one thread at a time
/// (RFT_E_BUSY), and it may move between threads.
pub struct rft_store_t {
    _private: [u8; 0],
}

/// The state machine at one entry.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rft_snapshot_t {
    /// The last entry it covers; 0 is no snapshot.
    pub index: u64,
    /// That entry's term.
    pub term: u64,
    /// The bytes that the host gave to rft_node_snapshot here or on another node; may be NULL when `len` is 0.
    pub data: *const u8,
    /// How many there are.
    pub len: usize,
}

/// A read that may be answered.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rft_read_t {
    /// The state machine has to have applied this entry first.
    pub index: u64,
    /// The number given to rft_node_read_index.
    pub request: u64,
}

/// What must survive a crash beside the log.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rft_hard_state_t {
    /// The newest term this node has seen.
    pub term: u64,
    /// Whom it voted for in that term; 0 is nobody.
    pub vote: u64,
    /// How far the log is known to be committed.
    pub commit: u64,
}

/// What a node wants done, in this order: send the messages, save (rft_store_save does it), restore the state
/// machine when has_snapshot, apply the committed entries, answer the reads, rft_node_advance.
///
/// Every pointer is borrowed until rft_node_advance or rft_node_free.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rft_ready_t {
    /// To send. They may leave at once, before anything is saved.
    pub messages: *const rft_message_t,
    /// How many.
    pub messages_len: usize,
    /// To save. They replace what was saved at their indices and behind.
    pub entries: *const rft_entry_t,
    /// How many.
    pub entries_len: usize,
    /// To apply, in order, once all above is saved.
    pub committed: *const rft_entry_t,
    /// How many.
    pub committed_len: usize,
    /// To answer, each as soon as its index is applied.
    pub reads: *const rft_read_t,
    /// How many.
    pub reads_len: usize,
    /// To save when has_hard_state.
    pub hard_state: rft_hard_state_t,
    /// To save, before the entries, and to replace the whole state machine with, when has_snapshot.
    pub snapshot: rft_snapshot_t,
    /// Whether hard_state changed.
    pub has_hard_state: u8,
    /// Whether there is a snapshot.
    pub has_snapshot: u8,
    /// Whether what is to be saved must be synced to the disk before rft_node_advance.
    pub must_sync: u8,
    /// 0.
    pub pad: [u8; 5],
    /// The leader this node knows; 0 is none.
    pub leader: u64,
    /// One of the RFT_ROLE_ constants.
    pub role: i32,
    /// 0.
    pub reserved0: u32,
    /// 0.
    pub reserved: [u64; 4],
}
