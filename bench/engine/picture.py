"""The picture of `bench.engine`: speed and WAL against the plain UPDATE, a panel for each scenario, a bar for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from bench.chart import COLOURS, LEFT, LIMIT, RIGHT, WIDTH, sheet
from bench.engine.contenders import PLAIN, Contender
from bench.engine.figures import Line, Rounds, lines
from bench.engine.scenario import Scenario

ROW, MARGIN = 17, 12
NAMED, BETWEEN, VALUE = 225, 26, 34
"""Room for the contender's name, between the two columns of bars, and for the value behind a bar."""
BAR = (WIDTH - RIGHT - NAMED - BETWEEN) / 2 - VALUE
COLUMNS = NAMED - LEFT, NAMED - LEFT + BAR + VALUE + BETWEEN
"""Where the bars begin."""
CEILING = 3.0
"""Bars end here; their values say how much more it is."""


def picture(contenders: Sequence[Contender], results: Mapping[str, Rounds], scenarios: Sequence[Scenario]) -> str:
    """Return the figure of all scenarios that were played."""
    panels = [list(_panel(scenario, contenders, lines(results[scenario.name]))) for scenario in scenarios]
    return sheet(panels, ROW * len(contenders), columns=2)


def _panel(scenario: Scenario, contenders: Sequence[Contender], found: Sequence[Line]) -> Iterator[str]:
    drawn = [line for line in found if line.speed_to_plain is not None and line.wal_to_plain is not None]
    top = min(CEILING, max([1.0, *(max(line.speed_to_plain or 0, line.wal_to_plain or 0) for line in drawn)]))
    scale = BAR / top
    height = ROW * len(drawn)
    yield f'<text x="{MARGIN - LEFT}" y="-26" font-weight="bold">{escape(scenario.title)}</text>'
    for x, word in zip(COLUMNS, ("speed: longer is better", "WAL a row: shorter is better"), strict=True):
        yield f'<text x="{x:.1f}" y="-8" fill="#555">{word}</text>'
    by_name = {one.name: one for one in contenders}
    for number, line in enumerate(drawn):
        one, y = by_name[line.name], number * ROW
        colour = COLOURS[0] if one.is_ours else COLOURS[2] if line.name == PLAIN else COLOURS[1]
        yield f'<text x="{MARGIN - LEFT}" y="{y + 12}" fill="{colour}">{escape(one.title)}</text>'
        for x, value in zip(COLUMNS, (line.speed_to_plain or 0.0, line.wal_to_plain or 0.0), strict=True):
            length = min(value, top) * scale
            yield f'<rect x="{x:.1f}" y="{y + 2}" width="{length:.1f}" height="{ROW - 4}" fill="{colour}"/>'
            yield f'<text x="{x + length + 4:.1f}" y="{y + 12}" fill="#555">{value:.2f}</text>'
    for x in COLUMNS:
        yield f'<path d="M{x:.1f},0 V{height}" stroke="#999"/>'
        yield f'<path d="M{x + scale:.1f},0 V{height}" stroke="{LIMIT}" stroke-dasharray="6 4"/>'
