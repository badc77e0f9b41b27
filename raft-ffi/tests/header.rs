//! The committed header is the one the sources make, and every compiler takes it.

mod support;

use std::fs;
use std::process::Command;

use support::{functions, generate_header, has, include_dir, run, scratch};

#[test]
fn the_committed_header_is_fresh() {
    let path = include_dir().join("rft.h");
    let made = generate_header();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let differs = committed.lines().zip(made.lines()).position(|(left, right)| left != right);
    assert!(
        committed == made,
        "include/rft.h is not what the sources say (first difference in line {}); \
         `UPDATE=1 cargo test -p raft-ffi --test header` writes it",
        differs.map_or(committed.lines().count().min(made.lines().count()), |at| at) + 1
    );
}

#[test]
fn every_function_tells_what_it_returns_and_on_which_thread() {
    let header = generate_header();
    for name in functions(&header) {
        let is_it = |at: &usize| header[*at..].lines().nth(1).unwrap().contains(&format!("{name}("));
        let at = header.match_indices("\nRFT_API ").map(|(at, _)| at).find(is_it).unwrap();
        let comment = &header[header[..at].rfind("/**").unwrap()..at];
        let declaration = &header[at..at + header[at..].find(");").unwrap()];
        assert!(comment.contains("@par Thread"), "{name} does not tell its thread:\n{comment}");
        assert!(comment.contains("@return") || declaration.contains("RFT_API void "), "{name}: no @return");
        let parameters: Vec<&str> = declaration.split_once('(').unwrap().1.split(',').collect();
        for parameter in parameters {
            let name_of = parameter.trim().rsplit([' ', '*']).next().unwrap();
            assert!(
                name_of == "void" || comment.contains(&format!("@param {name_of} ")),
                "{name} does not tell its parameter {name_of}"
            );
        }
    }
}

#[test]
fn the_header_compiles_alone_with_every_compiler_and_standard() {
    let dir = scratch("header_alone");
    let warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", "-fsyntax-only"];
    for (language, standards, extra, compilers) in [
        ("c", ["c99", "c11", "c17", "c2x"], Some("-Wstrict-prototypes"), ["gcc", "clang"]),
        ("c++", ["c++11", "c++14", "c++17", "c++20"], None, ["g++", "clang++"]),
    ] {
        let source = dir.join(if language == "c" { "alone.c" } else { "alone.cpp" });
        fs::write(&source, "#include <rft.h>\n#include <rft.h>\nint rft_alone(void);\n").unwrap();
        for compiler in compilers.into_iter().filter(|compiler| has(compiler)) {
            for standard in standards {
                run(Command::new(compiler)
                    .arg(format!("-std={standard}"))
                    .args(warnings)
                    .args(extra)
                    .arg("-I")
                    .arg(include_dir())
                    .arg(&source));
            }
        }
    }
}

#[test]
fn the_macros_are_cargos_version() {
    let committed = fs::read_to_string(include_dir().join("rft.h")).unwrap();
    let value = |name: &str| {
        let line = committed.lines().find(|line| line.starts_with(&format!("#define {name} "))).unwrap();
        line.rsplit(' ').next().unwrap().trim_matches('"').trim_end_matches('u').to_owned()
    };
    assert_eq!(value("RFT_VERSION_STRING"), env!("CARGO_PKG_VERSION"));
    assert_eq!(value("RFT_ABI_VERSION"), rft::version::rft_abi_version().to_string());
    let number: u32 = ["MAJOR", "MINOR", "PATCH"]
        .iter()
        .map(|part| value(&format!("RFT_VERSION_{part}")).parse::<u32>().unwrap())
        .fold(0, |number, part| number << 8 | part);
    assert_eq!(number, rft::version::rft_version_number());
}
