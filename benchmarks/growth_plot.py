"""The plot of growth, written as SVG: what each thing costs in a larger log, as a multiple of the smallest one's."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import ceil, log10
from pathlib import Path

import msgspec

from benchmarks.figures import TIMES

PLOT = Path(__file__).parent.parent / "docs" / "benchmarks" / "growth.svg"
WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 190, 64, 52
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""Told apart by everybody (Okabe and Ito)."""
INK, PALE = "#222222", "#d8d8d8"
FONT = 'font-family="system-ui, sans-serif" font-size="13"'
LABEL_HEIGHT = 34


class Curve(msgspec.Struct, frozen=True):
    """What one thing costs, in microseconds, by the number of users in the log."""

    name: str
    microseconds: Mapping[int, float]

    @property
    def multiples(self) -> dict[int, float]:
        """The same as multiples of the cost among the fewest users."""
        first = next(iter(self.microseconds.values()))
        return {users: cost / first for users, cost in self.microseconds.items()}


def write_plot(curves: Sequence[Curve], goal: float, path: Path = PLOT) -> None:
    """Draw the curves, and the goal as a line that they should stay below."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(plot(curves, goal), encoding="utf-8")


def plot(curves: Sequence[Curve], goal: float) -> str:
    """The plot as an SVG document."""
    frame = _Frame(curves, goal)
    title = "Cost in a larger log, as a multiple of its cost in the smallest one"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" {FONT} fill="{INK}">',
        f"<title>{title}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="28" font-size="16">{title}</text>',
        *frame.axes(),
        *frame.goal_line(),
        *(part for curve, colour in zip(curves, COLOURS, strict=False) for part in frame.line(curve, colour)),
        *frame.labels(),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Frame:
    """Where things are on the page: users from left to right (logarithmic), multiples upwards from zero."""

    def __init__(self, curves: Sequence[Curve], goal: float) -> None:
        self._curves = curves
        self._goal = goal
        self._users = list(curves[0].microseconds)
        highest = max([goal, *(multiple for curve in curves for multiple in curve.multiples.values())])
        self._top = ceil(highest * 1.1 / 0.5) * 0.5

    def x(self, users: int) -> float:
        first, last = log10(self._users[0]), log10(self._users[-1])
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (log10(users) - first) / (last - first), 1)

    def y(self, multiple: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * multiple / self._top, 1)

    def axes(self) -> Iterator[str]:
        end = WIDTH - RIGHT
        for step in range(int(self._top / 0.5) + 1):
            multiple = step * 0.5
            y = self.y(multiple)
            yield f'<line x1="{LEFT}" y1="{y}" x2="{end}" y2="{y}" stroke="{PALE}"/>'
            yield f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{multiple:g} {TIMES}</text>'
        for users in self._users:
            yield f'<text x="{self.x(users)}" y="{HEIGHT - BOTTOM + 22}" text-anchor="middle">{users:,}</text>'
        yield f'<text x="{(LEFT + end) / 2}" y="{HEIGHT - 10}" text-anchor="middle">users, ten events each</text>'

    def goal_line(self) -> Iterator[str]:
        y = self.y(self._goal)
        yield f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="{INK}" stroke-dasharray="6 4"/>'
        yield f'<text x="{LEFT + 6}" y="{y - 6}">goal: at most {self._goal:g} {TIMES}</text>'

    def line(self, curve: Curve, colour: str) -> Iterator[str]:
        points = [(self.x(users), self.y(multiple)) for users, multiple in curve.multiples.items()]
        path = " ".join(f"{x},{y}" for x, y in points)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
        for x, y in points:
            yield f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"/>'

    def labels(self) -> Iterator[str]:
        """The name of each curve beside its end, with what it comes to; moved apart where ends are close."""
        ends = sorted(
            ((self.y(list(curve.multiples.values())[-1]), curve, colour)
             for curve, colour in zip(self._curves, COLOURS, strict=False)),
            key=lambda end: end[0],
        )  # fmt: skip
        lowest = HEIGHT - BOTTOM - LABEL_HEIGHT * (len(ends) - 1)
        below = 0.0
        for number, (end, curve, colour) in enumerate(ends):
            y = min(max(end, below), lowest + LABEL_HEIGHT * number)
            below = y + LABEL_HEIGHT
            multiple, cost = list(curve.multiples.values())[-1], list(curve.microseconds.values())[-1]
            x = WIDTH - RIGHT + 12
            yield f'<text x="{x}" y="{y:.1f}" fill="{colour}" font-weight="600">{escape(curve.name)}</text>'
            yield f'<text x="{x}" y="{y + 14:.1f}" font-size="11">{multiple:.2f} {TIMES}, {_duration(cost)}</text>'


def _duration(microseconds: float) -> str:
    return f"{microseconds / 1000:.3g} ms" if microseconds >= 1000 else f"{microseconds:.3g} µs"
