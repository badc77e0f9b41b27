//! From one membership to the next.

pub mod changer;
pub mod restore;
