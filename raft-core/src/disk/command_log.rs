//! The log of the Go library peterbourgon/raft: one stream of records, appended to as entries are committed.
//!
//! ```text
//! 0        4        12       20       24
//! crc      | term   | index  | size   | command, size bytes      integers are little-endian
//! ```
//!
//! `crc` is the CRC-32 (IEEE) of all behind it. Term, index and size are at least 1. There is no header, and no mark on
//! a record that holds a membership instead of a command; see [`is_configuration`].

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::error::{Error, Result};

const HEADER_LEN: usize = 24;
const CRC_LEN: usize = 4;

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The term of the leader that appended it. Never 0.
    pub term: u64,
    /// Its place in the log. Never 0.
    pub index: u64,
    /// What the host is to apply, at least one byte.
    pub command: Bytes,
}

/// What follows in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A record.
    Command(Command),
    /// Nothing.
    End,
    /// A record that ends before its time: the process was ended while it wrote. Nothing follows.
    Torn,
}

/// Reads a stream, in memory for one command.
pub struct CommandLogReader<R> {
    source: R,
    // For errors.
    path: PathBuf,
    offset: u64,
    last: Option<(u64, u64)>,
}

impl<R: Read> CommandLogReader<R> {
    /// Begins at the start of `source`, which errors call `path`. It is read in small pieces: best through a buffer.
    pub fn new(source: R, path: &Path) -> Self {
        CommandLogReader { source, path: path.to_owned(), offset: 0, last: None }
    }

    /// Where the last whole record ends, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads the next record. [`Error::Corrupt`] tells where one cannot have been written like that, or does not
    /// follow the one before.
    pub fn step(&mut self) -> Result<Next> {
        let mut header = [0; HEADER_LEN];
        let read = self.fill(&mut header)?;
        if read == 0 {
            return Ok(Next::End);
        }
        if read < HEADER_LEN {
            return Ok(Next::Torn);
        }
        let [crc, term, index, size] = [0..4, 4..12, 12..20, 20..24].map(|place| number(&header[place]));
        // Grows with what is there, whatever the size promises.
        let mut command = Vec::new();
        let taken = (&mut self.source).take(size).read_to_end(&mut command);
        taken.map_err(|error| Error::io("read", &self.path, error))?;
        if (command.len() as u64) < size {
            return match holds_next(&command, index) {
                true => Err(self.corrupt(format!("a size of {size} that reaches over the records behind"))),
                false => Ok(Next::Torn),
            };
        }
        if u64::from(checksum(&header[CRC_LEN..], &command)) != crc {
            return Err(self.corrupt("the checksum does not match"));
        }
        self.check(term, index, size)?;
        self.offset += (HEADER_LEN + command.len()) as u64;
        Ok(Next::Command(Command { term, index, command: command.into() }))
    }

    /// Refuses what the library would not have written. Its own reader takes a gap; no run of it makes one.
    fn check(&mut self, term: u64, index: u64, size: u64) -> Result<()> {
        if term == 0 || index == 0 || size == 0 {
            return Err(self.corrupt(format!("a command of term {term}, index {index} and {size} bytes")));
        }
        if let Some((last_term, last_index)) = self.last
            && (term < last_term || last_index.checked_add(1) != Some(index))
        {
            return Err(self.corrupt(format!(
                "index {index} of term {term} behind index {last_index} of term {last_term}"
            )));
        }
        self.last = Some((term, index));
        Ok(())
    }

    fn corrupt(&self, what: impl Into<String>) -> Error {
        Error::corrupt(&self.path, self.offset, what)
    }

    fn fill(&mut self, buf: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match self.source.read(&mut buf[done..]) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("read", &self.path, error)),
            }
        }
        Ok(done)
    }
}

/// Writes a stream.
pub struct CommandLogWriter<W> {
    target: W,
    path: PathBuf,
}

