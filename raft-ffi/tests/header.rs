//! The committed header is the one the sources make, and every compiler takes it.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use support::{functions, generate_header, has, include_dir, run, scratch, since};

#[test]
fn the_committed_header_is_fresh() {
    let path = include_dir().join("rft.h");
    let made = generate_header();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &made).unwrap();
        let symbols: BTreeSet<String> = functions(&made).into_iter().collect();
        let symbols =
            symbols.iter().fold(String::new(), |text, name| text + name + " " + &since(name) + "\n");
        fs::write(include_dir().join("symbols.txt"), symbols).unwrap();
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
fn every_function_tells_what_it_returns_on_which_thread_and_since_when() {
    let header = generate_header();
    for name in functions(&header) {
        let is_it = |at: &usize| header[*at..].lines().nth(1).unwrap().contains(&format!("{name}("));
        let at = header.match_indices("\nRFT_API ").map(|(at, _)| at).find(is_it).unwrap();
        let comment = &header[header[..at].rfind("/**").unwrap()..at];
        let declaration = &header[at..at + header[at..].find(");").unwrap()];
        assert!(comment.contains("@par Thread"), "{name} does not tell its thread:\n{comment}");
        assert!(
            comment.contains(&format!("\n * @since {}\n", since(&name))),
            "{name}: no @since:\n{comment}"
        );
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

/// A language, its standards as gcc and clang call them, and its compilers.
type Dialect = (&'static str, &'static [&'static str], [&'static str; 2]);

const DIALECTS: [Dialect; 2] = [
    ("c", &["c99", "c11", "c17", "c2x", "gnu99", "gnu17"], ["gcc", "clang"]),
    ("c++", &["c++11", "c++14", "c++17", "c++20", "c++2b"], ["g++", "clang++"]),
];

const WARNINGS: [&str; 9] = [
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wconversion",
    "-Wsign-conversion",
    "-Wshadow",
    "-Wundef",
    "-Werror",
    "-fsyntax-only",
];

/// How many compilers took the source in each standard.
fn compile_everywhere(name: &str, source: &str) -> usize {
    let dir = scratch(name);
    let mut taken = 0;
    for (language, standards, compilers) in DIALECTS {
        let path = dir.join(if language == "c" { "alone.c" } else { "alone.cpp" });
        fs::write(&path, source).unwrap();
        let extra: &[&str] = if language == "c" { &["-Wstrict-prototypes"] } else { &["-Wold-style-cast"] };
        for compiler in compilers.into_iter().filter(|compiler| has(compiler)) {
            for standard in standards {
                run(Command::new(compiler)
                    .arg(format!("-std={standard}"))
                    .args(WARNINGS)
                    .args(extra)
                    .arg("-I")
                    .arg(include_dir())
                    .arg(&path));
                taken += 1;
            }
        }
    }
    taken
}

#[test]
fn the_header_compiles_alone_with_every_compiler_and_standard() {
    let source = "#include <rft.h>\n#include <rft.h>\nint rft_alone(void);\n\
        int rft_alone(void) { return RFT_VERSION_NUMBER == rft_version_number() && rft_check_version() == RFT_OK; }\n";
    let taken = compile_everywhere("header_alone", source);
    assert!(taken >= 6 || !has("gcc"), "{taken}");
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
