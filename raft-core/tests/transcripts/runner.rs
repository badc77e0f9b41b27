//! Finds transcript files, runs them and compares.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fmt, fs};

use super::datadriven::{self, Case};
use super::kinds::{Handler, KINDS, Kind};

/// What to run.
pub(crate) struct Options {
    own: PathBuf,
    others: Vec<PathBuf>,
    update: bool,
    filters: Vec<String>,
}

impl Options {
    pub(crate) fn from_environment() -> Result<Self, String> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let others: Vec<PathBuf> = env::var("RFT_TRANSCRIPTS")
            .unwrap_or_default()
            .split(':')
            .filter(|folder| !folder.is_empty())
            .map(PathBuf::from)
            .collect();
        // The flags are the test harness's, which passes them to every test program.
        let filters = env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
        let update = env::var_os("UPDATE").is_some_and(|value| value == "1");
        Ok(Options { own: manifest.join("tests/transcripts"), others, update, filters })
    }
}

/// How many files passed and failed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Runs every file of every folder, and prints a line a file. It is an error if a folder has none, or if the filters
/// leave none.
pub(crate) fn run(options: &Options) -> Result<Totals, String> {
    check_the_comparison()?;
    let mut totals = Totals::default();
    let mut seen = BTreeSet::new();
    for folder in std::iter::once(&options.own).chain(&options.others) {
        let folder = folder.canonicalize().map_err(|why| format!("{}: {why}", folder.display()))?;
        if !seen.insert(folder.clone()) {
            continue;
        }
        let mut found = 0;
        for kind in &KINDS {
            let files = files_of(&folder.join(kind.folder))?;
            found += files.len();
            for file in files {
                let label = label(kind, &file);
                if !options.filters.is_empty() && !options.filters.iter().any(|part| label.contains(part)) {
                    continue;
                }
                let update = options.update && folder == options.own;
                match run_file(&file, (kind.handler)(), update) {
                    Ok(cases) => {
                        println!("ok   {label} ({cases} cases)");
                        totals.passed += 1;
                    }
                    Err(why) => {
                        println!("FAIL {label}\n{why}");
                        totals.failed += 1;
                    }
                }
            }
        }
        if found == 0 {
            return Err(format!("{} has no transcript", folder.display()));
        }
    }
    if totals == Totals::default() {
        return Err(format!("no transcript is called like {}", options.filters.join(" or ")));
    }
    Ok(totals)
}

fn label(kind: &Kind, file: &Path) -> String {
    format!("{}/{}", kind.folder, file.file_name().unwrap_or_default().to_string_lossy())
}

/// The text files of `folder` in the order of their names; none if there is no such folder.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>, String> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|why| format!("{}: {why}", folder.display()))? {
        let path = entry.map_err(|why| format!("{}: {why}", folder.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Runs one file and returns how many commands it has, or else says what is wrong.
fn run_file(file: &Path, handler: Handler, update: bool) -> Result<usize, String> {
    let text = fs::read_to_string(file).map_err(|why| format!("  {why}"))?;
    let cases = datadriven::parse(&text).map_err(|why| format!("  {why}"))?;
    if cases.is_empty() {
        return Err("  no command in it".to_owned());
    }
    let outputs = run_cases(&cases, handler)?;
    if update {
        let new = datadriven::rewrite(&text, &cases, &outputs);
        if new != text {
            fs::write(file, new).map_err(|why| format!("  {why}"))?;
        }
    } else {
        compare(&cases, &outputs)?;
    }
    Ok(cases.len())
}

fn run_cases(cases: &[Case], mut handler: Handler) -> Result<Vec<String>, String> {
    let run = |case: &Case| {
        let mut output = handler(case).map_err(|why| format!("  line {}: {why}", case.line))?;
        if !output.is_empty() && !output.ends_with('\n') {
            output.push('\n');
        }
        Ok(output)
    };
    cases.iter().map(run).collect()
}

fn compare(cases: &[Case], outputs: &[String]) -> Result<(), String> {
    let differs = |(case, output): (&Case, &String)| {
        let (expected, output) = (without_log_lines(&case.expected), without_log_lines(output));
        (expected != output).then(|| {
            format!("  line {}: {}\n--- expected\n{expected}--- got\n{output}", case.line, case.command)
        })
    };
    let differences: Vec<String> = cases.iter().zip(outputs).filter_map(differs).collect();
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n")) }
}

/// Log lines tell how a node works inside, which is nobody's contract. A command that printed nothing else prints
/// `ok`, as one does that printed nothing at all.
fn without_log_lines(text: &str) -> String {
    const LEVELS: [&str; 5] = ["DEBUG ", "INFO ", "WARN ", "ERROR ", "FATAL "];
    let is_log = |line: &&str| LEVELS.iter().any(|level| line.trim_start().starts_with(level));
    if !text.lines().any(|line| is_log(&line)) {
        return text.to_owned();
    }
    let rest: String = text.lines().filter(|line| !is_log(line)).map(|line| format!("{line}\n")).collect();
    if rest.is_empty() { "ok\n".to_owned() } else { rest }
}

/// A comparison that accepts everything would pass every file, so it is tried on right and wrong outputs first.
fn check_the_comparison() -> Result<(), String> {
    let text = "a\n----\nright\n  INFO told\n\nb\n----\nINFO told\n\nc\n----\n----\nx\n\ny\n----\n----\n";
    let cases = datadriven::parse(text)?;
    let right = ["right\n", "ok\n", "DEBUG more\nx\n\ny\n"].map(str::to_owned);
    compare(&cases, &right).map_err(|why| format!("the comparison refuses what is right: {why}"))?;
    for at in 0..right.len() {
        let mut wrong = right.clone();
        wrong[at].push_str("too much\n");
        if compare(&cases, &wrong).is_ok() {
            return Err(format!("the comparison accepts {:?}", wrong[at]));
        }
    }
    let rewritten = datadriven::rewrite(text, &cases, &right);
    let expected = "a\n----\nright\n\nb\n----\nok\n\nc\n----\n----\nDEBUG more\nx\n\ny\n----\n----\n";
    if rewritten != expected {
        return Err(format!("an update writes {rewritten:?}"));
    }
    Ok(())
}
