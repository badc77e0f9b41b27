//! Who is a member, and what a majority of them decides.

pub mod configuration;
pub mod joint;
pub mod majority;
pub mod vote_result;
