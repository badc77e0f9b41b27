"""What grows, and with what: each a curve, and its slope in words. Nobody is compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cell import Cell, Context, Program


@dataclass(frozen=True)
class Curve:
    """What is measured, at which points, and by which arguments of the program for each line."""

    name: str
    unit: str
    x_label: str
    points: Sequence[int]
    lines: dict[str, tuple[str, ...]]
    """The word X stands for the point."""
    better: Literal["lower", "higher"] = "lower"
    quick: Sequence[int] = ()


CURVES = (
    Curve(
        "a proposal by members",
        "ns",
        "members",
        (1, 3, 5, 7, 9),
        {"ours": ("nodes", "X", "1"), "ours, 64 at a time": ("nodes", "X", "64")},
        quick=(1, 5, 9),
    ),
    Curve(
        "a proposal by length of the log",
        "ns",
        "entries in the log",
        (1_000, 10_000, 100_000, 1_000_000),
        {"ours": ("length", "X")},
        quick=(1_000, 100_000),
    ),
    Curve(
        "a proposal by entries in flight", "ns", "in flight", (1, 4, 16, 64, 256), {"ours": ("flight", "X")}
    ),
    Curve(
        "memory of a log",
        "KiB",
        "entries of 16 bytes",
        (10_000, 100_000, 1_000_000),
        {"ours": ("entries", "X")},
    ),
    Curve(
        "memory of an idle engine",
        "KiB",
        "engines in the process",
        (1, 4, 16, 64, 256),
        {"ours": ("engines-memory", "X")},
        quick=(1, 16),
    ),
    Curve(
        "threads of an idle engine",
        "threads",
        "engines in the process",
        (1, 16, 256),
        {"ours": ("engines-threads", "X")},
    ),
    Curve(
        "processor time of an idle engine",
        "µs/s",
        "engines in the process",
        (1, 4, 16, 64, 256),
        {"ours": ("engines-cpu", "X")},
    ),
    Curve(
        "snapshots by size",
        "MB/s",
        "MiB",
        (1, 16, 64, 256),
        {"ours": ("snapshot-save", "X"), "ours, restored": ("snapshot-restore", "X")},
        better="higher",
        quick=(16,),
    ),
)


def programs(context: Context) -> list[Program]:
    return [Program("ours", path(context), [context.cargo("bench-growth")], ["cargo"])]


def path(context: Context) -> Path:
    return context.built / "bench-growth"


def cells(context: Context) -> list[Cell]:
    return [cell for curve in CURVES for cell in points(curve, path(context))]


def points(curve: Curve, program: Path) -> Iterator[Cell]:
    for x in curve.points:
        contestants: dict[str, list[str | Path]] = {
            name: [program, *(word.replace("X", str(x)) for word in line)]
            for name, line in curve.lines.items()
        }
        yield Cell(
            f"growth/{curve.name}/{x}",
            curve.unit,
            curve.better,
            contestants,
            quick=x in curve.quick,
            curve=curve.name,
            x=x,
            x_label=curve.x_label,
        )
