//! The words of a command, read.

use std::str::FromStr;

use raft_core::error::Error;

use super::datadriven::Case;

/// Why a command did not do its work.
pub(crate) enum Fault {
    /// The transcript is wrong.
    Usage(String),
    /// A node refused, which a transcript may expect.
    Node(Error),
}

impl From<String> for Fault {
    fn from(what: String) -> Self {
        Fault::Usage(what)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Node(error)
    }
}

pub(crate) type Outcome<T = ()> = Result<T, Fault>;

/// The words behind the name of a command.
pub(crate) struct Command<'a>(pub(crate) &'a Case);

impl Command<'_> {
    /// The words that are not `key=value`.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.0.args.iter().filter(|arg| arg.values.is_empty()).map(|arg| arg.key.as_str())
    }

    pub(crate) fn word(&self, at: usize) -> Outcome<&str> {
        self.words().nth(at).ok_or_else(|| Fault::Usage(format!("word {} is missing", at + 1)))
    }

    pub(crate) fn number(&self, at: usize) -> Outcome<u64> {
        parse(self.word(at)?)
    }

    pub(crate) fn values(&self, key: &str) -> &[String] {
        self.0.args.iter().find(|arg| arg.key == key).map_or(&[], |arg| &arg.values)
    }

    pub(crate) fn value<T: FromStr>(&self, key: &str) -> Outcome<T> {
        let value = self.values(key).first();
        parse(value.ok_or_else(|| Fault::Usage(format!("{key} is missing")))?)
    }
}

pub(crate) fn parse<T: FromStr>(text: &str) -> Outcome<T> {
    text.parse().map_err(|_| Fault::Usage(format!("{text} is not what it should be")))
}
