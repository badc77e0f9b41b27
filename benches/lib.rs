//! Benchmarks of raft-core beside what limits or rivals it; each file of this directory is one.
