"""Around a restart: how soon a node that was killed serves again, and how fast a snapshot is saved, sent and restored.
Nobody is compared."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from cell import Cell, Context, Program

LOGS = (1, 16, 64, 256, 1024)
"""MiB of payload, in entries of 1 KiB."""
SNAPSHOTS = ("save", "send", "restore")
SNAPSHOT_MIB = 1024
SNAPSHOT_QUICK_MIB = 64
FREE_BYTES_MIN = 4 << 30
"""Two copies of the longest snapshot, a log, and what is kept free."""


def programs(context: Context) -> list[Program]:
    return [Program("bench-recovery", path(context), [context.cargo("bench-recovery")], ["cargo"])]


def path(context: Context) -> Path:
    return context.built / "bench-recovery"


def cells(context: Context) -> list[Cell]:
    found = list(logs(path(context)))
    free = shutil.disk_usage(context.files).free
    if context.quick or free >= FREE_BYTES_MIN:
        mib = SNAPSHOT_QUICK_MIB if context.quick else SNAPSHOT_MIB
        found += snapshots(path(context), mib)
    else:
        print(f"skipped: snapshots of {SNAPSHOT_MIB} MiB (too little room in {context.files})")
    return found


def logs(program: Path) -> Iterator[Cell]:
    """From the start of a process to the first new proposal that is applied, the log before it included."""
    for mib in LOGS:
        yield Cell(
            f"recovery/first-service/{mib}MiB",
            "ms",
            "lower",
            {"ours": [program, "service", "1024", str(mib)]},
            quick=mib in (1, 64),
            curve="service after a kill",
            x=mib,
            x_label="MiB of log",
            seconds_max=300,
        )


def snapshots(program: Path, mib: int) -> Iterator[Cell]:
    """`rss_kib` is how much memory the process took more: of both nodes, where one sends to the other."""
    for what in SNAPSHOTS:
        yield Cell(
            f"recovery/snapshot-{what}/{mib}MiB",
            "MB/s",
            "higher",
            {"ours": [program, what, str(mib)]},
            quick=True,
            seconds_max=300,
        )
