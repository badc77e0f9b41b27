//! `rft log repair`: makes a log of what can be read, and asks before anything is lost that may have been promised.

use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;

use raft_core::disk::damage::OnDamage;
use raft_core::disk::loss::Loss;
use raft_core::disk::os::OsVolume;
use raft_core::disk::recovered::Identity;
use raft_core::disk::repair::Repair;
use raft_core::disk::store::{Store, StoreOptions};
use raft_core::disk::walk::Owner;
use serde_json::json;

use crate::output::{Outcome, Output, Verdict, refuse};
use crate::place::Place;
use crate::progress::Progress;
use crate::verify::{losses, tell_fault, tell_loss};

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
    let losses = losses(&place, found)?;
    for damage in &losses {
        output.line(damage.to_string(), || json!({ "damage": damage.to_string() }))?;
    }
    if found.log_faults().next().is_none() && losses.is_empty() {
        let aside = "The next start sets the snapshots that cannot be read aside and takes an older one.";
        output.text(if found.faults.is_empty() { "There is nothing to repair." } else { aside })?;
        return Ok(Verdict::Good);
    }
    let has_faults = found.log_faults().next().is_some();
    if has_faults && !begun.is_possible() {
        return refuse(
            "Nothing is left that a node could start from: replace the node, or restore a backup.",
        );
    }
    tell_loss(found, output)?;
    output.flush()?;
    let is_harmless = found.loss.is_none() && !found.vote_may_be_lost && losses.is_empty();
    if !is_harmless && !yes && !agreed(output)? {
        output.text("Nothing was changed.")?;
        return Ok(Verdict::Damage);
    }
    let owner = found.owner;
    let mut notes = begun.apply()?;
    if let (Some(node), Some(owner)) = (&place.node, owner) {
        notes.extend(settle(node, owner)?);
    }
    for note in notes {
        output.line(&note, || json!({ "done": note }))?;
    }
    Ok(Verdict::Good)
}

/// Has the store itself go over what is left. A node that votes alone goes on without what is lost; one that has others
/// remembers the loss, and does not vote before its leader has refilled it.
fn settle(node: &Path, owner: Owner) -> Outcome<Vec<String>> {
    if !node.join("vote").exists() {
        return Ok(Vec::new());
    }
    let identity = Identity { cluster_id: owner.cluster_id, node_id: owner.node_id };
    let options =
        StoreOptions { zeroed_bytes: 0, on_damage: OnDamage::Repair, ..StoreOptions::new(identity) };
    let (_, recovered) = Store::open(Arc::new(OsVolume), node, options)?;
    let mut notes = recovered.notes;
    if let Some(Loss { first, last, .. }) = recovered.lost {
        notes.push(format!(
            "entries {first} to {last} may be lost: the node does not vote until its leader has refilled it"
        ));
    }
    Ok(notes)
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
