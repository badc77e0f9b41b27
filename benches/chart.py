"""Charts as SVG: bars of how many times better ours is, and curves; and in words how a curve goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log, log10
from pathlib import Path

from report import Result, figure

INK, FAINT, GRID = "#222222", "#777777", "#e4e4e4"
AHEAD, BEHIND = "#2a7f74", "#c8743c"
LINES = ("#2a7f74", "#c8743c", "#5b6bb5", "#a04a7a", "#8a7a2e", "#4a90b0", "#777777")
ROW, GAP, LEFT, PLOT, TOP = 17, 10, 330, 520, 58


def draw(suite: str, results: Sequence[Result], out: Path) -> list[str]:
    """Draws what a suite found, and returns the lines to say about it."""
    told = []
    compared = [result for result in results if result.cell.curve is None and bars_of(result)]
    if compared:
        path = out / f"{suite}.svg"
        path.write_text(bars(suite, compared))
        told.append(f"chart: {path}")
    for name in dict.fromkeys(result.cell.curve for result in results if result.cell.curve is not None):
        points = [result for result in results if result.cell.curve == name]
        lines = lines_of(points)
        if not lines:
            continue
        path = out / f"{suite}-{slug(name)}.svg"
        path.write_text(curve(name, points, lines))
        told += [f"{name}, {line.name}: {line.words(points[0])}" for line in lines]
        told.append(f"chart: {path}")
    return told


def slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower()).strip("-")


# ---- ratios ----


@dataclass(frozen=True)
class Bar:
    name: str
    ratio: float
    target: float | None


def bars_of(result: Result) -> list[Bar]:
    """A bar for each peer; modes that compete as one have one bar."""
    grouped = {mode for modes in result.cell.best.values() for mode in modes}
    found = []
    for name, contestant in result.peers().items():
        ratio = result.ratio(contestant)
        if ratio is not None and name not in grouped:
            found.append(Bar(name, ratio, result.cell.targets.get(name)))
    return sorted(found, key=lambda bar: bar.ratio)


def bars(suite: str, results: Sequence[Result]) -> str:
    """How many times better ours is, on a scale where twice as good and half as good lie equally far from 1."""
    rows = [(result.cell.name, bars_of(result)) for result in results]
    every = [bar for _, group in rows for bar in group]
    values = [bar.ratio for bar in every] + [bar.target for bar in every if bar.target is not None]
    low, high = min(0.5, *values) / 1.1, max(2.0, *values) * 1.35

    def x(value: float) -> float:
        return LEFT + PLOT * log(value / low) / log(high / low)

    height = TOP + sum(ROW * (len(group) + 1) + GAP for _, group in rows) + 20
    parts = [text(20, 26, f"{suite}: how many times better ours is", size=16, weight="bold")]
    parts.append(text(20, 44, "a tick is the target; left of 1 the other is better", fill=FAINT))
    for value in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100):
        if low < value < high:
            colour = FAINT if value == 1 else GRID
            parts.append(stroke(x(value), TOP, x(value), height - 20, colour))
            parts.append(text(x(value), height - 6, f"{value:g} x", anchor="middle", fill=FAINT))
    y = float(TOP)
    for name, group in rows:
        parts.append(text(20, y + 12, name, weight="bold"))
        y += ROW
        for bar in group:
            left, right = sorted((x(1), x(bar.ratio)))
            colour = AHEAD if bar.ratio >= 1 else BEHIND
            parts.append(text(LEFT - 10, y + 12, bar.name, anchor="end"))
            parts.append(box(left, y + 2, max(right - left, 1), ROW - 4, colour))
            end = max(right, x(bar.target)) if bar.target is not None else right
            parts.append(text(end + 6, y + 12, figure(bar.ratio), fill=FAINT))
            if bar.target is not None:
                parts.append(stroke(x(bar.target), y, x(bar.target), y + ROW, INK, 2))
            y += ROW
        y += GAP
    return page(LEFT + PLOT + 60, height, parts)


# ---- curves ----


@dataclass(frozen=True)
class Line:
    name: str
    points: tuple[tuple[float, float], ...]

    def words(self, result: Result) -> str:
        """How the line goes, from first to last, and what each further one costs."""
        (x0, y0), (x1, y1) = self.points[0], self.points[-1]
        unit, label = result.cell.unit, result.cell.x_label or "x"
        ends = f"{figure(y0)} {unit} at {x0:,.0f}, {figure(y1)} {unit} at {x1:,.0f} {label}"
        if len(self.points) < 2:
            return ends
        each = least_squares([(x, y) for x, y in self.points])
        return f"{ends}; {growth(self.points)} ({each:+.3g} {unit} for each further one)"


def least_squares(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the line that lies nearest to the points."""
    middle = sum(x for x, _ in points) / len(points)
    mean = sum(y for _, y in points) / len(points)
    width = sum((x - middle) ** 2 for x, _ in points)
    return sum((x - middle) * (y - mean) for x, y in points) / width if width else 0.0


