//! The stable C ABI over raft-core.
