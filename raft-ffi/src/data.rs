//! Plain data: what crosses the boundary by layout.
//!
//! These structs never change within one RFT_ABI_VERSION. What is called reserved or pad is 0 when the library
//! writes it and ignored when the library reads it. An enumeration crosses as an int32_t: take a number you do not
//! know for one of a newer library.

use crate::status::rft_status_t;

/// Bytes: `data` may be NULL only when `len` is 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rft_bytes_t {
    /// The first byte.
    pub data: *const u8,
    /// How many there are.
    pub len: usize,
}

/// A message to a peer. Deliver `data` unchanged to rft_node_step or rft_engine_step of node `to`. Messages may be
/// lost, doubled and reordered; order makes them cheaper.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rft_message_t {
    /// The receiver's id.
    pub to: u64,
    /// The encoded message: etcd's raftpb.Message.
    pub data: *const u8,
    /// Its bytes.
    pub len: usize,
    /// Its kind, etcd's number (7 is MsgSnap): for a transport that wants to sort large ones out.
    pub r#type: i32,
    /// 0.
    pub reserved: u32,
}

/// What an entry is.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rft_entry_type {
    /// The host's bytes. An entry without any is the one with which a leader opens its term: there is nothing to
    /// apply.
    RFT_ENTRY_NORMAL = 0,
    /// A membership change. `data` is its context, the bytes the host gave with it.
    RFT_ENTRY_CONF_CHANGE = 1,
}

/// Where `apply` leaves the answer to an entry, opaque: see rft_answer_set.
pub struct rft_answer_t {
    _private: [u8; 0],
}

/// An entry of the log.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rft_entry_t {
    /// Its place in the log.
    pub index: u64,
    /// The term of the leader that appended it.
    pub term: u64,
    /// The number given with the proposal, when it was proposed at this very engine since it was opened; else 0.
    pub request: u64,
    /// The payload; may be NULL when `len` is 0.
    pub data: *const u8,
    /// Its bytes.
    pub len: usize,
    /// RFT_ENTRY_NORMAL or RFT_ENTRY_CONF_CHANGE.
    pub r#type: i32,
    /// 0.
    pub reserved: u32,
    /// For rft_answer_set, until `apply` returns; NULL in an rft_ready_t.
    pub answer: *mut rft_answer_t,
}

/// What a step of a membership change does to its member.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rft_change_type {
    /// Makes it a voter, also when it is a learner.
    RFT_CHANGE_ADD_VOTER = 0,
    /// Removes it.
    RFT_CHANGE_REMOVE = 1,
    /// Changes nothing: every node's state machine sees the context.
    RFT_CHANGE_UPDATE = 2,
    /// Makes it a learner, who receives the log and does not vote, also when it is a voter.
    RFT_CHANGE_ADD_LEARNER = 3,
}

/// One step of a membership change.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rft_change_t {
    /// The member; not 0 and not one of the two largest numbers.
    pub node_id: u64,
    /// One of the RFT_CHANGE_ constants.
    pub r#type: i32,
    /// 0.
    pub reserved: u32,
}

/// How a membership change passes from the old configuration to the new one.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rft_transition {
    /// One member at once, several through a joint configuration that is left automatically. A change without any
    /// step leaves a joint configuration.
    RFT_TRANSITION_AUTO = 0,
    /// Through a joint configuration, left automatically.
    RFT_TRANSITION_JOINT_IMPLICIT = 1,
    /// Through a joint configuration that stays until a change without any step leaves it.
    RFT_TRANSITION_JOINT_EXPLICIT = 2,
    /// Engine: added to one of the others. The change is made even where it is refused with RFT_E_QUORUM_AT_RISK or
    /// RFT_E_LEARNER_BEHIND without, and may leave a group that cannot commit anything any more.
    RFT_TRANSITION_FORCED = 256,
}

/// What a node is at the moment.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rft_role {
    /// Follows a leader, or waits for one.
    RFT_ROLE_FOLLOWER = 0,
    /// Asks for votes.
    RFT_ROLE_CANDIDATE = 1,
    /// Leads.
    RFT_ROLE_LEADER = 2,
    /// Asks whether it would get votes.
    RFT_ROLE_PRE_CANDIDATE = 3,
}

/// How a node stands.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rft_node_status_t {
    /// Its id.
    pub id: u64,
    /// Its term.
    pub term: u64,
    /// Whom it voted for in that term; 0 is nobody.
    pub vote: u64,
    /// The leader it knows; 0 is none.
    pub leader: u64,
    /// The last entry known to be committed.
    pub commit: u64,
    /// The last entry applied.
    pub applied: u64,
    /// The first entry of the log in memory.
    pub first_index: u64,
    /// The last entry of the log.
    pub last_index: u64,
    /// The entry that the newest snapshot stands at; 0 is none.
    pub snapshot_index: u64,
    /// To whom leadership is being transferred; 0 is nobody.
    pub transferee: u64,
    /// One of the RFT_ROLE_ constants.
    pub role: i32,
    /// RFT_OK, or why the node has stopped.
    pub failure: rft_status_t,
    /// The last entry that the disk may have lost although this node had acknowledged it, UINT64_MAX if nobody can
    /// tell; 0: nothing is lost. Until its leader has refilled it, the node neither votes nor leads.
    pub lost_index: u64,
    /// 1 if the disk has less room than RFT_CONFIG_DISK_RESERVE_BYTES, which an engine watches; else 0.
    pub disk_full: u8,
    /// 0.
    pub pad: [u8; 7],
    /// Milliseconds that the oldest of an engine's callbacks under way takes already; 0 when none is.
    pub host_call_ms: u32,
    /// Milliseconds that an engine's write to the log takes already; 0 when none is under way.
    pub disk_call_ms: u32,
    /// 0.
    pub reserved: [u64; 1],
}

/// What a member is, as bits of `flags`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rft_member_flags {
    /// It votes.
    RFT_MEMBER_VOTER = 1,
    /// It receives the log and does not vote.
    RFT_MEMBER_LEARNER = 2,
    /// It votes in the configuration that is being left.
    RFT_MEMBER_OUTGOING = 4,
    /// It becomes a learner when the joint configuration is left.
    RFT_MEMBER_LEARNER_NEXT = 8,
}

/// How a leader serves a member.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rft_progress {
    /// Not known: this node does not lead.
    RFT_PROGRESS_UNKNOWN = -1,
    /// Looks for the place where the logs agree.
    RFT_PROGRESS_PROBE = 0,
    /// Sends entries as they come.
    RFT_PROGRESS_REPLICATE = 1,
    /// Waits until a snapshot has arrived.
    RFT_PROGRESS_SNAPSHOT = 2,
}

/// A member of the cluster, as this node knows it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rft_member_t {
    /// Its id.
    pub id: u64,
    /// Any of the RFT_MEMBER_ bits.
    pub flags: u32,
    /// One of the RFT_PROGRESS_ constants.
    pub progress: i32,
    /// At a leader: the last entry the member is known to have.
    pub matched: u64,
    /// At a leader: the entry the member gets next.
    pub next: u64,
    /// At a leader: 1 when it was heard of within the last election timeout.
    pub recent_active: u8,
    /// 0.
    pub pad: [u8; 7],
}
