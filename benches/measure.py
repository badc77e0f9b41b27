"""Takes samples: one process each, ended in every case, its last line one JSON object."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from cell import Cell, Program

Sample = dict[str, float]
"""`value`, and whatever else the program measured, by name."""

OUTPUT_MAX = 1 << 20


class SampleFailed(Exception):
    """A program that did not end well, or whose last line is not what it should be."""


class Signals:
    """SIGTERM, SIGHUP and Ctrl-C end a run by an exception, so that a sample under way is ended too.

    While one starts they wait: an exception in the middle of that would leave a process that nobody knows.
    """

    def __init__(self) -> None:
        self.starting = False
        self.came: int | None = None

    def watch(self) -> None:
        """From now on."""
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, lambda number, _: self.take(number))

    def take(self, number: int) -> None:
        """What one of them does."""
        self.came = number
        if not self.starting:
            sys.exit(128 + number)

    def started(self) -> None:
        """The process is known; what came meanwhile counts now."""
        self.starting = False
        if self.came is not None:
            sys.exit(128 + self.came)


SIGNALS = Signals()


def run(argv: Sequence[object], env: Mapping[str, str], seconds: float) -> tuple[str, str]:
    """Runs one process in a session of its own, and ends all of that session before it returns."""
    SIGNALS.starting = True
    try:
        process = subprocess.Popen(
            [str(word) for word in argv],
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as fault:
        SIGNALS.started()
        raise SampleFailed(str(fault)) from None
    try:
        SIGNALS.started()
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise SampleFailed(f"took longer than {seconds:.0f} s") from None
    finally:
        end(process)
    if process.returncode != 0:
        said = err.strip().splitlines() or out.strip().splitlines() or ["said nothing"]
        raise SampleFailed(f"ended with {process.returncode}: {said[-1][:300]}")
    return out[-OUTPUT_MAX:], err[-OUTPUT_MAX:]


def end(process: subprocess.Popen[str]) -> None:
    """Ends what is left of a sample: the process, and what it started and left behind."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def parse(out: str) -> Sample:
    """Reads the last line that a sample printed."""
    lines = out.strip().splitlines()
    try:
        found = json.loads(lines[-1])
        sample = {str(key): float(value) for key, value in found.items()}
    except (IndexError, ValueError, TypeError, AttributeError):
        raise SampleFailed(f"printed no result: {lines[-1][:300] if lines else 'nothing'}") from None
    if not 0 < sample.get("value", 0) < float("inf"):
        raise SampleFailed("printed a result without a value above zero")
    return sample


def sample(cell: Cell, contestant: str, env: Mapping[str, str]) -> Sample:
    """Takes one sample of one contestant."""
    out, _ = run(cell.contestants[contestant], {**env, **cell.env}, cell.seconds_max)
    return parse(out)


def program_of(argv: Sequence[object], programs: Sequence[Program]) -> Program | None:
    """Finds the program that a contestant runs."""
    words = {str(word) for word in argv}
    return next((program for program in programs if str(program.path) in words), None)


def can_count() -> bool:
    """Whether instructions can be counted here."""
    return shutil.which("valgrind") is not None


def instructions(cell: Cell, contestant: str, env: Mapping[str, str]) -> float:
    """Instructions for one operation: two lengths under callgrind, so that the start falls out."""
    short, long = cell.operations
    counts = [counted(cell, contestant, env, operations) for operations in (short, long)]
    return (counts[1] - counts[0]) / (long - short)


def counted(cell: Cell, contestant: str, env: Mapping[str, str], operations: int) -> int:
    """All instructions of a process that does so many operations."""
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    argv = [*callgrind, *cell.contestants[contestant]]
    # Else a long copy is one instruction that callgrind counts for each byte.
    copies = {"GLIBC_TUNABLES": "glibc.cpu.x86_rep_movsb_threshold=1073741824"}
    _, err = run(argv, {**env, **cell.env, **copies, "BENCH_OPS": str(operations)}, cell.seconds_max)
    found = re.search(r"Collected : (\d+)", err)
    if found is None:
        raise SampleFailed("callgrind told no count")
    return int(found.group(1))
