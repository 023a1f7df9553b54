"""The view without a terminal: a line for each notice, and a progress line every few seconds.

12.3s   42.1%  pass 1 · 126,000 rows · 31,400 rows/s · replica-a 300ms/2s · wal 14.2MB/s · pace: …
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from backfill.events.event import Event
from backfill.observe.notices import Notice, Severity, count_rows, moment, percent
from backfill.observe.terminal.activity import activity_of, recent
from backfill.observe.terminal.glyphs import UNICODE, Glyphs, glyphs_for
from backfill.observe.terminal.reduce import add_note, reduce
from backfill.observe.terminal.state import NoteLine, TerminalState
from backfill.observe.terminal.summary_fields import eta
from backfill.values.units import format_duration, format_rate

EVERY_S = 5.0


def line(view: TerminalState, now_s: float, glyphs: Glyphs = UNICODE) -> str:
    """Return the progress at `now_s` as one line."""
    parts = [_elapsed(now_s - view.began_s)]
    if view.started is None:
        return f"{parts[0]}  {glyphs.clean(_activity(view, now_s))}"
    rows_s = recent(view, now_s).rows_s
    parts = [f"pass {view.pass_number}", count_rows(view.rows_total)]
    if view.leaf is not None:
        parts.insert(0, f"leaf {view.leaf.number:,} of {view.leaf.leaves:,}")
    if rows_s is not None:
        parts.append(f"{rows_s:,.0f} rows/s")
    parts.extend(_replicas(view, glyphs))
    if view.signals is not None:
        parts.append(f"wal {format_rate(view.signals.own_wal_rate_bytes_s)}")
    if (left := eta(view, now_s)) is not None:
        parts.append(f"ETA {left}")
    parts.append(_activity(view, now_s))
    text = f" {glyphs.dot} ".join(glyphs.clean(part) for part in parts)
    return f"{_elapsed(now_s - view.began_s)}  {percent(view.progress_ratio):>6}  {text}"


class LineOutput:
    """Writes to a stream; has the methods of `Live`, so that either can be used."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic, every_s: float = EVERY_S) -> None:
        self._stream = stream
        self._clock = clock
        self._every_s = every_s
        self._glyphs = glyphs_for(stream.encoding)
        self._view = TerminalState(began_s=clock())
        self._written_s: dict[str, float] = {}
        self._line_s = self._view.began_s

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.flush()

    def record(self, event: Event) -> None:
        """Take in one event as of now; write its notice, and the progress line if it is time."""
        now_s = self._clock()
        before = self._view.notes
        self._view = reduce(self._view, event, now_s)
        for note in self._view.notes:
            if note not in before:
                self._write_note(note, now_s)
        if self._view.finished is None and now_s - self._line_s >= self._every_s:
            self._line_s = now_s
            self._write(line(self._view, now_s, self._glyphs))

    def note(self, text: str, tone: Severity = Severity.CALM) -> None:
        """Report something that is not an event of the worker."""
        now_s = self._clock()
        self._view = add_note(self._view, Notice(text, tone), now_s)
        self._write_note(self._view.notes[-1], now_s)

    def _write_note(self, note: NoteLine, now_s: float) -> None:
        """Write the notice; one with the same key only every few seconds, with its count."""
        key = note.notice.key
        if key is not None:
            if now_s - self._written_s.get(key, -math.inf) < self._every_s:
                return
            self._written_s[key] = now_s
        times = f" {self._glyphs.times}{note.count}" if note.count > 1 else ""
        self._write(f"{_elapsed(note.elapsed_s)}  {self._glyphs.clean(note.notice.text)}{times}")

    def _write(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


def _elapsed(elapsed_s: float) -> str:
    return f"{moment(elapsed_s):>7}"


def _replicas(view: TerminalState, glyphs: Glyphs) -> list[str]:
    if view.signals is None or view.started is None:
        return []
    budget = format_duration(view.started.max_lag_s)
    lags = [
        (replica.name, glyphs.unknown if replica.lag_s is None else format_duration(replica.lag_s))
        for replica in view.signals.replicas
    ]
    return [f"{name} {lag}/{budget}" for name, lag in lags] + [f"{name} missing" for name in view.signals.missing]


def _activity(view: TerminalState, now_s: float) -> str:
    activity = activity_of(view, now_s)
    return f"{activity.word}: {activity.text}" + (f", {activity.length}" if activity.length else "")
