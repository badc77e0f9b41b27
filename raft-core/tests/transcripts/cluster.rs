//! The nodes of a transcript, and the network between them.

use std::fmt::Display;

use raft_core::consensus::config::Config;
use raft_core::consensus::describe::{Describe, ready_with};
use raft_core::consensus::log::storage::Storage;
use raft_core::error::{Error, Result};
use raft_core::raftpb::message::{Message, MessageType, Snapshot};

use super::disk::Disk;
use super::member::{self, Flight, Member};

/// Without time there is no reason for nodes to talk on and on.
const ROUNDS_MAX: usize = 1000;

/// All nodes, with ids from 1 on, and what is on its way between them.
#[derive(Default)]
pub(crate) struct Cluster {
    pub(crate) members: Vec<Member>,
    in_flight: Vec<Flight>,
    pub(crate) out: Output,
}

/// What a command prints.
#[derive(Default)]
pub(crate) struct Output {
    pub(crate) text: String,
    pub(crate) is_quiet: bool,
    indent: usize,
}

impl Output {
    /// Prints the lines of `text`, each indented.
    pub(crate) fn print(&mut self, text: impl Display) {
        if self.is_quiet {
            return;
        }
        for line in text.to_string().lines() {
            self.text += &" ".repeat(self.indent);
            self.text += line;
            self.text += "\n";
        }
    }
}

/// Who receives, or loses, what is on its way to it.
pub(crate) struct Recipient {
    pub(crate) id: u64,
    pub(crate) drop: bool,
}

/// The text for an error: etcd's, where it has that error.
pub(crate) fn error_text(error: &Error) -> String {
    match error {
        Error::ProposalDropped(_) => "raft proposal dropped".to_owned(),
        Error::StepPeerNotFound(_) => "raft: cannot step as peer not found".to_owned(),
        Error::StepLocalMessage(_) => "raft: cannot step raft local message".to_owned(),
        other => other.to_string(),
    }
}

impl Cluster {
    /// The node `id`, which exists.
    pub(crate) fn member(&mut self, id: u64) -> &mut Member {
        &mut self.members[id as usize - 1]
    }

    pub(crate) fn has(&self, id: u64) -> bool {
        (1..=self.members.len() as u64).contains(&id)
    }

    /// Adds `count` nodes that start from such a disk, with the settings of `config`.
    pub(crate) fn add(
        &mut self,
        count: usize,
        config: &Config,
        is_async: bool,
        disk: impl Fn() -> Disk,
    ) -> Result<()> {
        for _ in 0..count {
            let id = self.members.len() as u64 + 1;
            let config = Config { id, seed: id, apply_unstable: !is_async, ..config.clone() };
            self.members.push(Member::new(config, is_async, disk())?);
        }
        Ok(())
    }

    /// Node `id` crashes and starts again, without its log behind `last`. What it was doing is lost, what it has sent
    /// is not.
    pub(crate) fn restart(&mut self, id: u64, last: u64) -> Result<()> {
        self.in_flight.retain(|flight| !(flight.is_local() && flight.message.to == id));
        let old = self.member(id).node.storage_mut();
        let disk = std::mem::replace(old, Disk::new(Snapshot::default())).without_tail(last)?;
        let config = Config { applied: disk.state().metadata.index, ..self.member(id).config.clone() };
        let is_async = self.member(id).is_async;
        *self.member(id) = Member::new(config, is_async, disk)?;
        Ok(())
    }

    /// Prints the `Ready` of a node, and does what it says.
    pub(crate) fn process_ready(&mut self, id: u64) -> Result<()> {
        let member = &mut self.members[id as usize - 1];
        let ready = member.node.ready()?;
        if !member.is_async {
            self.out.print(Describe(&ready));
            let messages = member.handle(ready)?;
            self.in_flight.extend(messages.into_iter().map(Flight::to_peer));
            return Ok(());
        }
        let mut lines: Vec<String> = ready.messages.iter().map(|it| Describe(it).to_string()).collect();
        lines.extend(ready.append.as_ref().map(|ticket| {
            request_line(&member::append_request(id, ticket), &member::append_answers(id, ticket))
        }));
        lines.extend(ready.apply.as_ref().map(|ticket| {
            request_line(&member::apply_request(id, ticket), &[member::apply_answer(id, ticket)])
        }));
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = ready_with(&mut text, &ready, lines);
        self.out.print(text);
        self.in_flight.extend(ready.messages.into_iter().map(Flight::to_peer));
        member.queue(ready.append, ready.apply);
        Ok(())
    }

    /// The append thread of a node does one piece of work.
    pub(crate) fn process_append_thread(&mut self, id: u64) -> Result<()> {
        let Some(request) = self.member(id).next_append().map(|work| member::append_request(id, work)) else {
            self.out.print("no append work to perform");
            return Ok(());
        };
        self.out.print(format!("Processing:\n{}", Describe(&request)));
        let answers = self.member(id).run_append_thread()?;
        self.print_answers(answers);
        Ok(())
    }

