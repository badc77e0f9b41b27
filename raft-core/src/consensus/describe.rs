//! [`Describe`]: what nodes say and want, as text for logs and tests.
//!
//! The lines are those of etcd's raft, so that its tools and its users' eyes can read them.

use std::fmt::{self, Display, Formatter, Write as _};

use super::ready::{ReadState, Ready, SoftState};
use crate::raftpb::conf_change::{ConfChangeType, ConfChangeV2, ConfState};
use crate::raftpb::entry::{Entries, EntryOf, EntryRef, EntryType};
use crate::raftpb::message::{HardState, Message, Snapshot};

/// The node's own thread that saves, as sender or receiver in the text of a message. No node may have this id.
pub const APPEND_THREAD: u64 = u64::MAX;
/// The node's own thread that applies, likewise.
pub const APPLY_THREAD: u64 = u64::MAX - 1;

/// Displays a message, an entry, a snapshot's metadata, a [`Ready`] or one of its small parts.
///
/// Payloads are shown in full, quoted as by Go's `%q`; the data of a snapshot is not shown. A message with several
/// entries or a snapshot takes several lines, and so does a `Ready`; no text ends with a newline.
#[derive(Clone, Copy, Debug)]
pub struct Describe<'a, T>(pub &'a T);

impl Display for Describe<'_, Message> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Message { from, to, msg_type, term, log_term, index, .. } = self.0;
        write!(f, "{}->{} {msg_type:?} Term:{term} Log:{log_term}/{index}", Target(*from), Target(*to))?;
        if self.0.reject {
            write!(f, " Rejected (Hint: {})", self.0.reject_hint)?;
        }
        if self.0.commit != 0 {
            write!(f, " Commit:{}", self.0.commit)?;
        }
        if self.0.vote != 0 {
            write!(f, " Vote:{}", self.0.vote)?;
        }
        let mut entries = self.0.entries.iter().map(line);
        match (entries.next(), entries.next()) {
            (None, _) => {}
            (Some(only), None) => write!(f, " Entries:[{only}]")?,
            (Some(first), Some(second)) => {
                write!(f, " Entries:[\n  {first}\n  {second}")?;
                entries.try_for_each(|entry| write!(f, "\n  {entry}"))?;
                f.write_str("\n]")?;
            }
        }
        match self.0.snapshot.as_deref().filter(|snapshot| !snapshot.is_empty()) {
            Some(snapshot) => write!(f, "\n  Snapshot: {}", Describe(snapshot)),
            None => Ok(()),
        }
    }
}

impl<D: AsRef<[u8]>> Display for Describe<'_, EntryOf<D>> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let EntryOf { entry_type, term, index, data } = self.0;
        write!(f, "{term}/{index} Entry{entry_type:?}")?;
        if *entry_type == EntryType::Normal {
            return write!(f, " {}", Quoted(data.as_ref()));
        }
        match ConfChangeV2::of(self.0) {
            Ok(change) => change.changes.iter().try_for_each(|step| {
                let letter = match ConfChangeType::try_from(step.change_type) {
                    Ok(ConfChangeType::AddNode) => 'v',
                    Ok(ConfChangeType::AddLearnerNode) => 'l',
                    Ok(ConfChangeType::RemoveNode) => 'r',
                    Ok(ConfChangeType::UpdateNode) => 'u',
                    Err(_) => '?',
                };
                write!(f, " {letter}{}", step.node_id)
            }),
            Err(error) => write!(f, " {error}"),
        }
    }
}

impl Display for Describe<'_, Snapshot> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let metadata = &self.0.metadata;
        let conf_state = Describe(&metadata.conf_state);
        write!(f, "Index:{} Term:{} ConfState:{conf_state}", metadata.index, metadata.term)
    }
}

impl Display for Describe<'_, ConfState> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ConfState { voters, learners, voters_outgoing, learners_next, auto_leave } = self.0;
        let sets = [
            ("Voters", voters),
            ("VotersOutgoing", voters_outgoing),
            ("Learners", learners),
            ("LearnersNext", learners_next),
        ];
        for (name, ids) in sets {
            write!(f, "{name}:[")?;
            for (at, id) in ids.iter().enumerate() {
                let space = if at == 0 { "" } else { " " };
                write!(f, "{space}{id}")?;
            }
            f.write_str("] ")?;
        }
        write!(f, "AutoLeave:{auto_leave}")
    }
}

