//! A store that is told what to do, line by line: the side of this library in the test against etcd's packages.
//!
//! A command is one line of words with single spaces between them; bytes are hexadecimal, `-` is none. The answer ends
//! with a line `ok`, or is one line `error` and why.
//!
//! ```text
//! open DIR NODE CLUSTER STORE SEGMENT_BYTES   answers what there is: snapshot, data, state, entry for entry
//! bootstrap VOTERS
//! append TERM VOTE COMMIT [TERM:INDEX:TYPE:DATA ...]     a HardState of term 0 is none
//! write TERM VOTE COMMIT [TERM:INDEX:TYPE:DATA ...]      the same without a sync
//! snapshot TERM INDEX VOTERS DATA              a file, then its record
//! release INDEX
//! close
//! ```

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::error::Error;
use std::io::{BufRead, Read, Write};
use std::path::Path;
use std::sync::Arc;

use raft_core::disk::os::OsVolume;
use raft_core::disk::recovered::{Identity, Recovered};
use raft_core::disk::store::{Store, StoreOptions};
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::entry::{Entries, Entry, EntryRef, EntryType};
use raft_core::raftpb::message::{HardState, SnapshotMetadata};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() {
    let mut store = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        match obey(&mut store, &words) {
            Ok(answer) => println!("{answer}ok"),
            Err(error) => println!("error {error}"),
        }
        std::io::stdout().flush().unwrap();
    }
}

fn obey(open: &mut Option<Store>, words: &[&str]) -> Outcome<String> {
    if let ["open", dir, node, cluster, store_id, segment_bytes] = words {
        let identity = Identity { cluster_id: cluster.parse()?, node_id: node.parse()? };
        let options = StoreOptions {
            segment_bytes: segment_bytes.parse()?,
            zeroed_bytes: segment_bytes.parse()?,
            store_id: store_id.parse()?,
            snapshots_kept: 2,
            ..StoreOptions::new(identity)
        };
        let (store, recovered) = Store::open(Arc::new(OsVolume), Path::new(dir), options)?;
        let answer = tell(&store, &recovered)?;
        *open = Some(store);
        return Ok(answer);
    }
    if words == ["close"] {
        *open = None;
        return Ok(String::new());
    }
    let store = open.as_mut().ok_or("no store is open")?;
    match words {
        ["bootstrap", members] => drop(store.bootstrap(&voters(members)?)?),
        [verb @ ("append" | "write"), term, vote, commit, entries @ ..] => {
            let state = HardState { term: term.parse()?, vote: vote.parse()?, commit: commit.parse()? };
            let entries: Entries = entries.iter().map(|text| entry(text)).collect::<Outcome<_>>()?;
            store.append(Some(&state).filter(|state| state.term > 0), &entries, *verb == "append")?;
        }
        ["snapshot", term, index, members, data] => {
            let metadata =
                SnapshotMetadata { conf_state: voters(members)?, index: index.parse()?, term: term.parse()? };
            let mut writer = store.snapshots().create(metadata.clone())?;
            writer.write_all(&bytes(data)?)?;
            writer.finish()?;
            store.record_snapshot(&metadata)?;
        }
        ["release", index] => store.release(index.parse()?)?,
        _ => return Err(format!("no such command: {}", words.join(" ")).into()),
    }
    Ok(String::new())
}

/// What was found, a line for each thing.
fn tell(store: &Store, recovered: &Recovered) -> Outcome<String> {
    let SnapshotMetadata { conf_state, index, term } = &recovered.snapshot;
    let mut answer = String::new();
    if *index > 0 {
        let mut data = Vec::new();
        store.snapshots().open(*term, *index)?.read_to_end(&mut data)?;
        let members: Vec<String> = conf_state.voters.iter().map(u64::to_string).collect();
        answer += &format!("snapshot {term} {index} {} {}\n", members.join(","), hex(&data));
    }
    let HardState { term, vote, commit } = recovered.hard_state;
    answer += &format!("state {term} {vote} {commit}\n");
    for EntryRef { entry_type, term, index, data } in recovered.entries.iter() {
        answer += &format!("entry {term}:{index}:{}:{}\n", entry_type as u8, hex(data));
    }
    Ok(answer)
}

fn entry(text: &str) -> Outcome<Entry> {
    let fields: Vec<&str> = text.split(':').collect();
    let [term, index, entry_type, data] = fields[..] else { return Err("an entry has four fields".into()) };
    Ok(Entry {
        term: term.parse()?,
        index: index.parse()?,
        entry_type: EntryType::try_from(entry_type.parse::<u64>()?)?,
        data: bytes(data)?.into(),
    })
}

fn voters(text: &str) -> Outcome<ConfState> {
    Ok(ConfState::of_voters(text.split(',').map(str::parse).collect::<Result<Vec<u64>, _>>()?))
}

fn bytes(text: &str) -> Outcome<Vec<u8>> {
    if text == "-" {
        return Ok(Vec::new());
    }
    let byte = |at| text.get(at..at + 2).ok_or("an odd number of digits");
    (0..text.len()).step_by(2).map(|at| Ok(u8::from_str_radix(byte(at)?, 16)?)).collect()
}

fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "-".into();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
