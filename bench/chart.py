"""A figure of lines over time as SVG, without a library: panels above each other on one axis of seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

Point = tuple[float, float]

WIDTH, PANEL, LEFT, RIGHT, GAP = 760, 170, 58, 16, 46
COLOURS = ("#0b62a4", "#e07b00", "#777777")
LIMIT = "#c0262d"
BUCKETS = 700
"""Points of one line: of those that fall together the largest is kept, so that no peak is lost."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: lines by name, their unit, and a limit that is drawn dashed."""

    title: str
    unit: str
    lines: Mapping[str, Sequence[Point]]
    limit: tuple[str, float] | None = None

    @property
    def top(self) -> float:
        """The value at the upper edge."""
        highest = max((value for points in self.lines.values() for _, value in points), default=1.0)
        return 1.08 * max(highest, self.limit[1] if self.limit else 0.0, 1e-9)


def draw(panels: Sequence[Panel], span_s: float, marks: Sequence[tuple[float, str]] = ()) -> str:
    """Return the figure from 0 to `span_s`; `marks` are upright lines with a word at the top."""
    height = 24 + len(panels) * (PANEL + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        '<g font-family="system-ui, sans-serif" font-size="12" fill="#222">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
    ]
    for number, panel in enumerate(panels):
        parts.extend(_panel(panel, 30 + number * (PANEL + GAP), span_s, marks))
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _panel(panel: Panel, top: float, span_s: float, marks: Sequence[tuple[float, str]]) -> Iterator[str]:
    scale = (WIDTH - LEFT - RIGHT) / span_s, PANEL / panel.top
    bottom = top + PANEL

    def at(point: Point) -> str:
        return f"{LEFT + point[0] * scale[0]:.1f},{bottom - point[1] * scale[1]:.1f}"

    yield from _axes(panel, top, span_s, scale)
    for at_s, word in marks:
        x = LEFT + at_s * scale[0]
        yield f'<path d="M{x:.1f},{top} V{bottom}" stroke="#555" stroke-dasharray="2 3"/>'
        yield f'<text x="{x + 4:.1f}" y="{top + 34}" fill="#555">{escape(word)}</text>'
    if panel.limit:
        name, value = panel.limit
        y = bottom - value * scale[1]
        yield f'<path d="M{LEFT},{y:.1f} H{WIDTH - RIGHT}" stroke="{LIMIT}" stroke-dasharray="6 4"/>'
        yield f'<text x="{WIDTH - RIGHT}" y="{y - 4:.1f}" text-anchor="end" fill="{LIMIT}">{escape(name)}</text>'
    x = float(LEFT + 9 * len(panel.title) + 14)
    for colour, (name, points) in zip(COLOURS, panel.lines.items(), strict=False):
        path = " ".join(map(at, _thinned(points, span_s)))
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.4"/>'
        yield f'<text x="{x:.0f}" y="{top - 8}" fill="{colour}">{escape(name)}</text>'
        x += 6 * len(name) + 20


def _axes(panel: Panel, top: float, span_s: float, scale: tuple[float, float]) -> Iterator[str]:
    bottom = top + PANEL
    yield f'<text x="{LEFT}" y="{top - 8}" font-weight="bold">{escape(panel.title)}</text>'
    for value in _ticks(panel.top):
        y = bottom - value * scale[1]
        yield f'<path d="M{LEFT},{y:.1f} H{WIDTH - RIGHT}" stroke="#e4e4e4"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g} {escape(panel.unit)}</text>'
    for value in _ticks(span_s, most=12):
        x = LEFT + value * scale[0]
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{value:g} s</text>'
    yield f'<path d="M{LEFT},{top} V{bottom} H{WIDTH - RIGHT}" fill="none" stroke="#999"/>'


def _ticks(top: float, most: int = 6) -> list[float]:
    """Return round values from 0 to `top`."""
    steps = (base * 10.0**power for power in range(-6, 12) for base in (1, 2, 5))
    step = next(one for one in steps if top / one <= most)
    return [round(number * step, 9) for number in range(int(top / step) + 1)]


def _thinned(points: Sequence[Point], span_s: float) -> Iterator[Point]:
    inside = [point for point in points if 0 <= point[0] <= span_s]
    for _, together in groupby(inside, key=lambda point: int(point[0] / span_s * BUCKETS)):
        yield max(together, key=lambda point: point[1])
