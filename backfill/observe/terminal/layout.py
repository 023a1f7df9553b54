"""One frame of the live view: a state and a time in, lines of text out, each within the width.

Nothing is drawn that was not read: unknown has its own mark, and a number that is not known is a dash.
"""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Group
from rich.text import Text

from backfill.observe.notices import Severity, leaf_words, moment, notice_for, percent
from backfill.observe.terminal.activity import Activity, activity_of, wait_shares
from backfill.observe.terminal.gauges import columns, lag_gauge, wal_gauge
from backfill.observe.terminal.glyphs import UNICODE, Glyphs
from backfill.observe.terminal.signal_lines import signal_lines
from backfill.observe.terminal.sparkline import bar
from backfill.observe.terminal.state import SHARE_S, TerminalState
from backfill.observe.terminal.summary_fields import summary_fields
from backfill.values.units import format_duration

WIDTH_MIN, WIDTH_MAX = 60, 110
"""A narrower terminal cuts lines off; a wider one stays empty on the right, which is easier to read."""
NOTES_MIN = 2
_LABEL = 8
_SHARE_MIN = 0.005
_WIDE = 76
"""From this width on there are three fields in a row, below it two."""


def render(view: TerminalState, now_s: float, width: int, height: int = 24, glyphs: Glyphs = UNICODE) -> Group:
    """Return the frame at `now_s`, in at most `width` cells and, if possible, `height` - 1 lines."""
    width = max(WIDTH_MIN, min(width, WIDTH_MAX)) - 2
    if view.finished is not None:
        now_s = view.finished_s
    activity = activity_of(view, now_s)
    cols = columns(view, width, glyphs)
    head = [_title(view, now_s, width, glyphs), _progress(view, width, activity, glyphs)]
    body = _fields(view, now_s, width, glyphs) if view.started is not None else []
    wal = [*wal_gauge(view, now_s, cols), *signal_lines(view, now_s, cols)]
    state = _state(view, now_s, width, activity, glyphs)
    taken = len(head) + len(body) + len(wal) + len(state) + 5
    lag = lag_gauge(view, now_s, cols, max(1, height - 2 - taken - NOTES_MIN))
    blocks = [block for block in (head, body, lag, wal, state) if block]
    used = sum(len(block) for block in blocks)
    roomy = used + len(blocks) + NOTES_MIN < height
    room = height - 1 - used - (len(blocks) if roomy else 0)
    blocks.append(_notes(view, width, max(1, room), glyphs))
    lines: list[Text] = []
    for block in blocks:
        if lines and block and roomy:
            lines.append(Text())
        lines.extend(Text(" ", no_wrap=True).append_text(line) for line in block)
    return Group(*lines)


def _title(view: TerminalState, now_s: float, width: int, glyphs: Glyphs) -> Text:
    elapsed = format_duration(int(now_s - view.began_s))
    job = glyphs.fit(view.job or "backfill", width - len(elapsed) - 2)
    name = view.started.table if view.started is not None else ""
    table = glyphs.fit(leaf_words(view.leaf) if view.leaf else name, width - len(elapsed) - cell_len(job) - 4)
    text = Text(no_wrap=True)
    text.append(job, "bold").append("  ").append(table)
    return text.append(" " * (width - text.cell_len - len(elapsed))).append(elapsed, "dim")


def _progress(view: TerminalState, width: int, activity: Activity, glyphs: Glyphs) -> Text:
    done = percent(view.progress_ratio)
    style = activity.tone if view.finished is not None else "cyan"
    return bar(view.progress_ratio, width - 7, glyphs, style).append(f"{done:>7}", "bold")


def _fields(view: TerminalState, now_s: float, width: int, glyphs: Glyphs) -> list[Text]:
    pairs = summary_fields(view, now_s, glyphs.nothing)
    count = 3 if width >= _WIDE else 2
    column = (width - _LABEL - 14) // 2 if count == 3 else width // 2
    lines = []
    for first in range(0, len(pairs), count):
        line = Text(no_wrap=True)
        for index, (label, value) in enumerate(pairs[first : first + count]):
            line.append(" " * (index * column - line.cell_len))
            line.append(f"{label:<{_LABEL}}", "dim").append(value)
        line.truncate(width)
        lines.append(line)
    return lines


def _state(view: TerminalState, now_s: float, width: int, activity: Activity, glyphs: Glyphs) -> list[Text]:
    tone = "cyan" if activity.tone is Severity.CALM else activity.tone
    text = Text(no_wrap=True)
    word = f"{activity.word:<{_LABEL - 1}} "
    text.append(word, f"bold {tone}").append(glyphs.fit(activity.text, width - len(word)), activity.tone)
    if view.finished is not None:
        return [text]
    parts = [activity.length] if activity.length else []
    if view.started is not None:
        parts.append(_waited(view, now_s))
    details = glyphs.fit(", ".join(parts), width - _LABEL)
    return [text, Text(" " * _LABEL + details, "dim", no_wrap=True)]


def _waited(view: TerminalState, now_s: float) -> str:
    """Return the share of time waited, and for what."""
    shares = [(name, share) for name, share in wait_shares(view, now_s) if share >= _SHARE_MIN]
    if not shares:
        return f"no wait in the last {SHARE_S:.0f}s"
    total = min(1.0, sum(share for _, share in shares))
    kinds = [f"{name} {share:.0%}" for name, share in shares]
    reasons = shares[0][0] if len(shares) == 1 else ", ".join(kinds)
    return f"waited {total:.0%} of the last {SHARE_S:.0f}s: {reasons}"


def _notes(view: TerminalState, width: int, room: int, glyphs: Glyphs) -> list[Text]:
    lines = []
    ended = None if view.finished is None else notice_for(view.finished)  # it is shown above
    for note in [note for note in view.notes if note.notice != ended][-room:]:
        text = Text(no_wrap=True)
        at = f"{moment(note.elapsed_s):>{_LABEL - 2}}  "
        times = f" {glyphs.times}{note.count}" if note.count > 1 else ""
        text.append(at, "dim")
        text.append(glyphs.fit(note.notice.text, width - len(at) - len(times)), note.notice.tone)
        text.append(times, "bold")
        lines.append(text)
    return lines
