"""What `status`, `status --explain` and `tune` print: jobs, decisions with their inputs, limits with what they were."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from backfill.events.job_outcome import refused
from backfill.observe.terminal.glyphs import glyphs_for
from backfill.postgres.state.decisions import DecisionRecord
from backfill.postgres.state.overrides import StoredLimits
from backfill.postgres.state.status import JobStatus
from backfill.values.units import format_duration, format_rate, format_size

WIDTH = 160


def show_status(found: list[JobStatus], *, json_lines: bool, explained: bool = False) -> None:
    """Print how jobs stand; `explained`: with how their windows are laid out, and why."""
    if json_lines:
        for one in found:
            sys.stdout.write(json.dumps(asdict(one)) + "\n")
        return
    if not found:
        sys.stdout.write("no job has run in this database\n")
        return
    console, clean = _console()
    table = Table(box=None, pad_edge=False)
    for title in ("job", "table", "state", "pass", "done", "rows", "rows/s", "last sign"):
        table.add_column(title, justify="right" if title in ("pass", "done", "rows", "rows/s") else "left")
    for one in found:
        table.add_row(
            *(one.job, clean(_leaf(one)), one.state, str(one.pass_number), f"{one.progress_ratio:.1%}"),
            *(f"{one.rows_total:,}", f"{one.rows_s:,.0f}", f"{format_duration(one.idle_s)} ago"),
        )
    console.print(table)
    for one in found:
        for told in _standing(one, explained=explained):
            console.print(f"{one.job}: {clean(told)}", soft_wrap=True)


def show_decisions(found: Sequence[DecisionRecord], *, json_lines: bool) -> None:
    """Print one line a batch or event, the newest last."""
    if json_lines:
        for one in found:
            sys.stdout.write(json.dumps(asdict(one) | {"at": one.at.isoformat()}) + "\n")
        return
    console, clean = _console()
    table = Table(box=None, pad_edge=False)
    for title in ("at", "rows", "limited by", "replica", "lag", "on the way", "window", "replays", "B/row", "waited"):
        right = title not in ("at", "limited by", "replica", "waited")
        table.add_column(title, justify="right" if right else "left", no_wrap=title != "waited")
    for one in found:
        table.add_row(*map(clean, _event(one) if one.kind else _batch(one)))
    console.print(table)


def _event(one: DecisionRecord) -> list[str]:
    return [f"{one.at:%H:%M:%S}", "", one.kind or "", *[""] * 6, one.text or ""]


def _batch(one: DecisionRecord) -> list[str]:
    waited = f"{format_duration(one.waited_s)}: {one.waited_for}" if one.waited_s and one.waited_for else ""
    if one.blocked_sessions:
        waited = f"{one.blocked_sessions} sessions blocked; {waited}".rstrip("; ")
    seen = one.inputs
    if seen is None:
        return [f"{one.at:%H:%M:%S}", f"{one.rows:,}", *[""] * 7, waited]
    return [
        f"{one.at:%H:%M:%S}",
        f"{one.rows:,}",
        ", ".join(filter(None, (one.limited_by, seen.compression))),
        seen.replica or "none",
        _told(seen.lag_s, format_duration),
        _told(seen.on_the_way_bytes, format_size),
        _told(seen.window_bytes, format_size),
        _told(seen.rate_bytes_s, format_rate),
        f"{seen.row_wal_bytes:,.0f}",
        waited,
    ]


def _told(value: float | None, shown: Callable[[float], str]) -> str:
    return "" if value is None else shown(value)


def show_limits(limits: StoredLimits, *, json_lines: bool) -> None:
    """Print every limit: what it is, and where that differs, what it was and what the job file says."""
    if json_lines:
        sys.stdout.write(json.dumps(asdict(limits)) + "\n")
        return
    for name, value in limits.after.items():
        before, file = limits.before[name], limits.file[name]
        changed = f"   (was {before or 'none'})" if before != value else ""
        differs = f"   (the job file says {file or 'none'})" if file != value else ""
        sys.stdout.write(f"{name:20} {value or 'none':>10}{changed}{differs}\n")


def _console() -> tuple[Console, Callable[[str], str]]:
    """Return where to print, and how: in what somebody wrote, neither markup nor control characters count."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH, markup=False, emoji=False, highlight=False)
    return console, glyphs_for(console.encoding).clean


def _standing(one: JobStatus, *, explained: bool) -> Iterator[str]:
    """Yield what is to say about a job in sentences: what it waits for, its vacuum, its layout, its worker."""
    yield from filter(None, (one.reason, one.vacuum))
    if one.rows_rejected:
        yield refused(one.rows_rejected)
        yield from (f"refused: {told}" for told in one.rejected)
    yield from (f"layout {why}" for why in sorted(set(one.layouts)) if explained)
    if one.worker:
        yield f"worker {one.worker}"


def _leaf(one: JobStatus) -> str:
    leaf = f" (leaf {one.leaf_number:,} of {one.leaves:,}: {one.leaf})"
    return one.table + leaf if one.leaf and one.state not in ("done", "unconverged") else one.table
