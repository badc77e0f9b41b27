//! [`Machine`]: the replicated state machine, a few registers that clients write.

use bytes::{BufMut, Bytes};
use raft_core::raftpb::entry::{Entry, EntryType};

use super::trace::{hash_bytes, mix};

pub(crate) const REGISTERS: usize = 3;
/// No entry has more payload.
pub(crate) const ENTRY_BYTES: u64 = 128;
/// Clients have the numbers from 0 to here; the last one belongs to the check of liveness.
pub(crate) const CLIENTS: usize = 4;

/// A request in an entry. Each client numbers its writes upward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) client: usize,
    pub(crate) number: u64,
    pub(crate) register: usize,
}

impl Write {
    /// `padding` makes it longer, and means nothing.
    pub(crate) fn payload(self, padding: u64) -> Bytes {
        let mut bytes = Vec::with_capacity(10 + padding as usize);
        bytes.put_u8(self.client as u8);
        bytes.put_u64_le(self.number);
        bytes.put_u8(self.register as u8);
        bytes.resize(bytes.len() + padding as usize, 0xaa);
        bytes.into()
    }

    /// The request in `entry`; fillers and entries of raft itself have none.
    pub(crate) fn read(entry: &Entry) -> Option<Self> {
        if entry.entry_type != EntryType::Normal || entry.data.len() < 10 {
            return None;
        }
        let number = u64::from_le_bytes(entry.data[1..9].try_into().ok()?);
        let (client, register) = (usize::from(entry.data[0]), usize::from(entry.data[9]));
        (client < CLIENTS).then_some(Write { client, number, register })
    }
}

/// The state after the entry `applied`. Two that went through the same entries are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) applied: u64,
    /// Over all entries up to here.
    pub(crate) hash: u64,
    /// The index of the entry that wrote each register last.
    pub(crate) registers: [u64; REGISTERS],
    /// The newest write of each client: a doubled message must not write twice.
    sessions: [u64; CLIENTS],
}

impl Machine {
    /// Applies the entry; `Some` if it is a write that took effect.
    pub(crate) fn apply(&mut self, entry: &Entry) -> Option<Write> {
        self.applied = entry.index;
        self.hash = mix(mix(self.hash, entry.term), hash_bytes(&entry.data));
        let write = Write::read(entry)?;
        if write.number <= self.sessions[write.client] {
            return None;
        }
        self.sessions[write.client] = write.number;
        self.registers[write.register] = entry.index;
        Some(write)
    }

    pub(crate) fn save(&self) -> Bytes {
        let words = [self.applied, self.hash].into_iter().chain(self.registers).chain(self.sessions);
        words.flat_map(u64::to_le_bytes).collect()
    }

    /// The state saved; at the very start there is none.
    pub(crate) fn restore(data: &[u8], index: u64) -> Self {
        let mut words =
            data.chunks_exact(8).map(|word| word.iter().rev().fold(0, |sum, &b| sum << 8 | u64::from(b)));
        let mut next = || words.next().unwrap_or_default();
        let mut machine = Machine { applied: next(), hash: next(), ..Machine::default() };
        machine.registers.iter_mut().for_each(|register| *register = next());
        machine.sessions.iter_mut().for_each(|session| *session = next());
        if data.is_empty() {
            machine.applied = index;
        }
        machine
    }
}
