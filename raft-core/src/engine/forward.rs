//! Requests that a follower hands to the leader, and the outcomes that come back.
//!
//! A request travels as a `MsgProp`, which any leader of etcd's protocol takes, with this context; its entries have the
//! numbers from `number` on. An outcome comes back in a `MsgReadIndexResp`, one entry each with the index and the term of
//! the outcome, and this as its data. Integers are little-endian.
//!
//! ```text
//! 0        8       16       24     32
//! rftprop1 | nonce | number | term | kind   context of a request; the kind is one byte, or none for a plain one
//! rftdone1 | nonce |                        context of outcomes
//!
//! 0        8      12       20
//! number   | code | leader | answer         data of an entry
//! ```
//!
//! A network may repeat and delay a message, and a request must not be appended twice. So a leader takes the numbers of
//! one run of a follower in rising order only, and passes over what repeats or comes late. What it knew of them before it
//! was restarted is gone: a request meant for a leader of a term from before that is passed over too. Passed over means
//! without an answer, because the first copy may have been appended; the follower ends such a request as unknown.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::mem::take;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::code::Code;
use super::mutants::{Mutant, is_planted};
use super::outcome::{Asker, Outcome, Outcomes, Reply, Waiter};
use crate::raftpb::entry::{Entries, Entry};
use crate::raftpb::message::{Message, MessageType};

const REQUEST: &[u8; 8] = b"rftprop1";
const DONE: &[u8; 8] = b"rftdone1";

/// Runs of followers that a leader remembers.
const RUNS_MAX: usize = 256;

/// Payload of one message with outcomes, about.
const ANSWERS_BYTES_MAX: usize = 1 << 20;

/// What a leader can say for certain.
const CERTAIN: [Code; 11] = [
    Code::Ok,
    Code::NotLeader,
    Code::Dropped,
    Code::ConfChange,
    Code::TooLarge,
    Code::Busy,
    Code::DiskFull,
    Code::Session,
    Code::QuorumAtRisk,
    Code::LearnerBehind,
    Code::InvalidArg,
];

/// What is wanted with the entries of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// They are to be appended.
    #[default]
    Plain,
    /// So is this change, also where it puts the quorum at risk.
    Forced,
    /// The next step towards what this change would do at once, see [`replace`](super::replace).
    Replace,
}

/// The context of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Tells one run of the follower from another.
    pub(super) nonce: u64,
    /// The number of the first entry.
    pub(super) number: u64,
    /// The term whose leader is asked.
    pub(super) term: u64,
    pub(super) kind: Kind,
}

impl Header {
    fn to_bytes(self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(33);
        bytes.put_slice(REQUEST);
        bytes.put_u64_le(self.nonce);
        bytes.put_u64_le(self.number);
        bytes.put_u64_le(self.term);
        match self.kind {
            Kind::Plain => {}
            Kind::Forced => bytes.put_u8(1),
            Kind::Replace => bytes.put_u8(2),
        }
        bytes.freeze()
    }

    /// The header of a request that was forwarded, if `message` is one.
    pub(super) fn of(message: &Message) -> Option<Self> {
        let mut fields = message.context.strip_prefix(REQUEST)?;
        let kind = match fields.get(24..) {
            Some([]) => Kind::Plain,
            Some([1]) => Kind::Forced,
            Some([2]) => Kind::Replace,
            _ => return None,
        };
        if message.msg_type != MessageType::MsgProp {
            return None;
        }
        let mut next = || fields.get_u64_le();
        Some(Header { nonce: next(), number: next(), term: next(), kind })
    }
}

/// The request as a message for `to`.
pub(super) fn request(from: u64, to: u64, header: Header, entries: Entries) -> Message {
    Message { from, entries, context: header.to_bytes(), ..Message::new(MessageType::MsgProp, to) }
}

/// Outcomes as messages to those who asked. What is not certain here is unknown there.
pub(super) fn answers(from: u64, outcomes: Vec<(Asker, Outcome)>) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    let mut entries: Vec<Entry> = Vec::new();
    let mut bytes = 0;
    let mut outcomes = outcomes.into_iter().peekable();
    while let Some((asker, outcome)) = outcomes.next() {
        let Outcome { code, index, term, leader, answer, .. } = outcome;
        let mut data = BytesMut::with_capacity(20 + answer.len());
        data.put_u64_le(asker.number);
        data.put_i32_le(certain(code) as i32);
        data.put_u64_le(leader);
        data.put_slice(&answer);
        bytes += data.len();
        entries.push(Entry { term, index, data: data.freeze(), ..Entry::default() });
        let same = |(next, _): &(Asker, Outcome)| (next.node, next.nonce) == (asker.node, asker.nonce);
        if bytes < ANSWERS_BYTES_MAX && outcomes.peek().is_some_and(same) {
            continue;
        }
        let mut context = BytesMut::with_capacity(16);
        context.put_slice(DONE);
        context.put_u64_le(asker.nonce);
        messages.push(Message {
            from,
            entries: take(&mut entries).into_iter().collect::<Entries>(),
            context: context.freeze(),
            ..Message::new(MessageType::MsgReadIndexResp, asker.node)
        });
        bytes = 0;
    }
    messages
}

