//! The C program of tests/host, built against the static and the shared library, and under the sanitizers and
//! valgrind where they are.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // helpers of tests may fail the way tests do

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{has, include_dir, library_dir, run, scratch};

/// What a static Rust library needs of the system.
const SYSTEM: [&str; 4] = ["-lpthread", "-ldl", "-lm", "-lgcc_s"];

/// Compiles the program to `name` in a folder of its own.
fn build(name: &str, flags: &[&str], is_static: bool) -> (PathBuf, PathBuf) {
    let dir = scratch(name);
    let program = dir.join("host");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/host");
    let mut files: Vec<PathBuf> = fs::read_dir(sources)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .collect();
    files.sort();
    let mut command = Command::new("gcc");
    command
        .args(["-std=c99", "-g", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wstrict-prototypes"])
        .args(["-Wconversion", "-Werror"])
        .args(flags)
        .arg("-I")
        .arg(include_dir())
        .args(&files)
        .arg("-o")
        .arg(&program);
    if is_static {
        command.arg(library_dir().join("librft.a")).args(SYSTEM);
    } else {
        // The loader asks for the library by its soname, as it does for an installed one.
        let soname =
            format!("librft.so.{}.{}", env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
        std::os::unix::fs::symlink(library_dir().join("librft.so"), dir.join(&soname)).unwrap();
        std::os::unix::fs::symlink(&soname, dir.join("librft.so")).unwrap();
        command.arg("-L").arg(&dir).args(["-lrft", "-lpthread"]).arg(format!("-Wl,-rpath,{}", dir.display()));
    }
    run(&mut command);
    (dir, program)
}

fn passes(command: &mut Command) {
    let output = run(command);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.ends_with("host: ok\n"), "{text}{}", String::from_utf8_lossy(&output.stderr));
    println!("{text}");
}

/// The directory for the files of one run.
fn data(dir: &Path) -> PathBuf {
    let data = dir.join("data");
    fs::create_dir(&data).unwrap();
    data
}

#[test]
fn the_host_runs_against_the_shared_library() {
    if !has("gcc") {
        return;
    }
    let (dir, program) = build("host_shared", &[], false);
    passes(Command::new(program).arg(data(&dir)));
}

#[test]
fn the_host_runs_clean_under_address_and_undefined_behaviour_sanitizers() {
    if !has("gcc") || !has("nm") {
        return;
    }
    let flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"];
    let (dir, program) = build("host_sanitized", &flags, true);
    let symbols = run(Command::new("nm").arg(&program));
    assert!(
        String::from_utf8_lossy(&symbols.stdout).contains("__asan_init"),
        "the sanitizer is not in the program"
    );
    passes(
        Command::new(program)
            .arg(data(&dir))
            .env("ASAN_OPTIONS", "detect_leaks=1:detect_stack_use_after_return=1"),
    );
}

#[test]
fn the_host_runs_clean_under_valgrind() {
    if !has("gcc") || !has("valgrind") {
        return;
    }
    let (dir, program) = build("host_valgrind", &["-DSLOW"], false);
    passes(
        Command::new("valgrind")
            .args(["--error-exitcode=1", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect"])
            .args(["--quiet", "--fair-sched=yes"])
            .arg(program)
            .arg(data(&dir)),
    );
}
