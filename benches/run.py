#!/usr/bin/env python3
"""Runs the benchmarks: ours, peers and floors in turn, round by round.

run.py [--quick] [SUITE...]: without a name, every suite of suites/. Tables go to the terminal, the rest into files.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE / "suites"))

import chart
import measure
import report
from cell import Cell, Context, Program

ROUNDS = 5
BUILD_SECONDS_MAX = 3600
SUITES = sorted(path.stem for path in (HERE / "suites").glob("[a-z]*.py"))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round of the cells that say most")
    parser.add_argument("--rounds", type=int, help=f"instead of {ROUNDS}, or of 1 in a quick run")
    parser.add_argument("--only", metavar="TEXT", help="only cells whose name has this in it")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join(SUITES))
    asked = parser.parse_args()
    unknown = set(asked.suites) - set(SUITES)
    if unknown:
        parser.error(f"no suite is called {', '.join(sorted(unknown))}: there are {', '.join(SUITES)}")
    measure.SIGNALS.watch()
    context = context_of(asked.quick)
    rounds = max(1, asked.rounds or (1 if asked.quick else ROUNDS))
    print(f"# {machine()}; {rounds} rounds; durable files in {context.files}")
    broken = []
    for suite in asked.suites or SUITES:
        results = run_suite(suite, context, rounds, asked.only)
        if not results:
            continue
        print(f"\n## {suite}\n\n{report.table(results)}\n", flush=True)
        summarize(suite, results, context.out)
        print("\n".join(chart.draw(suite, results, context.out)), flush=True)
        broken += [f"{result.cell.name}: ours" for result in results if "ours" in result.failures]
    print(f"# {context.out / 'summary.json'}")
    for name in broken:
        print(f"bench: {name} failed", file=sys.stderr)
    return 1 if broken else 0


def context_of(quick: bool) -> Context:
    """Where things are built and written. BENCH_DIR is made; it ought to lie on the disk that matters."""
    root = HERE.parent
    out = Path(os.environ.get("CARGO_TARGET_DIR", root / "target")).absolute() / "bench"
    files = Path(os.environ.get("BENCH_DIR") or out / "files").absolute()
    for folder in (out, files):
        folder.mkdir(parents=True, exist_ok=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target")).absolute()
    return Context(root, HERE, target / "release", out, files, quick)


def machine() -> str:
    """What the figures were taken on, in a line."""
    model = "unknown processor"
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    load = os.getloadavg()[0]
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, load {load:.1f}"


def run_suite(suite: str, context: Context, rounds: int, only: str | None) -> list[report.Result]:
    """Builds the programs of a suite, and measures its cells one after the other."""
    module = importlib.import_module(suite)
    programs: list[Program] = module.programs(context)
    cells: list[Cell] = [cell for cell in module.cells(context) if wanted(cell, context.quick, only)]
    if not cells:
        return []
    used = [measure.program_of(argv, programs) for cell in cells for argv in cell.contestants.values()]
    absent = [program for program in programs if program in used and not prepare(program, context)]
    counting = measure.can_count() and not context.quick
    if not context.quick and not counting and any(program.instructions for program in programs):
        tell_skipped(f"instruction counts of suite {suite} (not installed: valgrind)")
    results = []
    for at, cell in enumerate(cells):
        print(f"{suite}: {cell.name} ({at + 1} of {len(cells)})", file=sys.stderr, flush=True)
        results.append(run_cell(cell, programs, absent, context, rounds, counting))
    return results


def wanted(cell: Cell, quick: bool, only: str | None) -> bool:
    return (cell.quick or not quick) and (only is None or only in cell.name)


def prepare(program: Program, context: Context) -> bool:
    """Builds a program, or says why there is none."""
    if program.absent is not None:
        tell_skipped(f"{program.name} ({program.absent})")
        return False
    if program.needs:
        asked = [str(context.root / "scripts/need.sh"), "--optional", program.name, *program.needs]
        if subprocess.run(asked, check=False).returncode != 0:
            return False
    log = context.out / f"build-{program.path.name}.log"
    with log.open("w") as sink:
        for command in program.build:
            try:
                built = subprocess.run(
                    command.argv,
                    cwd=command.cwd,
                    env={**os.environ, **command.env},
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    timeout=BUILD_SECONDS_MAX,
                    check=False,
                ).returncode
            except (OSError, subprocess.TimeoutExpired) as fault:
                sink.write(f"{fault}\n")
                built = 1
            if built != 0:
                tell_skipped(f"{program.name} (could not be built: {log})")
                return False
    if not program.path.exists():
        tell_skipped(f"{program.name} (its build left no {program.path})")
        return False
    return True


def tell_skipped(what: str) -> None:
    print(f"skipped: {what}", flush=True)


def run_cell(
    cell: Cell,
    programs: Sequence[Program],
    absent: Sequence[Program],
    context: Context,
    rounds: int,
    counting: bool,
) -> report.Result:
    """All rounds of one cell. Who comes first changes from round to round; who failed once is out."""
    env = {"BENCH_DIR": str(context.files)}
    result = report.Result(cell)
    names = []
    for name, argv in cell.contestants.items():
        program = measure.program_of(argv, programs)
        if program in absent:
            if name.startswith("ours"):
                result.failures[name] = "not built"
        else:
            names.append(name)
    for turn in range(rounds):
        at = turn % max(1, len(names))
        for name in names[at:] + names[:at]:
            if name in result.failures:
                continue
            try:
                result.samples.setdefault(name, []).append(measure.sample(cell, name, env))
            except measure.SampleFailed as failed:
                tell_failure(result, name, failed)
    for name in names:
        program = measure.program_of(cell.contestants[name], programs)
        if not counting or name in result.failures or program is None or not program.instructions:
            continue
        try:
            result.instructions[name] = measure.instructions(cell, name, env)
        except measure.SampleFailed as failed:
            print(f"no instruction count: {cell.name}, {name}: {failed}", flush=True)
    return result


def tell_failure(result: report.Result, name: str, failed: Exception) -> None:
    """A contestant that fails once is told and its row left empty: half a median is none."""
    result.failures[name] = f"failed: {failed}"
    result.samples.pop(name, None)
    print(f"failed: {result.cell.name}, {name}: {failed}", flush=True)


def summarize(suite: str, results: Sequence[report.Result], out: Path) -> None:
    """Puts the rows of a suite into the summary, in the place of those of an older run."""
    path = out / "summary.json"
    kept: list[dict[str, Any]] = []
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        kept = [
            row for row in json.loads(path.read_text()) if row["suite"] != suite and row["suite"] in SUITES
        ]
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    rows = [row | {"suite": suite, "when": when} for result in results for row in result.rows()]
    path.write_text(json.dumps(kept + rows, indent=1, ensure_ascii=False) + "\n")
    held, missed = report.misses(rows)
    if held:
        print(f"{suite}: {held - missed} of {held} targets met")


if __name__ == "__main__":
    sys.exit(main())
