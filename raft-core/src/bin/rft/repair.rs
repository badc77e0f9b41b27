//! `rft log repair`: makes a log of what can be read, and asks before anything is lost that may have been promised.

use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;

use raft_core::disk::os::OsVolume;
use raft_core::disk::repair::Repair;
use serde_json::json;

use crate::output::{Outcome, Output, Verdict, refuse};
use crate::place::Place;
use crate::progress::Progress;
use crate::verify::{tell_fault, tell_loss};

pub(crate) fn repair(dir: &Path, yes: bool, output: &mut Output) -> Outcome<Verdict> {
    let place = Place::find(dir)?;
    let begun = {
        let mut progress = Progress::new("reading", place.size());
        let mut advance = |bytes| progress.advance(bytes);
        Repair::begin(Arc::new(OsVolume), &place.wal, place.snap.as_deref(), &mut advance)?
    };
    let found = begun.inspection();
    for fault in &found.faults {
        tell_fault(fault, output)?;
    }
    if found.log_faults().next().is_none() {
        let aside = "The next start sets the snapshots that cannot be read aside and takes an older one.";
        output.text(if found.faults.is_empty() { "There is nothing to repair." } else { aside })?;
        return Ok(Verdict::Good);
    }
    if !begun.is_possible() {
        return refuse(
            "Nothing is left that a node could start from: replace the node, or restore a backup.",
        );
    }
    tell_loss(found, output)?;
    output.flush()?;
    let is_harmless = found.loss.is_none() && !found.vote_may_be_lost;
    if !is_harmless && !yes && !agreed(output)? {
        output.text("Nothing was changed.")?;
        return Ok(Verdict::Damage);
    }
    for note in begun.apply()? {
        output.line(&note, || json!({ "done": note }))?;
    }
    Ok(Verdict::Good)
}

/// Whether the user answers yes. The question goes to the error stream: the output may be for a program.
fn agreed(output: &Output) -> Outcome<bool> {
    let question = "What cannot be read is dropped for good. In a cluster, removing this node and adding it again\n\
                    empty is safer. Repair? [y/N] ";
    let hint = if output.is_json() { "(--yes answers) " } else { "" };
    let mut to = std::io::stderr();
    let asked = write!(to, "{question}{hint}").and_then(|()| to.flush());
    let mut answer = String::new();
    match asked.and_then(|()| std::io::stdin().lock().read_line(&mut answer)) {
        Ok(_) => Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")),
        Err(error) => refuse(format!("no answer can be read, and --yes was not given: {error}")),
    }
}
