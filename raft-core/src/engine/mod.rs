//! The blocking-thread engine.
