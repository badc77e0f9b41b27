"""What a run found: medians, ratios, tables, and the summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from cell import Cell
from measure import Sample

COLUMNS = {
    "cpu_ns_per_op": "cpu ns",
    "allocs_per_op": "allocs",
    "instructions_per_op": "instr",
    "p50_us": "p50 µs",
    "p99_us": "p99 µs",
    "mb_s": "MB/s",
    "rss_kib": "KiB",
}
"""What a sample may tell beside its value, in the order of the table."""


@dataclass
class Result:
    """A cell after its rounds. A contestant without samples has failed or was skipped."""

    cell: Cell
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    instructions: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def measured(self, contestant: str) -> Sample | None:
        """The median of each figure over the rounds, each by itself."""
        taken = self.samples.get(contestant)
        if not taken:
            return None
        keys = [key for key in taken[0] if all(key in one for one in taken)]
        found = {key: median(one[key] for one in taken) for key in keys}
        if contestant in self.instructions:
            found["instructions_per_op"] = self.instructions[contestant]
        return found

    def spread(self, contestant: str) -> float | None:
        """How far the rounds lie apart, as a part of their median; one round says nothing of that."""
        values = [one["value"] for one in self.samples[contestant]]
        return (max(values) - min(values)) / median(values) if len(values) > 1 else None

    def peers(self) -> dict[str, str]:
        """Whom ours is held against: each peer, and for a group of modes the one that did best here."""
        found = {name: name for name in self.cell.contestants if not name.startswith("ours")}
        for group, modes in self.cell.best.items():
            values = {mode: self.value(mode) for mode in modes}
            there = {mode: value for mode, value in values.items() if value is not None}
            if there:
                pick = min if self.cell.better == "lower" else max
                found[group] = pick(there, key=lambda mode: there[mode])
        return found

    def value(self, contestant: str) -> float | None:
        """The median of what is compared."""
        measured = self.measured(contestant)
        return None if measured is None else measured["value"]

    def ratio(self, contestant: str) -> float | None:
        """How many times better ours is than this contestant; below 1 it is worse."""
        ours, theirs = self.value("ours"), self.value(contestant)
        if ours is None or theirs is None:
            return None
        return theirs / ours if self.cell.better == "lower" else ours / theirs

    def rows(self) -> list[dict[str, Any]]:
        """The summary: one object for each peer. What was not measured is null."""
        found = []
        for peer, contestant in self.peers().items():
            row: dict[str, Any] = {
                "name": self.cell.name,
                "ours": self.value("ours"),
                "peer": self.value(contestant),
                "peer_name": peer,
                "unit": self.cell.unit,
                "ratio": self.ratio(contestant),
                "better": self.cell.better,
                "target": self.cell.targets.get(peer),
                "ours_measured": self.measured("ours"),
                "peer_measured": self.measured(contestant),
                "rounds": len(self.samples.get("ours", [])),
            }
            if contestant != peer:
                row["peer_mode"] = contestant
            if self.cell.curve is not None:
                row["curve"], row["x"] = self.cell.curve, self.cell.x
            found.append(row)
        if not found:
            found.append(self.alone())
        return found

    def alone(self) -> dict[str, Any]:
        """The row of a cell in which nobody but ours takes part."""
        names = ("peer", "peer_name", "ratio", "target")
        row: dict[str, Any] = {"name": self.cell.name, "ours": self.value("ours"), **dict.fromkeys(names)}
        row |= {"unit": self.cell.unit, "better": self.cell.better, "ours_measured": self.measured("ours")}
        if self.cell.curve is not None:
            row["curve"], row["x"] = self.cell.curve, self.cell.x
        return row


def figure(value: float | None) -> str:
    """A number in as many digits as it deserves."""
    if value is None:
        return ""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def verdict(ratio: float | None, target: float | None) -> str:
    """The target beside what became of it."""
    if target is None:
        return ""
    if ratio is None:
        return f"{target:g} ?"
    return f"{target:g} {'met' if ratio >= target else 'MISSED'}"


def table(results: Sequence[Result]) -> str:
    """All cells of a suite, a line for each contestant."""
    told = [key for key in COLUMNS if any(key in line for result in results for line in measured(result))]
    lines = [["", "median", "", "spread", "ours is", "target", *(COLUMNS[key] for key in told)]]
    for result in results:
        lines.append([result.cell.name])
        for contestant in result.cell.contestants:
            lines.append(line(result, contestant, contestant, told))
        for group, mode in result.peers().items():
            if group in result.cell.best:
                lines.append(line(result, group, mode, told))
    return aligned(lines)


def measured(result: Result) -> list[Sample]:
    """What is known of each contestant of a cell that took part."""
    return [found for name in result.cell.contestants if (found := result.measured(name)) is not None]


def line(result: Result, name: str, contestant: str, told: Sequence[str]) -> list[str]:
    """One contestant, or a group in the name of which it stands: its figures, or why there are none."""
    found = result.measured(contestant)
    label = name if name == contestant else f"{name}: {contestant}"
    if found is None:
        return [f"  {label}", "-", "", result.failures.get(contestant, "skipped")]
    ratio = None if contestant.startswith("ours") else result.ratio(contestant)
    target = result.cell.targets.get(name)
    spread = result.spread(contestant)
    words = [
        f"  {label}",
        figure(found["value"]),
        result.cell.unit,
        "" if spread is None else f"{spread:.0%}",
    ]
    words += [f"{ratio:.2f} x" if ratio is not None else "", verdict(ratio, target)]
    return words + [figure(found.get(key)) for key in told]


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns below each other: the first to the left, figures to the right. A reason may run over them."""
    full = [words for words in lines if len(words) == len(lines[0])]
    widths = [max(len(words[at]) for words in full) for at in range(len(lines[0]))]
    widths[0] = max(len(words[0]) for words in lines)
    text = []
    for words in lines:
        cut = len(words) if len(words) == len(lines[0]) else 3
        cells = [
            word.rjust(widths[at]) if at else word.ljust(widths[0]) for at, word in enumerate(words[:cut])
        ]
        text.append("  ".join([*cells, *words[cut:]]).rstrip())
    return "\n".join(text)


def misses(rows: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """How many rows have a target that could be looked at, and how many of them miss it."""
    held = [row for row in rows if row.get("target") is not None and row["ratio"] is not None]
    return len(held), sum(row["ratio"] < row["target"] for row in held)
