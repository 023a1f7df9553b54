"""A figure of lines over time as SVG, without a library: panels in a grid, each with an axis of seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

Point = tuple[float, float]

WIDTH, PANEL, LEFT, RIGHT, HEAD, FOOT = 760, 170, 58, 16, 44, 28
COLOURS = ("#0b62a4", "#e07b00", "#777777")
LIMIT = "#c0262d"
BUCKETS = 700
"""Points of one line: of those that fall together the largest is kept, so that no peak is lost."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel from 0 to `span_s`: lines by name, their unit, and a limit that is drawn dashed.

    `marks` are upright lines with a word at the top. Lines leave the panel at `ceiling`, where one is given.
    """

    title: str
    unit: str
    lines: Mapping[str, Sequence[Point]]
    span_s: float
    limit: tuple[str, float] | None = None
    marks: Sequence[tuple[float, str]] = ()
    ceiling: float = float("inf")

    @property
    def top(self) -> float:
        """The value at the upper edge."""
        highest = max((value for points in self.lines.values() for _, value in points), default=1.0)
        return min(self.ceiling, 1.08 * max(highest, self.limit[1] if self.limit else 0.0, 1e-9))


def draw(panels: Sequence[Panel], columns: int = 1) -> str:
    """Return the figure, its panels row by row."""
    return sheet([list(_panel(panel)) for panel in panels], PANEL, columns)


def sheet(panels: Sequence[Sequence[str]], inside: int, columns: int = 1) -> str:
    """Return the figure of panels that are drawn already, the upper left corner of each inside at the origin."""
    rows = -(-len(panels) // columns)
    row_height = HEAD + inside + FOOT
    width, height = columns * WIDTH, rows * row_height
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        '<g font-family="system-ui, sans-serif" font-size="12" fill="#222">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        parts.append(f'<g transform="translate({column * WIDTH + LEFT} {row * row_height + HEAD})">')
        parts.extend(panel)
        parts.append("</g>")
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _panel(panel: Panel) -> Iterator[str]:
    """Yield a panel whose upper left corner is the origin."""
    width = WIDTH - LEFT - RIGHT
    scale = width / panel.span_s, PANEL / panel.top

    def at(point: Point) -> str:
        return f"{point[0] * scale[0]:.1f},{PANEL - min(point[1], panel.top) * scale[1]:.1f}"

    yield from _axes(panel, width, scale)
    for at_s, word in panel.marks:
        x = at_s * scale[0]
        yield f'<path d="M{x:.1f},0 V{PANEL}" stroke="#555" stroke-dasharray="2 3"/>'
        yield f'<text x="{x + 4:.1f}" y="34" fill="#555">{escape(word)}</text>'
    if panel.limit:
        name, value = panel.limit
        y = PANEL - value * scale[1]
        yield f'<path d="M0,{y:.1f} H{width}" stroke="{LIMIT}" stroke-dasharray="6 4"/>'
        yield f'<text x="{width}" y="{y - 4:.1f}" text-anchor="end" fill="{LIMIT}">{escape(name)}</text>'
    x = 0.0
    for colour, (name, points) in zip(COLOURS, panel.lines.items(), strict=False):
        path = " ".join(map(at, _thinned(points, panel.span_s)))
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.4"/>'
        yield f'<text x="{x:.0f}" y="-8" fill="{colour}">{escape(name)}</text>'
        x += 6.2 * len(name) + 18


def _axes(panel: Panel, width: int, scale: tuple[float, float]) -> Iterator[str]:
    yield f'<text x="0" y="-26" font-weight="bold">{escape(panel.title)}</text>'
    for value in _ticks(panel.top):
        y = PANEL - value * scale[1]
        yield f'<path d="M0,{y:.1f} H{width}" stroke="#e4e4e4"/>'
        yield f'<text x="-6" y="{y + 4:.1f}" text-anchor="end">{value:g} {escape(panel.unit)}</text>'
    for value in _ticks(panel.span_s, most=12):
        x = value * scale[0]
        yield f'<text x="{x:.1f}" y="{PANEL + 16}" text-anchor="middle">{value:g} s</text>'
    yield f'<path d="M0,0 V{PANEL} H{width}" fill="none" stroke="#999"/>'


def _ticks(top: float, most: int = 6) -> list[float]:
    """Return round values from 0 to `top`."""
    steps = (base * 10.0**power for power in range(-6, 12) for base in (1, 2, 5))
    step = next(one for one in steps if top / one <= most)
    return [round(number * step, 9) for number in range(int(top / step) + 1)]


def _thinned(points: Sequence[Point], span_s: float) -> Iterator[Point]:
    inside = [point for point in points if 0 <= point[0] <= span_s]
    for _, together in groupby(inside, key=lambda point: int(point[0] / span_s * BUCKETS)):
        yield max(together, key=lambda point: point[1])
