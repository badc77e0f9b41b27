//! [`Inflights`]: the window of appends on their way.

use std::collections::VecDeque;

use crate::error::{Error, Result};

/// An append that is not acknowledged yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Inflight {
    // The last entry in it.
    index: u64,
    // Bytes of its entries.
    bytes: u64,
}

/// The appends sent to one follower and not yet acknowledged, in the order in which they were sent.
///
/// The ring starts empty and doubles on demand: a process may hold thousands of groups, most of them idle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inflights {
    messages_max: usize,
    bytes_max: u64,
    bytes: u64,
    // Ascending in index, at most `messages_max` long.
    window: VecDeque<Inflight>,
}

impl Inflights {
    /// A window of `messages_max` messages and `bytes_max` bytes of entries, where 0 bytes stands for no limit.
    ///
    /// The limit on bytes is soft: the message that crosses it is still sent, so that one larger than the window
    /// gets through.
    pub fn new(messages_max: usize, bytes_max: u64) -> Self {
        Inflights { messages_max, bytes_max, bytes: 0, window: VecDeque::new() }
    }

    /// Notes a message whose last entry is `index` and whose entries have `bytes` bytes.
    ///
    /// Fails with [`Error::Invariant`] when the window is [full](Inflights::full), or `index` is not above the last.
    pub fn add(&mut self, index: u64, bytes: u64) -> Result<()> {
        if self.full() {
            return Err(Error::Invariant(format!("append up to {index} into a full window")));
        }
        if let Some(last) = self.window.back().filter(|last| last.index >= index) {
            return Err(Error::Invariant(format!("append up to {index} after one up to {}", last.index)));
        }
        self.window.push_back(Inflight { index, bytes });
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// Frees every message whose last entry is at or before `index`.
    pub fn free_le(&mut self, index: u64) {
        while let Some(first) = self.window.front().copied().filter(|first| first.index <= index) {
            self.window.pop_front();
            self.bytes = self.bytes.saturating_sub(first.bytes);
        }
    }

    /// Whether nothing more may be sent for now.
    pub fn full(&self) -> bool {
        self.window.len() >= self.messages_max || (self.bytes_max != 0 && self.bytes >= self.bytes_max)
    }

    /// Messages on their way.
    pub fn count(&self) -> usize {
        self.window.len()
    }

    /// Bytes of their entries.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes over all that `other` holds, in the memory there is.
    pub(super) fn copy_from(&mut self, other: &Inflights) {
        let Inflights { messages_max, bytes_max, bytes, window } = self;
        (*messages_max, *bytes_max, *bytes) = (other.messages_max, other.bytes_max, other.bytes);
        window.clone_from(&other.window);
    }

    /// Forgets all of them. The memory is kept: the window fills again soon.
    pub fn reset(&mut self) {
        self.window.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_window_closes_at_its_number_of_messages_and_a_free_opens_it() {
        let mut inflights = Inflights::new(2, 0);
        assert!(!inflights.full());
        inflights.add(5, 100).unwrap();
        inflights.add(7, 1000).unwrap();
        assert!(inflights.full());
        assert!(matches!(inflights.add(8, 1), Err(Error::Invariant(_))));
        assert_eq!((inflights.count(), inflights.bytes()), (2, 1100));
        inflights.free_le(4);
        assert!(inflights.full());
        inflights.free_le(6);
        assert_eq!((inflights.full(), inflights.count(), inflights.bytes()), (false, 1, 1000));
        inflights.reset();
        assert_eq!((inflights.count(), inflights.bytes()), (0, 0));
    }

    #[test]
    fn the_limit_on_bytes_lets_the_message_through_that_crosses_it() {
        let mut inflights = Inflights::new(10, 100);
        inflights.add(1, 99).unwrap();
        assert!(!inflights.full());
        inflights.add(2, 500).unwrap();
        assert!(inflights.full());
        inflights.free_le(1);
        assert!(inflights.full());
        inflights.free_le(2);
        assert!(!inflights.full());
    }

    #[test]
    fn appends_are_noted_in_order() {
        let mut inflights = Inflights::new(4, 0);
        inflights.add(5, 0).unwrap();
        assert!(matches!(inflights.add(5, 0), Err(Error::Invariant(_))));
        assert_eq!(inflights.count(), 1);
    }

    #[test]
    fn memory_follows_use_and_not_the_limit() {
        let mut inflights = Inflights::new(1 << 40, 0);
        assert_eq!(inflights.window.capacity(), 0);
        inflights.add(1, 1).unwrap();
        assert!(inflights.window.capacity() < 64);
    }

    proptest! {
        #[test]
        fn it_holds_what_was_sent_and_not_acknowledged(
            messages_max in 1usize..9,
            bytes_max in 0u64..60,
            steps in prop::collection::vec((any::<bool>(), 1u64..20), 0..60),
        ) {
            let mut inflights = Inflights::new(messages_max, bytes_max);
            let mut model: Vec<(u64, u64)> = Vec::new();
            let mut index = 0;
            for (send, number) in steps {
                if send && !inflights.full() {
                    index += number;
                    inflights.add(index, number).unwrap();
                    model.push((index, number));
                } else {
                    let acked = index.saturating_sub(number);
                    inflights.free_le(acked);
                    model.retain(|&(last, _)| last > acked);
                }
                let bytes: u64 = model.iter().map(|&(_, bytes)| bytes).sum();
                prop_assert_eq!((inflights.count(), inflights.bytes()), (model.len(), bytes));
                let full = model.len() == messages_max || (bytes_max > 0 && bytes >= bytes_max);
                prop_assert_eq!(inflights.full(), full);
            }
        }
    }
}
