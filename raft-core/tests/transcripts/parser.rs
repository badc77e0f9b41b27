//! The parser's own transcripts: `show` prints how the command was read.

use super::datadriven::Case;

pub(crate) fn run(case: &Case) -> Result<String, String> {
    if case.command != "show" {
        return Err(format!("unknown command {}", case.command));
    }
    let mut output = String::new();
    for arg in &case.args {
        output += &format!("{} {:?}\n", arg.key, arg.values);
    }
    output += &case.input;
    Ok(output)
}
