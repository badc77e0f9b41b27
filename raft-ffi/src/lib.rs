//! The stable C ABI over raft-core: what `include/rft.h` declares.
//!
//! The header is generated from these files: their doc comments are its text, and the introduction in
//! `cbindgen.toml` is the contract under which a foreign pointer is followed. `tests/header.rs` holds the committed
//! header to them.

// The names are C's, and the contract of every export stands in the header.
#![allow(non_camel_case_types, clippy::missing_safety_doc, clippy::enum_variant_names)]

// Foreign pointers come in here, and go no further than these modules.
#[allow(unsafe_code)]
pub mod answer;
#[allow(unsafe_code)]
mod boundary;
#[allow(unsafe_code)]
mod callbacks;
#[allow(unsafe_code)]
pub mod config;
pub mod data;
#[allow(unsafe_code)]
pub mod engine;
mod engine_state;
#[allow(unsafe_code)]
pub mod error;
pub mod host;
#[allow(unsafe_code)]
mod membership;
#[allow(unsafe_code)]
pub mod metrics;
#[allow(unsafe_code)]
pub mod node;
mod node_state;
mod outgoing;
#[allow(unsafe_code)]
mod payload;
pub mod ready;
#[allow(unsafe_code)]
pub mod replace;
#[allow(unsafe_code)]
pub mod request;
#[allow(unsafe_code)]
pub mod session;
#[allow(unsafe_code)]
pub mod snapshot;
#[allow(unsafe_code)]
pub mod status;
#[allow(unsafe_code)]
pub mod store;
mod store_state;
#[allow(unsafe_code)]
pub mod version;
