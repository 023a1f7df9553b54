"""Signals other than lag that come near their limits, one line each; nothing while all are far from them."""

from __future__ import annotations

from rich.text import Text

from backfill.observe.reading_text import limit_share, reading_text
from backfill.observe.terminal.gauges import Columns
from backfill.observe.terminal.history import CARRY_S
from backfill.observe.terminal.sparkline import CALM_RATIO, UNKNOWN_STYLE, budget_style
from backfill.observe.terminal.state import TerminalState

LINES_MAX = 3


def signal_lines(view: TerminalState, now_s: float, cols: Columns) -> list[Text]:
    """Return a line for each signal above half of its limit or unknown, the nearest first."""
    if view.signals is None or now_s - view.signals_s > CARRY_S:
        return []
    near = [
        reading
        for reading in view.signals.readings
        if not reading.measure.startswith("replica_lag") and limit_share(reading) >= CALM_RATIO
    ]
    lines: list[Text] = []
    for reading in sorted(near, key=limit_share, reverse=True)[:LINES_MAX]:
        style = UNKNOWN_STYLE if reading.value is None else budget_style(limit_share(reading))
        text = cols.glyphs.fit(reading_text(reading), cols.width - cols.name - 2)
        lines.append(cols.line("" if lines else "signals", Text(text, style), [], "bold"))
    return lines
