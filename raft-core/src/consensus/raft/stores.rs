//! [`Stores`]: which disk each member stands on.
//!
//! Raft trusts that nobody forgets what it acknowledged or whom it voted for. A node whose disk was lost and that starts
//! again under its old id has forgotten both: with its vote a group could elect a leader that lacks what is committed.
//! So every disk has a number (`raftpb/store_number.rs`), every message carries that of its sender, and the leader tells
//! all of them with its heartbeats. A member is taken at its first number, and at that of a later run of the same disk.
//! Under any other one it counts as gone: its disk was lost, or brought back from an older copy. Once it hears of that it
//! neither votes nor campaigns, until it has been removed and is added again.

use std::cmp::Ordering;

use crate::consensus::mutants::{Mutant, is_planted};
use crate::error::{Error, Result};
use crate::raftpb::store_number;

/// The numbers that this node has heard of. 0 stands for a node that tells none.
#[derive(Clone, Debug)]
pub(in crate::consensus) struct Stores {
    own: (u64, u64),
    // By ascending id.
    known: Vec<(u64, u64)>,
    // Those of them that told none with the last message: a program of another make goes on with their directories.
    silent: Vec<u64>,
    is_replaced: bool,
}

impl Stores {
    pub(super) fn new(id: u64, store: u64) -> Self {
        Stores { own: (id, store), known: Vec::new(), silent: Vec::new(), is_replaced: false }
    }

    /// Whether the group knows this node by another disk, or by a later run of it.
    pub(super) fn is_replaced(&self) -> bool {
        self.is_replaced
    }

    /// What this node has heard. Its own number stands there once the group has taken it.
    pub(in crate::consensus) fn known(&self) -> &[(u64, u64)] {
        &self.known
    }

    /// Whether member `id` told the number of its disk when it was last heard of.
    pub(in crate::consensus) fn is_told(&self, id: u64) -> bool {
        self.known.binary_search_by_key(&id, |(id, _)| *id).is_ok() && !self.silent.contains(&id)
    }

    /// Checks the number in a message of member `id`, and keeps it if it is the first or a later one, and the message
    /// `is_new`.
    pub(super) fn check(&mut self, id: u64, store: u64, is_new: bool) -> Result<()> {
        if store == 0 {
            if self.is_told(id) {
                self.silent.push(id);
            }
            return Ok(());
        }
        self.silent.retain(|silent| *silent != id);
        if is_planted(Mutant::TrustLostDisk) {
            return Ok(());
        }
        match self.known.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(at) => match store_number::compare(store, self.known[at].1) {
                Some(Ordering::Equal) => Ok(()),
                Some(Ordering::Greater) => {
                    self.known[at].1 = store;
                    Ok(())
                }
                _ if is_planted(Mutant::TrustOlderCopy)
                    && store_number::is_same_disk(store, self.known[at].1) =>
                {
                    Ok(())
                }
                Some(Ordering::Less) | None => Err(Error::ReplacedStore(id)),
            },
            Err(at) if is_new => {
                self.known.insert(at, (id, store));
                Ok(())
            }
            Err(_) => Ok(()),
        }
    }

    /// Takes over what the leader says, which hears of every member. Of a disk's runs it may not know the latest.
    pub(in crate::consensus) fn learn(&mut self, stores: &[(u64, u64)]) {
        let is_behind = |store, known| store_number::compare(store, known) == Some(Ordering::Less);
        for &(id, store) in stores.iter().filter(|(_, store)| *store != 0) {
            if id == self.own.0 {
                let own = self.own.1;
                self.is_replaced = own != 0 && store != own && !is_behind(store, own);
            }
            match self.known.binary_search_by_key(&id, |(id, _)| *id) {
                Ok(at) if is_behind(store, self.known[at].1) => {}
                Ok(at) => self.known[at].1 = store,
                Err(at) => self.known.insert(at, (id, store)),
            }
        }
    }

    /// Forgets those that are no members any more: whoever is added again may come with a new disk.
    pub(super) fn retain(&mut self, is_member: impl Fn(u64) -> bool) {
        let own = self.own.0;
        self.known.retain(|(id, _)| *id == own || is_member(*id));
        self.silent.retain(|id| is_member(*id));
    }

    /// What a heartbeat carries: nothing from a node that tells no number itself. Who leads has been taken by a quorum.
    pub(super) fn tell(&mut self) -> Option<Box<[(u64, u64)]>> {
        let own = self.own;
        if own.1 == 0 {
            return None;
        }
        match self.known.binary_search_by_key(&own.0, |(id, _)| *id) {
            Ok(at) => self.known[at] = own,
            Err(at) => self.known.insert(at, own),
        }
        Some(self.known.as_slice().into())
    }
}
