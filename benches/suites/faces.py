"""What one call costs a host of each language: what it takes longer than the same call by Rust, in the same process.

A face's own program does a round by the face and a round by the library `faces`, turn about, and prints the difference
of the medians. Where a target is a number of nanoseconds, or one that depends on what a bare call costs here, the
contestant "budget" is that number, and ours has to be as good.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from cell import Cell, Command, Context, Program

LANGUAGES = ("c", "cpp", "go", "python")
BATCH = 64
PAGE = 4096
# Beside the library, under the name it says the loader will ask for.
NAMED = """ln -sf librft.so "$0/$(objdump -p "$0/librft.so" | sed -n 's/ *SONAME *//p')\""""


def programs(context: Context) -> list[Program]:
    beside = context.cargo("faces")
    # The shared library as it is installed.
    shared = [
        "cargo",
        "rustc",
        "--quiet",
        "--locked",
        "--profile",
        "dist",
        "-p",
        "raft-ffi",
        "--crate-type",
        "cdylib",
    ]
    library = Command(shared, context.root)
    folder = Command(["mkdir", "-p", str(work(context))], context.root)
    named = Command(["sh", "-ec", NAMED, str(shipped(context))], context.root)
    found = f"-Wl,-rpath,{context.built}:{shipped(context)}"
    flags = ["-O2", "-pthread", "-I", str(context.root / "include"), "-I", str(source(context))]
    linked = [f"-L{context.built}", "-lfaces_rust", f"-L{shipped(context)}", "-lrft", found]
    made = {name: face(context, name) for name in LANGUAGES}
    before = [beside, library, folder, named]
    pkg_config = f"s|@PREFIX@|{context.root}|; s|@LIBDIR@|{shipped(context)}|; s|@VERSION@|0|; w {work(context)}/rft.pc"
    go = {
        "CGO_LDFLAGS": f"-L{context.built} {found}",
        "CGO_CFLAGS": "-O2 -g",
        "PKG_CONFIG_PATH": str(work(context)),
    }
    return [
        Program(
            "C",
            made["c"],
            [
                *before,
                Command(
                    ["cc", "-std=c11", *flags, "-o", str(made["c"]), "faces.c", *linked], source(context)
                ),
            ],
            ["cargo", "gcc"],
        ),
        Program(
            "C++",
            made["cpp"],
            [
                *before,
                Command(
                    ["c++", "-std=c++17", *flags, "-o", str(made["cpp"]), "faces.cpp", *linked],
                    source(context),
                ),
            ],
            ["cargo", "g++"],
        ),
        Program(
            "Go",
            made["go"],
            [
                *before,
                Command(["sed", "-n", pkg_config, "scripts/rft.pc.in"], context.root),
                Command(["go", "build", "-o", str(made["go"]), "."], source(context) / "go", go),
            ],
            ["cargo", "gcc", "go-1.24", "pkg-config"],
        ),
        Program("Python", made["python"], [beside, folder, *python(context)], ["cargo", "python3"]),
    ]


def shipped(context: Context) -> Path:
    return Path(os.environ.get("CARGO_TARGET_DIR", context.root / "target")) / "dist"


def work(context: Context) -> Path:
    return context.out / "faces"


def source(context: Context) -> Path:
    return context.benches / "faces"


def face(context: Context, language: str) -> Path:
    if language == "python":
        return package(context) / "faces.py"
    return work(context) / f"faces-{language}"


def package(context: Context) -> Path:
    """The package as a wheel lays it down, with the program beside it."""
    return work(context) / "python"


def python(context: Context) -> list[Command]:
    binding = context.root / "bindings" / "python"
    build = ["cargo", "build", "--quiet", "--locked", "--release"]
    native = binding / "target" / "release" / "lib_native.so"
    into = package(context)
    return [
        Command(build, binding),
        Command(["rm", "-rf", str(into)], context.root),
        Command(["mkdir", "-p", str(into)], context.root),
        Command(["cp", "-r", str(binding / "python" / "rft"), str(into)], context.root),
        Command(["cp", str(native), str(into / "rft" / "_native.abi3.so")], context.root),
        Command(["cp", str(source(context) / "faces.py"), str(into)], context.root),
    ]


def cells(context: Context) -> list[Cell]:
    return [
        *calls(context),
        *proposals(context),
        *queues(context),
        *applies(context),
        *round_trips(context),
    ]


