//! Messages that a transcript makes by hand, right or wrong: `step ID TYPE [reject] [field=value ...]`.
//!
//! The fields are `to` (ID unless said), `from`, `term`, `logterm`, `index`, `commit` and `hint`, numbers that are 0
//! unless said, and
//! * `entries=(TERM/INDEX [PAYLOAD], ...)`. In the place of a payload, `change STEPS` is a membership change with steps
//!   such as `v1 l2`, and `change-bytes TEXT` is one that is no more than TEXT.
//! * `ctx=(WORD, ...)`, the words one behind the other. A number takes eight bytes, the lowest first.
//! * `snapshot=TERM/INDEX` with the data `content=`, and its membership as `voters=(ID, ...)` and `learners=(ID, ...)`.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message as _;
use raft_core::raftpb::conf_change::{ConfChangeV2, ConfState};
use raft_core::raftpb::entry::{Entries, Entry, EntryType};
use raft_core::raftpb::message::{Message, MessageType, Snapshot, SnapshotMetadata};

use super::command::{Command, Fault, Outcome, parse};
use super::confchange::read_steps;

/// The message that the command describes.
pub(crate) fn read(command: &Command<'_>) -> Outcome<Message> {
    let mut message = Message::new(read_kind(command.word(1)?)?, command.number(0)?);
    let mut snapshot = None;
    for arg in command.0.args.iter().skip(2) {
        let value = arg.values.first().map_or("", String::as_str);
        match arg.key.as_str() {
            "reject" => message.reject = true,
            "to" => message.to = parse(value)?,
            "from" => message.from = parse(value)?,
            "term" => message.term = parse(value)?,
            "logterm" => message.log_term = parse(value)?,
            "index" => message.index = parse(value)?,
            "commit" => message.commit = parse(value)?,
            "hint" => message.reject_hint = parse(value)?,
            "ctx" => message.context = read_context(&arg.values),
            "entries" => {
                let entries = arg.values.iter().map(|text| read_entry(text)).collect::<Outcome<Vec<Entry>>>();
                message.entries = Entries::from(entries?);
            }
            "snapshot" => snapshot = Some(read_snapshot(command, value)?),
            "voters" | "learners" | "content" => {}
            other => return Err(Fault::Usage(format!("unknown field {other}"))),
        }
    }
    message.snapshot = snapshot.map(Box::new);
    Ok(message)
}

pub(crate) fn read_kind(name: &str) -> Outcome<MessageType> {
    let found = MessageType::ALL.into_iter().find(|it| format!("{it:?}") == name);
    found.ok_or_else(|| Fault::Usage(format!("unknown message type {name}")))
}

fn read_context(words: &[String]) -> Bytes {
    let mut context = BytesMut::new();
    for word in words {
        match word.parse::<u64>() {
            Ok(number) => context.put_u64_le(number),
            Err(_) => context.put_slice(word.as_bytes()),
        }
    }
    context.freeze()
}

fn read_entry(text: &str) -> Outcome<Entry> {
    let (id, payload) = text.split_once(' ').unwrap_or((text, ""));
    let (entry_type, data) = match payload.split_once(' ') {
        Some(("change", steps)) => {
            (EntryType::ConfChangeV2, ConfChangeV2::new(read_steps(steps)?).encode_to_vec())
        }
        Some(("change-bytes", bytes)) => (EntryType::ConfChangeV2, bytes.as_bytes().to_vec()),
        _ => (EntryType::Normal, payload.as_bytes().to_vec()),
    };
    let (term, index) = read_id(id)?;
    Ok(Entry { entry_type, term, index, data: data.into() })
}

fn read_snapshot(command: &Command<'_>, id: &str) -> Outcome<Snapshot> {
    let ids = |key| command.values(key).iter().map(|id| parse(id)).collect::<Outcome<Vec<u64>>>();
    let conf_state = ConfState { voters: ids("voters")?, learners: ids("learners")?, ..ConfState::default() };
    let (term, index) = read_id(id)?;
    let data = command.values("content").first().map_or("", String::as_str);
    Ok(Snapshot {
        data: Bytes::copy_from_slice(data.as_bytes()),
        metadata: SnapshotMetadata { conf_state, index, term },
    })
}

/// `TERM/INDEX`.
fn read_id(text: &str) -> Outcome<(u64, u64)> {
    let (term, index) =
        text.split_once('/').ok_or_else(|| Fault::Usage(format!("{text} is no TERM/INDEX")))?;
    Ok((parse(term)?, parse(index)?))
}