def growth(points: Sequence[tuple[float, float]]) -> str:
    """The slope in words, from the power of x that fits best."""
    power = least_squares([(log(x), log(y)) for x, y in points if x > 0 and y > 0])
    for limit, words in (
        (-0.15, "falls"),
        (0.15, "stays level"),
        (0.8, "grows, but less than in proportion"),
        (1.2, "grows in proportion"),
    ):
        if power < limit:
            return f"{words}, as x^{power:.2f}"
    return f"grows faster than in proportion, as x^{power:.2f}"


def lines_of(results: Sequence[Result]) -> list[Line]:
    """A line for each contestant that was measured at any point."""
    names = dict.fromkeys(name for result in results for name in result.cell.contestants)
    found = []
    for name in names:
        points = [(result.cell.x, result.value(name)) for result in results]
        there = sorted((x, y) for x, y in points if x is not None and y is not None)
        if there:
            found.append(Line(name, tuple(there)))
    return found


Scale = Callable[[float], float]


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """Where values lie on a line between two ends, equal factors equally far apart."""
    return lambda value: start + (end - start) * log(value / low) / log(high / low)


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """The same, equal differences equally far apart."""
    return lambda value: start + (end - start) * (value - low) / (high - low)


def across(values: Sequence[float], start: float, end: float) -> Scale:
    """The scale of what was chosen: it spans just that, and each value is marked."""
    low, high = min(values), max(values)
    if low == high:
        return linear(low - 1, high + 1, start, end)
    return (logarithmic if low > 0 and high / low > 8 else linear)(low, high, start, end)


def upwards(values: Sequence[float], start: float, end: float) -> tuple[Scale, list[float]]:
    """The scale of what was measured, and its marks: powers of ten, or from zero if values lie close together."""
    low, high = min(values), max(values)
    if high / low > 8:
        marks = [10.0**power for power in range(floor(log10(low)), ceil(log10(high)) + 1)]
        return logarithmic(marks[0], marks[-1], start, end), marks
    step = nice(high / 5)
    marks = [step * at for at in range(ceil(high / step) + 1)]
    return linear(0, marks[-1], start, end), marks


def nice(step: float) -> float:
    """The next 1, 2 or 5 with zeros behind."""
    power = 10.0 ** floor(log10(step))
    return next(power * lead for lead in (1, 2, 5, 10) if power * lead >= step)


def curve(name: str, results: Sequence[Result], lines: Sequence[Line]) -> str:
    width, height, left, bottom = 760, 420, 90, 370
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    x = across(xs, left, width - 170)
    y, y_marks = upwards(ys, bottom, TOP)
    parts = [text(20, 26, name, size=16, weight="bold"), text(20, 46, results[0].cell.unit, fill=FAINT)]
    for mark in y_marks:
        parts.append(stroke(left, y(mark), width - 170, y(mark), GRID))
        parts.append(text(left - 8, y(mark) + 4, figure(mark), anchor="end", fill=FAINT))
    for mark in sorted(set(xs)):
        parts.append(stroke(x(mark), bottom, x(mark), bottom + 5, FAINT))
        parts.append(text(x(mark), bottom + 20, f"{mark:,g}", anchor="middle", fill=FAINT))
    parts.append(
        text((left + width - 170) / 2, height - 12, results[0].cell.x_label, anchor="middle", fill=FAINT)
    )
    for at, line in enumerate(lines):
        colour = LINES[at % len(LINES)]
        path = " ".join(f"{x(px):.1f},{y(py):.1f}" for px, py in line.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{x(px):.1f}" cy="{y(py):.1f}" r="3" fill="{colour}"/>' for px, py in line.points
        ]
        last = line.points[-1]
        parts.append(text(width - 160, TOP + 14 + at * 18, f"{line.name}: {figure(last[1])}", fill=colour))
    return page(width, height, parts)


# ---- SVG ----


def text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "start",
    fill: str = INK,
    size: int = 12,
    weight: str = "normal",
) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{fill}" font-size="{size}" font-weight="{weight}">{escape(words)}</text>'


def stroke(x0: float, y0: float, x1: float, y1: float, colour: str, width: float = 1) -> str:
    place = f'x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"'
    return f'<line {place} stroke="{colour}" stroke-width="{width:g}"/>'


def box(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2" fill="{colour}"/>'


def page(width: float, height: float, parts: Sequence[str]) -> str:
    size = f'width="{width:.0f}" height="{height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">'
    ground = f'<rect {size} fill="white"/>'
    return "\n".join([head, ground, *parts, "</svg>", ""])
