"""A plot as SVG: lines with gaps, a dashed limit, or stacked bars; its colours are those of the page's style."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from backfill.observe.report.markup import Markup, element, joined

WIDTH, HEIGHT = 720.0, 180.0
LEFT, RIGHT, TOP, BOTTOM = 8.0, 8.0, 24.0, 26.0
LINES_MAX = 8
"""Lines of one plot; the style has as many colours."""

Values = Sequence[float | None]
Format = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Line:
    """A line: a value for each piece of the time line, None for a gap; a limit is dashed."""

    name: str
    values: Values
    limit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The time line of a plot, how its values are written, and where it ends if that is not the greatest value."""

    begin: datetime
    end: datetime
    written: Format
    top: float | None = None


def line_plot(title: str, note: str, axis: Axis, lines: Sequence[Line], unknown: Sequence[bool] = ()) -> Markup:
    """Return a figure of lines; where something was `unknown` there is a mark at the bottom."""
    top = axis.top or max((value for line in lines for value in line.values if value is not None), default=0.0) or 1.0
    drawn = [
        element("polyline", points=points, class_=f"limit c{number}" if line.limit else f"c{number}")
        for number, line in _numbered(lines)
        for points in _stretches(line.values, top)
    ]
    width = _width(len(unknown))
    marks = [
        element(
            "rect", x=LEFT + place * width, y=HEIGHT - BOTTOM - 4, width=max(1.5, width), height=4.0, class_="unknown"
        )
        for place, is_unknown in enumerate(unknown)
        if is_unknown
    ]
    names = [
        (f"k{number} dashed", "limit") if line.limit else (f"k{number}", line.name) for number, line in _numbered(lines)
    ]
    legend = _legend(names, "unknown for a while" if any(unknown) else "")
    return _figure(title, note, legend, axis, top, joined(*drawn, *marks))


def bar_plot(title: str, note: str, axis: Axis, stacks: Sequence[Line]) -> Markup:
    """Return a figure of stacked bars, one for each piece of the time line."""
    count = max((len(stack.values) for stack in stacks), default=0)
    sums = [sum(stack.values[place] or 0.0 for stack in stacks) for place in range(count)]
    top = axis.top or max(sums, default=0.0) or 1.0
    bars, width = [], _width(count)
    for place in range(count):
        below = 0.0
        for number, stack in enumerate(stacks):
            value = min(stack.values[place] or 0.0, max(0.0, top - below))
            if value > 0:
                y, height = _y(below + value, top), (HEIGHT - TOP - BOTTOM) * value / top
                bars.append(
                    element(
                        "rect",
                        x=LEFT + place * width,
                        y=y,
                        width=max(1.0, width - 0.5),
                        height=height,
                        class_=f"f{number}",
                    )
                )
            below += value
    return _figure(
        title,
        note,
        _legend([(f"k{number}", stack.name) for number, stack in enumerate(stacks)], ""),
        axis,
        top,
        joined(*bars),
    )


def _numbered(lines: Sequence[Line]) -> list[tuple[int, Line]]:
    """Return lines with the number of their colour: a limit has that of the line before it."""
    found, number = [], -1
    for line in lines:
        number += not line.limit
        found.append((max(0, number) % LINES_MAX, line))
    return found


def _stretches(values: Values, top: float) -> list[str]:
    """Return the points of each stretch without a gap; one value alone is a short stroke."""
    width = _width(len(values))
    found = []
    for known, group in groupby(enumerate(values), key=lambda item: item[1] is not None):
        points = [(LEFT + (place + 0.5) * width, _y(value or 0.0, top)) for place, value in group]
        if known:
            if len(points) == 1:
                [(x, y)] = points
                points = [(x - max(1.0, width / 2), y), (x + max(1.0, width / 2), y)]
            found.append(" ".join(f"{x:.1f},{y:.1f}" for x, y in points))
    return found


def _figure(title: str, note: str, legend: Markup, axis: Axis, top: float, drawn: Markup) -> Markup:
    base = HEIGHT - BOTTOM
    same_day = axis.begin.date() == axis.end.date()
    written = "%H:%M" if same_day else "%Y-%m-%d %H:%M"
    svg = element(
        "svg",
        element("title", f"{title}. {note}"),
        element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=TOP, y2=TOP, class_="grid"),
        element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=base, y2=base, class_="grid"),
        drawn,
        element("text", axis.written(top), x=LEFT, y=TOP - 5),
        element("text", f"{axis.begin:{written}}", x=LEFT, y=HEIGHT - 6),
        element("text", f"{axis.end:{written}} UTC", x=WIDTH - RIGHT, y=HEIGHT - 6, text_anchor="end"),
        viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}",
        role="img",
    )
    return element("figure", element("figcaption", element("b", title), " ", note), svg, legend)


def _legend(names: list[tuple[str, str]], unknown: str) -> Markup:
    """Return the names of lines, each with the class of its key."""
    items = [element("li", element("i", class_=key), name) for key, name in names]
    items += [element("li", element("i", class_="unknown"), unknown)] if unknown else []
    return element("ul", *items, class_="legend")


def _width(count: int) -> float:
    return (WIDTH - LEFT - RIGHT) / max(1, count)


def _y(value: float, top: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(1.0, max(0.0, value / top)))
