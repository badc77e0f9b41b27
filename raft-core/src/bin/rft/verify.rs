//! `rft log verify`, `rft snapshot list` and `verify`: what is wrong, and what there is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use raft_core::disk::damage::{Damage, survey};
use raft_core::disk::inspect::{Fault, Inspection, SnapshotFile, inspect};
use raft_core::disk::os::OsVolume;
use serde_json::{Value, json};

use crate::output::{Outcome, Output, Verdict};
use crate::place::Place;
use crate::progress::Progress;

pub(crate) fn verify(dir: &Path, output: &mut Output) -> Outcome<Verdict> {
    let place = Place::find(dir)?;
    let found = look(&place)?;
    for fault in &found.faults {
        tell_fault(fault, output)?;
    }
    if !found.faults.is_empty() && place.is_in_use() {
        output.text("A node has the directory open: what is wrong at the end may be a write under way.")?;
    }
    tell_loss(&found, output)?;
    // A node at work has not told the file how far it is.
    let losses = if place.is_in_use() { Vec::new() } else { losses(&place, &found)? };
    for damage in &losses {
        output.line(damage.to_string(), || json!({ "damage": damage.to_string() }))?;
    }
    output.line(summary(&found), || summary_object(&found))?;
    Ok(if found.faults.is_empty() && losses.is_empty() { Verdict::Good } else { Verdict::Damage })
}

pub(crate) fn list_snapshots(dir: &Path, output: &mut Output) -> Outcome<Verdict> {
    let found = look(&Place::find(dir)?)?;
    for file in &found.snapshots {
        output.line(snapshot_text(file), || snapshot_object(file))?;
    }
    if found.snapshots.is_empty() {
        output.text("no snapshots")?;
    }
    Ok(Verdict::Good)
}

pub(crate) fn verify_snapshots(dir: &Path, output: &mut Output) -> Outcome<Verdict> {
    let found = look(&Place::find(dir)?)?;
    let faults: Vec<&Fault> = found.snapshot_faults().collect();
    for fault in &faults {
        tell_fault(fault, output)?;
    }
    let count = found.snapshots.len();
    let text = format!("{count} snapshots, {} of them damaged", faults.len());
    output.line(text, || json!({ "snapshots": count, "faults": faults.len() }))?;
    Ok(if faults.is_empty() { Verdict::Good } else { Verdict::Damage })
}

/// What only the file `vote` of a node knows to be missing: that the log was durable further than it reaches now.
pub(crate) fn losses(place: &Place, found: &Inspection) -> Outcome<Vec<Damage>> {
    let is_of_store = |node: &&PathBuf| node.join("vote").exists();
    // What the log itself shows is told already, and better: behind other faults more can be saved than a store would.
    let is_quiet = found.loss.is_none() && found.log_faults().all(|fault| fault.torn);
    let Some(node) = place.node.as_ref().filter(is_of_store).filter(|_| is_quiet) else {
        return Ok(Vec::new());
    };
    let mut damages = survey(Arc::new(OsVolume), node)?;
    damages.retain(|damage| damage.first_lost <= damage.last_lost);
    Ok(damages)
}

fn look(place: &Place) -> Outcome<Inspection> {
    let mut progress = Progress::new("reading", place.size());
    let mut advance = |bytes| progress.advance(bytes);
    Ok(inspect(Arc::new(OsVolume), &place.wal, place.snap.as_deref(), false, &mut advance)?)
}

pub(crate) fn tell_fault(fault: &Fault, output: &mut Output) -> Outcome<()> {
    let Fault { path, offset, what, torn } = fault;
    let harm = if *torn { " (a crash cut this write short; the next start cuts it off)" } else { "" };
    output.line(
        format!("{}: byte {offset}: {what}{harm}", path.display()),
        || json!({ "file": path.display().to_string(), "offset": offset, "what": what, "torn": torn }),
    )
}

/// What a repair would drop.
pub(crate) fn tell_loss(found: &Inspection, output: &mut Output) -> Outcome<()> {
    if let Some(loss) = &found.loss {
        let text =
            format!("Entries {} to {} may have been acknowledged and cannot be read.", loss.first, loss.last);
        output.line(text, || json!({ "lost": { "first": loss.first, "last": loss.last } }))?;
    }
    if found.vote_may_be_lost {
        let text = "The last term and vote may be among what cannot be read.";
        output.line(text, || json!({ "vote_may_be_lost": true }))?;
    }
    Ok(())
}

fn summary(found: &Inspection) -> String {
    let state = found.hard_state;
    let whose = found.owner.map_or("of nobody".into(), |owner| {
        format!("of node {} in cluster {}", owner.node_id, owner.cluster_id)
    });
    let (first, last) = found.entries;
    let entries = if first > last { "no entries".into() } else { format!("entries {first} to {last}") };
    format!(
        "{} segments {whose}: {} records, {entries}, term {}, vote {}, commit {}; {} snapshots; {} faults",
        found.segments,
        found.records,
        state.term,
        state.vote,
        state.commit,
        found.snapshots.len(),
        found.faults.len()
    )
}

fn summary_object(found: &Inspection) -> Value {
    let owner = found.owner.unwrap_or_default();
    json!({
        "segments": found.segments,
        "node": owner.node_id,
        "cluster": owner.cluster_id,
        "directory": owner.store_id,
        "records": found.records,
        "first": found.entries.0,
        "last": found.entries.1,
        "term": found.hard_state.term,
        "vote": found.hard_state.vote,
        "commit": found.hard_state.commit,
        "snapshots": found.snapshots.len(),
        "faults": found.faults.len(),
    })
}

fn snapshot_text(file: &SnapshotFile) -> String {
    let size =
        file.len.map_or("unreadable".into(), |len| format!("{len} bytes of data, voters {:?}", file.voters));
    let recorded = if file.recorded { "" } else { ", not recorded in the log" };
    format!("index {}, term {}: {size}{recorded}", file.index, file.term)
}

fn snapshot_object(file: &SnapshotFile) -> Value {
    json!({
        "term": file.term,
        "index": file.index,
        "bytes": file.len,
        "voters": file.voters,
        "recorded": file.recorded,
        "readable": file.len.is_some(),
    })
}
