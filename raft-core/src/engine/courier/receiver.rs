//! [`Receiver`]: the books about the snapshot on its way in, one at a time.

use bytes::Bytes;

use super::effects::Effects;
use super::files::{Chunk, FileJob};
use super::header::Header;
use super::sender::WINDOW;
use crate::error::Result;
use crate::raftpb::message::{Message, MessageType, Snapshot, SnapshotMetadata};

pub(crate) struct Receiver {
    id: u64,
    idle_ticks_max: u64,
    transfers: u64,
    incoming: Option<Incoming>,
}

struct Incoming {
    // Numbers the transfers of this run, so that a late answer of the applier is not taken for another's.
    transfer: u64,
    // The newest message of it, without bytes: what consensus will see.
    message: Message,
    metadata: SnapshotMetadata,
    // None: it came whole, from a sender that expects no answer.
    nonce: Option<u64>,
    total: u64,
    // written <= taken <= total; the applier holds what is between the two.
    taken: u64,
    written: u64,
    idle_ticks: u64,
}

impl Receiver {
    /// For node `id`. A sender that is silent for `idle_ticks_max` ticks makes room for another.
    pub(crate) fn new(id: u64, idle_ticks_max: u64) -> Self {
        Receiver { id, idle_ticks_max, transfers: 0, incoming: None }
    }

    /// Takes a `MsgSnap` from a peer, where `term` and `committed` are this node's.
    pub(crate) fn receive(&mut self, mut message: Message, term: u64, committed: u64, effects: &mut Effects) {
        let Some(snapshot) = message.snapshot.take() else { return };
        let Snapshot { data, metadata } = *snapshot;
        if message.term < term || metadata.index == 0 {
            return;
        }
        message.snapshot = Some(Box::new(Snapshot { data: Bytes::new(), metadata: metadata.clone() }));
        let header = Header::read(&message.context);
        message.context = Bytes::new();
        let (offset, total) = header.map_or((0, data.len() as u64), |header| (header.offset, header.total));
        if metadata.index <= committed {
            // Consensus says no to it without looking at the file, and tells the leader where it stands.
            if let Some(header) = header {
                effects.messages.push(answer(self.id, &message, &metadata, header.nonce, total, total));
            }
            effects.steps.push(message);
            return;
        }
        let end = offset.saturating_add(data.len() as u64);
        let damaged = header.is_some_and(|header| header.crc != crc32fast::hash(&data));
        if damaged || end > total || (data.is_empty() && total > 0) {
            return;
        }
        let nonce = header.map(|header| header.nonce);
        if !self.admit(message, metadata, nonce, total) {
            return;
        }
        let Some(incoming) = &mut self.incoming else { return };
        // Two windows: a sender that went back may have one on its way twice.
        let held = incoming.taken - incoming.written;
        let room = held == 0 || held <= (data.len() as u64).saturating_mul(2 * WINDOW);
        if offset == incoming.taken && room {
            incoming.taken = end;
            let (transfer, metadata) = (incoming.transfer, incoming.metadata.clone());
            effects.jobs.push(FileJob::Write(Chunk { transfer, metadata, offset, total, data }));
        } else if held == 0 {
            // Nothing is being written whose end would say so: tell the sender where to go on.
            effects.messages.extend(incoming.wanted(self.id));
        }
    }

    /// Whether the transfer that a piece belongs to is, or becomes, the one that is being received.
    fn admit(
        &mut self,
        message: Message,
        metadata: SnapshotMetadata,
        nonce: Option<u64>,
        total: u64,
    ) -> bool {
        if let Some(incoming) = &mut self.incoming {
            let same_sender = incoming.message.from == message.from;
            let same_file =
                incoming.nonce == nonce && incoming.total == total && incoming.metadata == metadata;
            if same_sender && same_file {
                incoming.message = message;
                incoming.idle_ticks = 0;
                return true;
            }
            let newer = metadata.index > incoming.metadata.index;
            if !same_sender && !newer && incoming.idle_ticks < self.idle_ticks_max {
                return false;
            }
        }
        self.transfers += 1;
        self.incoming = Some(Incoming {
            transfer: self.transfers,
            message,
            metadata,
            nonce,
            total,
            taken: 0,
            written: 0,
            idle_ticks: 0,
        });
        true
    }

    /// The applier has written a piece, or could not.
    pub(crate) fn written(&mut self, transfer: u64, result: Result<u64>, effects: &mut Effects) {
        let Some(incoming) = self.incoming.as_mut().filter(|own| own.transfer == transfer) else { return };
        match result {
            Ok(written) => {
                incoming.written = written;
                effects.messages.extend(incoming.wanted(self.id));
                if written == incoming.total
                    && let Some(complete) = self.incoming.take()
                {
                    effects.steps.push(complete.message);
                }
            }
            Err(error) => {
                let index = incoming.metadata.index;
                effects.notes.push(format!("snapshot {index} cannot be received: {error}"));
                let refusal = incoming.wanted(self.id).map(|answer| Message { reject: true, ..answer });
                effects.messages.extend(refusal);
                self.incoming = None;
            }
        }
    }

    /// Time passes: a sender that has long been silent will not come back.
    pub(crate) fn tick(&mut self, effects: &mut Effects) {
        let Some(incoming) = &mut self.incoming else { return };
        incoming.idle_ticks += 1;
        if incoming.idle_ticks > self.idle_ticks_max.saturating_mul(20) {
            effects.notes.push(format!("snapshot {} is given up unfinished", incoming.metadata.index));
            effects.jobs.push(FileJob::Abort);
            self.incoming = None;
        }
    }
}

impl Incoming {
    /// The word to the sender about the byte that is wanted next, if it understands it.
    fn wanted(&self, id: u64) -> Option<Message> {
        self.nonce.map(|nonce| answer(id, &self.message, &self.metadata, nonce, self.written, self.total))
    }
}

fn answer(
    id: u64,
    to: &Message,
    metadata: &SnapshotMetadata,
    nonce: u64,
    offset: u64,
    total: u64,
) -> Message {
    Message {
        from: id,
        term: to.term,
        index: metadata.index,
        log_term: metadata.term,
        context: Header { nonce, offset, total, crc: 0 }.to_bytes(),
        ..Message::new(MessageType::MsgSnapStatus, to.from)
    }
}