/// The nonce and the entries of a message that brings outcomes, if `message` is one.
pub(super) fn nonce_of_answers(message: &Message) -> Option<u64> {
    let mut fields = message.context.strip_prefix(DONE)?;
    (message.msg_type == MessageType::MsgReadIndexResp && fields.len() == 8).then(|| fields.get_u64_le())
}

/// The number and the outcome in an entry; none if it is malformed.
fn read_outcome(entry: Entry) -> Option<(u64, Outcome)> {
    let mut data = entry.data;
    let number = data.try_get_u64_le().ok()?;
    let code = data.try_get_i32_le().ok()?;
    let leader = data.try_get_u64_le().ok()?;
    let code = CERTAIN.into_iter().find(|known| *known as i32 == code).unwrap_or(Code::Unknown);
    let outcome = match code {
        Code::Ok => Outcome { answer: data, ..Outcome::done(entry.index, entry.term) },
        code => Outcome { leader, answer: data, ..Outcome::not(code) },
    };
    Some((number, outcome))
}

/// What a peer may be told: that the leader stops or fails leaves the entry to others.
fn certain(code: Code) -> Code {
    if CERTAIN.contains(&code) { code } else { Code::Unknown }
}

/// The leader's side: which requests it has seen.
#[derive(Debug)]
pub(super) struct Served {
    // The term in which this process started: it may have led in it, and does not know what it took then.
    boot_term: u64,
    // The one that was used last is at the end.
    runs: Vec<Run>,
}

#[derive(Debug)]
struct Run {
    node: u64,
    nonce: u64,
    next: u64,
}

impl Served {
    pub(super) fn new(boot_term: u64) -> Self {
        Served { boot_term, runs: Vec::new() }
    }

    /// Whether the `count` requests behind `header`, from `node`, are surely new.
    pub(super) fn admits(&mut self, node: u64, header: Header, count: usize) -> bool {
        let Header { nonce, number, term, .. } = header;
        if term <= self.boot_term {
            return false;
        }
        let next = number.saturating_add(count as u64);
        match self.runs.iter().position(|run| (run.node, run.nonce) == (node, nonce)) {
            Some(at) if number < self.runs[at].next && !is_planted(Mutant::ForwardTwice) => return false,
            Some(at) => {
                self.runs[at].next = next;
                self.runs[at..].rotate_left(1);
            }
            None => {
                self.runs.push(Run { node, nonce, next });
                if self.runs.len() > RUNS_MAX {
                    self.forget_one();
                }
            }
        }
        true
    }

    /// Forgets the oldest run of the node that has most. One that is restarted again and again pushes out its own runs
    /// by that, and not those that others are still in.
    fn forget_one(&mut self) {
        let runs_of = |node| self.runs.iter().filter(|run| run.node == node).count();
        // Of equals, the last one is taken for the greatest.
        let oldest_first = (0..self.runs.len()).rev();
        if let Some(at) = oldest_first.max_by_key(|at| runs_of(self.runs[*at].node)) {
            self.runs.remove(at);
        }
    }
}

/// The follower's side: requests that wait for the leader's answer.
#[derive(Debug, Default)]
pub(super) struct Forwarded {
    nonce: u64,
    next: u64,
    // By their numbers, which are below `next`. One whose outcome nobody wants is not among them.
    open: BTreeMap<u64, Sent>,
}

#[derive(Debug)]
struct Sent {
    to: u64,
    deadline: Instant,
    reply: Reply,
}

