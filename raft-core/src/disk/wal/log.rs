//! [`WalLog`]: what consecutive segments hold, up to the first place that cannot be trusted.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost::Message as _;

use super::reader::{Next, SegmentReader};
use super::replay::Replay;
use super::segment::SegmentName;
use crate::disk::crc::Crc;
use crate::disk::record::{Metadata, RecordType};
use crate::disk::recovered::Identity;
use crate::disk::volume::Volume;
use crate::error::{Error, Result};

/// A place where the log cannot be read, or contradicts itself.
#[derive(Clone, Debug)]
pub(in crate::disk) struct Fault {
    /// The segment's place among those that were read.
    pub(in crate::disk) segment: usize,
    pub(in crate::disk) path: PathBuf,
    pub(in crate::disk) offset: u64,
    pub(in crate::disk) what: String,
}

impl Fault {
    /// Takes an error for damage of `path` at byte `offset`, if it is one.
    pub(in crate::disk) fn of(error: Error, segment: usize, path: &Path, offset: u64) -> Result<Fault> {
        let what = match error {
            Error::Corrupt { what, .. } => what,
            error if error.is_damage() => error.to_string(),
            error => return Err(error),
        };
        Ok(Fault { segment, path: path.to_owned(), offset, what })
    }
}

/// The end of what can be trusted.
#[derive(Clone, Debug)]
pub(in crate::disk) struct End {
    pub(in crate::disk) name: SegmentName,
    pub(in crate::disk) path: PathBuf,
    pub(in crate::disk) offset: u64,
    /// The chain's value there.
    pub(in crate::disk) crc: u32,
}

/// Segments, read.
pub(in crate::disk) struct WalLog {
    /// Those whose opening records are good.
    pub(in crate::disk) segments: Vec<SegmentName>,
    /// From the first segment; none if that does not open.
    pub(in crate::disk) metadata: Option<Bytes>,
    pub(in crate::disk) replay: Replay,
    pub(in crate::disk) end: Option<End>,
    /// The last segment goes on behind the end with what a crash leaves of a write.
    pub(in crate::disk) is_torn: bool,
    pub(in crate::disk) fault: Option<Fault>,
    // Of all that was read so far.
    chain: Option<Crc>,
}

impl WalLog {
    /// Reads segments that follow each other without a gap, up to the first fault. `identity` is whose they should be.
    pub(in crate::disk) fn read(
        volume: &dyn Volume,
        dir: &Path,
        run: &[SegmentName],
        identity: Option<Identity>,
    ) -> Result<WalLog> {
        let mut log = WalLog {
            segments: Vec::new(),
            metadata: None,
            replay: Replay::new(run.first().map_or(0, |name| name.index)),
            end: None,
            is_torn: false,
            fault: None,
            chain: None,
        };
        for (at, name) in run.iter().enumerate() {
            let path = dir.join(name.file_name());
            let read = match SegmentReader::open(volume, &path, at + 1 == run.len()) {
                Ok(mut reader) => {
                    let read = log.read_segment(&mut reader, *name, identity);
                    read.map_err(|(error, offset)| (error, offset.unwrap_or(reader.offset())))
                }
                Err(error) => Err((error, 0)),
            };
            if let Err((error, offset)) = read {
                log.fault = Some(Fault::of(error, at, &path, offset)?);
                break;
            }
        }
        Ok(log)
    }

    /// The data of the first record of metadata, decoded.
    pub(in crate::disk) fn metadata(&self) -> Option<Metadata> {
        Metadata::decode(self.metadata.clone()?).ok()
    }

    /// Whether there is nothing in it, from its beginning on. A later segment without anything is no fresh log.
    pub(in crate::disk) fn is_fresh(&self) -> bool {
        let first = SegmentName { sequence: 0, index: 0 };
        let Replay { hard_state, log, .. } = &self.replay;
        self.segments == [first] && hard_state.is_empty() && log.entries.is_empty()
    }

    /// Says that `what` is wrong where the log ends.
    pub(in crate::disk) fn corrupt(&self, what: impl Into<String>) -> Error {
        let (path, offset) = self.end.as_ref().map_or((Path::new(""), 0), |end| (&end.path, end.offset));
        Error::corrupt(path, offset, what)
    }

    /// Reads one segment to its end. An error comes with the place of the record that is wrong, if it is not that where
    /// the reader stands.
    fn read_segment(
        &mut self,
        reader: &mut SegmentReader,
        name: SegmentName,
        identity: Option<Identity>,
    ) -> std::result::Result<(), (Error, Option<u64>)> {
        let mut count = 0u64;
        loop {
            let (at, record) = match reader.next(&mut self.chain).map_err(|error| (error, None))? {
                Next::Record(at, record) => (at, record),
                // Both opening records are synced before a segment has its name.
                Next::End | Next::Torn if count < 2 => {
                    return Err((reader.corrupt("a segment that does not open"), None));
                }
                Next::End => return Ok(()),
                Next::Torn => {
                    self.is_torn = true;
                    return Ok(());
                }
            };
            let wrong = |what: String| (Error::corrupt(reader.path(), at, what), Some(at));
            match (count, record.record_type) {
                (0, RecordType::Crc) => {}
                (1, RecordType::Metadata) => match &self.metadata {
                    Some(first) if *first == record.data => {}
                    Some(_) => {
                        return Err(wrong("metadata that differs from that of the segment before".into()));
                    }
                    None => {
                        check_identity(&record.data, identity).map_err(|error| match error {
                            Error::Decode(what) => wrong(what),
                            other => (other, Some(at)),
                        })?;
                        self.metadata = Some(record.data);
                    }
                },
                (0 | 1, _) => return Err(wrong("a segment that opens with other records".into())),
                _ => self.replay.take(record).map_err(wrong)?,
            }
            count += 1;
            if count == 2 {
                self.segments.push(name);
                self.end = Some(End { name, path: reader.path().to_owned(), offset: 0, crc: 0 });
            }
            if let Some(end) = self.end.as_mut().filter(|_| count >= 2) {
                (end.offset, end.crc) = (reader.offset(), self.chain.as_ref().map_or(0, Crc::value));
            }
        }
    }
}

fn check_identity(metadata: &Bytes, own: Option<Identity>) -> Result<()> {
    let found = Metadata::decode(&metadata[..]).map_err(|error| Error::Decode(error.to_string()))?;
    match own {
        Some(own) => own.check(found.node_id, found.cluster_id),
        None => Ok(()),
    }
}
