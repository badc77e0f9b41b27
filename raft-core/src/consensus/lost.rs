//! [`Lost`]: what a node starts without, although it had acknowledged it.

/// Entries that this node's disk may have held and acknowledged, and holds no more.
///
/// A node that is started with it takes the log of its leader, and does not vote, campaign or lead until it holds again
/// all that was ever committed with its help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The last index that may have been lost; `u64::MAX` if nobody can tell.
    pub last: u64,
    /// The newest term that the node had seen when the loss was found. Not more than its term at the start.
    pub term: u64,
}
