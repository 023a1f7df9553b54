"""The gauges of the live view: each replica's lag against its budget, and the WAL rate against its limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from backfill.events.readings import ReplicaReading
from backfill.observe.terminal.glyphs import Glyphs
from backfill.observe.terminal.history import CARRY_S, CELLS, History, Mark
from backfill.observe.terminal.sparkline import MISSING_STYLE, UNKNOWN_STYLE, budget_style, share, sparkline
from backfill.observe.terminal.state import TerminalState
from backfill.values.units import format_duration, format_rate, format_size

NAME_MIN, NAME_MAX = 8, 24
_NUMBER = 9
_NARROW = 70
"""Below this width the third number is left out."""
_JOB, _ALL = "cyan", "blue"

Number = tuple[str, str]
"""A text and its style."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """How a line of gauges is divided: a name, a sparkline, numbers."""

    width: int
    name: int
    names: Mapping[str, str]
    glyphs: Glyphs

    @property
    def numbers(self) -> int:
        """How many numbers there is room for."""
        return 2 if self.width < _NARROW else 3

    @property
    def spark(self) -> int:
        """How many cells the sparkline has."""
        return min(CELLS, self.width - self.name - 2 - self.numbers * _NUMBER)

    def heading(self, label: str, scale: str, history: History, numbers: Sequence[str]) -> Text:
        """Return the heading: what the lines below show, over which time, to which scale."""
        span = format_duration(round(history.cell_s * self.spark))
        caption = f"last {span}, scale 0 to {scale}"
        if len(caption) > self.spark:
            caption = self.glyphs.fit(f"{span}, to {scale}", self.spark)
        return self.line(label, Text(caption, "dim"), [(text, "dim") for text in numbers], "bold")

    def line(self, name: str, spark: Text, numbers: Sequence[Number], name_style: str = "") -> Text:
        """Return one line; numbers that do not fit are left out."""
        text = Text(no_wrap=True)
        label = self.names.get(name, name)
        text.append(label + " " * (self.name - cell_len(label) + 2), name_style)
        text.append_text(spark)
        if numbers:
            text.append(" " * (self.spark - spark.cell_len))
        for number, style in numbers[: self.numbers]:
            text.append(" " * max(1, _NUMBER - len(number)))
            text.append(number, style)
        text.truncate(self.width)
        return text


def columns(view: TerminalState, width: int, glyphs: Glyphs) -> Columns:
    """Return the division that fits the names and leaves room for the sparklines."""
    longest = max((cell_len(glyphs.clean(name)) for name in view.seen_s), default=0)
    name = max(NAME_MIN, min(longest, NAME_MAX, width // 4))
    return Columns(width=width, name=name, names=glyphs.fit_names(view.seen_s, name), glyphs=glyphs)


def lag_gauge(view: TerminalState, now_s: float, cols: Columns, rows: int) -> list[Text]:
    """Return a heading and at most `rows` lines, one for each replica; the worst if there are more."""
    if view.started is None or view.signals is None:
        return []
    if not view.seen_s:
        return [cols.line("lag", Text("no replica in view", "dim"), [], "bold")]
    budget_s = view.started.max_lag_s
    lines = [cols.heading("lag", format_duration(budget_s), view.lag, ("now", "worst", "behind"))]
    shown = _shown(view, rows)
    for name in shown:
        reading = _reading(view, name)
        ignored = reading is not None and not reading.counted
        levels = view.lag.track(name, now_s, cols.spark)
        spark = sparkline(levels, budget_s, cols.glyphs, "dim" if ignored else budget_style)
        lines.append(cols.line(name, spark, _lag_numbers(view, name, now_s, cols.glyphs), "dim" if ignored else ""))
    if rest := [name for name in view.seen_s if name not in shown]:
        worst_s = max((view.worst.get(name, 0.0) for name in rest), default=0.0)
        more = f"and {len(rest)} more, worst {format_duration(worst_s)}"
        lines.append(cols.line("", Text(more, "dim"), []))
    return lines


def wal_gauge(view: TerminalState, now_s: float, cols: Columns) -> list[Text]:
    """Return a heading and two lines: WAL of this job, and of all sessions."""
    if view.started is None or view.signals is None:
        return []
    full = view.started.max_wal_rate_bytes_s
    lines = [cols.heading("WAL", format_rate(full), view.wal, ("now", "peak", "total"))]
    signals = view.signals
    for track, rate, colour in (
        ("job", signals.own_wal_rate_bytes_s, _JOB),
        ("all", signals.wal_rate_bytes_s, _ALL),
    ):
        levels = view.wal.track(track, now_s, cols.spark)
        peak = max((level for level in levels if level is not None and not isinstance(level, Mark)), default=None)
        spark = sparkline(levels, full, cols.glyphs, colour)
        fresh = now_s - view.signals_s <= CARRY_S
        numbers = [_rate(rate if fresh else None, cols.glyphs, ""), _rate(peak, cols.glyphs, "dim")]
        if track == "job":
            numbers.append((format_size(view.wal_bytes), "dim"))
        lines.append(cols.line(track, spark, numbers))
    return lines


def _shown(view: TerminalState, rows: int) -> list[str]:
    """Return the names to show: all in the order of appearance, or the worst if there is no room."""
    names = list(view.seen_s)
    if len(names) <= rows:
        return names
    unseen = {name for name in names if (replica := _reading(view, name)) is None or replica.lag_s is None}
    ranked = sorted(names, key=lambda name: (name not in unseen, -view.worst.get(name, 0.0)))
    kept = set(ranked[: max(1, rows - 1)])
    return [name for name in names if name in kept]


def _reading(view: TerminalState, name: str) -> ReplicaReading | None:
    """Return the last reading of a replica; the worst if several share the name."""
    if view.signals is None:
        return None
    namesakes = [replica for replica in view.signals.replicas if replica.name == name]
    return max(namesakes, key=lambda replica: (replica.lag_s is None, replica.lag_s or 0.0), default=None)


def _lag_numbers(view: TerminalState, name: str, now_s: float, glyphs: Glyphs) -> list[Number]:
    """Return lag now, worst lag, bytes behind; a replica that is not counted is marked as ignored."""
    reading = _reading(view, name)
    assert view.started is not None
    assert view.signals is not None
    budget_s, budget_bytes = view.started.max_lag_s, view.started.max_lag_bytes
    nothing = (glyphs.nothing, "dim")
    worst_s = view.worst.get(name)
    worst = nothing if worst_s is None else (format_duration(worst_s), budget_style(share(worst_s, budget_s)))
    if now_s - view.signals_s > CARRY_S:
        return [nothing, worst, nothing]
    if reading is None:
        return [("missing" if name in view.signals.missing else "gone", MISSING_STYLE), worst, nothing]
    now, behind = (glyphs.unknown, UNKNOWN_STYLE), (glyphs.unknown, UNKNOWN_STYLE)
    if reading.lag_s is not None:
        now = (format_duration(reading.lag_s), "bold " + budget_style(share(reading.lag_s, budget_s)))
    if reading.lag_bytes is not None:
        behind = (format_size(reading.lag_bytes), budget_style(share(reading.lag_bytes, budget_bytes)))
    if reading.counted:
        return [now, worst, behind]
    return [(now[0], "dim"), ("ignored", "dim"), (behind[0], "dim")]


def _rate(rate_bytes_s: float | None, glyphs: Glyphs, style: str) -> Number:
    return (glyphs.nothing, "dim") if rate_bytes_s is None else (format_rate(rate_bytes_s), style)
