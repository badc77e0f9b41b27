//! `rft`: looks at what a node has on disk, and mends it.

mod args;
mod dump;
mod export;
mod import;
mod output;
mod place;
mod progress;
mod repair;
mod verify;

use std::io::Write;
use std::process::ExitCode;

use args::{Args, Log, Snapshot, What};
use clap::Parser;
use import::Import;
use output::{Failure, Outcome, Output, Verdict};
use raft_core::disk::recovered::Identity;

fn main() -> ExitCode {
    let args = Args::parse();
    let mut output = Output::new(args.json);
    let outcome = run(args.what, &mut output).and_then(|verdict| output.flush().map(|()| verdict));
    let (code, text) = match outcome {
        Ok(Verdict::Good) => (0, None),
        Ok(Verdict::Damage) => (1, None),
        Err(Failure::Damage(text)) => (1, Some(text)),
        Err(Failure::Said(text)) => (2, Some(text)),
    };
    if let Some(text) = text {
        // What was found before comes first; whoever cannot read it has been told already.
        let _ = output.flush();
        let _ = writeln!(std::io::stderr(), "rft: {text}");
    }
    ExitCode::from(code)
}

fn run(what: What, output: &mut Output) -> Outcome<Verdict> {
    match what {
        What::Log(Log::Dump { dir }) => dump::dump(&dir, output),
        What::Log(Log::Verify { dir }) => verify::verify(&dir, output),
        What::Log(Log::Repair { dir, yes }) => repair::repair(&dir, yes, output),
        What::Log(Log::Import { file, dir, node, cluster, voters, commit, skip_memberships }) => {
            let identity = Identity { cluster_id: cluster, node_id: node };
            let (file, dir, voters) = (&*file, &*dir, &voters[..]);
            import::import(&Import { file, dir, identity, voters, commit, skip_memberships }, output)
        }
        What::Log(Log::Export { dir, file, without_snapshot }) => {
            export::export(&dir, &file, without_snapshot, output)
        }
        What::Snapshot(Snapshot::List { dir }) => verify::list_snapshots(&dir, output),
        What::Snapshot(Snapshot::Verify { dir }) => verify::verify_snapshots(&dir, output),
    }
}
