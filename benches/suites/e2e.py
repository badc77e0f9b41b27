"""Three processes on loopback with durable logs: writes, linearizable reads, and the loss of a leader."""

from __future__ import annotations

import os
from pathlib import Path

from cell import Cell, Command, Context, Program

OUTSTANDING = (1, 16, 64, 256)
SIZES = (256, 4096)
SECONDS = "1.5"
QUICK_SECONDS = "0.7"
MEMORY = Path("/dev/shm")

FLOOR = "floor"
ETCD = "etcd 3.6"
HASHICORP = "hashicorp/raft, raft-wal"
PYSYNCOBJ = "PySyncObj"

# The services of examples/, each what its language makes of the same routes, and what has to be there for it.
SERVICES = {
    "kv-c": ["libmicrohttpd-dev", "libcurl4-openssl-dev", "libgnutls28-dev"],
    "kv-cpp": ["libcpp-httplib-dev", "libssl-dev"],
    "kv-go": ["go-1.24"],
    "kv-python": ["python3-venv"],
}

# How many times better ours has to be: with one outstanding, and with many.
TARGETS = {
    ("thr", 1): {FLOOR: 0.8, ETCD: 2.5},
    ("win", 1): {FLOOR: 0.8, ETCD: 2.5},
    ("win", 64): {FLOOR: 0.7, ETCD: 10.0},
    ("win", 256): {FLOOR: 0.7, ETCD: 25.0},
    ("thr", 64): {FLOOR: 0.7, ETCD: 8.0},
    ("thr", 256): {FLOOR: 0.7, ETCD: 11.0},
}
MEMORY_TARGETS = {("win", 256): {FLOOR: 0.5}}
# What a quick run has time for: starting and stopping three processes of everybody takes longer than the work.
QUICK = {("thr", 1), ("win", 64)}


def programs(context: Context) -> list[Program]:
    go = context.benches / "peers/e2e-go"
    generator = context.cargo("bench-e2e")
    found = []
    # First, because what loads them has another program's path among its arguments, too.
    for name, needs in SERVICES.items():
        make = Command(["make", name if name != "kv-c" else "kv"], context.root)
        found.append(Program(name, service(context, name), [generator, make], ["cargo", *needs]))
    found.append(Program("ours and the floor, end to end", ours(context), [generator], ["cargo"]))
    for name, folder in ((ETCD, "etcd"), (HASHICORP, "hashicorp")):
        path = peer(context, folder)
        build = [Command(["go", "build", "-o", str(path), f"./{folder}"], go)]
        found.append(Program(name, path, build, ["go-1.24"]))
    venv = str(python(context).parent.parent)
    make = Command(["scripts/python-venv.sh", venv, PYSYNCOBJ, "benches/peers/pysyncobj.txt"], context.root)
    found.append(Program(PYSYNCOBJ, python(context), [make], ["python3-venv"]))
    return found


def python(context: Context) -> Path:
    return context.out / "venv-pysyncobj/bin/python"


def service(context: Context, name: str) -> Path:
    return context.root / f"examples/{name}/build/{name}"


def ours(context: Context) -> Path:
    return context.built / "bench-e2e"


def peer(context: Context, folder: str) -> Path:
    return context.out / "bin" / f"bench-e2e-{folder}"


def cells(context: Context) -> list[Cell]:
    disks = {"disk": context.files} | ({"tmpfs": MEMORY} if is_writable(MEMORY) else {})
    found = []
    for disk, files in disks.items():
        for size in SIZES:
            for outstanding in OUTSTANDING:
                for work in ("win", "thr"):
                    found.append(writes(context, disk, files, work, outstanding, size))
    for outstanding in OUTSTANDING:
        for work in ("read-win", "read-thr"):
            found.append(reads(context, work, outstanding))
    found += [http(context, work, outstanding) for work in ("thr", "read-thr") for outstanding in OUTSTANDING]
    found.append(failover(context))
    return found


