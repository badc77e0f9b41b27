//! The format of a transcript file.
//!
//! ```text
//! # a comment
//! command word key=value key=(value, value)
//! lines of input
//! ----
//! lines of output, up to a blank one
//! ```
//!
//! A `\` at the end continues the line of the command. Output with blank lines in it stands between two doubled
//! separators.

const SEPARATOR: &str = "----";

/// A word behind the command: `key`, `key=value` or `key=(value, value)`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arg {
    pub(crate) key: String,
    pub(crate) values: Vec<String>,
}

/// One command of a file.
#[derive(Debug)]
pub(crate) struct Case {
    /// The line of the command, counted from 1.
    pub(crate) line: usize,
    pub(crate) command: String,
    pub(crate) args: Vec<Arg>,
    /// Without blanks at either end.
    pub(crate) input: String,
    /// Each line with its newline.
    pub(crate) expected: String,
    // The lines from the separator to the end of the output, half-open, counted from 0.
    block: (usize, usize),
}

/// Reads all of a file.
pub(crate) fn parse(text: &str) -> Result<Vec<Case>, String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut cases = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = at + 1;
        let mut directive = lines[at].trim().to_owned();
        at += 1;
        if directive.is_empty() || directive.starts_with('#') {
            continue;
        }
        while let (Some(start), Some(next)) = (directive.strip_suffix('\\'), lines.get(at)) {
            directive = format!("{start} {}", next.trim());
            at += 1;
        }
        let input_at = at;
        let separator = lines[at..].iter().position(|&line| line == SEPARATOR).map(|distance| at + distance);
        let separator = separator.ok_or_else(|| format!("line {line}: no {SEPARATOR} after this command"))?;
        let (expected, end) = read_output(&lines, separator + 1)?;
        let (command, args) = read_directive(&directive).map_err(|why| format!("line {line}: {why}"))?;
        cases.push(Case {
            line,
            command,
            args,
            input: lines[input_at..separator].join("\n").trim().to_owned(),
            expected,
            block: (separator, end),
        });
        at = end;
    }
    Ok(cases)
}

/// The output that starts at line `at`, and the line behind it.
fn read_output(lines: &[&str], at: usize) -> Result<(String, usize), String> {
    let joined = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let rest = &lines[at..];
    if rest.first() != Some(&SEPARATOR) {
        let len = rest.iter().position(|line| line.trim().is_empty()).unwrap_or(rest.len());
        return Ok((joined(&rest[..len]), at + len));
    }
    let body = &rest[1..];
    let len = body
        .windows(2)
        .position(|pair| pair == [SEPARATOR, SEPARATOR])
        .ok_or_else(|| format!("line {at}: the doubled {SEPARATOR} is not closed"))?;
    let end = at + 1 + len + 2;
    match lines.get(end) {
        Some(line) if !line.is_empty() => Err(format!("line {}: a blank line must stand here", end + 1)),
        _ => Ok((joined(&body[..len]), end)),
    }
}

fn read_directive(directive: &str) -> Result<(String, Vec<Arg>), String> {
    let mut words = split(directive, char::is_whitespace)?.into_iter().filter(|word| !word.is_empty());
    let command = words.next().ok_or("no command")?;
    Ok((command.to_owned(), words.map(read_arg).collect::<Result<_, _>>()?))
}

fn read_arg(word: &str) -> Result<Arg, String> {
    let Some((key, value)) = word.split_once('=') else {
        return Ok(Arg { key: word.to_owned(), values: Vec::new() });
    };
    let values = match value.strip_prefix('(').and_then(|value| value.strip_suffix(')')) {
        Some(list) if list.trim().is_empty() => Vec::new(),
        Some(list) => {
            split(list, |letter| letter == ',')?.into_iter().map(|it| it.trim().to_owned()).collect()
        }
        None => vec![value.to_owned()],
    };
    Ok(Arg { key: key.to_owned(), values })
}

/// Splits `text` where `at` holds, outside of parentheses.
fn split(text: &str, at: impl Fn(char) -> bool) -> Result<Vec<&str>, String> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0usize);
    for (place, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1).ok_or("a parenthesis closes that was not opened")?,
            _ if depth == 0 && at(letter) => {
                parts.push(&text[start..place]);
                start = place + letter.len_utf8();
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Err("a parenthesis is not closed".to_owned());
    }
    parts.push(&text[start..]);
    Ok(parts)
}

/// The file `text` with `outputs`, one a case, in the place of what was expected.
pub(crate) fn rewrite(text: &str, cases: &[Case], outputs: &[String]) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut new = String::new();
    let mut copy = |from: usize, to: usize, output: &str| {
        for line in &lines[from..to] {
            new += line;
            new += "\n";
        }
        new += output;
    };
    let mut at = 0;
    for (case, output) in cases.iter().zip(outputs) {
        let doubled = output.lines().any(|line| line.trim().is_empty());
        let block = if doubled {
            format!("{SEPARATOR}\n{SEPARATOR}\n{output}{SEPARATOR}\n{SEPARATOR}\n")
        } else {
            format!("{SEPARATOR}\n{output}")
        };
        copy(at, case.block.0, &block);
        at = case.block.1;
    }
    copy(at, lines.len(), "");
    new
}
