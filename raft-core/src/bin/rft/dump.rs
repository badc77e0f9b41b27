//! `rft log dump`: every record as it lies there.

use std::path::Path;

use raft_core::consensus::describe::Describe;
use raft_core::disk::os::OsVolume;
use raft_core::disk::volume::Volume;
use raft_core::disk::walk::{Content, Found, Owner, Walk};
use raft_core::raftpb::entry::{Entry, EntryType};
use serde_json::{Value, json};

use crate::output::{Outcome, Output, Verdict};
use crate::place::Place;

/// Bytes of a payload that a line shows to people.
const SHOWN: usize = 64;

pub(crate) fn dump(dir: &Path, output: &mut Output) -> Outcome<Verdict> {
    let place = Place::find(dir)?;
    let names: Vec<String> =
        OsVolume.list(&place.wal)?.into_iter().filter(|name| name.ends_with(".wal")).collect();
    let mut verdict = Verdict::Good;
    let mut chain = None;
    let mut before = None;
    for name in &names {
        output.text(name)?;
        // Behind a gap in the sequence the chain goes on from what is not there.
        let sequence = name.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        if sequence.is_none() || sequence != before.and_then(|before: u64| before.checked_add(1)) {
            chain = None;
        }
        before = sequence;
        let mut walk = Walk::open(&OsVolume, &place.wal.join(name), Some(name) == names.last(), chain)?;
        while let Some(found) = walk.step()? {
            if found.fault.is_some() {
                verdict = Verdict::Damage;
            }
            output.line(text(&found), || object(name, &found))?;
            if output.is_closed() {
                return Ok(verdict);
            }
        }
        chain = walk.chain();
    }
    Ok(verdict)
}

fn text(found: &Found) -> String {
    let said = found.content.as_ref().map(|content| match content {
        Content::Metadata(Owner { node_id, cluster_id, store_id }) => {
            format!("metadata  node {node_id}, cluster {cluster_id}, directory {store_id}")
        }
        Content::Entry(entry) => format!("entry     {}", shown(entry)),
        Content::State(state) => {
            format!("state     term {}, vote {}, commit {}", state.term, state.vote, state.commit)
        }
        Content::Crc => format!("crc       {:08x}", found.crc),
        Content::Snapshot { index, term, conf_state } => {
            let voters = conf_state.as_ref().map(|conf_state| format!(", voters {:?}", conf_state.voters));
            format!("snapshot  index {index}, term {term}{}", voters.unwrap_or_default())
        }
    });
    let offset = found.offset;
    match &found.fault {
        None => format!("{offset:>10}  {}", said.unwrap_or_default()),
        Some(bad) => {
            let kind = if bad.torn { "TORN" } else { "BAD" };
            let guess = said.map(|said| format!("; it looks like: {}", said.replace("  ", " ")));
            format!(
                "{offset:>10}  {kind}       {} bytes: {}{}",
                found.len,
                bad.what,
                guess.unwrap_or_default()
            )
        }
    }
}

/// An entry as etcd's raft describes it, long payloads cut off.
fn shown(entry: &Entry) -> String {
    if entry.entry_type != EntryType::Normal || entry.data.len() <= SHOWN {
        return Describe(entry).to_string();
    }
    let beginning = Entry { data: entry.data.slice(..SHOWN), ..entry.clone() };
    format!("{} ... {} bytes", Describe(&beginning), entry.data.len())
}

fn object(file: &str, found: &Found) -> Value {
    let mut object = json!({ "file": file, "offset": found.offset, "len": found.len });
    let said = found.content.as_ref().map(|content| match content {
        Content::Metadata(Owner { node_id, cluster_id, store_id }) => {
            json!({ "record": "metadata", "node": node_id, "cluster": cluster_id, "directory": store_id })
        }
        Content::Entry(entry) => entry_object(entry),
        Content::State(state) => {
            json!({ "record": "state", "term": state.term, "vote": state.vote, "commit": state.commit })
        }
        Content::Crc => json!({ "record": "crc", "crc": format!("{:08x}", found.crc) }),
        Content::Snapshot { index, term, conf_state } => {
            let voters = conf_state.as_ref().map(|conf_state| &conf_state.voters);
            json!({ "record": "snapshot", "index": index, "term": term, "voters": voters })
        }
    });
    let bad = found.fault.as_ref().map(|bad| json!({ "bad": bad.what, "torn": bad.torn }));
    for more in [said, bad].into_iter().flatten() {
        if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
            object.extend(more);
        }
    }
    object
}

fn entry_object(entry: &Entry) -> Value {
    let entry_type = match entry.entry_type {
        EntryType::Normal => "normal",
        EntryType::ConfChange => "conf_change",
        EntryType::ConfChangeV2 => "conf_change_v2",
    };
    let data: String = entry.data.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "record": "entry", "term": entry.term, "index": entry.index, "type": entry_type, "data": data })
}