def is_writable(path: Path) -> bool:
    """Whether there is a disk in memory. Without one its cells are left out, and said to be."""
    if path.is_dir() and os.access(path, os.W_OK):
        return True
    print(f"skipped: cells on tmpfs (no {path} that can be written to)", flush=True)
    return False


def writes(context: Context, disk: str, files: Path, work: str, outstanding: int, size: int) -> Cell:
    """`thr`: so many blocked threads, in the leader's process. `win`: one generator with so many outstanding. Go has
    its blocked callers in both."""
    shape: list[str | Path] = [work, str(outstanding), str(size), seconds(context), files]
    targets: dict[str, float] = {}
    if size == 256:
        targets = (TARGETS if disk == "disk" else MEMORY_TARGETS).get((work, outstanding), {})
    quick = size == 256 and disk == "disk" and (work, outstanding) in QUICK
    # Not durable: its journal is never synced. Each tick is a poll, so it is shown with short ones, too.
    script = context.benches / "peers/pysyncobj_e2e.py"
    ticks = ("default", "tuned") if work == "win" and disk == "disk" else ()
    others: dict[str, list[str | Path]] = {
        f"{PYSYNCOBJ}, {kind} ticks": [python(context), script, kind, *shape] for kind in ticks
    }
    curve = f"e2e {disk} {size} B, {'one generator' if work == 'win' else 'blocked threads'}"
    return Cell(
        f"e2e-{disk}/{size}B/{work}{outstanding}",
        "op/s",
        "higher",
        contestants(context, shape) | others,
        targets,
        quick=quick,
        curve=curve,
        x=outstanding,
        x_label="writes outstanding",
    )


def reads(context: Context, work: str, outstanding: int) -> Cell:
    """Linearizable reads at the leader. Those by lease are ours alone: etcd's and hashicorp's ask a quorum, too."""
    shape: list[str | Path] = [work, str(outstanding), "0", seconds(context), context.files]
    with_lease: dict[str, list[str | Path]] = {"ours, lease": [ours(context), "lease", *shape]}
    return Cell(
        f"e2e-{work.split('-')[0]}/{work.split('-')[1]}{outstanding}",
        "op/s",
        "higher",
        contestants(context, shape) | with_lease,
        quick=(work, outstanding) in QUICK,
        curve=f"e2e reads, {'one generator' if work == 'read-win' else 'blocked threads'}",
        x=outstanding,
        x_label="reads outstanding",
    )


def http(context: Context, work: str, outstanding: int) -> Cell:
    """The same clients, with connections that they keep, at the leader of three services, of which kv-c stands for
    all: what the way through HTTP leaves of the figures above. etcd is asked through its own client, over gRPC."""
    shape: list[str | Path] = [work, str(outstanding), "256", seconds(context), context.files]
    found: dict[str, list[str | Path]] = {
        "ours" if name == "kv-c" else f"ours, {name}": [ours(context), "http", service(context, name), *shape]
        for name in SERVICES
    }
    kind = "read" if work == "read-thr" else "write"
    return Cell(
        f"e2e-http/{kind}{outstanding}",
        "op/s",
        "higher",
        found | {ETCD: [peer(context, "etcd"), *shape]},
        curve=f"services, {kind}s over HTTP",
        x=outstanding,
        x_label="clients",
    )


def contestants(context: Context, shape: list[str | Path]) -> dict[str, list[str | Path]]:
    return {
        "ours": [ours(context), "engine", *shape],
        FLOOR: [ours(context), "floor", *shape],
        ETCD: [peer(context, "etcd"), *shape],
        HASHICORP: [peer(context, "hashicorp"), *shape],
    }


def failover(context: Context) -> Cell:
    """From kill -9 of the leader to the next acknowledged write; everybody's ticks and timeouts are etcd's defaults."""
    shape: list[str | Path] = ["failover", "0.5", context.files]
    return Cell(
        "e2e-failover",
        "ms",
        "lower",
        {"ours": [ours(context), *shape], ETCD: [peer(context, "etcd"), *shape]},
        quick=True,
    )


def seconds(context: Context) -> str:
    return QUICK_SECONDS if context.quick else SECONDS
