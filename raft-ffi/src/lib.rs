//! The stable C ABI over raft-core: what `include/rft.h` declares.
//!
//! The header is generated from these files: their doc comments are its text, and the introduction in
//! `cbindgen.toml` is the contract under which a foreign pointer is followed. `tests/header.rs` holds the committed
//! header to them.

// The names are C's, and the contract of every export stands in the header.
#![allow(non_camel_case_types, clippy::missing_safety_doc, clippy::enum_variant_names)]
#![allow(unsafe_code)]

mod boundary;
mod callbacks;
pub mod config;
pub mod data;
pub mod engine;
mod engine_state;
pub mod error;
pub mod host;
mod membership;
pub mod node;
mod node_state;
mod outgoing;
mod payload;
pub mod ready;
pub mod request;
pub mod snapshot;
pub mod status;
pub mod store;
mod store_state;
pub mod version;
