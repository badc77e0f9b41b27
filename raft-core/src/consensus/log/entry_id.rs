//! [`EntryId`]: term and index always travel as a pair.

use crate::raftpb::entry::EntryOf;
use crate::raftpb::message::SnapshotMetadata;

/// Which entry, of all that any leader may ever have appended. By log matching (thesis 3.5) two logs that hold the
/// same id are the same up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EntryId {
    /// The term of the leader that appended it.
    pub term: u64,
    /// Its place in the log.
    pub index: u64,
}

impl EntryId {
    /// The entry at `index` appended in `term`.
    pub fn new(term: u64, index: u64) -> Self {
        EntryId { term, index }
    }

    /// Whether a log that ends here is at least as up to date as one that ends at `other` (thesis 3.6.1).
    pub fn is_up_to_date_with(self, other: EntryId) -> bool {
        (self.term, self.index) >= (other.term, other.index)
    }
}

impl<D> From<&EntryOf<D>> for EntryId {
    fn from(entry: &EntryOf<D>) -> Self {
        EntryId::new(entry.term, entry.index)
    }
}

impl From<&SnapshotMetadata> for EntryId {
    fn from(metadata: &SnapshotMetadata) -> Self {
        EntryId::new(metadata.term, metadata.index)
    }
}
