//! What a leader knows of its followers, and a candidate of its voters.

pub mod inflights;
pub mod progress;
pub mod progress_map;
pub mod votes;
