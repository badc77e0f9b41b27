//! A state machine that counts.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

use raft_core::engine::code::Code;
use raft_core::engine::event::Event;
use raft_core::engine::host::{Applied, Host, SnapshotRead};
use raft_core::engine::options::Options;
use raft_core::engine::outcome::Outcome;
use raft_core::raftpb::message::Message;

const PIECE: usize = 64 << 10;

/// A state of so many bytes, which it makes as it goes and does not keep.
#[derive(Default)]
pub struct Machine {
    pub bytes: u64,
    pub applied: AtomicU64,
    /// The greatest request that is decided.
    pub decided: AtomicU64,
    pub restored: AtomicU64,
    /// Where its messages go.
    pub network: Option<SyncSender<(u64, Vec<u8>)>>,
}

impl Machine {
    pub fn new(bytes: u64) -> Arc<Self> {
        Arc::new(Machine { bytes, ..Machine::default() })
    }
}

impl Host for Machine {
    fn send(&self, messages: &[Message]) {
        for message in messages {
            // A network loses what it cannot carry.
            let _ = self.network.as_ref().map(|network| network.try_send((message.to, message.to_vec())));
        }
    }

    fn apply(&self, entries: &[Applied<'_>]) -> Result<(), i32> {
        self.applied.fetch_add(entries.len() as u64, Ordering::Release);
        Ok(())
    }

    fn snapshot_save(&self, writer: &mut dyn Write) -> Result<(), i32> {
        let piece = [0x5a; PIECE];
        (0..self.bytes / PIECE as u64).try_for_each(|_| writer.write_all(&piece)).map_err(|_| 1)
    }

    fn snapshot_restore(&self, reader: &mut dyn SnapshotRead) -> Result<(), i32> {
        let mut piece = vec![0; PIECE];
        loop {
            match reader.read(&mut piece).map_err(|_| 1)? {
                0 => return Ok(()),
                count => self.restored.fetch_add(count as u64, Ordering::Release),
            };
        }
    }

    fn outcome(&self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            assert_eq!(outcome.code, Code::Ok, "{outcome:?}");
            self.decided.fetch_max(outcome.request, Ordering::Release);
        }
    }

    fn event(&self, event: &Event) {
        if let Event::Failed { error } = event {
            panic!("{error}");
        }
    }
}

/// What is measured is taken when it is asked for, and never besides.
pub fn options(id: u64, voters: &[u64]) -> Options {
    Options {
        voters: voters.to_vec(),
        snapshot_entries: 0,
        snapshot_trailing: 0,
        wait_for_room: true,
        ..Options::new(id)
    }
}
