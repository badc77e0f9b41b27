//! The C program of tests/host, built against the static and the shared library, and under the sanitizers and
//! valgrind where they are.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // helpers of tests may fail the way tests do

mod support;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{has, include_dir, library_dir, run, scratch, skipped};

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

/// Gives a program a full disk and a read-only one, in a view of the file system that ends with it.
const WITH_DISKS: &str = "mount -t tmpfs -o size=16k tmpfs \"$1\" && mount -t tmpfs -o ro,size=16k tmpfs \"$2\" && shift 2 && exec \"$@\"";

/// Runs the program below `dir`, behind the words of `runner`, with the directories it asks for: one for its files, one
/// on a disk that is full, one that cannot be written. It says so when there is none.
fn passes(dir: &Path, runner: &[&str], program: &Path, environment: &[(&str, &str)]) {
    let [data, full, read_only] = ["data", "full", "read_only"].map(|name| dir.join(name));
    for dir in [&data, &full, &read_only] {
        fs::create_dir(dir).unwrap();
    }
    let in_namespace = |words: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", WITH_DISKS, "sh"]).args([&full, &read_only]).args(words);
        command
    };
    let mut command;
    if in_namespace(&["true"]).output().is_ok_and(|output| output.status.success()) {
        command = in_namespace(runner);
        command.arg(program).args([data, full, read_only]);
    } else {
        skipped("the C host on a full disk, which cannot be had here");
        let read_only = forbidden(read_only).unwrap_or_default();
        let words: Vec<&OsStr> = runner.iter().map(OsStr::new).chain([program.as_os_str()]).collect();
        command = Command::new(words[0]);
        command.args(&words[1..]).args([data, PathBuf::new(), read_only]);
    }
    let output = run(command.envs(environment.iter().copied()));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.ends_with("host: ok\n"), "{text}{}", String::from_utf8_lossy(&output.stderr));
    println!("{text}");
}

/// A directory that may not be written, which the superuser does all the same.
fn forbidden(at: PathBuf) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&at, fs::Permissions::from_mode(0o555)).unwrap();
    let is_forbidden = fs::write(at.join("probe"), "").is_err();
    if !is_forbidden {
        skipped("the C host in a read-only directory, which cannot be had here");
    }
    is_forbidden.then_some(at)
}

#[test]
fn the_host_runs_against_the_shared_library() {
    if !has("gcc") {
        return;
    }
    let (dir, program) = build("host_shared", &[], false);
    passes(&dir, &[], &program, &[]);
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
    let options = [("ASAN_OPTIONS", "detect_leaks=1:detect_stack_use_after_return=1")];
    passes(&dir, &[], &program, &options);
}

#[test]
fn the_host_runs_clean_under_valgrind() {
    if !has("gcc") || !has("valgrind") {
        return;
    }
    let (dir, program) = build("host_valgrind", &["-DSLOW"], false);
    let valgrind = [
        "valgrind",
        "--error-exitcode=1",
        "--leak-check=full",
        "--errors-for-leak-kinds=definite,indirect",
        "--quiet",
        "--fair-sched=yes",
    ];
    passes(&dir, &valgrind, &program, &[]);
}