impl Display for Describe<'_, HardState> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let HardState { term, vote, commit } = self.0;
        write!(f, "Term:{term}")?;
        if *vote != 0 {
            write!(f, " Vote:{vote}")?;
        }
        write!(f, " Commit:{commit}")
    }
}

impl Display for Describe<'_, SoftState> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Lead:{} State:{}", self.0.leader, self.0.role)
    }
}

impl Display for Describe<'_, ReadState> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Index:{} {}", self.0.index, Quoted(&self.0.context))
    }
}

fn line(entry: EntryRef<'_>) -> String {
    Describe(&entry).to_string()
}

/// One line an entry.
impl Display for Describe<'_, Entries> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, entry) in self.0.iter().enumerate() {
            let newline = if at == 0 { "" } else { "\n" };
            write!(f, "{newline}{}", Describe(&entry))?;
        }
        Ok(())
    }
}

/// Shows the messages that may leave at once, and then those that wait for the append ticket. What the node says to
/// itself is left out.
impl Display for Describe<'_, Ready> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let waiting = self.0.append.iter().flat_map(|ticket| ticket.messages());
        let messages = self.0.messages.iter().chain(waiting).filter(|message| message.to != message.from);
        ready_with(f, self.0, messages.map(Describe))
    }
}

/// Writes `ready` with `messages` in the place of its own, for a host that has something to add to them.
pub fn ready_with<M: Display>(
    out: &mut impl fmt::Write,
    ready: &Ready,
    messages: impl IntoIterator<Item = M>,
) -> fmt::Result {
    let mut body = String::new();
    let append = ready.append.as_ref();
    if let Some(soft_state) = &ready.soft_state {
        write!(body, "\n{}", Describe(soft_state))?;
    }
    if let Some(hard_state) = append.and_then(|ticket| ticket.hard_state()) {
        write!(body, "\nHardState {}", Describe(hard_state))?;
    }
    section(&mut body, "ReadStates:", ready.read_states.iter().map(Describe))?;
    section(&mut body, "Entries:", append.iter().flat_map(|ticket| ticket.entries().iter()).map(line))?;
    if let Some(snapshot) = append.and_then(|ticket| ticket.snapshot()) {
        write!(body, "\nSnapshot {}", Describe(snapshot))?;
    }
    let committed = ready.apply.iter().flat_map(|ticket| ticket.entries().iter());
    section(&mut body, "CommittedEntries:", committed.map(line))?;
    section(&mut body, "Messages:", messages)?;
    if body.is_empty() {
        return out.write_str("<empty Ready>");
    }
    // etcd's word leaves out snapshots: its hosts sync them by themselves.
    write!(out, "Ready MustSync={}:{body}", append.is_some_and(|ticket| ticket.must_sync))
}

/// A title and a line for each item, or nothing.
fn section<T: Display>(body: &mut String, title: &str, items: impl IntoIterator<Item = T>) -> fmt::Result {
    for (at, item) in items.into_iter().enumerate() {
        if at == 0 {
            write!(body, "\n{title}")?;
        }
        write!(body, "\n{item}")?;
    }
    Ok(())
}

/// Who sends or receives: ids in hex.
struct Target(u64);

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("None"),
            APPEND_THREAD => f.write_str("AppendThread"),
            APPLY_THREAD => f.write_str("ApplyThread"),
            id => write!(f, "{id:x}"),
        }
    }
}

/// Bytes between quotes, as Go's `%q` has them: text as it is, and what is none escaped.
struct Quoted<'a>(&'a [u8]);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for chunk in self.0.utf8_chunks() {
            chunk.valid().chars().try_for_each(|letter| write_escaped(f, letter))?;
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        f.write_char('"')
    }
}

