//! The example that README.md quotes compiles, runs, and is quoted as it is.

#![allow(clippy::print_stdout)]

mod support;

use std::fs;
use std::process::Command;

use support::{has, include_dir, library_dir, root, run, scratch};

#[test]
fn the_smoke_example_writes_and_reads_back_also_a_second_time() {
    if !has("gcc") {
        return;
    }
    let dir = scratch("smoke");
    let program = dir.join("smoke");
    run(Command::new("gcc")
        .args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"])
        .arg(include_dir())
        .arg(root().join("examples/smoke/smoke.c"))
        .arg(library_dir().join("librft.a"))
        .args(["-lpthread", "-ldl", "-lm", "-lgcc_s", "-o"])
        .arg(&program));
    for _ in 0..2 {
        let output = run(Command::new(&program).current_dir(&dir));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n");
    }
    assert!(dir.join("smoke.data/wal").is_dir());
}

#[test]
fn the_readme_quotes_it_as_it_is() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    // The marker line says that a fenced block with the whole example follows.
    let (_, after) = readme.split_once("<!-- smoke.c -->\n").unwrap();
    let quoted = after.trim_start().strip_prefix("```c\n").and_then(|rest| rest.split_once("```"));
    let example = fs::read_to_string(root().join("examples/smoke/smoke.c")).unwrap();
    assert_eq!(quoted.map(|(block, _)| block), Some(example.as_str()));
}
