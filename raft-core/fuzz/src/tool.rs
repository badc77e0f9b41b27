//! What the tool `rft` reads: damaged logs that are to be repaired, and the command log of another library.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use raft_core::disk::command_log::{Command, CommandLogReader, CommandLogWriter, Next, is_configuration};
use raft_core::disk::inspect::inspect;
use raft_core::disk::repair::Repair;
use raft_core::error::Error;

use super::disk::{self, DIR};
use super::memory_volume::MemoryVolume;
use super::source::Source;

/// A log, as for [`disk::wal`]. What opens has no fault but a torn end; what is repaired opens, and has none.
pub fn repair(data: &[u8]) -> bool {
    let volume = disk::log(data);
    let (wal, snap) = (Path::new(DIR).join("wal"), Path::new(DIR).join("snap"));
    let look = |volume: &MemoryVolume| {
        inspect(Arc::new(volume.clone()), &wal, Some(&snap), false, &mut |_| {}).unwrap()
    };
    let found = look(&volume);
    let opened = disk::open(&volume.copied());
    match &opened {
        Ok(_) => assert!(found.is_usable(), "{:?}", found.faults),
        Err(Error::Corrupt { .. }) => assert!(!found.faults.is_empty(), "nothing is found"),
        Err(_) => return false,
    }
    let is_faulty = found.log_faults().next().is_some();
    let repaired = Repair::begin(Arc::new(volume.clone()), &wal, Some(&snap), &mut |_| {}).unwrap().apply();
    match repaired {
        Ok(_) => {
            assert_eq!(look(&volume).log_faults().next(), None);
            disk::open(&volume).unwrap_or_else(|error| panic!("repaired, and {error}; {:?}", found.faults));
            is_faulty
        }
        Err(Error::Corrupt { .. }) => {
            assert!(is_faulty);
            false
        }
        Err(other) => panic!("{other}"),
    }
}

/// A command log. The first byte chooses: the rest is the stream as it is, or commands that are framed, with a byte of
/// the stream changed. What is read gives the same bytes when it is written.
pub fn command_log(data: &[u8]) -> bool {
    let mut source = Source::new(data);
    let stream = if source.byte() & 1 == 0 { source.rest().to_vec() } else { framed(&mut source) };
    let mut reader = CommandLogReader::new(&stream[..], Path::new("log"));
    let mut again = CommandLogWriter::new(Vec::new(), Path::new("log"));
    let mut count = 0;
    while let Ok(Next::Command(command)) = reader.step() {
        is_configuration(&command.command);
        again.append(&command).unwrap();
        count += 1;
    }
    assert!(stream.starts_with(&again.into_inner()));
    count > 0
}

fn framed(source: &mut Source) -> Vec<u8> {
    let (at, bit) = (source.number_near(&[]) as usize, source.byte() % 8);
    let mut writer = CommandLogWriter::new(Vec::new(), Path::new("log"));
    while !source.is_empty() {
        let (term, index) = (source.number_near(&[]), source.number_near(&[]));
        // What the format cannot hold is refused, and left out.
        let command = Bytes::copy_from_slice(source.string());
        let _ = writer.append(&Command { term, index, command });
    }
    let mut stream = writer.into_inner();
    if let Some(byte) = stream.get_mut(at) {
        *byte ^= 1 << bit;
    }
    stream
}
