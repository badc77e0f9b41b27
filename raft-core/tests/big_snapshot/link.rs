//! Frames on a stream: messages between the nodes, and words between a node and who started it.

use std::io::{Read, Write};

pub(crate) enum Frame {
    Message(Vec<u8>),
    Word(String),
}

/// The next frame; none at the end.
pub(crate) fn read_frame(from: &mut impl Read) -> Option<Frame> {
    let mut head = [0; 5];
    from.read_exact(&mut head).ok()?;
    let len = u32::from_le_bytes(head[1..].try_into().unwrap());
    let mut bytes = vec![0; len as usize];
    from.read_exact(&mut bytes).ok()?;
    Some(if head[0] == 0 { Frame::Message(bytes) } else { Frame::Word(String::from_utf8(bytes).unwrap()) })
}

pub(crate) fn write_frame(to: &mut impl Write, frame: &Frame) -> std::io::Result<()> {
    let (kind, bytes) = match frame {
        Frame::Message(bytes) => (0, bytes.as_slice()),
        Frame::Word(text) => (1, text.as_bytes()),
    };
    let mut head = [kind; 5];
    head[1..].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
    to.write_all(&head)?;
    to.write_all(bytes)
}
