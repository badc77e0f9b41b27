//! What the shared library exports, what the header declares, and the committed list are the same.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use support::{functions, generate_header, has, include_dir, library_dir, run};

#[test]
fn the_library_exports_what_the_header_declares_and_nothing_else() {
    let declared: BTreeSet<String> = functions(&generate_header()).into_iter().collect();
    let path = include_dir().join("symbols.txt");
    // Each with the version in which it came.
    let list = fs::read_to_string(&path).unwrap();
    let committed: BTreeSet<String> =
        list.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    assert_eq!(
        declared, committed,
        "include/symbols.txt; UPDATE=1 cargo test -p raft-ffi --test header writes it"
    );

    // cowsql/raft and willemt/raft have taken `raft_`.
    assert!(declared.iter().all(|name| name.starts_with("rft_")), "{declared:?}");

    if cfg!(target_os = "linux") && has("nm") {
        let library = library_dir().join("librft.so");
        let output = run(Command::new("nm").args(["-D", "--defined-only", "--format=posix"]).arg(&library));
        let exported: BTreeSet<String> = String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .filter_map(|line| line.split(' ').next())
            .map(str::to_owned)
            .collect();
        assert_eq!(exported, declared);
    }
}

#[test]
fn null_is_tried_with_every_function() {
    let path = support::root().join("raft-ffi/tests/host/null_arguments.c");
    let tried = fs::read_to_string(path).unwrap();
    for name in functions(&generate_header()) {
        assert!(tried.contains(&format!("{name}(")), "null_arguments.c leaves out {name}");
    }
}

#[test]
fn the_library_has_its_name_and_stays_loaded() {
    if !cfg!(target_os = "linux") || !has("readelf") {
        return;
    }
    let output = run(Command::new("readelf").arg("-d").arg(library_dir().join("librft.so")));
    let text = String::from_utf8(output.stdout).unwrap();
    let name = format!("[librft.so.{}.{}]", env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
    assert!(text.contains(&name), "no soname {name} in\n{text}");
    assert!(text.contains("NODELETE"), "dlclose would unload it:\n{text}");
}

#[test]
fn a_panic_unwinds_in_every_profile_that_is_shipped() {
    let manifest = fs::read_to_string(support::root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("panic = \"unwind\""), "a panic must stop at the boundary");
    assert!(!manifest.contains("panic = \"abort\""), "a panic must stop at the boundary");
}
