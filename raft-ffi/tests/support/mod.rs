//! What the tests of the C face share: the header as it should be, and compilers to try it with.
// Each test file uses a part of this; and helpers of tests may fail the way tests do.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cbindgen::{Builder, Config, DocumentationLength};

/// The header's parts, in the order in which it is read.
pub(crate) const NOUNS: [&str; 16] = [
    "status", "error", "version", "data", "config", "snapshot", "host", "answer", "engine", "request",
    "replace", "session", "metrics", "ready", "node", "store",
];

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The committed header's folder.
pub(crate) fn include_dir() -> PathBuf {
    root().join("include")
}

/// The header as the sources say it should be.
pub(crate) fn generate_header() -> String {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = Config::from_file(package.join("cbindgen.toml")).unwrap();
    let text = |part: &Option<String>| part.clone().unwrap_or_default().trim().to_owned();
    let guard = config.include_guard.clone().unwrap();
    let mut parts = vec![
        text(&config.header),
        format!("#ifndef {guard}\n#define {guard}"),
        text(&config.after_includes),
        version_macros(),
        "#ifdef __cplusplus\nextern \"C\" {\n#endif".to_owned(),
    ];
    for noun in NOUNS {
        let path = package.join(format!("src/{noun}.rs"));
        parts.push(format!("{}\n\n{}", introduction(&path), declarations(&config, &path)));
    }
    parts.push(text(&config.trailer));
    parts.push("#ifdef __cplusplus\n} /* extern \"C\" */\n#endif".to_owned());
    parts.push(format!("#endif /* {guard} */"));
    with_since(&(parts.join("\n\n") + "\n"))
}

/// The version in which a function came: the committed list keeps it, and what is not in it comes with this one.
pub(crate) fn since(name: &str) -> String {
    let list = fs::read_to_string(include_dir().join("symbols.txt")).unwrap_or_default();
    let of_name = |line: &str| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned);
    list.lines().find_map(of_name).unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned())
}

/// Tells in each function's comment since when it is there.
fn with_since(header: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in header.lines() {
        if let Some(name) = functions(line).first() {
            let end = lines.iter().rposition(|line| line == " */").expect("every function has a comment");
            lines.insert(end, format!(" * @since {}", since(name)));
        }
        lines.push(line.to_owned());
    }
    lines.join("\n") + "\n"
}

/// What Cargo.toml and version.rs say, as macros.
fn version_macros() -> String {
    let (major, minor, patch) =
        (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"), env!("CARGO_PKG_VERSION_PATCH"));
    format!(
        "/** The first part of the header's version. */\n\
         #define RFT_VERSION_MAJOR {major}\n\
         /** Its second part: before 1.0 it rises when something breaks. */\n\
         #define RFT_VERSION_MINOR {minor}\n\
         /** Its third part. */\n\
         #define RFT_VERSION_PATCH {patch}\n\
         /** The header's version to compare: major * 65536 + minor * 256 + patch. */\n\
         #define RFT_VERSION_NUMBER (RFT_VERSION_MAJOR * 65536u + RFT_VERSION_MINOR * 256u + RFT_VERSION_PATCH)\n\
         /** The header's version as text. */\n\
         #define RFT_VERSION_STRING \"{}\"\n\
         /** The binary interface this header describes. */\n\
         #define RFT_ABI_VERSION {}u",
        env!("CARGO_PKG_VERSION"),
        rft::version::rft_abi_version()
    )
}

/// A source file's own documentation, as the introduction of its part of the header.
fn introduction(path: &Path) -> String {
    let source = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = source.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let title = lines.first().expect("every source file starts with its documentation").trim();
    let rule = "=".repeat(112);
    let mut text = format!("/* {rule}\n * {title}\n");
    for line in &lines[1..] {
        text += &format!(" *{}\n", line.trim_end());
    }
    text + &format!(" * {rule} */")
}

/// A source file's public items, as C.
fn declarations(config: &Config, path: &Path) -> String {
    let mut config = config.clone();
    (config.header, config.include_guard, config.after_includes, config.trailer) = (None, None, None, None);
    config.documentation_length = DocumentationLength::Full;
    // Types that only another part of the header uses are items of this one all the same.
    config.export.include = public_types(path);
    let bindings = Builder::new().with_config(config).with_src(path).generate().unwrap();
    let mut raw = Vec::new();
    bindings.write(&mut raw);
    tidy(&String::from_utf8(raw).unwrap())
}

fn public_types(path: &Path) -> Vec<String> {
    let source = fs::read_to_string(path).unwrap();
    let name = |line: &str, kind: &str| {
        line.strip_prefix(kind)
            .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>())
    };
    source
        .lines()
        .filter_map(|line| {
            ["pub struct ", "pub enum ", "pub type "].into_iter().find_map(|kind| name(line, kind))
        })
        .collect()
}

