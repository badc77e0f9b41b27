//! [`Encoder`]: messages one behind the other in one buffer.

use std::ops::Range;

use super::entry::Entries;
use super::message::Message;

/// Encodes messages one behind the other. Entries that several of them carry, as those of a leader to its followers, are
/// encoded once and copied from there.
#[derive(Debug)]
pub struct Encoder<'a> {
    buf: &'a mut Vec<u8>,
    // The last that were encoded, and where they lie.
    last: Option<(&'a Entries, Range<usize>)>,
}

impl<'a> Encoder<'a> {
    /// One that appends to `buf`.
    pub fn new(buf: &'a mut Vec<u8>) -> Self {
        Encoder { buf, last: None }
    }

    /// Appends the encoded message; says where in the buffer it lies.
    pub fn put(&mut self, message: &'a Message) -> Range<usize> {
        let begin = self.buf.len();
        let entries = &message.entries;
        message.encode_around(self.buf, |buf| match &self.last {
            Some((last, range)) if last.is_same(entries) => buf.extend_from_within(range.clone()),
            _ => {
                let begin = buf.len();
                message.encode_entries(buf);
                if !entries.is_empty() {
                    self.last = Some((entries, begin..buf.len()));
                }
            }
        });
        begin..self.buf.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::Entry;
    use super::super::message::MessageType;
    use super::*;

    fn entries(indices: Range<u64>) -> Entries {
        indices.map(|index| Entry { term: 1, index, data: vec![7; 9].into(), ..Entry::default() }).collect()
    }

    #[test]
    fn messages_are_what_they_are_by_themselves() {
        let append = |to, index, entries: &Entries| Message {
            index,
            entries: entries.clone(),
            ..Message::new(MessageType::MsgApp, to)
        };
        let (both, tail) = (entries(1..6), entries(4..6));
        let mut cut = entries(1..3);
        cut.extend(entries(3..6));
        let part = Entries::from(both.runs()[0].slice(0, 3));
        let batch = [
            append(2, 0, &both),
            Message::new(MessageType::MsgHeartbeat, 3),
            append(3, 0, &both),
            append(3, 3, &tail),
            append(4, 0, &both),
            append(4, 0, &part),
            append(5, 0, &cut),
            append(6, 0, &cut),
            append(7, 0, &entries(1..6)),
        ];
        let mut buf = vec![1, 2, 3];
        let mut encoder = Encoder::new(&mut buf);
        let ranges: Vec<_> = batch.iter().map(|message| encoder.put(message)).collect();
        for (message, range) in batch.iter().zip(ranges) {
            assert_eq!(buf[range], message.to_vec());
        }
    }
}
