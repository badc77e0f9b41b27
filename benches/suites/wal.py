"""The write-ahead log: one append and its sync, several outstanding, bytes without a sync, and reading it all back."""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
from pathlib import Path

from cell import Cell, Command, Context, Program

SIZES = (128, 1024, 16384)
BATCHES = (1, 64)
FLOORS = {
    "zero-filled, crc": "zeroed-crc",
    "zero-filled": "zeroed",
    "fallocated": "fallocated",
    "growing": "growing",
}
FLOORS_DIRECT = {"O_DIRECT": "direct", "O_DIRECT, crc": "direct-crc"}
MEMORY = Path("/dev/shm")
MEMORY_BYTES_MIN = 512 << 20
BLOCK = 4096


def etcd(context: Context) -> Path:
    return context.out / "etcd-wal"


def programs(context: Context) -> list[Program]:
    go = Command(["go", "build", "-o", str(etcd(context)), "."], context.benches / "peers/etcd-wal")
    return [
        Program("ours and the floors", context.built / "bench-wal", [context.cargo("bench-wal")], ["cargo"]),
        Program(
            "raft-engine, okaywal, raft-log",
            context.built / "bench-wal-peers",
            [context.cargo("bench-wal-peers")],
            ["cargo"],
        ),
        Program("etcd's log", etcd(context), [go], ["go-1.24"]),
    ]


def cells(context: Context) -> list[Cell]:
    ours, peers, go = context.built / "bench-wal", context.built / "bench-wal-peers", etcd(context)
    env = {"BENCH_MS": "250"} if context.quick else {}
    is_direct = takes_direct(context.files)
    if not is_direct:
        print(
            f"skipped: all past the system's cache ({context.files} lies on a file system without O_DIRECT)"
        )
    found = []
    for size in SIZES:
        for batch in BATCHES:
            found.append(durable(ours, peers, go, size, batch, env, is_direct))
            if is_direct:
                found.append(direct(ours, peers, size, batch, env))
    found += [outstanding(ours, peers, count, env, is_direct) for count in (1, 4, 8)]
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES_MIN:
        found += [unsynced(ours, peers, go, size, batch) for size in SIZES for batch in BATCHES]
    else:
        print(f"skipped: bytes without a sync (too little room in {MEMORY})")
    found += [replay(ours, peers, go, size, 64 if context.quick else 1024) for size in SIZES]
    return found


def takes_direct(folder: Path) -> bool:
    """Whether files there can be written past the system's cache, as our log would."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as file, mmap.mmap(-1, BLOCK) as block:
            other = os.open(file.name, os.O_WRONLY | os.O_DIRECT)
            try:
                return os.pwrite(other, block, 0) == BLOCK
            finally:
                os.close(other)
    except OSError:
        return False


def durable(
    ours: Path, peers: Path, go: Path, size: int, batch: int, env: dict[str, str], is_direct: bool
) -> Cell:
    """Records a second, by the median of an append and its sync; MB/s are of all the time."""
    words = ["sync", str(size), str(batch)]
    floors = FLOORS | FLOORS_DIRECT if is_direct else FLOORS
    large = (size, batch) == (16384, 64)
    ahead = 1.6 if batch > 1 or size > 1024 else 1.0
    return Cell(
        f"wal/{size}B/{batch}",
        "records/s",
        "higher",
        {"ours": [ours, "ours", *words]}
        | {name: [ours, mode, *words] for name, mode in floors.items()}
        | {name: [peers, name, *words] for name in ("okaywal", "raft-engine", "raft-log")}
        | {"etcd wal": [go, "etcd", *words]},
        targets={
            "zero-filled, crc": 0.93 if large else 0.97,
            "growing": 1.3,
            "okaywal": 1.0,
            "raft-engine": 1.35 if large else ahead,
            "raft-log": 1.0,
            "etcd wal": ahead,
        },
        quick=(size, batch) in ((128, 1), (1024, 64)),
        env=env,
    )


def direct(ours: Path, peers: Path, size: int, batch: int, env: dict[str, str]) -> Cell:
    """The same past the system's cache, beside the same reference."""
    words = ["sync", str(size), str(batch)]
    return Cell(
        f"wal-direct/{size}B/{batch}",
        "records/s",
        "higher",
        {
            "ours": [ours, "ours-direct", *words],
            "ours, through the cache": [ours, "ours", *words],
            "zero-filled, crc": [ours, "zeroed-crc", *words],
            "O_DIRECT": [ours, "direct", *words],
            "O_DIRECT, crc": [ours, "direct-crc", *words],
            "okaywal": [peers, "okaywal", *words],
        },
        targets={"zero-filled, crc": 1.0, "okaywal": 1.0},
        quick=(size, batch) == (128, 1),
        env=env,
    )


def outstanding(ours: Path, peers: Path, count: int, env: dict[str, str], is_direct: bool) -> Cell:
    """Appends of one record of 128 B, so many of them not acknowledged yet. The log takes what waits under one sync."""
    words = ["outstanding", "128", str(count)]
    past_the_cache = {
        "ours, O_DIRECT": [ours, "ours-direct", *words],
        "O_DIRECT, 4 KiB each": [ours, "direct", *words],
    }
    return Cell(
        f"wal-outstanding/128B/{count}",
        "records/s",
        "higher",
        {
            "ours": [ours, "ours", *words],
            "one at a time": [ours, "ours", "outstanding", "128", "1"],
            "okaywal": [peers, "okaywal", *words],
            "raft-log": [peers, "raft-log", *words],
        }
        | (past_the_cache if is_direct else {}),
        targets={"one at a time": 2.0} if count == 4 else {"one at a time": 3.0} if count == 8 else {},
        quick=count == 4,
        curve="appends outstanding",
        x=count,
        x_label="appends outstanding",
        env=env,
    )


def unsynced(ours: Path, peers: Path, go: Path, size: int, batch: int) -> Cell:
    """Payload in a second of processor time, in memory: what a log costs beside the disk."""
    words = ["memory", str(size), str(batch)]
    return Cell(
        f"wal-cpu/{size}B/{batch}",
        "MB/s",
        "higher",
        {
            "ours": [ours, "ours", *words],
            "write, crc": [ours, "zeroed-crc", *words],
            "write": [ours, "zeroed", *words],
            "raft-engine": [peers, "raft-engine", *words],
            "raft-log": [peers, "raft-log", *words],
            "etcd wal": [go, "etcd", *words],
        },
        targets={"write, crc": 0.8, "raft-engine": 1.8} if batch > 1 else {},
        quick=(size, batch) == (128, 64),
        env={"BENCH_DIR": str(MEMORY)},
    )


def replay(ours: Path, peers: Path, go: Path, size: int, mib: int) -> Cell:
    """Payload in a second, until a process that has just been started has every entry of a log in memory."""
    words = ["replay", str(size), str(mib)]
    return Cell(
        f"wal-replay/{size}B",
        "MB/s",
        "higher",
        {
            "ours": [ours, "ours", *words],
            "read of a file": [ours, "file", *words],
            "raft-engine": [peers, "raft-engine", *words],
            "okaywal": [peers, "okaywal-kept", *words],
            "raft-log": [peers, "raft-log", *words],
            "etcd wal": [go, "etcd", *words],
        },
        targets={"raft-engine": 1.0, "raft-log": 1.0, "etcd wal": 1.0},
        quick=size == 1024,
        seconds_max=300,
    )
