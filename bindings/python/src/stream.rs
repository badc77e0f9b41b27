//! Snapshot streams. The applier owns the file and stands by while the interpreter, on a thread of its own, asks for the
//! next bytes or hands some over.

use std::io::Write;
use std::path::Path;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};
use raft_core::engine::code::Code;
use raft_core::engine::host::SnapshotRead;
use raft_core::error::{Error, Result};

/// What the interpreter asks the applier for.
pub(crate) enum Request {
    /// Write these bytes.
    Write(Bytes, Sender<Result<()>>),
    /// Read as many bytes at the most.
    Read(usize, Sender<Result<Vec<u8>>>),
    /// The callback has returned, or has raised.
    Done(std::result::Result<(), i32>),
}

/// The interpreter's end. When it is dropped without an end, the callback counts as failed.
pub(crate) struct Stream(Sender<Request>);

/// The most bytes that are read at once.
const READ_MAX: usize = 1 << 20;

impl Stream {
    /// Both ends.
    pub(crate) fn new() -> (Stream, Receiver<Request>) {
        let (requests, taken) = bounded(1);
        (Stream(requests), taken)
    }

    pub(crate) fn write(&self, data: Bytes) -> Result<()> {
        self.ask(|reply| Request::Write(data, reply))
    }

    /// The next bytes, `max` at the most; none at the end.
    pub(crate) fn read(&self, max: usize) -> Result<Vec<u8>> {
        self.ask(|reply| Request::Read(max.min(READ_MAX), reply))
    }

    fn ask<T>(&self, request: impl FnOnce(Sender<Result<T>>) -> Request) -> Result<T> {
        let (reply, answer) = bounded(1);
        self.0.send(request(reply)).map_err(|_| Error::Stopped)?;
        answer.recv().map_err(|_| Error::Stopped)?
    }

    /// The callback has returned, or has raised.
    pub(crate) fn done(&self, result: std::result::Result<(), i32>) {
        // Nobody waits any more when the stream itself has failed.
        let _ = self.0.send(Request::Done(result));
    }
}

/// Writes what the interpreter hands over.
pub(crate) fn serve_writer(requests: &Receiver<Request>, to: &mut dyn Write) -> std::result::Result<(), i32> {
    let mut failure = None;
    while let Ok(request) = requests.recv() {
        match request {
            Request::Write(data, reply) => {
                let result = to
                    .write_all(&data)
                    .map_err(|error| Error::of_stream("write", Path::new("a snapshot"), error));
                remember(&mut failure, &result);
                let _ = reply.send(result);
            }
            Request::Read(_, reply) => drop(reply),
            Request::Done(result) => return failure.map_or(result, Err),
        }
    }
    Err(Code::Host as i32)
}

/// Reads what the interpreter asks for.
pub(crate) fn serve_reader(
    requests: &Receiver<Request>,
    from: &mut dyn SnapshotRead,
) -> std::result::Result<(), i32> {
    let mut failure = None;
    while let Ok(request) = requests.recv() {
        match request {
            Request::Read(max, reply) => {
                let mut data = vec![0; max];
                let result = from.read(&mut data).map(|len| {
                    data.truncate(len);
                    data
                });
                let result = result.map_err(|error| Error::of_stream("read", Path::new("a snapshot"), error));
                remember(&mut failure, &result);
                let _ = reply.send(result);
            }
            Request::Write(_, reply) => drop(reply),
            Request::Done(result) => return failure.map_or(result, Err),
        }
    }
    Err(Code::Host as i32)
}

/// A stream that failed is a failure, whatever the callback made of it.
fn remember<T>(failure: &mut Option<i32>, result: &Result<T>) {
    if let Err(error) = result {
        failure.get_or_insert(Code::from(error) as i32);
    }
}
