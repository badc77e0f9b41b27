//! [`Words`]: messages of a leader that tell nothing but how far the log is committed.
//!
//! The next append tells it, too. Under way by itself such a word costs its receiver a message and a turn; and whoever has
//! not acknowledged all before it answers, which costs the leader another turn. So it waits for a moment whether an append follows.
//! Nobody waits for it: who asked for a write is told by the leader, and a linearizable read brings its own word.

use std::time::{Duration, Instant};

use crate::raftpb::message::{Message, MessageType};

/// How long a word is held back.
const HOLD: Duration = Duration::from_millis(1);

#[derive(Debug, Default)]
pub(super) struct Words {
    // One for each receiver at the most.
    held: Vec<Message>,
    since: Option<Instant>,
}

impl Words {
    /// Takes the words out of a leader's messages, and forgets those that an append among them makes needless. The log
    /// ends at `last`: an empty append elsewhere asks whether the receiver has what is before, which cannot wait.
    pub(super) fn hold_back(&mut self, messages: &mut Vec<Message>, last: u64, now: Instant) {
        let is_empty = |message: &Message| {
            message.msg_type == MessageType::MsgApp
                && message.entries.is_empty()
                && message.snapshot.is_none()
        };
        for at in (0..messages.len()).rev() {
            let message = &messages[at];
            if !is_empty(message) {
                continue;
            }
            let end = message.index.checked_add(1);
            let follows = |other: &Message| {
                other.to == message.to && other.entries.first().map(|entry| entry.index) == end
            };
            if messages[at..].iter().any(follows) {
                messages.remove(at);
            } else if message.index == last {
                let word = messages.remove(at);
                // Taken from the end: a newer one is there already.
                if !self.held.iter().any(|held| held.to == word.to && held.commit >= word.commit) {
                    self.held.retain(|held| held.to != word.to);
                    self.held.push(word);
                }
            }
        }
        self.held
            .retain(|held| !messages.iter().any(|other| other.to == held.to && !other.entries.is_empty()));
        self.since = if self.held.is_empty() { None } else { self.since.or(Some(now)) };
    }

    /// How long the driver may sleep on their account.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.since.map_or(Duration::MAX, |since| HOLD.saturating_sub(now.duration_since(since)))
    }

    /// Those that have waited long enough.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Message> {
        if self.wait(now).is_zero() { self.take() } else { Vec::new() }
    }

    /// All of them.
    pub(super) fn take(&mut self) -> Vec<Message> {
        self.since = None;
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raftpb::entry::Entry;

    fn append(to: u64, prev: u64, commit: u64, entries: u64) -> Message {
        let entries = (1..=entries).map(|at| Entry { index: prev + at, ..Entry::default() }).collect();
        Message { index: prev, commit, entries, ..Message::new(MessageType::MsgApp, to) }
    }

    #[test]
    fn a_word_leaves_when_no_append_has_told_it() {
        let now = Instant::now();
        let mut words = Words::default();
        let heartbeat = Message::new(MessageType::MsgHeartbeat, 2);
        let mut messages = vec![append(2, 5, 4, 0), heartbeat.clone(), append(3, 5, 4, 0)];
        words.hold_back(&mut messages, 5, now);
        assert_eq!(messages, [heartbeat]);
        assert_eq!((words.wait(now), words.due(now)), (HOLD, vec![]));
        // A newer one takes its place, and does not wait longer.
        let later = now + HOLD / 2;
        words.hold_back(&mut vec![append(2, 5, 5, 0)], 5, later);
        assert_eq!(words.wait(later), HOLD / 2);
        // An append tells it.
        let mut messages = vec![append(3, 5, 5, 1)];
        words.hold_back(&mut messages, 6, later);
        assert_eq!(messages.len(), 1);
        assert_eq!(words.due(now + HOLD), [append(2, 5, 5, 0)]);
        assert_eq!((words.wait(now), words.take()), (Duration::MAX, vec![]));
    }

    #[test]
    fn an_append_behind_it_tells_it_and_a_probe_is_no_word() {
        let now = Instant::now();
        let mut words = Words::default();
        let probe = append(3, 2, 5, 0);
        let mut messages = vec![append(2, 5, 4, 0), probe.clone(), append(2, 5, 5, 2)];
        words.hold_back(&mut messages, 7, now);
        assert_eq!(messages, [probe, append(2, 5, 5, 2)]);
        assert_eq!(words.take(), []);
        // The newest of several stays.
        words.hold_back(&mut vec![append(2, 7, 5, 0), append(2, 7, 7, 0)], 7, now);
        assert_eq!(words.take(), [append(2, 7, 7, 0)]);
    }
}
