//! The kinds of transcripts, and who runs their commands.

use super::datadriven::Case;
use super::{confchange, interaction, parser, quorum};

/// Runs one command and returns its output. It keeps what the commands of a file share, and fails where the file
/// asks for something that does not exist.
pub(crate) type Handler = Box<dyn FnMut(&Case) -> Result<String, String>>;

/// One kind of transcripts.
pub(crate) struct Kind {
    /// The name of its folders.
    pub(crate) folder: &'static str,
    /// Makes the handler for one file.
    pub(crate) handler: fn() -> Handler,
}

pub(crate) const KINDS: [Kind; 4] = [
    Kind { folder: "parser", handler: || Box::new(parser::run) },
    Kind { folder: "quorum", handler: || Box::new(quorum::run) },
    Kind {
        folder: "confchange",
        handler: || {
            let mut session = confchange::Session::default();
            Box::new(move |case| session.run(case))
        },
    },
    Kind {
        folder: "interaction",
        handler: || {
            let mut session = interaction::Session::default();
            Box::new(move |case| session.run(case))
        },
    },
];