fn write_escaped(f: &mut Formatter<'_>, letter: char) -> fmt::Result {
    match letter {
        '"' | '\\' => write!(f, "\\{letter}"),
        '\x07' => f.write_str("\\a"),
        '\x08' => f.write_str("\\b"),
        '\x0c' => f.write_str("\\f"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        '\x0b' => f.write_str("\\v"),
        ' '..='~' => f.write_char(letter),
        '\0'..='\x7f' => write!(f, "\\x{:02x}", letter as u32),
        _ if is_printable(letter) => f.write_char(letter),
        '\u{80}'..='\u{ffff}' => write!(f, "\\u{:04x}", letter as u32),
        _ => write!(f, "\\U{:08x}", letter as u32),
    }
}

/// Rust escapes what cannot be printed. A mark that belongs to the letter before it needs one to stand on.
fn is_printable(letter: char) -> bool {
    let mut text = [b'a'; 5];
    let len = letter.encode_utf8(&mut text[1..]).len();
    str::from_utf8(&text[..=len]).is_ok_and(|text| text.escape_debug().count() == 2)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::raftpb::entry::Entry;
    use crate::raftpb::message::{MessageType, SnapshotMetadata};

    fn entry(entry_type: EntryType, data: &'static [u8]) -> Entry {
        Entry { entry_type, term: 2, index: 7, data: Bytes::from_static(data) }
    }

    #[test]
    fn payloads_are_quoted_as_go_quotes_them() {
        for (data, text) in [
            (&b""[..], r#""""#),
            (b"a \"b\" \\", r#""a \"b\" \\""#),
            (b"\x07\x08\x0c\n\r\t\x0b\x00\x1f\x7f", r#""\a\b\f\n\r\t\v\x00\x1f\x7f""#),
            ("é世🙂e\u{301}कि".as_bytes(), "\"é世🙂e\u{301}कि\""),
            ("\u{85}\u{200b}\u{e0001}".as_bytes(), r#""\u0085\u200b\U000e0001""#),
            (b"a\xff\xe4\xb8z", r#""a\xff\xe4\xb8z""#),
        ] {
            assert_eq!(
                Describe(&entry(EntryType::Normal, data)).to_string(),
                format!("2/7 EntryNormal {text}")
            );
        }
    }

    #[test]
    fn a_change_shows_its_steps_and_one_that_cannot_be_read_says_so() {
        let leave = Describe(&entry(EntryType::ConfChangeV2, b"")).to_string();
        assert_eq!(leave, "2/7 EntryConfChangeV2");
        let add = Describe(&entry(EntryType::ConfChange, b"\x08\x00\x10\x03\x18\x09")).to_string();
        assert_eq!(add, "2/7 EntryConfChange l9");
        let broken = Describe(&entry(EntryType::ConfChange, b"\xff")).to_string();
        assert!(broken.starts_with("2/7 EntryConfChange malformed bytes"), "{broken}");
    }

    #[test]
    fn a_message_shows_what_it_has() {
        let message = Message { from: 31, term: 4, ..Message::new(MessageType::MsgVoteResp, APPLY_THREAD) };
        assert_eq!(Describe(&message).to_string(), "1f->ApplyThread MsgVoteResp Term:4 Log:0/0");
        let metadata = SnapshotMetadata { conf_state: ConfState::of_voters([1, 12]), index: 9, term: 3 };
        let full = Message {
            reject: true,
            reject_hint: 5,
            commit: 6,
            vote: 12,
            entries: [b"a", b"b"].into_iter().map(|data| entry(EntryType::Normal, data)).collect(),
            snapshot: Some(Box::new(Snapshot { data: Bytes::new(), metadata })),
            ..Message::new(MessageType::MsgSnap, 0)
        };
        let lines = "None->None MsgSnap Term:0 Log:0/0 Rejected (Hint: 5) Commit:6 Vote:12 Entries:[\n  \
                     2/7 EntryNormal \"a\"\n  \
                     2/7 EntryNormal \"b\"\n\
                     ]\n  \
                     Snapshot: Index:9 Term:3 ConfState:Voters:[1 12] VotersOutgoing:[] Learners:[] \
                     LearnersNext:[] AutoLeave:false";
        assert_eq!(Describe(&full).to_string(), lines);
    }

    #[test]
    fn a_ready_shows_its_parts_in_order_and_nothing_said_to_itself() {
        assert_eq!(Describe(&Ready::default()).to_string(), "<empty Ready>");
        let to = |to| Message { from: 1, ..Message::new(MessageType::MsgHeartbeat, to) };
        let ready = Ready {
            soft_state: Some(SoftState::default()),
            read_states: vec![ReadState { index: 5, context: Bytes::from_static(b"r") }],
            messages: vec![to(1), to(2)],
            ..Ready::default()
        };
        let lines = "Ready MustSync=false:\nLead:0 State:StateFollower\nReadStates:\nIndex:5 \"r\"\n\
                     Messages:\n1->2 MsgHeartbeat Term:0 Log:0/0";
        assert_eq!(Describe(&ready).to_string(), lines);
    }
}
