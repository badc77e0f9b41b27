//! [`Sender`]: the books about snapshots on their way out, one for each receiver.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::effects::Effects;
use super::files::FileJob;
use super::header::Header;
use super::pace::Pace;
use crate::error::Result;
use crate::raftpb::message::{Message, Snapshot, SnapshotMetadata};

/// Chunks on their way to one receiver.
pub(crate) const WINDOW: u64 = 4;

/// The longest snapshot for a receiver that takes none in pieces: more than transports carry would not arrive.
const WHOLE_BYTES_MAX: usize = 63 << 20;

/// How often a window is sent again before the receiver is given up.
const TRIES_MAX: u32 = 10;

pub(crate) struct Sender {
    // Of the transfers that begin. It tells their files apart, of which one may be written again.
    nonce: u64,
    chunk_bytes: usize,
    resend_ticks: u64,
    pause_ticks_max: u64,
    pace: Pace,
    ticks: u64,
    // Whom the last chunk went to: when not all can have one, the next is another's.
    last: u64,
    transfers: BTreeMap<u64, Transfer>,
    // Receivers to whom the last transfer has failed.
    pauses: BTreeMap<u64, Pause>,
}

/// Keeps a transfer from beginning that is likely to fail as the last one did: the core asks for it at every heartbeat,
/// and each time all of the file is read.
struct Pause {
    ticks: u64,
    until: u64,
}

struct Transfer {
    // The core's message, without bytes.
    message: Message,
    metadata: SnapshotMetadata,
    nonce: u64,
    chunk_bytes: usize,
    takes_pieces: bool,
    // Known once the file has been looked at.
    total: Option<u64>,
    // The receiver has everything before `acked`; everything before `next` was sent. acked <= next <= total.
    acked: u64,
    next: u64,
    reading: bool,
    idle_ticks: u64,
    tries: u32,
}

impl Sender {
    /// `nonce` is another one in every run of the engine. A receiver to whom a transfer has failed waits for
    /// `resend_ticks` before the next one, and for twice as long each time, up to `pause_ticks_max`.
    pub(crate) fn new(
        nonce: u64,
        chunk_bytes: usize,
        resend_ticks: u64,
        pause_ticks_max: u64,
        pace: Pace,
    ) -> Self {
        Sender {
            nonce,
            chunk_bytes,
            resend_ticks,
            pause_ticks_max,
            pace,
            ticks: 0,
            last: 0,
            transfers: BTreeMap::new(),
            pauses: BTreeMap::new(),
        }
    }

    /// The core wants the snapshot that `message` names to go to its receiver. One that is not an engine of this library
    /// takes it in one message only.
    pub(crate) fn begin(&mut self, mut message: Message, takes_pieces: bool, effects: &mut Effects) {
        let Some(metadata) = message.snapshot.as_ref().map(|snapshot| snapshot.metadata.clone()) else {
            return;
        };
        let to = message.to;
        if let Some(transfer) = self.transfers.get_mut(&to)
            && transfer.metadata == metadata
        {
            transfer.message.term = message.term;
            return;
        }
        if self.pauses.get(&to).is_some_and(|pause| self.ticks < pause.until) {
            return effects.reports.push((to, false));
        }
        message.snapshot = Some(Box::new(Snapshot { data: Bytes::new(), metadata: metadata.clone() }));
        let transfer = Transfer {
            message,
            metadata,
            nonce: self.nonce,
            chunk_bytes: if takes_pieces { self.chunk_bytes } else { WHOLE_BYTES_MAX },
            takes_pieces,
            total: None,
            acked: 0,
            next: 0,
            reading: false,
            idle_ticks: 0,
            tries: 0,
        };
        self.transfers.insert(to, transfer);
        self.go_on(to, effects);
    }

