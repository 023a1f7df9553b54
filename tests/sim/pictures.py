"""`make sim`: the classic scenarios as one figure of small multiples, and a table; then two plans for larger worlds.

Each scenario has two panels on one axis of seconds: the worst true lag with its budget dashed, and the bytes that
are written and not replayed with the smallest window.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from html import escape
from pathlib import Path

from tests.sim.path import MB
from tests.sim.scenarios import CLASSICS, PLANS, Seen, watch

FIGURE = Path("docs/sim/scenarios.svg")
KEPT = 1_000
COLUMNS, CELL_W, CELL_H = 2, 500, 232
LEFT, PLOT_W, TOP, LAG_H, BYTES_H, GAP = 58, 420, 40, 84, 58, 10
LAG, BYTES, WINDOW, BUDGET, INK, GRID = "#0b62a4", "#0b62a4", "#e07b00", "#c0262d", "#222", "#e6e6e6"
BUCKETS = 420
LEGEND = (
    f'Above: <tspan fill="{LAG}">true lag</tspan> in seconds, <tspan fill="{BUDGET}">budget</tspan> dashed. '
    f'Below: <tspan fill="{BYTES}">written and not replayed</tspan> and the <tspan fill="{WINDOW}">window</tspan>.'
)
Point = tuple[float, float]


def figure(seen: Sequence[Seen]) -> str:
    """Return the figure as SVG."""
    width, height = COLUMNS * CELL_W, 34 + -(-len(seen) // COLUMNS) * CELL_H
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<g font-family="system-ui, sans-serif" font-size="11" fill="{INK}">',
        f'<text x="{LEFT}" y="22">{LEGEND}</text>',
    ]
    for number, one in enumerate(seen):
        row, column = divmod(number, COLUMNS)
        parts.append(f'<g transform="translate({column * CELL_W},{26 + row * CELL_H})">')
        parts.extend(_cell(one))
        parts.append("</g>")
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _cell(seen: Seen) -> Iterator[str]:
    scenario = seen.scenario
    lag = [(at_s, lag_s) for at_s, lag_s, _, _ in seen.samples]
    behind = [(at_s, size / MB) for at_s, _, size, _ in seen.samples]
    window = [(at_s, size / MB) for at_s, _, _, size in seen.samples]
    yield f'<text x="{LEFT}" y="{TOP - 16}" font-weight="bold" font-size="12">{escape(scenario.name)}</text>'
    told = f"use {seen.use:.2f}, lag: median {seen.quantile_s(0.5):.2f} s, worst {seen.worst_lag_s:.1f} s"
    yield f'<text x="{LEFT}" y="{TOP - 3}" fill="#555">{told}, budget {scenario.budget}</text>'
    worst_s = max(lag_s for _, lag_s in lag)
    top_s = 1.1 * max(worst_s, seen.budget_s if seen.budget_s < 4 * worst_s else 0.0)
    yield from _axes(TOP, LAG_H, top_s, scenario.span_s, "s")
    if seen.budget_s < top_s:
        y = TOP + LAG_H * (1 - seen.budget_s / top_s)
        yield f'<path d="M{LEFT},{y:.1f} h{PLOT_W}" stroke="{BUDGET}" stroke-dasharray="5 3"/>'
    yield _line(lag, TOP, LAG_H, top_s, scenario.span_s, LAG)
    top, bytes_top = TOP + LAG_H + GAP, 1.1 * max(value for _, value in (*behind, *window))
    yield from _axes(top, BYTES_H, bytes_top, scenario.span_s, "MB")
    yield _line(window, top, BYTES_H, bytes_top, scenario.span_s, WINDOW)
    yield _line(behind, top, BYTES_H, bytes_top, scenario.span_s, BYTES)
    for value in _ticks(scenario.span_s, 8):
        x = LEFT + value / scenario.span_s * PLOT_W
        yield f'<text x="{x:.1f}" y="{top + BYTES_H + 13}" text-anchor="middle" fill="#555">{value:g} s</text>'


def _axes(top: float, height: float, highest: float, span_s: float, unit: str) -> Iterator[str]:
    for value in _ticks(highest, 3):
        y = top + height * (1 - value / highest)
        yield f'<path d="M{LEFT},{y:.1f} h{PLOT_W}" stroke="{GRID}"/>'
        yield f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end" fill="#555">{value:g} {unit}</text>'
    yield f'<path d="M{LEFT},{top} v{height} h{PLOT_W}" fill="none" stroke="#999"/>'


def _line(points: Sequence[Point], top: float, height: float, highest: float, span_s: float, colour: str) -> str:
    """Return a line; of the points that fall together the largest is kept, so that no peak is lost."""
    peaks: dict[int, float] = {}
    for at_s, value in points:
        bucket = int(at_s / span_s * BUCKETS)
        peaks[bucket] = max(value, peaks.get(bucket, 0.0))
    path = " ".join(
        f"{LEFT + bucket / BUCKETS * PLOT_W:.0f},{top + height * (1 - value / highest):.1f}"
        for bucket, value in peaks.items()
    )
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.2"/>'


def _ticks(top: float, most: int) -> list[float]:
    steps = (base * 10.0**power for power in range(-4, 8) for base in (1, 2, 5))
    step = next(one for one in steps if top / one <= most)
    return [round(number * step, 9) for number in range(int(top / step) + 1)]


HEAD = f"{'scenario':46} {'budget':>6} {'use':>6} {'median':>7} {'p99':>7} {'worst':>8} {'over':>9}"


def row(one: Seen) -> str:
    """Return a row of the table: what the replicas felt, and how much of the slowest was used."""
    lags = f"{one.quantile_s(0.5):>6.2f}s {one.quantile_s(0.99):>6.2f}s {one.worst_lag_s:>7.2f}s {one.over_s:>8.1f}s"
    return f"{one.scenario.name:46} {one.scenario.budget:>6} {one.use:>6.3f} {lags}"


def plan(number: int) -> str:
    return row(watch(PLANS[number], kept=KEPT))


def main() -> None:
    seen = [watch(scenario) for scenario in CLASSICS]
    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    FIGURE.write_text(figure(seen))
    _tell([HEAD, *map(row, seen), f"{FIGURE} is drawn anew. Two plans, a minute or three:"])
    with ProcessPoolExecutor(2) as pool:
        _tell([HEAD, *pool.map(plan, range(len(PLANS)))])


def _tell(lines: Iterable[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