impl<W: Write> CommandLogWriter<W> {
    /// Appends to `target`, which errors call `path`. Nothing is flushed or synced here.
    pub fn new(target: W, path: &Path) -> Self {
        CommandLogWriter { target, path: path.to_owned() }
    }

    /// Writes a record. [`Error::Config`] if the format cannot hold it: term, index or command are nothing, or the
    /// command is longer than 4 GiB.
    pub fn append(&mut self, record: &Command) -> Result<()> {
        let Command { term, index, command } = record;
        let size = u32::try_from(command.len()).ok().filter(|size| *size > 0 && *term > 0 && *index > 0);
        let Some(size) = size else {
            let what = format!("a command of term {term}, index {index} and {} bytes", command.len());
            return Err(Error::Config(what));
        };
        let mut header = [0; HEADER_LEN];
        header[4..12].copy_from_slice(&term.to_le_bytes());
        header[12..20].copy_from_slice(&index.to_le_bytes());
        header[20..].copy_from_slice(&size.to_le_bytes());
        let crc = checksum(&header[CRC_LEN..], command);
        header[..CRC_LEN].copy_from_slice(&crc.to_le_bytes());
        let written = self.target.write_all(&header).and_then(|()| self.target.write_all(command));
        written.map_err(|error| Error::io("write", &self.path, error))
    }

    /// Gives the target back.
    pub fn into_inner(self) -> W {
        self.target
    }
}

