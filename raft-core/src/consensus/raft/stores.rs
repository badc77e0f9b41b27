//! [`Stores`]: which disk each member stands on.
//!
//! Raft trusts that nobody forgets what it acknowledged or whom it voted for. A node whose disk was lost and that starts
//! again under its old id has forgotten both: with its vote a group could elect a leader that lacks what is committed.
//! So every disk has a number, every message carries that of its sender, and the leader tells all of them with its
//! heartbeats. A member is taken at its first number. Under another one it counts as gone, and once it hears of that it
//! neither votes nor campaigns, until it has been removed and is added again, with the new number.

use crate::error::{Error, Result};

/// The numbers that this node has heard of. 0 stands for a node that tells none.
#[derive(Clone, Debug)]
pub(in crate::consensus) struct Stores {
    own: (u64, u64),
    // By ascending id.
    known: Vec<(u64, u64)>,
    is_replaced: bool,
}

impl Stores {
    pub(super) fn new(id: u64, store: u64) -> Self {
        let known = if store == 0 { Vec::new() } else { vec![(id, store)] };
        Stores { own: (id, store), known, is_replaced: false }
    }

    /// Whether the group knows this node by another disk.
    pub(super) fn is_replaced(&self) -> bool {
        self.is_replaced
    }

    /// What this node has heard.
    pub(in crate::consensus) fn known(&self) -> &[(u64, u64)] {
        &self.known
    }

    /// Checks the number in a message of member `id`, and keeps it if it is the first, and the message `is_new`.
    pub(super) fn check(&mut self, id: u64, store: u64, is_new: bool) -> Result<()> {
        if store == 0 {
            return Ok(());
        }
        match self.known.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(at) if self.known[at].1 != store => Err(Error::ReplacedStore(id)),
            Err(at) if is_new => {
                self.known.insert(at, (id, store));
                Ok(())
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Takes over what the leader says, which hears of every member.
    pub(in crate::consensus) fn learn(&mut self, stores: &[(u64, u64)]) {
        for &(id, store) in stores.iter().filter(|(_, store)| *store != 0) {
            if id == self.own.0 {
                self.is_replaced = self.own.1 != 0 && store != self.own.1;
            }
            match self.known.binary_search_by_key(&id, |(id, _)| *id) {
                Ok(at) => self.known[at].1 = store,
                Err(at) => self.known.insert(at, (id, store)),
            }
        }
    }

    /// Forgets those that are no members any more: whoever is added again may come with a new disk.
    pub(super) fn retain(&mut self, is_member: impl Fn(u64) -> bool) {
        let own = self.own.0;
        self.known.retain(|(id, _)| *id == own || is_member(*id));
    }

    /// What a heartbeat carries: nothing from a node that tells no number itself.
    pub(super) fn to_tell(&self) -> Option<Box<[(u64, u64)]>> {
        let Stores { own: (_, store), known, .. } = self;
        (*store != 0).then(|| known.as_slice().into())
    }
}
