#!/usr/bin/env python3
"""Fails when a proposal needs more instructions than it did: by callgrind, against raft-core/tests/steady/instructions.txt.

--renew writes that file anew. With another compiler than it names, or without valgrind, this is skipped, and says so.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
BASELINE = TOP / "raft-core/tests/steady/instructions.txt"
CELLS = [f"{way}/{size}B/{batch}" for way in ("plain", "wire") for size in (16, 256) for batch in (1, 64)]
# Whole rounds of compaction; the difference leaves the start out.
SHORT, LONG = 1024, 3072
DEARER_MAX = 0.03
SECONDS_MAX = 300


def main() -> int:
    renew = sys.argv[1:] == ["--renew"]
    if shutil.which("valgrind") is None:
        return skip("not installed: valgrind")
    compiler = printed([cargo("rustc"), "--version"]).strip()
    target = f"{compiler}, {os.uname().machine}"
    known_target, known = ("", {}) if renew else read()
    if not renew and target != known_target:
        return skip(f"the baseline is of {known_target}, this is {target}")
    program = build()
    found = {cell: instructions(program, cell) for cell in CELLS}
    if renew:
        lines = [f"# {target}", "# Instructions of a proposal. Written by `make gate-renew`."]
        BASELINE.write_text("\n".join([*lines, *(f"{cell} {count:.0f}" for cell, count in found.items()), ""]))
    dearer = [cell for cell in CELLS if not renew and found[cell] > known.get(cell, 0) * (1 + DEARER_MAX)]
    for cell, count in found.items():
        word = "" if renew else f", {count / known[cell] - 1:+.1%}" if cell in known else ", not known before"
        print(f"{cell}: {count:,.0f} instructions{word}{': DEARER' if cell in dearer else ''}")
    return 1 if dearer else 0


def skip(why: str) -> int:
    words = f"skipped: instructions of a proposal ({why})"
    print(words)
    with open(os.environ.get("RFT_SKIPPED", os.devnull), "a") as told:
        told.write(words + "\n")
    return 0


def read() -> tuple[str, dict[str, float]]:
    lines = BASELINE.read_text().splitlines()
    pairs = (line.split() for line in lines if line and not line.startswith("#"))
    return lines[0].removeprefix("# "), {cell: float(count) for cell, count in pairs}


def cargo(program: str) -> str:
    """The compiler that cargo uses is not always the first in PATH."""
    return os.environ.get(program.upper(), program)


def build() -> str:
    argv = [cargo("cargo"), "build", "--quiet", "--release", "-p", "raft-core", "--example", "steady"]
    told = printed([*argv, "--message-format=json"])
    for line in told.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "steady":
            return str(message["executable"])
    raise SystemExit("instructions: cargo named no program")


def instructions(program: str, cell: str) -> float:
    counts = [count(program, cell, proposals) for proposals in (SHORT, LONG)]
    return (counts[1] - counts[0]) / (LONG - SHORT)


def count(program: str, cell: str, proposals: int) -> int:
    argv = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, cell, str(proposals)]
    # Else a long copy is one instruction that callgrind counts for each byte.
    env = {**os.environ, "GLIBC_TUNABLES": "glibc.cpu.x86_rep_movsb_threshold=1073741824"}
    run = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS_MAX, check=False, env=env)
    found = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or found is None:
        raise SystemExit(f"instructions: {cell}: {run.stderr[-500:]}")
    return int(found.group(1))


def printed(argv: list[str]) -> str:
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, cwd=TOP).stdout


if __name__ == "__main__":
    sys.exit(main())
