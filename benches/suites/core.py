"""Three nodes in one thread, in memory: processor time of a proposal until all of them have applied it."""

from __future__ import annotations

from pathlib import Path

from cell import Cell, Command, Context, Program

SIZES = (16, 256, 4096)
BATCHES = (1, 64)
CODECS = ("protobuf", "prost")
ETCD = ("3.6", "3.7")

BEST = "raft 0.7, best mode"
DEFAULT = "raft 0.7, default mode"
OMNI = "omnipaxos"

# How many times better ours has to be, for each size, with one proposal at a time and with 64.
TARGETS = {
    (16, 1): {BEST: 5.0, OMNI: 1.15},
    (256, 1): {BEST: 5.0, OMNI: 1.15},
    (4096, 1): {BEST: 3.5, OMNI: 1.15},
    (16, 64): {BEST: 5.0, DEFAULT: 20.0, OMNI: 1.05},
    (256, 64): {BEST: 3.5},
    (4096, 64): {BEST: 1.5},
}
WIRE_TARGETS = {(size, batch): {BEST: 5.0} for size in (16, 256) for batch in BATCHES}
QUICK = {(16, 1), (16, 64), (256, 64)}


def programs(context: Context) -> list[Program]:
    found = [
        Program(
            "ours", context.built / "bench-core", [context.cargo("bench-core")], ["cargo"], instructions=True
        ),
        rust(context, "omnipaxos", "bench-omnipaxos"),
        rust(context, "openraft", "bench-openraft"),
    ]
    for codec in CODECS:
        build = [context.cargo("bench-raft-rs", "--features", codec)]
        needs = ["cargo", "protobuf-compiler"] if codec == "prost" else ["cargo"]
        found.append(Program(f"raft 0.7 {codec}", raft_rs(context, codec), build, needs, instructions=True))
    for version in ETCD:
        mod = ["-modfile=etcd37.mod", "-tags=etcd37"] if version == "3.7" else []
        path = etcd(context, version)
        build = [Command(["go", "build", *mod, "-o", str(path), "."], context.benches / "peers/etcd-raft")]
        found.append(Program(f"etcd raft {version}", path, build, ["go-1.24"]))
    return found


def rust(context: Context, name: str, package: str) -> Program:
    return Program(name, context.built / package, [context.cargo(package)], ["cargo"], instructions=True)


def raft_rs(context: Context, codec: str) -> Path:
    return context.built / f"bench-raft-{codec}"


def etcd(context: Context, version: str) -> Path:
    return context.out / "bin" / f"bench-etcd-raft-{version}"


def cells(context: Context) -> list[Cell]:
    shapes = [(size, batch) for size in SIZES for batch in BATCHES]
    return [plain(context, *shape) for shape in shapes] + [wire(context, *shape) for shape in shapes]


def plain(context: Context, size: int, batch: int) -> Cell:
    """Messages are moved by call."""
    shape = [str(size), str(batch)]
    ours = context.built / "bench-core"
    contestants: dict[str, list[str | Path]] = {"ours": [ours, "ours", *shape]}
    contestants |= {f"floor: {kind}": [ours, kind, *shape] for kind in ("arena", "rc")}
    best: dict[str, list[str]] = {BEST: [], DEFAULT: []}
    for codec in CODECS:
        for mode in ("default", "batch-append", "multi") if batch > 1 else ("default", "multi"):
            name = f"raft 0.7 {codec}, {mode}"
            contestants[name] = [raft_rs(context, codec), mode, *shape]
            best[BEST].append(name)
        best[DEFAULT].append(f"raft 0.7 {codec}, default")
    best[OMNI] = []
    for size_of_batch in sorted({1, batch}):
        name = f"{OMNI}, batches of {size_of_batch}"
        contestants[name] = [context.built / "bench-omnipaxos", str(size_of_batch), *shape]
        best[OMNI].append(name)
    contestants["openraft 0.9, ct"] = [context.built / "bench-openraft", "ct", *shape]
    for version in ETCD:
        best[f"etcd raft {version}"] = []
        for mode in ("default", "multi"):
            name = f"etcd raft {version}, {mode}"
            contestants[name] = [etcd(context, version), mode, *shape]
            best[f"etcd raft {version}"].append(name)
    targets = TARGETS[size, batch]
    return cell(f"core/{size}B/{batch}", contestants, targets, best, (size, batch) in QUICK)


def wire(context: Context, size: int, batch: int) -> Cell:
    """Every message is also encoded and decoded."""
    shape = [str(size), str(batch)]
    contestants: dict[str, list[str | Path]] = {"ours": [context.built / "bench-core", "ours-wire", *shape]}
    contestants |= {f"raft 0.7 {codec}": [raft_rs(context, codec), "wire", *shape] for codec in CODECS}
    contestants |= {f"etcd raft {version}": [etcd(context, version), "wire", *shape] for version in ETCD}
    best = {BEST: [f"raft 0.7 {codec}" for codec in CODECS]}
    targets = WIRE_TARGETS.get((size, batch), {})
    return cell(f"core-wire/{size}B/{batch}", contestants, targets, best, size == 16)


def cell(
    name: str,
    contestants: dict[str, list[str | Path]],
    targets: dict[str, float],
    best: dict[str, list[str]],
    quick: bool,
) -> Cell:
    return Cell(name, "ns", "lower", contestants, targets, best, quick)