    /// A piece of the file was read.
    pub(crate) fn read(
        &mut self,
        to: u64,
        index: u64,
        offset: u64,
        result: Result<(u64, Bytes)>,
        effects: &mut Effects,
    ) {
        let Some(transfer) = self.transfers.get_mut(&to) else { return };
        if !transfer.reading || transfer.metadata.index != index {
            return;
        }
        transfer.reading = false;
        let (total, data) = match result {
            Ok(read) => read,
            Err(error) => {
                effects.notes.push(format!("snapshot {index} cannot be sent to node {to}: {error}"));
                effects.unreadable = Some(index);
                // What takes its place may differ in its bytes, and must not continue what a receiver has of this one.
                self.nonce = self.nonce.wrapping_add(1);
                return self.end(to, false, effects);
            }
        };
        if transfer.total.is_none() {
            // The file is open only now.
            transfer.nonce = self.nonce;
        }
        transfer.total = Some(total);
        if total > transfer.chunk_bytes as u64 && !transfer.takes_pieces {
            let what = "which is not of this library and takes none in pieces";
            effects
                .notes
                .push(format!("snapshot {index} of {total} bytes is too long for node {to}, {what}"));
            return self.end(to, false, effects);
        }
        if total <= transfer.chunk_bytes as u64 {
            effects.messages.push(transfer.piece(data, None));
            // Nobody acknowledges it. If it is lost, the probe that follows finds out, and the core begins again.
            return self.end(to, true, effects);
        }
        // The receiver may have asked for something else meanwhile.
        if offset == transfer.next {
            let header = Header { nonce: transfer.nonce, offset, total, crc: crc32fast::hash(&data) };
            transfer.next += data.len() as u64;
            effects.messages.push(transfer.piece(data, Some(header)));
        }
        self.go_on(to, effects);
    }

    /// The receiver says which byte it wants next.
    pub(crate) fn acknowledged(&mut self, message: &Message, header: Header, effects: &mut Effects) {
        let Some(transfer) = self.transfers.get_mut(&message.from) else { return };
        let same = (transfer.metadata.index, transfer.metadata.term) == (message.index, message.log_term);
        if !same || header.nonce != transfer.nonce || transfer.total != Some(header.total) {
            return;
        }
        if message.reject {
            effects.notes.push(format!("node {} does not take snapshot {}", message.from, message.index));
            return self.end(message.from, false, effects);
        }
        if header.offset > transfer.acked && header.offset <= header.total {
            transfer.acked = header.offset;
            transfer.next = transfer.next.max(header.offset);
            transfer.idle_ticks = 0;
            transfer.tries = 0;
        }
        if transfer.acked == header.total {
            return self.end(message.from, true, effects);
        }
        self.go_on(message.from, effects);
    }

    /// Time passes: what is not acknowledged is sent again, and a receiver that stays silent is given up.
    pub(crate) fn tick(&mut self, effects: &mut Effects) {
        self.pace.tick();
        self.ticks += 1;
        // A failure of long ago says nothing about the next transfer.
        self.pauses.retain(|_, pause| self.ticks < pause.until.saturating_add(self.pause_ticks_max));
        let mut waiting: Vec<u64> = self.transfers.keys().copied().collect();
        let served = waiting.partition_point(|&to| to <= self.last);
        waiting.rotate_left(served);
        for to in waiting {
            let Some(transfer) = self.transfers.get_mut(&to) else { continue };
            if transfer.reading {
                continue;
            }
            // The pace held it up, and nobody owes an answer.
            if transfer.next == transfer.acked {
                transfer.idle_ticks = 0;
                self.go_on(to, effects);
                continue;
            }
            transfer.idle_ticks += 1;
            if transfer.idle_ticks < self.resend_ticks {
                self.go_on(to, effects);
                continue;
            }
            transfer.idle_ticks = 0;
            transfer.tries += 1;
            if transfer.tries > TRIES_MAX {
                self.end(to, false, effects);
            } else {
                transfer.next = transfer.acked;
                self.go_on(to, effects);
            }
        }
    }

    /// This node leads no more: nothing it began is to go on.
    pub(crate) fn clear(&mut self, effects: &mut Effects) {
        effects.jobs.extend(self.transfers.keys().map(|&to| FileJob::Close { to }));
        self.transfers.clear();
        self.pauses.clear();
    }

    fn end(&mut self, to: u64, arrived: bool, effects: &mut Effects) {
        self.transfers.remove(&to);
        let last = self.pauses.remove(&to);
        if !arrived {
            let ticks = last.map_or(self.resend_ticks, |last| last.ticks.saturating_mul(2));
            let ticks = ticks.min(self.pause_ticks_max.max(self.resend_ticks));
            self.pauses.insert(to, Pause { ticks, until: self.ticks.saturating_add(ticks) });
        }
        effects.jobs.push(FileJob::Close { to });
        effects.reports.push((to, arrived));
    }