/// Whether a whole record stands somewhere in `rest` that follows one of this index: what a size reaches over that is
/// rotten.
fn holds_next(rest: &[u8], index: u64) -> bool {
    let next = index.wrapping_add(1).to_le_bytes();
    let is_record = |record: &[u8]| {
        let [crc, size] = [0..4, 20..24].map(|place| number(&record[place]));
        let command = record[HEADER_LEN..].get(..usize::try_from(size).unwrap_or(usize::MAX));
        command.is_some_and(|command| {
            !command.is_empty() && u64::from(checksum(&record[CRC_LEN..HEADER_LEN], command)) == crc
        })
    };
    (0..rest.len().saturating_sub(HEADER_LEN))
        .map(|at| &rest[at..])
        .any(|record| record[12..20] == next && is_record(record))
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn checksum(header: &[u8], command: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(header);
    crc.update(command);
    crc.finalize()
}

/// Whether a command is a membership that the library has written into its log: a map of peers, encoded by Go's gob,
/// which begins by telling the map's type by its name. A host's command that begins like that would be one too.
pub fn is_configuration(command: &[u8]) -> bool {
    // The length of the type's description in a byte, then the type's number, negative: a byte, or a byte that tells
    // how many follow. Then: a map, of the common type, whose name has seven letters.
    const NAME: &[u8] = b"\x04\x01\x01\x07peerMap\x01";
    let Some(number) = command.get(1..) else { return false };
    let len = match number.first() {
        Some(0..=0x7f) => 1,
        Some(count) => 1 + usize::from(count.wrapping_neg()),
        None => return false,
    };
    number.get(len..).is_some_and(|rest| rest.starts_with(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the library itself has written for the three commands below.
    const GOLDEN: &str = "
        16414771 0100000000000000 0100000000000000 05000000 68656c6c6f
        eedae283 0100000000000000 0200000000000000 01000000 00
        01bcaec2 0807060504030201 0300000000000000 07000000 707574206b2076";
    /// Its encoding of the memberships {1} and {}, of a type of peer with one field.
    const CONFIGURATIONS: [&str; 2] = [
        "167f04010107706565724d617001ff80000106011000001fff800001010470622e50ff81030101015001ff82000101010
         14e010600000006ff8203010100",
        "167f04010107706565724d617001ff800001060110000004ff800000",
    ];

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    fn commands() -> Vec<Command> {
        [(1, 1, &b"hello"[..]), (1, 2, b"\0"), (0x0102_0304_0506_0708, 3, b"put k v")]
            .map(|(term, index, command)| Command { term, index, command: Bytes::from_static(command) })
            .to_vec()
    }

    /// All records, and what ends them: the offset, and whether it is torn.
    fn read(stream: &[u8]) -> Result<(Vec<Command>, u64, bool)> {
        let mut reader = CommandLogReader::new(stream, Path::new("log"));
        let mut all = Vec::new();
        loop {
            match reader.step()? {
                Next::Command(command) => all.push(command),
                end => return Ok((all, reader.offset(), end == Next::Torn)),
            }
        }
    }

    fn corrupt(stream: &[u8]) -> (u64, String) {
        match read(stream) {
            Err(Error::Corrupt { offset, what, .. }) => (offset, what),
            other => panic!("{other:?}"),
        }
    }

    fn written(commands: &[Command]) -> Vec<u8> {
        let mut writer = CommandLogWriter::new(Vec::new(), Path::new("log"));
        commands.iter().for_each(|command| writer.append(command).unwrap());
        writer.into_inner()
    }

    #[test]
    fn the_librarys_own_bytes_are_read_and_written() {
        assert_eq!(read(&bytes(GOLDEN)).unwrap(), (commands(), 85, false));
        assert_eq!(written(&commands()), bytes(GOLDEN));
    }

    #[test]
    fn a_cut_is_torn_and_a_flipped_bit_is_corrupt() {
        let golden = bytes(GOLDEN);
        for len in 0..golden.len() {
            let (all, offset, torn) = read(&golden[..len]).unwrap();
            let expected = [29, 54].iter().filter(|end| **end <= len).count();
            assert_eq!((all.len(), torn), (expected, ![0, 29, 54].contains(&len)), "cut at {len}");
            assert_eq!(offset, [0, 29, 54][expected], "cut at {len}");
        }
        for bit in 0..golden.len() * 8 {
            let mut rotten = golden.clone();
            rotten[bit / 8] ^= 1 << (bit % 8);
            // A size that promises more than there is looks like a cut, if nothing is behind.
            let in_size = (74..78).contains(&(bit / 8));
            match read(&rotten) {
                Err(Error::Corrupt { .. }) => {}
                Ok((all, _, true)) => assert!(in_size && all.len() == 2, "bit {bit}"),
                other => panic!("bit {bit}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_the_library_would_not_have_written_is_refused_with_its_offset() {
        let mut all = commands();
        all[1].index = 3;
        assert_eq!(corrupt(&written(&all)), (29, "index 3 of term 1 behind index 1 of term 1".into()));
        all[1] = Command { term: 0x0102_0304_0506_0709, ..commands()[1].clone() };
        assert_eq!(corrupt(&written(&all)).0, 54);
        let mut writer = CommandLogWriter::new(Vec::new(), Path::new("log"));
        for bad in [
            Command { term: 0, ..all[0].clone() },
            Command { index: 0, ..all[0].clone() },
            Command { command: Bytes::new(), ..all[0].clone() },
        ] {
            assert!(matches!(writer.append(&bad), Err(Error::Config(_))), "{bad:?}");
        }
        let mut empty = vec![0; HEADER_LEN];
        let crc = checksum(&empty[CRC_LEN..], b"");
        empty[..CRC_LEN].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(corrupt(&empty), (0, "a command of term 0, index 0 and 0 bytes".into()));
    }

    #[test]
    fn a_membership_is_told_from_a_command() {
        assert!(CONFIGURATIONS.iter().all(|hex| is_configuration(&bytes(hex))));
        // The number of a type of a program that has many.
        let mut later = bytes(CONFIGURATIONS[1]);
        later.splice(1..2, [0xff, 0x83]);
        assert!(is_configuration(&later));
        for other in [&b""[..], b"\x16", b"\x16\xff", b"peerMap", b"put peerMap 1", &bytes(GOLDEN)] {
            assert!(!is_configuration(other), "{other:?}");
        }
    }
}
