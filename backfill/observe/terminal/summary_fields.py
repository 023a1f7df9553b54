"""The nine fields of a run, as pairs of a label and a short text; a dash stands for what is not known."""

from __future__ import annotations

from backfill.observe.terminal.activity import LONG_S, QUIET_S, recent, silence_s
from backfill.observe.terminal.state import TerminalState
from backfill.table.estimate.time_left import time_left_now
from backfill.throttle.wait_reason import PACE_KINDS, WaitKind
from backfill.values.units import format_duration, format_size

_PAGE_WIDTH = 20


def summary_fields(view: TerminalState, now_s: float, nothing: str) -> tuple[tuple[str, str], ...]:
    """Return the fields in reading order, three to a row."""
    lately = recent(view, now_s)
    batch = nothing
    if lately.batch_rows is not None and lately.batch_s is not None:
        batch = f"{lately.batch_rows:,} rows, {format_duration(lately.batch_s)}"
    budget = view.signals.wal_budget_bytes if view.signals is not None else 0
    return (
        ("rows", f"{view.rows_total:,}" if view.started is not None else nothing),
        ("rate", _rate(view, lately.rows_s, nothing)),
        _time(view, now_s, nothing),
        _pass(view, nothing),
        ("page", _page(view, nothing)),
        ("window", format_size(budget) if budget else nothing),
        ("batch", batch),
        ("WAL", nothing if lately.row_wal_bytes is None else f"{lately.row_wal_bytes:,.0f} B/row"),
        ("HOT", nothing if lately.hot_ratio is None else f"{int(lately.hot_ratio * 100)}%"),
    )


def _rate(view: TerminalState, rows_s: float | None, nothing: str) -> str:
    """Return the rate of the last seconds; of the whole run once it is over."""
    if view.finished is not None and view.started is not None and view.finished.elapsed_s > 0:
        rows = view.finished.rows_total - view.started.rows_total
        return f"{max(0, rows) / view.finished.elapsed_s:,.0f} rows/s mean"
    return nothing if rows_s is None else f"{rows_s:,.0f} rows/s"


def eta(view: TerminalState, now_s: float) -> str | None:
    """Return the worker's estimate; during a long wait it is marked, because it may no longer hold."""
    if view.batch is None or silence_s(view, now_s) >= QUIET_S:
        return None
    wait = view.wait
    paused = wait is not None and wait.kind in {WaitKind.PAUSED, WaitKind.SCHEDULE}
    standing = paused or view.passed is not None or view.stopping is not None
    left = time_left_now(view.batch.time_left, now_s - view.batch_s, standing=standing)
    stuck = wait is not None and wait.kind not in PACE_KINDS and now_s - wait.start_s >= LONG_S
    return f"{left}{', waiting' if stuck else ''}" if left else None


def _time(view: TerminalState, now_s: float, nothing: str) -> tuple[str, str]:
    if view.finished is not None:
        return ("took", format_duration(view.finished.elapsed_s))
    return ("ETA", eta(view, now_s) or ("unknown" if view.batch is not None else nothing))


def _pass(view: TerminalState, nothing: str) -> tuple[str, str]:
    if view.finished is not None:
        return ("passes", str(view.finished.passes))
    if view.started is None:
        return ("pass", nothing)
    number = view.pass_number
    if view.batch is None or view.batch.stripes < 2 or number > 1:
        return ("pass", str(number))  # later passes have no stripes
    return ("pass", f"{number}, stripe {view.batch.stripe + 1} of {view.batch.stripes}")


def _page(view: TerminalState, nothing: str) -> str:
    if view.started is None or view.batch is None:
        return nothing
    page, pages = view.batch.last_page, view.started.pages
    if page > pages:
        return f"{page:,}"
    exact = f"{page:,} of {pages:,}"
    return exact if len(exact) <= _PAGE_WIDTH else f"{_short(page)} of {_short(pages)}"


def _short(count: int) -> str:
    return f"{count / 1e6:,.1f}M" if count >= 1e6 else f"{count:,}"
