//! A node without an engine: a host drives it from a loop of its own, with the log in memory and, if it likes, a store
//! behind it. The C and the Python interface of the node layer are made of these two.

pub mod node;
pub mod store;
