//! The rules of the house that a machine can hold: which part may know which, how long things may be, which words
//! must not stand.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// A part of the source, and what no line of it may say outside of comments and tests.
const FLOORS: &[(&str, &[&str])] = &[
    ("raft-core/src/error.rs", &["crate::consensus", "crate::disk", "crate::engine", "crate::bare"]),
    ("raft-core/src/raftpb", &["crate::consensus", "crate::disk", "crate::engine", "crate::bare"]),
    (
        "raft-core/src/consensus",
        &[
            "crate::disk",
            "crate::engine",
            "crate::bare",
            "std::time",
            "std::thread",
            "std::fs",
            "std::net",
            "std::env",
            "std::io",
            "std::process",
            "Instant",
            "SystemTime",
            "rand::",
            "parking_lot",
            "crossbeam",
            "HashMap",
            "HashSet",
        ],
    ),
    ("raft-core/src/disk", &["crate::consensus", "crate::engine", "crate::bare", "std::net"]),
    ("raft-core/src/engine", &["crate::bare", "std::net", "std::fs"]),
    ("raft-core/src/bare", &["crate::engine", "std::net", "std::fs", "std::thread", "std::time"]),
];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// Words that tell of unfinished work. Split, so that this file does not contain them.
const BANNED: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The files below `dir` with one of the endings, build products left out.
fn files(dir: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", "build", ".git", ".venv", "__pycache__"].contains(&name.as_str()) {
                    dirs.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The lines of a Rust file before its test module, without comments.
fn code(text: &str) -> Vec<(usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(at, line)| (at + 1, line))
        .collect()
}

fn report(faults: Vec<String>) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Setting the wall clock changes nothing: only seeds, and numbers that nobody else should draw, come from it.
#[test]
fn nothing_is_decided_by_the_wall_clock() {
    let source = root().join("raft-core/src");
    let names = |path: &PathBuf| {
        code(&fs::read_to_string(path).unwrap()).iter().any(|(_, line)| line.contains("SystemTime"))
    };
    let mut found = files(&source, &[".rs"]);
    found.retain(|path| !path.starts_with(source.join("bin")) && names(path));
    assert_eq!(found, [source.join("disk/store.rs"), source.join("engine/options.rs")]);
}

#[test]
fn every_part_knows_only_what_lies_below_it() {
    let mut faults = Vec::new();
    for (part, forbidden) in FLOORS {
        let path = root().join(part);
        let sources = if path.is_dir() { files(&path, &[".rs"]) } else { vec![path] };
        assert!(!sources.is_empty(), "{part} holds no source");
        for source in sources {
            let text = fs::read_to_string(&source).unwrap();
            for (at, line) in code(&text) {
                for word in forbidden.iter().filter(|word| line.contains(**word)) {
                    faults.push(format!("{}:{at}: {part} must not know {word}", source.display()));
                }
            }
        }
    }
    report(faults);
}

#[test]
fn imports_name_the_module_that_defines() {
    let mut faults = Vec::new();
    for part in ["raft-core/src", "raft-ffi/src", "bindings/python/src"] {
        for source in files(&root().join(part), &[".rs"]) {
            let text = fs::read_to_string(&source).unwrap();
            for (at, line) in code(&text) {
                if line.trim_start().starts_with("pub use ") || line.contains("use crate::{") {
                    faults.push(format!("{}:{at}: a name with two homes", source.display()));
                }
            }
        }
    }
    report(faults);
}

#[test]
fn files_and_functions_are_short() {
    let mut faults = Vec::new();
    for part in ["raft-core/src", "raft-ffi/src", "bindings/python/src"] {
        for source in files(&root().join(part), &[".rs"]) {
            let text = fs::read_to_string(&source).unwrap();
            let lines: Vec<&str> =
                text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).collect();
            if lines.len() > FILE_LINES_MAX {
                faults.push(format!("{}: {} lines", source.display(), lines.len()));
            }
            faults.extend(
                long_functions(&lines).map(|(at, len)| format!("{}:{at}: {len} lines", source.display())),
            );
        }
    }
    report(faults);
}

/// Functions as rustfmt lays them out: from a line that begins one to the brace that closes it at the same depth.
fn long_functions<'a>(lines: &'a [&'a str]) -> impl Iterator<Item = (usize, usize)> + 'a {
    let begins = |line: &str| {
        let line = line.trim_start();
        ["fn ", "pub fn ", "pub(crate) fn ", "pub(super) fn ", "pub(in ", "pub unsafe extern", "unsafe fn "]
            .iter()
            .any(|start| line.starts_with(start))
            && line.contains("fn ")
    };
    lines.iter().enumerate().filter(move |(_, line)| begins(line)).filter_map(|(at, line)| {
        let close = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
        let len = lines[at..].iter().position(|line| *line == close)? + 1;
        (len > FUNCTION_LINES_MAX).then_some((at + 1, len))
    })
}

#[test]
fn no_word_tells_of_unfinished_work() {
    let mut faults = Vec::new();
    let endings = [".rs", ".c", ".h", ".hpp", ".py", ".go", ".md", ".toml", "Makefile"];
    for source in files(&root(), &endings) {
        let Ok(text) = fs::read_to_string(&source) else { continue };
        for (at, line) in text.lines().enumerate() {
            for word in BANNED.iter().filter(|word| line.contains(**word)) {
                faults.push(format!("{}:{}: {word}", source.display(), at + 1));
            }
            if line.ends_with(' ') && !source.ends_with("LICENSE") {
                faults.push(format!("{}:{}: space at the end", source.display(), at + 1));
            }
        }
    }
    report(faults);
}