impl Forwarded {
    /// `nonce` must differ from run to run.
    pub(super) fn new(nonce: u64) -> Self {
        Forwarded { nonce, ..Forwarded::default() }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// These requests go to node `to`, the leader of `term`.
    pub(super) fn send(
        &mut self,
        to: u64,
        term: u64,
        deadline: Instant,
        replies: impl IntoIterator<Item = Reply>,
    ) -> Header {
        let header = Header { nonce: self.nonce, number: self.next, term, kind: Kind::Plain };
        for reply in replies {
            if !matches!(reply, Reply::Silent) {
                self.open.insert(self.next, Sent { to, deadline, reply });
            }
            self.next = self.next.saturating_add(1);
        }
        header
    }

    /// The leader's answers.
    pub(super) fn answered(&mut self, message: &Message, outcomes: &mut Outcomes) {
        if nonce_of_answers(message) != Some(self.nonce) {
            return;
        }
        for (number, outcome) in message.entries.owned().filter_map(read_outcome) {
            if let btree_map::Entry::Occupied(sent) = self.open.entry(number)
                && sent.get().to == message.from
            {
                sent.remove().reply.answer(outcome, outcomes);
            }
        }
    }

    /// Another node leads now: what its predecessor has not answered by `deadline` it hardly will.
    pub(super) fn leader_is(&mut self, leader: u64, deadline: Instant) {
        for sent in self.open.values_mut().filter(|sent| sent.to != leader) {
            sent.deadline = sent.deadline.min(deadline);
        }
    }

    /// Answers what has waited too long: it may have been appended or not.
    pub(super) fn expire(&mut self, now: Instant, outcomes: &mut Outcomes) {
        self.open.retain(|_, sent| {
            let is_early = sent.deadline > now;
            if !is_early {
                take(&mut sent.reply).answer(Outcome::not(Code::Unknown), outcomes);
            }
            is_early
        });
    }

    /// The waiter has given up.
    pub(super) fn forget(&mut self, waiter: &Arc<Waiter>) {
        self.open.retain(|_, sent| !sent.reply.is_for(waiter));
    }

    /// The engine ends.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Reply> {
        take(&mut self.open).into_values().map(|sent| sent.reply)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn asker(node: u64, nonce: u64, number: u64) -> Asker {
        Asker { node, nonce, number }
    }

    fn own(outcomes: &mut Outcomes) -> Vec<(u64, Code)> {
        take(&mut outcomes.own).iter().map(|outcome| (outcome.request, outcome.code)).collect()
    }

    #[test]
    fn headers_come_back_and_nothing_else_is_taken_for_one() {
        let mut header = Header { nonce: 3, number: u64::MAX, term: 7, kind: Kind::Plain };
        let entries = Entries::proposals(vec![Bytes::from_static(b"x")]);
        for kind in [Kind::Forced, Kind::Replace, Kind::Plain] {
            header.kind = kind;
            assert_eq!(Header::of(&request(2, 1, header, entries.clone())), Some(header));
        }
        let message = request(2, 1, header, entries);
        let unknown = [message.context.as_ref(), b"\x03"].concat().into();
        assert_eq!(Header::of(&Message { context: unknown, ..message.clone() }), None);
        for len in 0..message.context.len() {
            assert_eq!(
                Header::of(&Message { context: message.context.slice(..len), ..message.clone() }),
                None
            );
        }
        assert_eq!(Header::of(&Message { msg_type: MessageType::MsgApp, ..message }), None);
    }

    #[test]
    fn outcomes_come_back_to_those_who_asked() {
        let mut forwarded = Forwarded::new(9);
        let now = Instant::now();
        let header = forwarded.send(1, 5, now, [Reply::Request(11), Reply::Request(12)]);
        assert_eq!(header, Header { nonce: 9, number: 0, term: 5, kind: Kind::Plain });
        assert_eq!(forwarded.send(1, 5, now, [Reply::Request(13)]).number, 2);
        let done = Outcome { answer: Bytes::from_static(b"yes"), ..Outcome::done(30, 5) };
        let stopped = Outcome::not(Code::Stopped);
        let not_leader = Outcome { leader: 3, ..Outcome::not(Code::NotLeader) };
        let messages = answers(
            1,
            vec![
                (asker(2, 9, 2), done.clone()),
                (asker(2, 9, 0), stopped),
                (asker(3, 9, 0), done.clone()),
                (asker(2, 9, 1), not_leader.clone()),
            ],
        );
        assert_eq!(messages.iter().map(|message| message.to).collect::<Vec<_>>(), [2, 3, 2]);
        let mut outcomes = Outcomes::default();
        let wrong_sender = Message { from: 3, ..messages[0].clone() };
        forwarded.answered(&wrong_sender, &mut outcomes);
        assert!(outcomes.own.is_empty());
        for message in &messages {
            let message = Message::decode(Bytes::from(message.to_vec())).unwrap();
            forwarded.answered(&message, &mut outcomes);
            // What comes twice is not told twice.
            forwarded.answered(&message, &mut outcomes);
        }
        assert_eq!(outcomes.own[0], Outcome { request: 13, ..done });
        assert_eq!(outcomes.own[2], Outcome { request: 12, ..not_leader });
        assert_eq!(own(&mut outcomes), [(13, Code::Ok), (11, Code::Unknown), (12, Code::NotLeader)]);
        assert_eq!(forwarded.len(), 0);
    }

    #[test]
    fn one_that_is_lost_does_not_keep_those_behind_it() {
        let mut forwarded = Forwarded::new(9);
        let now = Instant::now();
        let mut outcomes = Outcomes::default();
        forwarded.send(1, 5, now, [Reply::Request(1), Reply::Silent]);
        for request in 2..10_002 {
            let number = forwarded.send(1, 5, now, [Reply::Request(request)]).number;
            for message in answers(1, vec![(asker(2, 9, number), Outcome::done(number, 5))]) {
                forwarded.answered(&message, &mut outcomes);
            }
            assert_eq!(forwarded.len(), 1);
        }
        let expected: Vec<_> = (2..10_002).map(|request| (request, Code::Ok)).collect();
        assert_eq!(own(&mut outcomes), expected);
        forwarded.expire(now, &mut outcomes);
        assert_eq!((own(&mut outcomes), forwarded.len()), (vec![(1, Code::Unknown)], 0));
    }

    #[test]
    fn an_answer_of_another_run_or_malformed_is_nobodys() {
        let mut forwarded = Forwarded::new(9);
        forwarded.send(1, 5, Instant::now(), [Reply::Request(11)]);
        let mut outcomes = Outcomes::default();
        for message in
            answers(1, vec![(asker(2, 8, 0), Outcome::done(3, 5)), (asker(2, 9, 7), Outcome::done(3, 5))])
        {
            forwarded.answered(&message, &mut outcomes);
        }
        let mut short = answers(1, vec![(asker(2, 9, 0), Outcome::done(3, 5))]).remove(0);
        short.entries = Entries::proposals(vec![Bytes::from_static(b"short")]);
        forwarded.answered(&short, &mut outcomes);
        assert!(outcomes.own.is_empty());
        assert_eq!(forwarded.len(), 1);
    }

    #[test]
    fn what_is_not_answered_ends_as_unknown_and_sooner_under_another_leader() {
        let mut forwarded = Forwarded::new(9);
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        forwarded.send(1, 5, after(10), [Reply::Request(11)]);
        forwarded.send(2, 6, after(10), [Reply::Request(12), Reply::Silent]);
        let mut outcomes = Outcomes::default();
        forwarded.expire(after(9), &mut outcomes);
        assert!(outcomes.own.is_empty());
        forwarded.leader_is(2, after(2));
        forwarded.expire(after(2), &mut outcomes);
        assert_eq!(own(&mut outcomes), [(11, Code::Unknown)]);
        forwarded.expire(after(10), &mut outcomes);
        assert_eq!(own(&mut outcomes), [(12, Code::Unknown)]);
        assert_eq!(forwarded.len(), 0);
    }

    #[test]
    fn a_request_is_taken_once() {
        let mut served = Served::new(4);
        let header = |nonce, number, term| Header { nonce, number, term, kind: Kind::Plain };
        assert!(!served.admits(2, header(9, 0, 4), 1), "of a time before this process");
        assert!(served.admits(2, header(9, 0, 5), 2));
        assert!(!served.admits(2, header(9, 0, 5), 2), "repeated");
        assert!(!served.admits(2, header(9, 1, 5), 1), "repeated in part");
        assert!(served.admits(2, header(9, 4, 5), 1), "2 and 3 were lost");
        assert!(!served.admits(2, header(9, 3, 5), 1), "or come late");
        assert!(served.admits(2, header(8, 0, 5), 1), "another run");
        assert!(served.admits(3, header(9, 0, 5), 1), "another node");
        assert!(served.admits(2, header(9, u64::MAX, 5), usize::MAX));
        for nonce in 0..1000 {
            served.admits(7, header(nonce, 0, 5), 1);
        }
        assert_eq!(served.runs.len(), RUNS_MAX);
    }

    #[test]
    fn a_member_that_restarts_and_restarts_makes_the_leader_forget_its_own_runs() {
        let mut served = Served::new(4);
        let header = |nonce, number| Header { nonce, number, term: 5, kind: Kind::Plain };
        assert!(served.admits(2, header(9, 0), 1));
        for nonce in 0..2 * RUNS_MAX as u64 {
            assert!(served.admits(3, header(nonce, 0), 1));
        }
        assert!(!served.admits(2, header(9, 0), 1), "repeated");
        assert!(!served.admits(3, header(2 * RUNS_MAX as u64 - 1, 0), 1), "repeated");
        // Where each has one run, the one that was used longest ago goes.
        let mut served = Served::new(4);
        for node in 0..RUNS_MAX as u64 {
            assert!(served.admits(node, header(9, 0), 1));
        }
        assert!(served.admits(0, header(9, 1), 1));
        assert!(served.admits(RUNS_MAX as u64, header(9, 0), 1));
        assert!(!served.admits(0, header(9, 1), 1), "repeated");
        assert_eq!(served.runs.len(), RUNS_MAX);
    }
}
