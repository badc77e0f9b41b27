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
    // The longest piece so far: the last one is shorter.
    piece_len: u64,
    idle_ticks: u64,
}

impl Receiver {
    /// For node `id`. A sender that is silent for `idle_ticks_max` ticks makes room for another.
    pub(crate) fn new(id: u64, idle_ticks_max: u64) -> Self {
        Receiver { id, idle_ticks_max, transfers: 0, incoming: None }
    }

    /// Takes a `MsgSnap` from a peer, where `term` is this node's, and a snapshot up to `known` is of no use to it.
    pub(crate) fn receive(&mut self, mut message: Message, term: u64, known: u64, effects: &mut Effects) {
        let Some(snapshot) = message.snapshot.take() else { return };
        let Snapshot { data, metadata } = *snapshot;
        if message.term < term || metadata.index == 0 {
            return;
        }
        message.snapshot = Some(Box::new(Snapshot { data: Bytes::new(), metadata: metadata.clone() }));
        let header = Header::read(&message.context);
        message.context = Bytes::new();
        let (offset, total) = header.map_or((0, data.len() as u64), |header| (header.offset, header.total));
        if metadata.index <= known {
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
        incoming.piece_len = incoming.piece_len.max(data.len() as u64);
        let room = held <= incoming.piece_len.saturating_mul(2 * WINDOW);
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
            piece_len: 0,
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

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: usize = 100;

    fn whole(index: u64, data: &[u8]) -> Message {
        let metadata = SnapshotMetadata { index, term: 3, ..SnapshotMetadata::default() };
        let snapshot = Some(Box::new(Snapshot { data: Bytes::copy_from_slice(data), metadata }));
        Message { from: 1, term: 3, snapshot, ..Message::new(MessageType::MsgSnap, 2) }
    }

    fn chunk(nonce: u64, offset: u64) -> Message {
        let data = [offset as u8; CHUNK];
        let header = Header { nonce, offset, total: 10 * CHUNK as u64, crc: crc32fast::hash(&data) };
        Message { context: header.to_bytes(), ..whole(50, &data) }
    }

    fn receive(receiver: &mut Receiver, message: Message) -> Effects {
        let mut effects = Effects::default();
        receiver.receive(message, 3, 9, &mut effects);
        effects
    }

    fn written(receiver: &mut Receiver, transfer: u64, result: Result<u64>) -> Effects {
        let mut effects = Effects::default();
        receiver.written(transfer, result, &mut effects);
        effects
    }

    fn wanted(effects: &Effects) -> Vec<u64> {
        let headers = effects.messages.iter().map(|message| Header::read(&message.context).unwrap());
        headers.map(|header| header.offset).collect()
    }

    #[test]
    fn what_comes_whole_is_written_before_consensus_sees_it_without_bytes() {
        let mut receiver = Receiver::new(2, 10);
        let effects = receive(&mut receiver, whole(50, b"state"));
        assert!(effects.steps.is_empty());
        assert!(matches!(&effects.jobs[..], [FileJob::Write(Chunk { offset: 0, total: 5, .. })]));
        // Sent again meanwhile, it changes nothing.
        assert!(receive(&mut receiver, whole(50, b"state")).jobs.is_empty());
        let effects = written(&mut receiver, 1, Ok(5));
        assert!(effects.messages.is_empty());
        assert!(effects.steps[0].snapshot.as_ref().unwrap().data.is_empty());
        assert_eq!(effects.steps[0].term, 3);
    }

    #[test]
    fn what_is_of_no_use_is_not_written() {
        let mut receiver = Receiver::new(2, 10);
        let effects = receive(&mut receiver, whole(9, b"state"));
        assert_eq!((effects.jobs.len(), effects.steps.len()), (0, 1));
        let old_term = Message { term: 2, ..whole(50, b"state") };
        let effects = receive(&mut receiver, old_term);
        assert_eq!((effects.jobs.len(), effects.steps.len()), (0, 0));
    }

    #[test]
    fn chunks_are_taken_in_order_and_a_gap_is_answered_with_what_is_wanted() {
        let mut receiver = Receiver::new(2, 10);
        assert_eq!(receive(&mut receiver, chunk(7, 0)).jobs.len(), 1);
        assert_eq!(receive(&mut receiver, chunk(7, 100)).jobs.len(), 1);
        assert_eq!(receive(&mut receiver, chunk(7, 300)).jobs.len(), 0);
        assert_eq!(wanted(&written(&mut receiver, 1, Ok(100))), [100]);
        assert_eq!(wanted(&written(&mut receiver, 1, Ok(200))), [200]);
        // A sender that began again is told where to go on.
        let effects = receive(&mut receiver, chunk(7, 0));
        assert_eq!((effects.jobs.len(), wanted(&effects)), (0, vec![200]));
        // Another run of it may have another file: that is a new transfer.
        let effects = receive(&mut receiver, chunk(8, 0));
        assert!(matches!(&effects.jobs[..], [FileJob::Write(Chunk { transfer: 2, .. })]));
        assert!(written(&mut receiver, 1, Ok(300)).messages.is_empty());
    }

    #[test]
    fn damaged_chunks_are_dropped_and_memory_is_bounded() {
        let mut receiver = Receiver::new(2, 10);
        let mut damaged = chunk(7, 0);
        damaged.snapshot.as_mut().unwrap().data = Bytes::from(vec![9; CHUNK]);
        assert_eq!(receive(&mut receiver, damaged).jobs.len(), 0);
        let beyond = Header { nonce: 7, offset: u64::MAX - 5, total: 10, crc: crc32fast::hash(b"123456789") };
        let beyond = Message { context: beyond.to_bytes(), ..whole(50, b"123456789") };
        assert_eq!(receive(&mut receiver, beyond).jobs.len(), 0);
        let taken = (0..10).filter(|n| receive(&mut receiver, chunk(7, n * 100)).jobs.len() == 1).count();
        assert_eq!(taken as u64, 2 * WINDOW + 1);
    }

    #[test]
    fn a_short_last_piece_has_the_room_that_the_longer_ones_have() {
        let mut receiver = Receiver::new(2, 10);
        for (offset, len) in [(0, 1000), (1000, 1000), (2000, 1000), (3000, 100)] {
            let data = vec![1; len];
            let header = Header { nonce: 7, offset, total: 3100, crc: crc32fast::hash(&data) };
            let piece = Message { context: header.to_bytes(), ..whole(50, &data) };
            let effects = receive(&mut receiver, piece);
            assert!(matches!(&effects.jobs[..], [FileJob::Write(_)]), "at {offset}");
        }
    }

    #[test]
    fn one_sender_at_a_time_unless_it_falls_silent() {
        let mut receiver = Receiver::new(2, 10);
        receive(&mut receiver, chunk(7, 0));
        let other = |index| Message { from: 3, ..whole(index, b"state") };
        assert!(receive(&mut receiver, other(50)).jobs.is_empty());
        assert_eq!(receive(&mut receiver, other(51)).jobs.len(), 1);
        let mut effects = Effects::default();
        (0..10).for_each(|_| receiver.tick(&mut effects));
        assert_eq!(receive(&mut receiver, chunk(7, 0)).jobs.len(), 1);
        (0..201).for_each(|_| receiver.tick(&mut effects));
        assert!(matches!(effects.jobs[..], [FileJob::Abort]));
    }

    #[test]
    fn a_failed_write_is_told_to_the_sender() {
        let mut receiver = Receiver::new(2, 10);
        receive(&mut receiver, chunk(7, 0));
        let effects = written(&mut receiver, 1, Err(crate::error::Error::Unavailable));
        assert!(effects.messages[0].reject && effects.steps.is_empty());
        assert_eq!(receive(&mut receiver, chunk(7, 0)).jobs.len(), 1);
    }
}
