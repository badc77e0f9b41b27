//! Runs the transcripts: text files of commands with the output that is expected of each.
//!
//! A folder of transcripts has a subfolder for each kind of them, see [`kinds`]. These folders are run: the one
//! beside this file, and those named in `RFT_TRANSCRIPTS`, separated by colons (`scripts/test-etcd.sh` has those of
//! etcd's raft run). `UPDATE=1` writes what came out into the project's own files, for the next diff to show.
//! An argument runs only the files whose path holds it.

// A test program: its output is its report.
#![allow(clippy::print_stdout)]

#[path = "transcripts/cluster.rs"]
mod cluster;
#[path = "transcripts/command.rs"]
mod command;
#[path = "transcripts/confchange.rs"]
mod confchange;
#[path = "transcripts/datadriven.rs"]
mod datadriven;
#[path = "transcripts/disk.rs"]
mod disk;
#[path = "transcripts/handmade.rs"]
mod handmade;
#[path = "transcripts/interaction.rs"]
mod interaction;
#[path = "transcripts/kinds.rs"]
mod kinds;
#[path = "transcripts/member.rs"]
mod member;
#[path = "transcripts/parser.rs"]
mod parser;
#[path = "transcripts/quorum.rs"]
mod quorum;
#[path = "transcripts/runner.rs"]
mod runner;

use std::process::ExitCode;

fn main() -> ExitCode {
    match runner::Options::from_environment().and_then(|options| runner::run(&options)) {
        Ok(totals) => {
            println!("{totals}");
            if totals.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(why) => {
            println!("transcripts: {why}");
            ExitCode::FAILURE
        }
    }
}
