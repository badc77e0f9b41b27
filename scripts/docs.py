#!/usr/bin/env python3
"""Whether what the documents say is so.

docs.py check                                links, anchors and includes of every .md file; each code block of the manual is
                                             included from a file, or one that `run` tries; each status is told
docs.py run STAGE PREFIX LIBDIR BIN          runs the manual's commands with what `make install DESTDIR=STAGE` has laid down, and
                                             compares what they print with what is said; BIN comes first in PATH"""

import html
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Set

ROOT = Path(__file__).resolve().parent.parent
MANUAL = ROOT / "docs" / "src"
INCLUDE = re.compile(r"\{\{#include ([^}:]+?)(?::(\w+))?\}\}")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
RUN = re.compile(r"<!-- run: (\S+) -->")
# A command that is not there is skipped by name: what it needs is another tool.
NEEDS = {"go": "go", "python": "python", "c++": "c++", "cc": "cc"}
SECONDS = 300  # more than any block takes
TIMED_OUT = (124, -signal.SIGKILL)  # how timeout ends then: by itself, or with all that has not ended when told to


class Block(NamedTuple):
    page: Path
    line: int
    language: str
    body: List[str]
    directory: Optional[str]  # of examples, where it is run

    def at(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


class Fault(Exception):
    """Something that is not so."""


# ---- reading ----


def included(page: Path, path: str, anchor: Optional[str]) -> str:
    """The text that mdBook puts in place of an include."""
    source = (page.parent / path).resolve()
    if not source.is_file():
        raise Fault(f"{page.relative_to(ROOT)} includes {path}, which is not there")
    text = source.read_text()
    if anchor is None:
        return text
    inside = re.search(rf"[^\n]*ANCHOR: {anchor}\b[^\n]*\n(.*?)[^\n]*ANCHOR_END: {anchor}\b", text, re.DOTALL)
    if inside is None or not inside.group(1).strip():
        raise Fault(f"{page.relative_to(ROOT)} includes {path}:{anchor}, which has no such part")
    return "".join(line for line in inside.group(1).splitlines(True) if "ANCHOR" not in line)


def expanded(page: Path) -> str:
    """A page as a reader sees it."""
    return INCLUDE.sub(lambda found: included(page, found.group(1), found.group(2)), page.read_text())


def prose(text: str) -> Iterator[str]:
    """The lines outside of code."""
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield re.sub(r"`[^`]*`", "`code`", line)


def headings(text: str) -> Set[str]:
    """The anchors that a page's headings make, as GitHub and mdBook name them."""
    anchors: Set[str] = set()
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and re.match(r"#{1,6} ", line):
            words = html.unescape(re.sub(r"[`*]", "", line.lstrip("# "))).strip().lower()
            anchors.add(re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", words)))
    return anchors


def blocks(page: Path) -> Iterator[Block]:
    directory, language, start, body = None, None, 0, []
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        if language is not None:
            if line == "```":
                yield Block(page, start, language, body, directory)
                directory, language = None, None
            else:
                body.append(line)
        elif line.startswith("```"):
            language, start, body = line[3:], number, []
        elif (found := RUN.fullmatch(line)) is not None:
            directory = found.group(1)


def pages() -> List[Path]:
    return sorted(MANUAL.rglob("*.md"))


# ---- looking ----


def check_links(page: Path, text: str) -> List[str]:
    faults = []
    for line in prose(text):
        for target in LINK.findall(line):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            if not file.exists():
                faults.append(f"{page.relative_to(ROOT)}: {target} is not there")
            elif anchor and anchor not in headings(expanded(file) if file in pages() else file.read_text()):
                faults.append(f"{page.relative_to(ROOT)}: {target} has no such heading")
    return faults


def check_block(block: Block, targets: Set[str]) -> Optional[str]:
    """Nothing, or why this block is not known to be true."""
    if len(block.body) == 1 and INCLUDE.fullmatch(block.body[0]):
        return None
    if block.language == "text":
        return None  # what a command prints: `run` compares it
    if block.language != "sh":
        return f"{block.at()}: code that is included from no file"
    if block.directory is not None:
        return None if (ROOT / "examples" / block.directory).is_dir() else f"{block.at()}: no examples/{block.directory}"
    for line in block.body:
        words = shlex.split(line)
        if words[0] == "make" and all(word in targets for word in words[1:]):
            continue
        if words[0] != "rft":
            return f"{block.at()}: nothing tries {line!r}"
    return None


def check_summary() -> List[str]:
    listed = {(MANUAL / target).resolve() for target in LINK.findall((MANUAL / "SUMMARY.md").read_text())}
    there = {page.resolve() for page in pages() if page.name != "SUMMARY.md"}
    return [f"docs/src/SUMMARY.md: without {page.relative_to(ROOT)}" for page in sorted(there - listed)]


def check_outcomes() -> List[str]:
    """The manual has to say of every status what to do."""
    there = set(re.findall(r"\bRFT_E_\w+", (ROOT / "include" / "rft.h").read_text()))
    told = set(re.findall(r"\bRFT_E_\w+", (MANUAL / "guarantees.md").read_text()))
    return [f"docs/src/guarantees.md: {name}" for name in sorted(there ^ told)]


def documents() -> List[Path]:
    listing = ["git", "ls-files", "-co", "--exclude-standard", "*.md"]
    names = subprocess.run(listing, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return sorted(ROOT / name for name in names.stdout.splitlines() if (ROOT / name).is_file())


def check() -> List[str]:
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    faults = check_summary() + check_outcomes()
    for page in documents():
        try:
            faults += check_links(page, expanded(page) if MANUAL in page.parents else page.read_text())
        except Fault as fault:
            faults.append(str(fault))
    for page in pages():
        faults += [fault for block in blocks(page) if (fault := check_block(block, targets))]
    return faults


# ---- running ----


def environment(stage: str, prefix: str, libdir: str, tools: str) -> Dict[str, str]:
    library = f"{stage}{libdir}"
    return {
        **os.environ,
        "PATH": f"{tools}:{stage}{prefix}/bin:{os.environ['PATH']}",
        "PKG_CONFIG_LIBDIR": f"{library}/pkgconfig",
        "PKG_CONFIG_SYSROOT_DIR": stage,
        "LD_LIBRARY_PATH": library,
    }


def can_run(block: Block, env: Dict[str, str]) -> bool:
    first = block.body[0].split()[0]
    if shutil.which(NEEDS.get(first, first), path=env["PATH"]) is None:
        return False
    return first != "python" or subprocess.run(["python", "-c", "import rft"], env=env, capture_output=True).returncode == 0


def run_block(block: Block, expected: Optional[str], env: Dict[str, str]) -> Optional[str]:
    """In a copy of its directory, beside a copy of what that refers to."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "examples" / block.directory
        shutil.copytree(ROOT / "examples" / block.directory, place)
        (Path(scratch) / "bindings").symlink_to(ROOT / "bindings")
        script = "set -e\n" + "\n".join(block.body)
        # timeout ends what the shell has started as well.
        command = ["timeout", "-k", "10", str(SECONDS), "sh", "-c", script]
        ended = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True)
        if ended.returncode in TIMED_OUT:
            return f"{block.at()}: did not end within {SECONDS} s:\n{ended.stdout}{ended.stderr}"
        if ended.returncode != 0:
            return f"{block.at()}: ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
        if expected is not None and ended.stdout.strip() != expected.strip():
            return f"{block.at()}: printed\n{ended.stdout}"
    return None


def try_rft(block: Block, env: Dict[str, str]) -> Optional[str]:
    for line in block.body:
        if line.startswith("rft ") and subprocess.run(shlex.split(line) + ["--help"], env=env, capture_output=True).returncode:
            return f"{block.at()}: there is no {line!r}"
    return None


def run(env: Dict[str, str]) -> List[str]:
    faults = []
    for page in pages():
        listed = list(blocks(page))
        for block, behind in zip(listed, listed[1:] + [None]):
            if block.language != "sh":
                continue
            if block.directory is None:
                fault = try_rft(block, env)
            elif can_run(block, env):
                said = behind is not None and behind.language == "text"
                lines = "\n".join(behind.body) if said else ""
                expected = INCLUDE.sub(lambda found: included(page, found.group(1), found.group(2)), lines)
                fault = run_block(block, expected if said else None, env)
                print(f"docs.py: {block.at()}: {'not so' if fault else 'so it is'}", flush=True)
            else:
                fault = None
                skipped = f"skipped: {block.at()} of the manual (no {block.body[0].split()[0]} for it)"
                print(skipped, flush=True)
                if "RFT_SKIPPED" in os.environ:
                    with open(os.environ["RFT_SKIPPED"], "a") as file:
                        file.write(skipped + "\n")
            faults += [fault] if fault else []
    return faults


def main() -> int:
    if sys.argv[1:] == ["check"]:
        faults = check()
    elif sys.argv[1:2] == ["run"] and len(sys.argv) == 6:
        faults = run(environment(*sys.argv[2:]))
    else:
        print(__doc__)
        return 2
    for fault in faults:
        print(f"docs.py: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
