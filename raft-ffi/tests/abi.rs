//! The binary interface that the header describes is the one that was promised: `include/abi` holds it as libabigail
//! sees it, and every difference is told. `UPDATE=1` (`make abi`) writes it anew.
//!
//! What is looked at is a library of empty functions, made of the header alone: it holds every type and constant that
//! a C program sees, callbacks too, and none that is Rust's. Other tests hold the real library to the header.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // helpers of tests may fail the way tests do

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{has, include_dir, run, scratch, skipped};

/// What is written of an interface: no places and paths, which change with every line of the header.
const WRITE: [&str; 6] = [
    "--no-show-locs",
    "--no-corpus-path",
    "--no-comp-dir-path",
    "--no-elf-needed",
    "--no-parameter-names",
    // Constants belong to no function.
    "--load-all-types",
];

/// In place of the system's headers, which name a hundred types more.
const SYSTEM: &str = "#pragma once\n\
    typedef __UINT8_TYPE__ uint8_t;\ntypedef __INT32_TYPE__ int32_t;\ntypedef __UINT32_TYPE__ uint32_t;\n\
    typedef __UINT64_TYPE__ uint64_t;\ntypedef __SIZE_TYPE__ size_t;\n";

fn baseline() -> PathBuf {
    include_dir().join(format!("abi/librft-{}.abi", std::env::consts::ARCH))
}

fn has_tools() -> bool {
    let there = ["abidw", "abidiff", "gcc"].into_iter().all(has);
    if !(there && cfg!(target_os = "linux") && (baseline().exists() || updates())) {
        skipped(
            "the binary interface: it takes Debian's abigail-tools, gcc, and a baseline of this machine's kind",
        );
        return false;
    }
    true
}

fn updates() -> bool {
    std::env::var_os("UPDATE").is_some()
}

/// Writes down the interface that a header describes.
fn interface(header: &str, name: &str) -> PathBuf {
    let dir = scratch(name);
    fs::write(dir.join("rft.h"), header).unwrap();
    fs::write(dir.join("system.h"), SYSTEM).unwrap();
    fs::write(dir.join("stdint.h"), "#include \"system.h\"\n").unwrap();
    fs::write(dir.join("stddef.h"), "#include \"system.h\"\n").unwrap();
    let mut source = "#include <rft.h>\n".to_owned();
    for (at, _) in header.match_indices("\nRFT_API ") {
        let declaration = header[at..].split_once(';').unwrap().0;
        source += &format!("{declaration} {{ __builtin_trap(); }}\n");
    }
    fs::write(dir.join("empty.c"), source).unwrap();
    run(Command::new("gcc")
        .args(["-std=c99", "-g", "-fno-eliminate-unused-debug-types", "-fPIC", "-shared", "-I."])
        .arg(format!(
            "-Wl,-soname,librft.so.{}.{}",
            env!("CARGO_PKG_VERSION_MAJOR"),
            env!("CARGO_PKG_VERSION_MINOR")
        ))
        .args(["-o", "empty.so", "empty.c"])
        .current_dir(&dir));
    run(Command::new("abidw").args(WRITE).args(["--out-file", "rft.abi", "empty.so"]).current_dir(&dir));
    dir.join("rft.abi")
}

/// What libabigail says about the way from one interface to another, unless it is nothing.
fn difference(from: &Path, to: &Path) -> Option<String> {
    let output = Command::new("abidiff")
        .args(["--non-reachable-types", "--no-show-locs"])
        .args([from, to])
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => None,
        // 1 and 2 are its own failures, 4 is a change, 8 one that breaks programs for certain.
        Some(code) if code & 3 == 0 => Some(report.into_owned()),
        code => panic!("abidiff ended with {code:?}:\n{report}"),
    }
}

#[test]
fn the_interface_is_the_committed_one() {
    if !has_tools() {
        return;
    }
    let header = fs::read_to_string(include_dir().join("rft.h")).unwrap();
    let made = interface(&header, "abi");
    let changed = if baseline().exists() { difference(&baseline(), &made) } else { None };
    if updates() {
        fs::create_dir_all(baseline().parent().unwrap()).unwrap();
        fs::copy(&made, baseline()).unwrap();
        println!("{}", changed.as_deref().unwrap_or("the interface is what it was"));
        return;
    }
    assert!(
        changed.is_none(),
        "the binary interface has changed; `make abi` takes it over, and include/ABI.md tells what may change and \
         when RFT_ABI_VERSION rises:\n{}",
        changed.unwrap_or_default()
    );
}

/// A change of the header that breaks programs, and a word that the report has to have about it.
const BREAKS: [(&str, &str, &str, &str); 7] = [
    ("a function is gone", "RFT_API uint32_t rft_abi_version(void);", "", "rft_abi_version"),
    ("an argument is wider", "uint32_t timeout_ms,", "uint64_t timeout_ms,", "rft_engine_stop"),
    ("an argument has a sign", "int32_t key,", "uint32_t key,", "rft_config_set"),
    (
        "a result is another",
        "RFT_API uint64_t rft_error_leader(",
        "RFT_API int rft_error_leader(",
        "rft_error_leader",
    ),
    ("a field is narrower", "  uint64_t vote;", "  uint32_t vote;", "vote"),
    (
        "a callback gets something else",
        "(*send)(void *user_data, const rft_message_t *messages",
        "(*send)(void *user_data, const rft_entry_t *messages",
        "send",
    ),
    ("a constant has another number", "RFT_E_BUSY = -3,", "RFT_E_BUSY = -33,", "RFT_E_BUSY"),
];

#[test]
fn a_planted_break_is_told() {
    if !has_tools() {
        return;
    }
    let header = fs::read_to_string(include_dir().join("rft.h")).unwrap();
    let before = interface(&header, "abi_before");
    for (what, from, to, told) in BREAKS {
        assert!(header.contains(from), "{what}: the header has no {from}");
        let after = interface(&header.replacen(from, to, 1), "abi_after");
        let report = difference(&before, &after).unwrap_or_default();
        assert!(report.contains(told), "{what}, and nothing is told of {told}:\n{report}");
    }
    assert_eq!(difference(&before, &interface(&header, "abi_after")), None);
}
