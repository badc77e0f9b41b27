//! [`Args`]: the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Looks at what a node of raft-ffi or of etcd has on disk, and mends it.
///
/// DIR is a node's directory, an etcd data or member directory, or a directory of log segments.
///
/// Ends with 0 if all is good, 1 if damage was found and is still there, 2 if the command line is wrong or something
/// cannot be read or written.
#[derive(Debug, Parser)]
#[command(name = "rft", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Args {
    /// Tell everything as JSON, one object a line.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) what: What,
}

#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// The write-ahead log.
    #[command(subcommand)]
    Log(Log),
    /// The snapshot files.
    #[command(subcommand)]
    Snapshot(Snapshot),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Log {
    /// Print every record, also behind bad ones, which are marked. Changes nothing; the node may be running.
    Dump {
        /// Whose log to print.
        dir: PathBuf,
    },
    /// Look for damage: checksums, order, commit, snapshots. Names file and byte of each fault. Changes nothing.
    Verify {
        /// Whose log to verify.
        dir: PathBuf,
    },
    /// Mend a log that a node refuses to start from. The node must be stopped.
    ///
    /// The end of a write that a crash cut short is cut off. For anything else, one log is made of what can be read.
    /// If entries that the node may have acknowledged are lost by that, it says which and asks first. What is changed or
    /// given up is copied to FILE.broken. In a cluster it is safer to remove the node and to add it again empty.
    Repair {
        /// Whose log to repair.
        dir: PathBuf,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Make a node's directory out of the log of the Go library peterbourgon/raft.
    ///
    /// The node starts from index 1 with the given voters; the commands follow from index 2 on, in their order and with
    /// their terms. Do this for one node that is the only voter, and let it add the others; or for all of them, from
    /// logs that hold the same: a node without the log could outvote one that has it.
    Import {
        /// The log.
        file: PathBuf,
        /// The directory to make. It must not exist, or be empty.
        dir: PathBuf,
        /// The node's id.
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        node: u64,
        /// The cluster's id.
        #[arg(long)]
        cluster: u64,
        /// The ids of all voters, with commas.
        #[arg(long, value_delimiter = ',', required = true, value_parser = clap::value_parser!(u64).range(1..))]
        voters: Vec<u64>,
        /// The index in FILE up to which commands count as committed [default: all]
        #[arg(long)]
        commit: Option<u64>,
        /// Put an empty entry in the place of each membership; otherwise they are refused.
        #[arg(long)]
        skip_memberships: bool,
    },
    /// Write the committed commands of a node in the format of peterbourgon/raft. The node must be stopped.
    ///
    /// They are numbered from 1; memberships and empty entries are left out.
    Export {
        /// The node's directory.
        dir: PathBuf,
        /// The file to make. It must not exist.
        file: PathBuf,
        /// Also if the log begins behind a snapshot, whose data this format cannot hold.
        #[arg(long)]
        without_snapshot: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Snapshot {
    /// List the snapshot files, the newest first.
    List {
        /// Whose snapshots to list.
        dir: PathBuf,
    },
    /// Read every snapshot file and compare its checksum.
    Verify {
        /// Whose snapshots to verify.
        dir: PathBuf,
    },
}
