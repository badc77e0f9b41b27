//! [`Output`]: lines for people or for programs; [`Failure`]: why there are no more of them.

use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind, Stdout, Write};

use raft_core::error::Error;
use serde_json::Value;

/// How a command ended that could do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    Damage,
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What is to be told on the error stream.
    Said(String),
    /// Likewise, and the file is damaged.
    Damage(String),
}

pub(crate) type Outcome<T> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Corrupt { .. } => Failure::Damage(error.to_string()),
            other => Failure::Said(other.to_string()),
        }
    }
}

/// Says why not.
pub(crate) fn refuse<T>(why: impl Display) -> Outcome<T> {
    Err(Failure::Said(why.to_string()))
}

/// The standard output.
pub(crate) struct Output {
    to: BufWriter<Stdout>,
    json: bool,
    is_closed: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Output { to: BufWriter::new(io::stdout()), json, is_closed: false }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether nobody reads it any more. There is nobody to tell either; what is to be done is done all the same.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Writes a line: the text, or the object.
    pub(crate) fn line(&mut self, text: impl Display, object: impl FnOnce() -> Value) -> Outcome<()> {
        let written = if self.json { writeln!(self.to, "{}", object()) } else { writeln!(self.to, "{text}") };
        self.check(written)
    }

    /// Writes a line for people only.
    pub(crate) fn text(&mut self, text: impl Display) -> Outcome<()> {
        if self.json {
            return Ok(());
        }
        let written = writeln!(self.to, "{text}");
        self.check(written)
    }

    pub(crate) fn flush(&mut self) -> Outcome<()> {
        let flushed = self.to.flush();
        self.check(flushed)
    }

    fn check(&mut self, written: io::Result<()>) -> Outcome<()> {
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.is_closed = true,
            other => other.map_err(|error| Failure::Said(format!("write of the output: {error}")))?,
        }
        Ok(())
    }
}