    /// The apply thread of a node does one piece of work.
    pub(crate) fn process_apply_thread(&mut self, id: u64) -> Result<()> {
        let Some(request) = self.member(id).next_apply().map(|work| member::apply_request(id, work)) else {
            self.out.print("no apply work to perform");
            return Ok(());
        };
        self.out.print(format!("Processing:\n{}", Describe(&request)));
        let answers = self.member(id).run_apply_thread()?;
        self.print_answers(answers);
        Ok(())
    }

    fn print_answers(&mut self, answers: Vec<Flight>) {
        self.out.print("Responses:");
        for answer in answers {
            self.out.print(Describe(&answer.message));
            self.in_flight.push(answer);
        }
    }

    /// Delivers what is on its way to the recipients, of `kind` only if there is one, and says how much that was.
    pub(crate) fn deliver(&mut self, kind: Option<MessageType>, recipients: &[Recipient]) -> usize {
        let mut count = 0;
        for recipient in recipients {
            let is_due = |flight: &mut Flight| is_due(flight, recipient, kind);
            let due: Vec<Flight> = self.in_flight.extract_if(.., is_due).collect();
            count += due.len();
            for flight in due {
                let prefix = if recipient.drop { "dropped: " } else { "" };
                self.out.print(format!("{prefix}{}", Describe(&flight.message)));
                if recipient.drop {
                    continue;
                }
                let member = self.member(recipient.id);
                let taken = match flight.settles {
                    Some(settles) => member.settle(settles),
                    None => member.node.step(flight.message),
                };
                if let Err(error) = taken {
                    self.out.print(error_text(&error));
                }
            }
        }
        count
    }

    /// Lets `ids` work and talk to each other until there is nothing left to do.
    pub(crate) fn stabilize(&mut self, ids: &[u64]) -> Result<()> {
        for _ in 0..ROUNDS_MAX {
            let mut done = true;
            for &id in ids {
                if self.member(id).node.has_ready() {
                    self.under(id, "handling Ready", |cluster| cluster.process_ready(id))?;
                    done = false;
                }
            }
            for &id in ids {
                if self.in_flight.iter().any(|flight| flight.message.to == id) {
                    let recipient = Recipient { id, drop: false };
                    self.under(id, "receiving messages", |cluster| {
                        cluster.deliver(None, &[recipient]);
                        Ok(())
                    })?;
                    done = false;
                }
            }
            for &id in ids {
                if self.member(id).has_append_work() {
                    self.under(id, "processing append thread", |cluster| {
                        while cluster.member(id).has_append_work() {
                            cluster.process_append_thread(id)?;
                        }
                        Ok(())
                    })?;
                    done = false;
                }
            }
            for &id in ids {
                if self.member(id).has_apply_work() {
                    self.under(id, "processing apply thread", |cluster| {
                        while cluster.member(id).has_apply_work() {
                            cluster.process_apply_thread(id)?;
                        }
                        Ok(())
                    })?;
                    done = false;
                }
            }
            if done {
                return Ok(());
            }
        }
        Err(Error::Invariant(format!("not stable after {ROUNDS_MAX} rounds")))
    }

    /// Runs `work` under a headline.
    pub(crate) fn under(
        &mut self,
        id: u64,
        what: &str,
        work: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.out.print(format!("> {id} {what}"));
        self.out.indent += 2;
        let result = work(self);
        self.out.indent -= 2;
        result
    }

    /// Puts a snapshot of node `from` on its way, whether anybody wants it or not.
    pub(crate) fn send_snapshot(&mut self, from: u64, to: u64) -> Result<()> {
        let node = &mut self.member(from).node;
        let term = node.status().hard_state.term;
        let snapshot = Some(Box::new(node.storage_mut().snapshot(to)?));
        let message = Message { from, term, snapshot, ..Message::new(MessageType::MsgSnap, to) };
        self.out.print(Describe(&message));
        self.in_flight.push(Flight::to_peer(message));
        Ok(())
    }
}

fn is_due(flight: &Flight, recipient: &Recipient, kind: Option<MessageType>) -> bool {
    let is_kind = kind.is_none_or(|kind| flight.message.msg_type == kind);
    flight.message.to == recipient.id && is_kind && !(recipient.drop && flight.is_local())
}

/// A request to a thread, with the answers that it is to give.
fn request_line(request: &Message, answers: &[Message]) -> String {
    let mut line = Describe(request).to_string();
    if answers.is_empty() {
        return line;
    }
    line += " Responses:[";
    for answer in answers {
        for part in Describe(answer).to_string().lines() {
            line += &format!("\n  {part}");
        }
    }
    line + "\n]"
}