def cell(
    context: Context,
    name: str,
    contestants: dict[str, list[str | Path]],
    targets: dict[str, float] | None = None,
    quick: bool = False,
) -> Cell:
    env = {"FACES_RUST": str(context.built / "libfaces_rust.so")}
    return Cell(f"faces/{name}", "ns", "lower", contestants, targets=targets or {}, quick=quick, env=env)


def run(context: Context, language: str, *words: str) -> list[str | Path]:
    """In a folder of its own in memory, so that no disk is measured."""
    host: list[str | Path] = [shutil.which("python3") or "python3"] if language == "python" else []
    return [source(context) / "in-memory.sh", *host, face(context, language), *words]


def budget(context: Context, ns: int) -> list[str | Path]:
    return run(context, "c", "budget", str(ns))


def calls(context: Context) -> list[Cell]:
    """The least call of each."""
    return [
        cell(
            context,
            "call",
            {
                "ours": run(context, "c", "call"),
                "an empty function of a library": run(context, "c", "empty"),
                "cgo: an empty function": run(context, "go", "call"),
                "ours, Python's Node.leader": run(context, "python", "call"),
                "Python: len(b)": run(context, "python", "len"),
                "Python: a lambda": run(context, "python", "lambda"),
            },
            quick=True,
        )
    ]


def proposals(context: Context) -> list[Cell]:
    """256 bytes to a node of the node layer, by one call each and by calls of 64: longer than Rust's call."""
    one = {
        "c": budget(context, 20),
        "go": run(context, "go", "budget"),
        "python": budget(context, 50),
    }
    many = {"go": budget(context, 5), "python": budget(context, 8)}
    found = []
    for batch, limits in ((1, one), (BATCH, many)):
        for language in LANGUAGES:
            contestants = {"ours": run(context, language, "propose", str(batch))}
            if language == "c":
                contestants["a bare copy"] = run(context, "c", "copy", str(batch))
            targets = {}
            if language in limits:
                contestants["budget"] = limits[language]
                targets["budget"] = 1.0
            name = f"{language}/propose 256 B/{batch}"
            found.append(cell(context, name, contestants, targets=targets, quick=batch == 1))
    return found


def queues(context: Context) -> list[Cell]:
    """256 bytes into the queue of an engine at work: longer than Rust's call. In C++ and Python each wants its outcome.

    Go has none: its calls wait, see `round_trips`. And what is done by all threads for an outcome that is wanted.
    """
    return [
        cell(
            context, f"{language}/queue 256 B/{batch}", {"ours": run(context, language, "queue", str(batch))}
        )
        for language in ("c", "cpp", "python")
        for batch in (1, BATCH)
    ] + [
        cell(
            context,
            f"{language}/outcome 256 B/{batch}",
            {"ours": run(context, language, "outcome", str(batch))},
        )
        for language in ("c", "cpp")
        for batch in (1, BATCH)
    ]


def applies(context: Context) -> list[Cell]:
    """A log that is applied at the start, 64 entries a batch and 4096: wall time of an entry."""
    found = []
    for batch in (BATCH, PAGE):
        for language in LANGUAGES:
            contestants = {
                "ours": run(context, language, "apply", str(batch)),
                "Rust": run(context, "c", "rust-apply", str(batch)),
            }
            targets = {}
            if language == "python" and batch == PAGE:
                contestants["budget"] = budget(context, 200)
                targets["budget"] = 1.0
            found.append(cell(context, f"{language}/apply 256 B/{batch}", contestants, targets=targets))
    return found


def round_trips(context: Context) -> list[Cell]:
    """64 proposals whose outcomes are waited for, in a group of one without a disk: wall time of one."""
    rust = run(context, "c", "rust-round-trips", str(BATCH))
    found = [
        cell(
            context,
            f"{language}/round trip 256 B/{BATCH}",
            {"ours": run(context, language, "round-trips", str(BATCH)), "Rust": rust},
        )
        for language in LANGUAGES
    ]
    own = {"ours": run(context, "go", "own-trips", str(BATCH)), "Rust": rust}
    found.append(cell(context, f"go/round trip 256 B/{BATCH} goroutines", own))
    loop = {"ours": run(context, "python", "loop-round-trips", str(BATCH)), "Rust": rust}
    found.append(cell(context, f"asyncio/round trip 256 B/{BATCH} tasks", loop))
    reads = {
        "ours": run(context, "c", "reads", str(BATCH)),
        "ours, asyncio": run(context, "python", "loop-reads", str(BATCH)),
    }
    found.append(cell(context, f"reads/{BATCH}", reads))
    return found
