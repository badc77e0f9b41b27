//! A batch of messages on their way to the host: encoded into one buffer, which is kept for the next batch.

use std::ptr;

use raft_core::raftpb::encoder::Encoder;
use raft_core::raftpb::message::Message;

use crate::data::rft_message_t;

/// A buffer larger than this is given back after its batch.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// Encoded messages, and the array that points to them.
#[derive(Default)]
pub(crate) struct Outgoing {
    encoded: Vec<u8>,
    messages: Vec<rft_message_t>,
}

impl Outgoing {
    /// Encodes a batch in place of the last one.
    pub(crate) fn fill<'a>(&mut self, batch: impl Iterator<Item = &'a Message>) {
        self.clear();
        let mut encoder = Encoder::new(&mut self.encoded);
        self.messages.extend(batch.map(|message| rft_message_t {
            to: message.to,
            data: ptr::null(),
            len: encoder.put(message).len(),
            r#type: message.msg_type as i32,
            reserved: 0,
        }));
        // Only now is it certain that the buffer does not move any more.
        let mut rest = self.encoded.as_slice();
        for message in &mut self.messages {
            message.data = rest.as_ptr();
            rest = rest.get(message.len..).unwrap_or_default();
        }
    }

    /// The batch, good until the next call.
    pub(crate) fn messages(&self) -> &[rft_message_t] {
        &self.messages
    }

    pub(crate) fn clear(&mut self) {
        self.messages.clear();
        self.encoded.clear();
        if self.encoded.capacity() > KEPT_BYTES_MAX {
            self.encoded = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use raft_core::raftpb::message::MessageType;

    use super::*;

    #[test]
    #[allow(unsafe_code)]
    fn each_message_points_to_its_own_bytes() {
        let batch = [Message::new(MessageType::MsgHeartbeat, 2), Message::new(MessageType::MsgVote, 3 << 40)];
        let mut outgoing = Outgoing::default();
        for _ in 0..2 {
            outgoing.fill(batch.iter());
            assert_eq!(outgoing.messages().len(), 2);
            for (message, original) in outgoing.messages().iter().zip(&batch) {
                // SAFETY: the batch is the last one.
                let bytes = unsafe { slice::from_raw_parts(message.data, message.len) };
                assert_eq!((bytes, message.to), (original.to_vec().as_slice(), original.to));
            }
        }
    }
}
