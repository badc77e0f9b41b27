//! [`Files`]: the courier's hands on the snapshot directory, on the applier thread.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::path::Path;

use bytes::Bytes;

use crate::disk::snap::dir::SnapDir;
use crate::disk::snap::reader::SnapReader;
use crate::disk::snap::writer::SnapWriter;
use crate::error::{Error, Result};
use crate::raftpb::message::SnapshotMetadata;

/// A piece of work for the applier.
#[derive(Debug)]
pub(crate) enum FileJob {
    /// Read at most `len` bytes from `offset` on, for node `to`.
    Read { to: u64, term: u64, index: u64, offset: u64, len: usize },
    /// Node `to` needs no more.
    Close { to: u64 },
    /// Write what came, which continues what was written before; offset 0 begins a new file.
    Write(Chunk),
    /// Nothing more will come.
    Abort,
}

/// A piece of a snapshot from a peer.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) transfer: u64,
    pub(crate) metadata: SnapshotMetadata,
    pub(crate) offset: u64,
    pub(crate) total: u64,
    pub(crate) data: Bytes,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum FileDone {
    /// The bytes, and how many the snapshot has in all.
    Read { to: u64, index: u64, offset: u64, result: Result<(u64, Bytes)> },
    /// How many bytes are written; all of them means that the file is complete and durable.
    Written { transfer: u64, result: Result<u64> },
}

/// Open files: one for each receiver, and one that is being received.
pub(crate) struct Files {
    snapshots: SnapDir,
    readers: HashMap<u64, SnapReader>,
    incoming: Option<Incoming>,
}

struct Incoming {
    transfer: u64,
    written: u64,
    writer: SnapWriter,
}

impl Files {
    pub(crate) fn new(snapshots: SnapDir) -> Self {
        Files { snapshots, readers: HashMap::new(), incoming: None }
    }

    /// Does one piece of work; none back if nobody waits for it.
    pub(crate) fn work(&mut self, job: FileJob) -> Option<FileDone> {
        match job {
            FileJob::Read { to, term, index, offset, len } => {
                let result = self.read(to, term, index, offset, len);
                Some(FileDone::Read { to, index, offset, result })
            }
            FileJob::Write(chunk) => {
                let transfer = chunk.transfer;
                let result = self.write(chunk);
                if result.is_err() {
                    self.incoming = None;
                }
                Some(FileDone::Written { transfer, result })
            }
            FileJob::Close { to } => {
                self.readers.remove(&to);
                None
            }
            FileJob::Abort => {
                self.incoming = None;
                None
            }
        }
    }

    /// Closes everything; what is not complete is removed.
    pub(crate) fn clear(&mut self) {
        self.readers.clear();
        self.incoming = None;
    }

    fn read(&mut self, to: u64, term: u64, index: u64, offset: u64, len: usize) -> Result<(u64, Bytes)> {
        let known = self.readers.get(&to).is_some_and(|reader| {
            let metadata = reader.metadata();
            (metadata.term, metadata.index) == (term, index)
        });
        if !known {
            // Opening checks all of the file: a damaged snapshot is never sent.
            self.readers.insert(to, self.snapshots.open(term, index)?);
        }
        let Some(reader) = self.readers.get_mut(&to) else { return Err(Error::Unavailable) };
        let total = reader.len();
        let left = total.saturating_sub(offset);
        let mut data = vec![0; usize::try_from(left).map_or(len, |left| left.min(len))];
        reader.seek_to(offset);
        reader.read_exact(&mut data).map_err(|error| failure("read", error))?;
        Ok((total, Bytes::from(data)))
    }

    fn write(&mut self, chunk: Chunk) -> Result<u64> {
        let Chunk { transfer, metadata, offset, total, data } = chunk;
        if offset == 0 {
            // The unfinished file of before goes first: it may bear the same name.
            self.incoming = None;
            let writer = self.snapshots.create(metadata)?;
            self.incoming = Some(Incoming { transfer, written: 0, writer });
        }
        let incoming = self.incoming.as_mut().filter(|own| own.transfer == transfer && own.written == offset);
        let Some(incoming) = incoming else { return Err(Error::Unavailable) };
        incoming.writer.write_all(&data).map_err(|error| failure("write", error))?;
        incoming.written = offset.saturating_add(data.len() as u64);
        let written = incoming.written;
        if written == total
            && let Some(complete) = self.incoming.take()
        {
            complete.writer.finish()?;
        }
        Ok(written)
    }
}

/// What the disk wing says inside of an error of `std::io`.
fn failure(operation: &'static str, error: io::Error) -> Error {
    error.downcast::<Error>().unwrap_or_else(|error| Error::io(operation, Path::new("snapshot"), error))
}
