//! [`Pace`]: how much of a snapshot may be sent by now.

/// Bytes that may be sent, which grow with every tick.
#[derive(Debug)]
pub(crate) struct Pace {
    /// None: as many as there are.
    per_tick: Option<u64>,
    left: u64,
    most: u64,
}

impl Pace {
    /// As fast as the receivers take it.
    pub(crate) fn unbounded() -> Self {
        Pace { per_tick: None, left: 0, most: 0 }
    }

    /// So many bytes in a tick on average, in chunks as large as this.
    pub(crate) fn new(per_tick: u64, chunk_bytes: u64) -> Self {
        Pace { per_tick: Some(per_tick), left: chunk_bytes, most: chunk_bytes.saturating_add(per_tick) }
    }

    /// A tick has passed.
    pub(crate) fn tick(&mut self) {
        self.left = self.left.saturating_add(self.per_tick.unwrap_or_default()).min(self.most);
    }

    /// Takes `bytes`, which are one chunk at the most; false if there are not so many yet.
    pub(crate) fn take(&mut self, bytes: u64) -> bool {
        if self.per_tick.is_none() {
            return true;
        }
        let enough = self.left >= bytes;
        if enough {
            self.left -= bytes;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_keeps_the_pace_and_nothing_is_saved_up() {
        let mut pace = Pace::new(30, 100);
        assert!(pace.take(100));
        let mut sent = 0;
        for _ in 0..100 {
            pace.tick();
            sent += if pace.take(100) { 100 } else { 0 };
        }
        // A chunk waits for three or four ticks: what is beyond it stays.
        assert_eq!(sent, 3000);
        (0..1000).for_each(|_| pace.tick());
        assert!(pace.take(100) && pace.take(30) && !pace.take(1));
        let mut fast = Pace::new(1000, 100);
        (0..10).for_each(|_| fast.tick());
        assert_eq!((0..100).filter(|_| fast.take(100)).count(), 11);
        let mut unbounded = Pace::unbounded();
        assert!((0..1000).all(|_| unbounded.take(u64::MAX)));
    }
}