    /// Reads the next chunk if the window has room for it.
    fn go_on(&mut self, to: u64, effects: &mut Effects) {
        let Some(transfer) = self.transfers.get_mut(&to) else { return };
        let window = WINDOW.saturating_mul(transfer.chunk_bytes as u64);
        let room = transfer.next - transfer.acked < window;
        let more = transfer.total.is_none_or(|total| transfer.next < total);
        if transfer.reading || !room || !more {
            return;
        }
        // The pace knows chunks. A whole snapshot counts as one.
        let chunk = self.chunk_bytes as u64;
        if !self.pace.take(transfer.total.map_or(chunk, |total| chunk.min(total - transfer.next))) {
            return;
        }
        self.last = to;
        transfer.reading = true;
        let (term, index, offset) = (transfer.metadata.term, transfer.metadata.index, transfer.next);
        effects.jobs.push(FileJob::Read { to, term, index, offset, len: transfer.chunk_bytes });
    }
}

impl Transfer {
    fn piece(&self, data: Bytes, header: Option<Header>) -> Message {
        let context = header.map_or_else(Bytes::new, Header::to_bytes);
        let snapshot = Some(Box::new(Snapshot { data, metadata: self.metadata.clone() }));
        Message { snapshot, context, ..self.message.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::raftpb::message::MessageType;

    const CHUNK: u64 = 100;
    const TOTAL: u64 = 1000;

    fn sender() -> Sender {
        Sender::new(7, CHUNK as usize, 5, 40, Pace::unbounded())
    }

    fn named(index: u64) -> Message {
        let metadata = SnapshotMetadata { index, term: 3, ..SnapshotMetadata::default() };
        let snapshot = Some(Box::new(Snapshot { data: Bytes::new(), metadata }));
        Message { from: 1, term: 3, snapshot, ..Message::new(MessageType::MsgSnap, 2) }
    }

    /// Does the reads that `effects` asks for, as far as there are any; returns the offsets of what is sent.
    fn read_all(sender: &mut Sender, mut effects: Effects) -> (Vec<u64>, Effects) {
        let mut offsets = Vec::new();
        loop {
            let mut next = Effects::default();
            let reads = effects.jobs.iter().filter_map(|job| match job {
                FileJob::Read { to, index, offset, .. } => Some((*to, *index, *offset)),
                _ => None,
            });
            let mut any = false;
            for (to, index, offset) in reads {
                any = true;
                sender.read(to, index, offset, Ok((TOTAL, Bytes::from(vec![1; CHUNK as usize]))), &mut next);
            }
            offsets
                .extend(next.messages.iter().map(|message| Header::read(&message.context).unwrap().offset));
            if !any {
                return (offsets, effects);
            }
            effects = next;
        }
    }

    fn begin(sender: &mut Sender) -> Vec<u64> {
        let mut effects = Effects::default();
        sender.begin(named(50), true, &mut effects);
        read_all(sender, effects).0
    }

    fn wants(sender: &mut Sender, offset: u64, reject: bool) -> (Vec<u64>, Effects) {
        let header = Header { nonce: 7, offset, total: TOTAL, crc: 0 };
        let answer = Message {
            from: 2,
            index: 50,
            log_term: 3,
            reject,
            ..Message::new(MessageType::MsgSnapStatus, 1)
        };
        let mut effects = Effects::default();
        sender.acknowledged(&answer, header, &mut effects);
        read_all(sender, effects)
    }

    #[test]
    fn a_short_one_goes_whole_and_is_reported_at_once() {
        let mut sender = sender();
        let mut effects = Effects::default();
        sender.begin(named(50), true, &mut effects);
        assert!(matches!(effects.jobs[..], [FileJob::Read { to: 2, index: 50, offset: 0, len: 100, .. }]));
        let mut effects = Effects::default();
        sender.read(2, 50, 0, Ok((5, Bytes::from_static(b"state"))), &mut effects);
        assert_eq!(effects.messages[0].snapshot.as_ref().unwrap().data, "state");
        assert!(effects.messages[0].context.is_empty());
        assert_eq!(effects.reports, [(2, true)]);
    }

    #[test]
    fn a_window_of_chunks_is_on_its_way() {
        let mut sender = sender();
        assert_eq!(begin(&mut sender), [0, 100, 200, 300]);
        assert_eq!(wants(&mut sender, 100, false).0, [400]);
        assert_eq!(wants(&mut sender, 100, false).0, [0; 0]);
        assert_eq!(wants(&mut sender, 300, false).0, [500, 600]);
        // What it has from before is not sent again.
        assert_eq!(wants(&mut sender, 800, false).0, [800, 900]);
        let (sent, effects) = wants(&mut sender, TOTAL, false);
        assert_eq!((sent, effects.reports), (vec![], vec![(2, true)]));
    }

    #[test]
    fn what_is_not_acknowledged_is_sent_again_and_in_the_end_given_up() {
        let mut sender = sender();
        begin(&mut sender);
        wants(&mut sender, 100, false);
        let mut reports = Vec::new();
        for round in 0..=TRIES_MAX {
            let mut effects = Effects::default();
            (0..5).for_each(|_| sender.tick(&mut effects));
            reports.append(&mut effects.reports);
            let (sent, _) = read_all(&mut sender, effects);
            assert_eq!(sent, if round < TRIES_MAX { vec![100, 200, 300, 400] } else { vec![] });
        }
        assert_eq!(reports, [(2, false)]);
    }

    #[test]
    fn a_pace_is_kept_and_is_no_silence_of_the_receiver() {
        let mut sender = Sender::new(7, CHUNK as usize, 5, 40, Pace::new(CHUNK / 10, CHUNK));
        assert_eq!(begin(&mut sender), [0]);
        let mut acked = 0;
        for tick in 1..=90 {
            acked += CHUNK * u64::from(tick % 10 == 1);
            assert_eq!(wants(&mut sender, acked, false).0, [0; 0], "in tick {tick}");
            let mut effects = Effects::default();
            sender.tick(&mut effects);
            let expected = if tick % 10 == 0 { vec![acked] } else { vec![] };
            assert_eq!(read_all(&mut sender, effects).0, expected, "at tick {tick}");
        }
        assert_eq!(wants(&mut sender, TOTAL, false).1.reports, [(2, true)]);
    }

    #[test]
    fn receivers_take_turns_where_there_is_not_enough_for_all() {
        let mut sender = Sender::new(7, CHUNK as usize, 500, 4000, Pace::new(CHUNK, CHUNK));
        let mut effects = Effects::default();
        for to in 2..=4 {
            sender.begin(Message { to, ..named(50) }, true, &mut effects);
        }
        let mut served = Vec::new();
        for _ in 0..6 {
            served.extend(effects.jobs.drain(..).filter_map(|job| match job {
                FileJob::Read { to, offset, .. } => Some((to, offset)),
                _ => None,
            }));
            let (to, offset) = *served.last().unwrap();
            sender.read(to, 50, offset, Ok((TOTAL, Bytes::from(vec![1; CHUNK as usize]))), &mut effects);
            sender.tick(&mut effects);
        }
        assert_eq!(served.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [2, 3, 4, 2, 3, 4]);
    }

    #[test]
    fn refusals_and_unreadable_files_end_it() {
        let mut sender = sender();
        begin(&mut sender);
        let (_, refused) = wants(&mut sender, 0, true);
        assert_eq!((refused.reports, refused.unreadable), (vec![(2, false)], None));
        let mut effects = Effects::default();
        (0..5).for_each(|_| sender.tick(&mut effects));
        sender.begin(named(51), true, &mut effects);
        sender.read(2, 51, 0, Err(Error::Unavailable), &mut effects);
        assert_eq!((effects.reports.len(), effects.notes.len()), (1, 1));
        assert_eq!(effects.unreadable, Some(51));
        // Strangers and late answers change nothing.
        assert_eq!(wants(&mut sender, 100, false).1.reports, []);
    }

    /// The ticks, of so many, at which the file is read from its beginning, where the core asks for the snapshot at each of
    /// them, and the receiver refuses it.
    fn refused_at(sender: &mut Sender, ticks: u64) -> Vec<u64> {
        let mut tried = Vec::new();
        for tick in 0..ticks {
            let mut effects = Effects::default();
            sender.begin(named(50), true, &mut effects);
            if effects.jobs.iter().any(|job| matches!(job, FileJob::Read { offset: 0, .. })) {
                tried.push(tick);
                read_all(sender, effects);
                effects = wants(sender, 0, true).1;
            }
            assert_eq!(effects.reports, [(2, false)], "at tick {tick}");
            sender.tick(&mut Effects::default());
        }
        tried
    }

    #[test]
    fn a_receiver_that_refuses_waits_for_longer_each_time() {
        let mut sender = sender();
        assert_eq!(refused_at(&mut sender, 160), [0, 5, 15, 35, 75, 115, 155]);
        // Nobody else waits for it.
        let mut effects = Effects::default();
        sender.begin(Message { to: 3, ..named(50) }, true, &mut effects);
        assert!(matches!(effects.jobs[..], [FileJob::Read { to: 3, .. }]));
        (0..35).for_each(|_| sender.tick(&mut effects));
        // Once it has arrived, a failure is the first one again.
        assert_eq!(begin(&mut sender), [0, 100, 200, 300]);
        wants(&mut sender, TOTAL, false);
        assert_eq!(refused_at(&mut sender, 10), [0, 5]);
        // So it is long after the last one, and in another term of office.
        (0..90).for_each(|_| sender.tick(&mut effects));
        assert_eq!(refused_at(&mut sender, 10), [0, 5]);
        sender.clear(&mut effects);
        assert_eq!(refused_at(&mut sender, 10), [0, 5]);
    }

    #[test]
    fn what_takes_the_place_of_an_unreadable_file_continues_nothing() {
        let nonce = |sender: &mut Sender, to, offset| {
            let mut effects = Effects::default();
            sender.read(to, 50, offset, Ok((TOTAL, Bytes::from(vec![1; CHUNK as usize]))), &mut effects);
            Header::read(&effects.messages[0].context).unwrap().nonce
        };
        let mut sender = sender();
        let mut effects = Effects::default();
        sender.begin(named(50), true, &mut effects);
        sender.begin(Message { to: 3, ..named(50) }, true, &mut effects);
        assert_eq!((nonce(&mut sender, 2, 0), nonce(&mut sender, 3, 0)), (7, 7));
        sender.read(2, 50, CHUNK, Err(Error::Unavailable), &mut effects);
        // The other one has its file open.
        assert_eq!(nonce(&mut sender, 3, CHUNK), 7);
        (0..5).for_each(|_| sender.tick(&mut effects));
        sender.begin(named(50), true, &mut effects);
        assert_eq!(nonce(&mut sender, 2, 0), 8);
    }

    #[test]
    fn the_core_may_ask_again_and_a_newer_snapshot_takes_over() {
        let mut sender = sender();
        begin(&mut sender);
        assert_eq!(begin(&mut sender), [0; 0]);
        let mut effects = Effects::default();
        sender.begin(named(60), true, &mut effects);
        assert!(matches!(effects.jobs[..], [FileJob::Read { index: 60, offset: 0, .. }]));
        sender.clear(&mut effects);
        assert!(matches!(effects.jobs.last(), Some(FileJob::Close { to: 2 })));
        assert!(sender.transfers.is_empty());
    }

    #[test]
    fn who_takes_no_pieces_gets_all_or_nothing() {
        for (total, is_sent) in [(TOTAL, true), (WHOLE_BYTES_MAX as u64 + 1, false)] {
            let mut sender = sender();
            let mut effects = Effects::default();
            sender.begin(named(50), false, &mut effects);
            assert!(matches!(effects.jobs[..], [FileJob::Read { offset: 0, len: WHOLE_BYTES_MAX, .. }]));
            let mut effects = Effects::default();
            sender.read(2, 50, 0, Ok((total, Bytes::from(vec![1; TOTAL as usize]))), &mut effects);
            assert_eq!(
                (effects.messages.len(), &effects.reports[..]),
                (usize::from(is_sent), &[(2, is_sent)][..])
            );
            assert!(effects.messages.iter().all(|message| message.context.is_empty()));
            assert_eq!(effects.notes.is_empty(), is_sent);
        }
    }
}