/// Says in C what cbindgen cannot be told: constants are an enumeration without a name, so that no enum type, whose
/// width is the compiler's choice, can cross the boundary; the tag of an opaque type goes without `_t`; a comment
/// of one line is written on one line; a declaration starts with what imports it.
fn tidy(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut in_constants = false;
    // Inside of a declaration: how far its further lines move right.
    let mut prefix: Option<&str> = None;
    for line in text.trim().lines() {
        let mut line = line.trim_end().replace("struct rft_", "rft_");
        if line.starts_with("typedef enum ") {
            in_constants = true;
            line = "enum {".to_owned();
        } else if in_constants && line.starts_with('}') {
            in_constants = false;
            line = "};".to_owned();
        } else if let Some(rest) = line.strip_prefix("typedef rft_") {
            let rest = if line.ends_with('{') { rest.to_owned() } else { rest.replacen("_t ", " ", 1) };
            line = format!("typedef struct rft_{rest}");
        } else if line == "RFT_API" {
            prefix = Some("RFT_API ");
            continue;
        } else if let Some(before) = prefix {
            prefix = (!line.ends_with(';')).then_some("        ");
            line = format!("{before}{line}");
        }
        lines.push(line);
        join_short_comment(&mut lines);
    }
    lines.join("\n")
}

/// Turns the last three lines into one where they are a comment of one line.
fn join_short_comment(lines: &mut Vec<String>) {
    let [.., open, text, close] = lines.as_slice() else { return };
    let indent = open.len() - open.trim_start().len();
    if open.trim() != "/**" || close.trim() != "*/" {
        return;
    }
    let Some(text) = text.trim().strip_prefix("* ") else { return };
    let joined = format!("{}/** {text} */", " ".repeat(indent));
    if joined.len() <= 116 {
        lines.truncate(lines.len() - 3);
        lines.push(joined);
    }
}

/// Every function a header declares, in its order. A function ends up in the shared library, an inline one does not.
pub(crate) fn functions(header: &str) -> Vec<String> {
    header
        .lines()
        .filter_map(|line| line.strip_prefix("RFT_API "))
        .map(|line| {
            let (before, _) = line.split_once('(').expect("a function has parameters");
            before.rsplit([' ', '*']).next().unwrap().to_owned()
        })
        .collect()
}

/// Whether a program can be run here; says so when not.
pub(crate) fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        skipped(&format!("what needs {program}, which is missing"));
    }
    found
}

/// Says what a test leaves out, also into the file that `RFT_SKIPPED` names: a test that passes is not heard.
pub(crate) fn skipped(what: &str) {
    println!("skipped: {what}");
    if let Some(path) = std::env::var_os("RFT_SKIPPED") {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(format!("skipped: {what}\n").as_bytes()).unwrap();
    }
}

/// Runs a command that has to succeed.
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The folder with the librft.so and librft.a that belong to this test.
pub(crate) fn library_dir() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // target/debug/deps/name-hash
    let dir = test.parent().and_then(Path::parent).unwrap().to_owned();
    assert!(dir.join("librft.a").exists(), "no librft.a in {}: run cargo build -p raft-ffi", dir.display());
    dir
}

/// A folder of the test's own, empty, below the target directory.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}
