//! [`Members`]: the bytes that the host gave each member, an address for instance, and the number of their group.
//! Both are replicated state, like the sessions: the same entries make the same table on every node.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes};

use super::force::group_of;
use crate::error::{Error, Result};
use crate::raftpb::conf_change::{ConfChangeType, ConfChangeV2, ConfState};

/// The most bytes of one member. Part of what all nodes have to agree on: it never changes.
pub const MEMBER_BYTES_MAX: usize = 64 << 10;

/// What was said of each member. Who is not in it has no bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Members {
    // See `force`; 0 is the first one.
    group: u64,
    bytes: BTreeMap<u64, Bytes>,
}

impl Members {
    pub(super) fn is_empty(&self) -> bool {
        self.group == 0 && self.bytes.is_empty()
    }

    /// The number of the group.
    pub(super) fn group(&self) -> u64 {
        self.group
    }

    /// The bytes of each member that has some, by ascending id.
    pub(super) fn list(&self) -> Vec<(u64, Bytes)> {
        self.bytes.iter().map(|(id, bytes)| (*id, bytes.clone())).collect()
    }

    /// `change` was applied, and led to the membership `after`. Who has left is forgotten.
    pub(super) fn follow(&mut self, change: &ConfChangeV2, after: &ConfState) {
        if let Some(group) = group_of(change) {
            self.group = group;
        } else if let Some((id, is_update)) = subject(change)
            && (is_update || !change.context.is_empty())
            && change.context.len() <= MEMBER_BYTES_MAX
        {
            // A slice would keep the whole that it is part of.
            self.bytes.insert(id, Bytes::copy_from_slice(&change.context));
        }
        self.bytes.retain(|id, bytes| after.contains(*id) && !bytes.is_empty());
    }

    /// For a snapshot: the group, how many members have bytes, and of each id, length and bytes. Integers are u64,
    /// little-endian.
    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u64_le(self.group);
        out.put_u64_le(self.bytes.len() as u64);
        for (&id, bytes) in &self.bytes {
            out.put_u64_le(id);
            out.put_u64_le(bytes.len() as u64);
            out.put_slice(bytes);
        }
        out
    }

    /// What `to_vec` gave. `Decode` if it is not that.
    pub(super) fn read(mut table: Bytes) -> Result<Self> {
        let members = Members::read_all(&mut table).filter(|_| table.is_empty());
        members.ok_or_else(|| Error::Decode("the members' bytes in a snapshot are malformed".to_owned()))
    }

    fn read_all(table: &mut Bytes) -> Option<Self> {
        let number = |table: &mut Bytes| table.try_get_u64_le().ok();
        let mut members = Members { group: number(table)?, ..Members::default() };
        for _ in 0..number(table)? {
            let id = number(table)?;
            let len = usize::try_from(number(table)?).ok().filter(|len| *len <= table.len())?;
            members.bytes.insert(id, Bytes::copy_from_slice(&table.split_to(len)));
        }
        Some(members)
    }
}

/// The one member that the change adds or updates, whose bytes its context carries, and whether it updates it. With
/// more than one, nobody can say whose they are.
fn subject(change: &ConfChangeV2) -> Option<(u64, bool)> {
    let mut subjects =
        change.changes.iter().filter_map(|step| match ConfChangeType::try_from(step.change_type).ok()? {
            _ if step.node_id == 0 => None,
            ConfChangeType::AddNode | ConfChangeType::AddLearnerNode => Some((step.node_id, false)),
            ConfChangeType::UpdateNode => Some((step.node_id, true)),
            ConfChangeType::RemoveNode => None,
        });
    let first = subjects.next()?;
    subjects.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raftpb::conf_change::ConfChangeSingle;
    use ConfChangeType::{AddLearnerNode, AddNode, RemoveNode, UpdateNode};

    fn change(steps: &[(ConfChangeType, u64)], context: &'static [u8]) -> ConfChangeV2 {
        let steps = steps.iter().map(|&(what, id)| ConfChangeSingle::new(what, id)).collect();
        ConfChangeV2 { context: Bytes::from_static(context), ..ConfChangeV2::new(steps) }
    }

    fn listed(members: &Members) -> Vec<(u64, Vec<u8>)> {
        members.list().into_iter().map(|(id, bytes)| (id, bytes.to_vec())).collect()
    }

    #[test]
    fn a_change_gives_bytes_to_the_one_it_adds_or_updates() {
        let all = ConfState::of_voters([1, 2, 3]);
        let mut members = Members::default();
        members.follow(&change(&[(AddLearnerNode, 2)], b"two"), &all);
        members.follow(&change(&[(AddNode, 2)], b""), &all);
        assert_eq!(listed(&members), [(2, b"two".to_vec())], "a promotion without bytes leaves them");
        members.follow(&change(&[(AddNode, 3), (RemoveNode, 2)], b"three"), &all);
        members.follow(&change(&[(AddNode, 1), (AddNode, 2)], b"whose?"), &all);
        members.follow(&change(&[(UpdateNode, 0), (UpdateNode, 2)], b"TWO"), &all);
        members.follow(&change(&[(RemoveNode, 3)], b"not its own"), &all);
        assert_eq!(listed(&members), [(2, b"TWO".to_vec()), (3, b"three".to_vec())]);
        members.follow(&change(&[(UpdateNode, 2)], b""), &all);
        assert_eq!(listed(&members), [(3, b"three".to_vec())], "an update may take them away");
        members.follow(&change(&[], b""), &ConfState::of_voters([1, 2]));
        assert!(members.is_empty(), "who has left is forgotten");
        members.follow(&change(&[(UpdateNode, 9)], b"nine"), &all);
        assert!(members.is_empty(), "who is no member has none");
    }

    #[test]
    fn more_than_the_bound_is_not_kept() {
        let all = ConfState::of_voters([1]);
        let mut members = Members::default();
        let mut step = change(&[(UpdateNode, 1)], b"");
        step.context = Bytes::from(vec![7; MEMBER_BYTES_MAX]);
        members.follow(&step, &all);
        assert_eq!(members.list()[0].1.len(), MEMBER_BYTES_MAX);
        step.context = Bytes::from(vec![8; MEMBER_BYTES_MAX + 1]);
        members.follow(&step, &all);
        assert_eq!(members.list()[0].1[0], 7);
    }

    #[test]
    fn a_table_comes_back_and_what_is_cut_off_is_told() {
        let all = ConfState::of_voters([1, 7]);
        let mut members = Members::default();
        members.follow(&change(&[(UpdateNode, 1)], b"one"), &all);
        members.follow(&change(&[(UpdateNode, 7)], b"seven"), &all);
        members.follow(&change(&[(UpdateNode, 1)], b"rftforc1\x09\0\0\0\0\0\0\0"), &all);
        assert_eq!((members.group(), members.list().len()), (9, 2));
        let table = Bytes::from(members.to_vec());
        assert_eq!(Members::read(table.clone()), Ok(members));
        for len in 0..table.len() {
            assert!(Members::read(table.slice(..len)).is_err(), "{len}");
        }
        assert!(Members::read([table.as_ref(), b"x"].concat().into()).is_err());
        assert!(Members::read(Bytes::from(vec![0xff; 64])).is_err());
    }
}
