//! What a test leaves out.

use std::fs::OpenOptions;
use std::io::Write;

/// Says it, also into the file that `RFT_SKIPPED` names: a test that passes is not heard.
#[allow(clippy::print_stdout)]
pub(crate) fn skipped(what: &str) {
    println!("skipped: {what}");
    if let Some(path) = std::env::var_os("RFT_SKIPPED") {
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "skipped: {what}").unwrap();
    }
}
