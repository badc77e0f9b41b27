"""What a suite is made of: programs that are built once, and cells in which they meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Command:
    """One step of a build."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Program:
    """Something that takes samples. Its contestants are those whose arguments hold `path`."""

    name: str
    """How it is called when it is skipped."""
    path: Path
    """The file that is there once it was built."""
    build: Sequence[Command] = ()
    needs: Sequence[str] = ()
    """What scripts/need.sh has to find. What is missing is not installed: the program is skipped, by name."""
    absent: str | None = None
    """Why this machine cannot have it, if the suite knows a reason that need.sh does not."""
    instructions: bool = False
    """Whether it runs under callgrind, and heeds BENCH_OPS: that many operations, and nothing else measured."""


@dataclass(frozen=True)
class Cell:
    """One row of a table: the same work, done by each contestant."""

    name: str
    unit: str
    better: Literal["lower", "higher"]
    contestants: Mapping[str, Sequence[object]]
    """The arguments of a sample, by name. "ours" is ours; more of ours begin with that word and are no peers. What has
    no program of the suite is run as it is, such as a budget that only prints a figure."""
    targets: Mapping[str, float] = field(default_factory=dict)
    """How many times better than this peer, or this group of `best`, ours has to be."""
    best: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Modes of one peer that compete as one: the best of them in this run is what ours is held against."""
    quick: bool = False
    """Whether it is part of a quick run."""
    curve: str | None = None
    """The chart on which this cell is one point, at `x`."""
    x: float | None = None
    x_label: str = ""
    operations: tuple[int, int] = (4096, 12288)
    """The two lengths whose difference is divided to get instructions for one operation."""
    seconds_max: float = 120.0
    """A sample that takes longer is ended and has failed."""
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """Where a run takes place."""

    root: Path
    """The project."""
    benches: Path
    built: Path
    """Where cargo leaves the programs of the benches' workspace."""
    out: Path
    """target/bench: summary, charts, logs, and what suites build themselves."""
    files: Path
    """BENCH_DIR: a folder on a real disk, for what has to be durable."""
    quick: bool

    def cargo(self, package: str, *arguments: str) -> Command:
        """Builds one package of the workspace by itself: features of two peers must not unite."""
        argv = ["cargo", "build", "--quiet", "--locked", "--release", "-p", package, *arguments]
        return Command(argv, self.benches)
