//! Every function and every constant of the header has its twin in the bindings that go through it.
#![allow(clippy::unwrap_used)] // helpers of tests may fail the way tests do

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use support::{functions, include_dir, root};

/// A binding over the header.
struct Binding {
    name: &'static str,
    /// Where its sources are, below the workspace's root: folders, or files.
    sources: &'static [&'static str],
    endings: &'static [&'static str],
    /// What it has no twin for, and why.
    leaves_out: &'static [(&'static str, &'static str)],
}

/// One OS thread a waiting goroutine is what Go is not for.
const PARKS: &str = "parks a goroutine in C; Go waits for the outcome callback";
/// Bits that a program tests itself.
const BITS: &str = "a bit of Member::flags, which are the header's own";

const BINDINGS: &[Binding] = &[
    Binding {
        name: "C++",
        sources: &["include/rft.hpp", "include/rft"],
        endings: &[".hpp"],
        leaves_out: &[("RFT_MEMBER_OUTGOING", BITS), ("RFT_MEMBER_LEARNER_NEXT", BITS)],
    },
    Binding {
        name: "Go",
        sources: &["bindings/go"],
        endings: &[".go", ".c", ".h"],
        leaves_out: &[
            ("rft_engine_propose_wait", PARKS),
            ("rft_engine_call", PARKS),
            ("rft_engine_read_wait", PARKS),
            ("rft_engine_change_wait", PARKS),
            ("rft_engine_replace_wait", PARKS),
            ("rft_engine_read_within_wait", PARKS),
            ("rft_engine_session_open_wait", PARKS),
            ("rft_engine_snapshot_wait", PARKS),
            ("rft_engine_transfer_leader_wait", PARKS),
            ("rft_engine_call_once", PARKS),
        ],
    },
];

/// The words of a binding's code. Its comments and its tests name things without using them.
fn words(binding: &Binding) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for source in binding.sources {
        let path = root().join(source);
        let files = if path.is_dir() {
            fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect()
        } else {
            vec![path]
        };
        for file in files.iter().filter(|file| is_code(binding, file)) {
            for line in fs::read_to_string(file).unwrap().lines() {
                let line = line.split("//").next().unwrap_or_default();
                words.extend(line.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned));
            }
        }
    }
    words
}

fn is_code(binding: &Binding, file: &Path) -> bool {
    let name = file.file_name().unwrap().to_string_lossy();
    binding.endings.iter().any(|ending| name.ends_with(ending)) && !name.ends_with("_test.go")
}

/// The constants of the header's enumerations.
fn constants(header: &str) -> Vec<String> {
    header
        .lines()
        .filter_map(|line| line.strip_prefix("  RFT_"))
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| format!("RFT_{name}"))
        .collect()
}

#[test]
fn every_function_and_constant_of_the_header_has_its_twin() {
    let header = fs::read_to_string(include_dir().join("rft.h")).unwrap();
    let mut names = functions(&header);
    names.extend(constants(&header));
    names.push("rft_check_version".to_owned());
    assert!(names.len() > 100, "the header was not understood: {names:?}");
    let mut faults = Vec::new();
    for binding in BINDINGS {
        let words = words(binding);
        for name in &names {
            let left_out = binding.leaves_out.iter().find(|(left_out, _)| left_out == name);
            match (words.contains(name), left_out) {
                (false, None) => faults.push(format!("{} has no twin of {name}", binding.name)),
                (true, Some((_, why))) => {
                    faults.push(format!("{} has {name} after all: {why}", binding.name))
                }
                (true, None) | (false, Some(_)) => {}
            }
        }
        for (left_out, _) in binding.leaves_out {
            if !names.iter().any(|name| name == left_out) {
                faults
                    .push(format!("{} leaves out {left_out}, which the header does not have", binding.name));
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
