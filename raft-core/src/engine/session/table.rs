//! [`Sessions`]: what the cluster remembers of its clients. It is replicated state, like the host's: the same entries make
//! the same table on every node.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes};

use crate::error::{Error, Result};

/// Sessions that there may be. Opening one more closes the one that was used longest ago. Part of what all nodes have to
/// agree on: it never changes.
const SESSIONS_MAX: usize = 4096;

/// The longest answer that is kept for a command that comes again. A longer one is given once.
const ANSWER_MAX: usize = 64 << 10;

/// All sessions, by the index of the entry that opened them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Sessions(BTreeMap<u64, Session>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Session {
    // The entry that used it last.
    used: u64,
    done: Done,
}

/// The last command of a session: 0 is none yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Done {
    pub(in crate::engine) sequence: u64,
    pub(in crate::engine) index: u64,
    pub(in crate::engine) term: u64,
    pub(in crate::engine) answer: Bytes,
}

impl Done {
    /// The state machine has given this answer.
    pub(in crate::engine) fn keep(&mut self, answer: &Bytes) {
        if answer.len() <= ANSWER_MAX {
            // A slice would keep the whole that it is part of.
            self.answer = Bytes::copy_from_slice(answer);
        }
    }
}

/// What is to be done with a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Verdict {
    /// It is new.
    Apply,
    /// It is the last one again. The answer is missing as long as the state machine has not given it.
    Repeat(Done),
    /// The session is gone, or has gone on.
    Refuse,
}

impl Sessions {
    pub(in crate::engine) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entry at `index` opens a session.
    pub(in crate::engine) fn open(&mut self, index: u64) {
        if self.0.len() >= SESSIONS_MAX
            && let Some(oldest) = self.0.iter().min_by_key(|(_, session)| session.used).map(|(id, _)| *id)
        {
            self.0.remove(&oldest);
        }
        self.0.insert(index, Session { used: index, done: Done::default() });
    }

    /// False if there is no such session.
    pub(in crate::engine) fn close(&mut self, session: u64) -> bool {
        self.0.remove(&session).is_some()
    }

    /// The entry at `index` is a command. What is to be applied counts as done at once, without its answer.
    pub(in crate::engine) fn begin(&mut self, session: u64, sequence: u64, index: u64, term: u64) -> Verdict {
        let Some(session) = self.0.get_mut(&session) else { return Verdict::Refuse };
        if sequence < session.done.sequence || sequence == 0 {
            return Verdict::Refuse;
        }
        session.used = index;
        if sequence == session.done.sequence {
            return Verdict::Repeat(session.done.clone());
        }
        session.done = Done { sequence, index, term, answer: Bytes::new() };
        Verdict::Apply
    }

    /// The state machine has answered a command that was to be applied.
    pub(in crate::engine) fn answered(&mut self, session: u64, sequence: u64, answer: &Bytes) {
        if let Some(session) = self.0.get_mut(&session)
            && session.done.sequence == sequence
        {
            session.done.keep(answer);
        }
    }

    /// For a snapshot: the number of sessions, and of each id, used, sequence, index, term, length of the answer and the
    /// answer. Integers are u64, little-endian.
    pub(in crate::engine) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.put_u64_le(self.0.len() as u64);
        for (&id, Session { used, done }) in &self.0 {
            let Done { sequence, index, term, answer } = done;
            [id, *used, *sequence, *index, *term, answer.len() as u64]
                .iter()
                .for_each(|n| bytes.put_u64_le(*n));
            bytes.put_slice(answer);
        }
        bytes
    }

    /// What `to_vec` gave. `Decode` if it is not that.
    pub(in crate::engine) fn read(mut bytes: Bytes) -> Result<Self> {
        let table = Sessions::read_all(&mut bytes).filter(|_| bytes.is_empty());
        table.ok_or_else(|| Error::Decode("the sessions in a snapshot are malformed".to_owned()))
    }

    fn read_all(bytes: &mut Bytes) -> Option<Self> {
        let number = |bytes: &mut Bytes| bytes.try_get_u64_le().ok();
        let mut sessions = Sessions::default();
        for _ in 0..number(bytes)? {
            let id = number(bytes)?;
            let used = number(bytes)?;
            let (sequence, index, term) = (number(bytes)?, number(bytes)?, number(bytes)?);
            let len = usize::try_from(number(bytes)?).ok().filter(|len| *len <= bytes.len())?;
            let answer = Bytes::copy_from_slice(&bytes.split_to(len));
            sessions.0.insert(id, Session { used, done: Done { sequence, index, term, answer } });
        }
        Some(sessions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_applied_once_and_answered_again() {
        let mut sessions = Sessions::default();
        assert_eq!(sessions.begin(5, 1, 6, 1), Verdict::Refuse);
        sessions.open(5);
        assert_eq!(sessions.begin(5, 0, 6, 1), Verdict::Refuse, "numbers begin at 1");
        assert_eq!(sessions.begin(5, 1, 6, 1), Verdict::Apply);
        let mut done = Done { sequence: 1, index: 6, term: 1, answer: Bytes::new() };
        assert_eq!(sessions.begin(5, 1, 7, 1), Verdict::Repeat(done.clone()));
        sessions.answered(5, 1, &Bytes::from_static(b"one"));
        done.answer = Bytes::from_static(b"one");
        assert_eq!(sessions.begin(5, 1, 7, 2), Verdict::Repeat(done));
        assert_eq!(sessions.begin(5, 9, 8, 2), Verdict::Apply, "numbers may be left out");
        assert_eq!(sessions.begin(5, 1, 9, 2), Verdict::Refuse, "it has gone on");
        assert_eq!(sessions.begin(4, 1, 9, 2), Verdict::Refuse, "there is no such session");
        sessions.answered(5, 9, &Bytes::from(vec![0; ANSWER_MAX + 1]));
        let done = Done { sequence: 9, index: 8, term: 2, answer: Bytes::new() };
        assert_eq!(sessions.begin(5, 9, 9, 2), Verdict::Repeat(done), "too long to be kept");
        assert!(sessions.close(5) && !sessions.close(5));
        assert_eq!(sessions.begin(5, 10, 10, 2), Verdict::Refuse);
    }

    #[test]
    fn one_too_many_closes_the_one_used_longest_ago() {
        let mut sessions = Sessions::default();
        let ids = 1..=SESSIONS_MAX as u64;
        ids.for_each(|index| sessions.open(index));
        assert_eq!(sessions.begin(1, 1, 10_000, 1), Verdict::Apply);
        sessions.open(10_001);
        assert_eq!(sessions.begin(2, 1, 10_002, 1), Verdict::Refuse, "the second was used longest ago");
        assert_eq!(sessions.begin(1, 2, 10_003, 1), Verdict::Apply);
        assert_eq!(sessions.0.len(), SESSIONS_MAX);
    }

    #[test]
    fn a_table_comes_back_and_what_is_cut_off_is_told() {
        let mut sessions = Sessions::default();
        [3, 4, 9].iter().for_each(|index| sessions.open(*index));
        sessions.begin(4, 2, 10, 1);
        sessions.answered(4, 2, &Bytes::from_static(b"four"));
        let bytes = Bytes::from(sessions.to_vec());
        assert_eq!(Sessions::read(bytes.clone()), Ok(sessions));
        for len in 0..bytes.len() {
            assert!(Sessions::read(bytes.slice(..len)).is_err(), "{len}");
        }
        let mut longer = bytes.to_vec();
        longer.push(0);
        assert!(Sessions::read(longer.into()).is_err());
        assert!(Sessions::read(Bytes::from(vec![0xff; 64])).is_err());
    }
}
