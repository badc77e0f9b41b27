//! Membership: what is stored of it, and the changes to it.

use bytes::Bytes;
use prost::Message as _;

use super::entry::{Entry, EntryOf, EntryType};
use super::wire::malformed;
use crate::error::{Error, Result};

/// The membership as it is stored in snapshots and in the write-ahead log. Ids are sorted.
#[derive(Clone, PartialEq, Eq, ::prost::Message)]
pub struct ConfState {
    /// Voters of the incoming configuration, or simply the voters when it is not joint.
    #[prost(uint64, repeated, packed = "false", tag = "1")]
    pub voters: Vec<u64>,
    /// Members that receive the log and do not vote.
    #[prost(uint64, repeated, packed = "false", tag = "2")]
    pub learners: Vec<u64>,
    /// Voters of the outgoing configuration; not empty means joint.
    #[prost(uint64, repeated, packed = "false", tag = "3")]
    pub voters_outgoing: Vec<u64>,
    /// Outgoing voters that become learners when the joint configuration is left.
    #[prost(uint64, repeated, packed = "false", tag = "4")]
    pub learners_next: Vec<u64>,
    /// Whether the leader leaves the joint configuration by itself.
    #[prost(bool, required, tag = "5")]
    pub auto_leave: bool,
}

impl ConfState {
    /// A configuration of these voters and nobody else.
    pub fn of_voters(voters: impl IntoIterator<Item = u64>) -> Self {
        let mut voters: Vec<u64> = voters.into_iter().collect();
        voters.sort_unstable();
        voters.dedup();
        ConfState { voters, ..ConfState::default() }
    }

    /// Whether `id` is in it in any part.
    pub fn contains(&self, id: u64) -> bool {
        [&self.voters, &self.learners, &self.voters_outgoing, &self.learners_next]
            .into_iter()
            .any(|ids| ids.contains(&id))
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.voters.is_empty() && self.learners.is_empty() && self.voters_outgoing.is_empty()
    }
}

/// What a change does to one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ::prost::Enumeration)]
#[repr(i32)]
pub enum ConfChangeType {
    /// Makes it a voter, also when it was a learner.
    AddNode = 0,
    /// Removes it.
    RemoveNode = 1,
    /// Changes nothing in the configuration; the host reads the context.
    UpdateNode = 2,
    /// Makes it a learner, also when it was a voter.
    AddLearnerNode = 3,
}

/// How a [`ConfChangeV2`] passes from one configuration to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ::prost::Enumeration)]
#[repr(i32)]
pub enum ConfChangeTransition {
    /// At once where one voter changes, else joint with automatic leave.
    Auto = 0,
    /// Joint, left automatically.
    JointImplicit = 1,
    /// Joint, left by a second, empty change.
    JointExplicit = 2,
}

/// The older form of a change, of one member.
#[derive(Clone, PartialEq, Eq, ::prost::Message)]
pub struct ConfChange {
    /// Not read by raft.
    #[prost(uint64, required, tag = "1")]
    pub id: u64,
    /// See [`ConfChangeType`].
    #[prost(enumeration = "ConfChangeType", required, tag = "2")]
    pub change_type: i32,
    /// The member.
    #[prost(uint64, required, tag = "3")]
    pub node_id: u64,
    /// Bytes of the host, an address for instance.
    #[prost(bytes = "bytes", tag = "4")]
    pub context: Bytes,
}

/// One step of a [`ConfChangeV2`].
#[derive(Clone, Copy, PartialEq, Eq, ::prost::Message)]
pub struct ConfChangeSingle {
    /// See [`ConfChangeType`].
    #[prost(enumeration = "ConfChangeType", required, tag = "1")]
    pub change_type: i32,
    /// The member; 0 makes the step a no-op, the way in which a host cancels it.
    #[prost(uint64, required, tag = "2")]
    pub node_id: u64,
}

impl ConfChangeSingle {
    /// The step `change_type` on member `node_id`.
    pub fn new(change_type: ConfChangeType, node_id: u64) -> Self {
        ConfChangeSingle { change_type: change_type as i32, node_id }
    }
}

/// A change of any number of members.
#[derive(Clone, PartialEq, Eq, ::prost::Message)]
pub struct ConfChangeV2 {
    /// See [`ConfChangeTransition`].
    #[prost(enumeration = "ConfChangeTransition", required, tag = "1")]
    pub transition: i32,
    /// The steps, in order. None and `Auto` leaves a joint configuration.
    #[prost(message, repeated, tag = "2")]
    pub changes: Vec<ConfChangeSingle>,
    /// Bytes of the host.
    #[prost(bytes = "bytes", tag = "3")]
    pub context: Bytes,
}

impl ConfChangeV2 {
    /// The steps `changes` with automatic transition.
    pub fn new(changes: Vec<ConfChangeSingle>) -> Self {
        ConfChangeV2 { transition: ConfChangeTransition::Auto as i32, changes, context: Bytes::new() }
    }

    /// `Some(auto_leave)` if this change enters a joint configuration.
    pub fn enter_joint(&self) -> Result<Option<bool>> {
        let transition = ConfChangeTransition::try_from(self.transition)
            .map_err(|_| Error::Decode(format!("unknown conf change transition {}", self.transition)))?;
        // A single change needs no joint configuration, except where the host insists.
        Ok(match transition {
            ConfChangeTransition::Auto if self.changes.len() <= 1 => None,
            ConfChangeTransition::Auto | ConfChangeTransition::JointImplicit => Some(true),
            ConfChangeTransition::JointExplicit => Some(false),
        })
    }

    /// Whether this change leaves a joint configuration.
    pub fn leave_joint(&self) -> bool {
        self.transition == ConfChangeTransition::Auto as i32 && self.changes.is_empty()
    }

    /// Reads the data of an entry of type `ConfChangeV2`.
    pub fn read(data: &[u8]) -> Result<Self> {
        ConfChangeV2::decode(data).map_err(malformed)
    }

    /// What an entry of either type of change says.
    pub fn of(entry: &EntryOf<impl AsRef<[u8]>>) -> Result<Self> {
        let data = entry.data.as_ref();
        match entry.entry_type {
            EntryType::ConfChange => ConfChange::read(data).map(ConfChangeV2::from),
            EntryType::Normal | EntryType::ConfChangeV2 => ConfChangeV2::read(data),
        }
    }

    /// An entry that proposes this change. To leave a joint configuration is said with no data at all, which etcd expects.
    pub fn to_entry(&self) -> Entry {
        let data = if *self == ConfChangeV2::default() { Vec::new() } else { self.encode_to_vec() };
        Entry { entry_type: EntryType::ConfChangeV2, data: data.into(), ..Entry::default() }
    }
}

impl From<ConfChange> for ConfChangeV2 {
    fn from(change: ConfChange) -> Self {
        ConfChangeV2 {
            transition: ConfChangeTransition::Auto as i32,
            changes: vec![ConfChangeSingle { change_type: change.change_type, node_id: change.node_id }],
            context: change.context,
        }
    }
}

impl ConfChange {
    /// Reads the data of an entry of type `ConfChange`.
    pub fn read(data: &[u8]) -> Result<Self> {
        ConfChange::decode(data).map_err(malformed)
    }
}
