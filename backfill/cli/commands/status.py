"""`backfill status`: the states of jobs, and with --explain their last decisions and what each was based on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from backfill.cli.options import Dsn, Json, epilog, resolve_dsn
from backfill.values.errors import JobError
from backfill.values.exit_codes import ExitCode, exit_codes
from backfill.values.units import format_duration, format_rate, format_size

if TYPE_CHECKING:
    from rich.console import Console

    from backfill.postgres.state.decisions import DecisionRecord
    from backfill.postgres.state.status import StoredJobStatus

EPILOG = epilog(
    exit_codes(
        *(ExitCode.DONE, ExitCode.FAILED, ExitCode.INVALID, ExitCode.HALTED),
        done="status shown, whatever the jobs' states",
        failed="cannot connect",
        invalid="no such job",
        halted="permission denied",
    )
)
WIDTH = 160
WATCH_EVERY_S = 2.0
SETTLED = frozenset({"done", "unconverged", "cancelled"})
"""States from which no worker continues."""
HOME_AND_CLEAR = "\x1b[H\x1b[J"
"""Moves the cursor to the top and clears what is below."""


def status(
    job: Annotated[
        str | None, typer.Argument(help="A job's name. Without it: all jobs.", metavar="JOB", show_default=False)
    ] = None,
    dsn: Dsn = None,
    json_lines: Json = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show a job's layout, its last decisions and the figures behind them.")
    ] = False,
    last: Annotated[
        int, typer.Option("--last", min=1, max=1500, metavar="N", help="Number of decisions to show (with --explain).")
    ] = 20,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again every 2 s, until every job has ended or Ctrl-C.")
    ] = False,
) -> None:
    """Show the state of jobs, what they wait for, what to do about it and who works on them, from any machine."""
    import anyio  # noqa: PLC0415 - help starts faster without what follows

    from backfill.postgres.state.status import read_status  # noqa: PLC0415

    if explain and job is None:
        raise JobError("--explain shows one job; name it")
    if watch:
        if explain:
            raise JobError("--watch and --explain exclude each other; give one of them")
        _watch(resolve_dsn(dsn), job, json_lines=json_lines)
        return
    statuses = anyio.run(read_status, resolve_dsn(dsn), job)
    if not (explain and json_lines):
        show_status(statuses, json_lines=json_lines, explained=explain)
    if explain and job is not None:
        from backfill.postgres.state.decisions import read_decisions  # noqa: PLC0415

        show_decisions(anyio.run(read_decisions, resolve_dsn(dsn), job, last), json_lines=json_lines)


def _watch(dsn: str, job: str | None, *, json_lines: bool) -> None:
    """Show jobs again and again: in place on a terminal, else one block after the other."""
    import anyio  # noqa: PLC0415 - help starts faster without what follows

    from backfill.postgres.state.status import read_status  # noqa: PLC0415

    async def look() -> None:
        while True:
            statuses = await read_status(dsn, job)
            if sys.stdout.isatty() and not json_lines:
                sys.stdout.write(HOME_AND_CLEAR)
            show_status(statuses, json_lines=json_lines)
            sys.stdout.flush()
            if all(status.state in SETTLED for status in statuses):
                return
            await anyio.sleep(WATCH_EVERY_S)

    with suppress(KeyboardInterrupt):
        anyio.run(look)


def show_status(statuses: list[StoredJobStatus], *, json_lines: bool, explained: bool = False) -> None:
    """Print the state of jobs; `explained`: with the layout of their windows and the reason for it."""
    if json_lines:
        for job in statuses:
            sys.stdout.write(json.dumps(asdict(job)) + "\n")
        return
    if not statuses:
        sys.stdout.write("no job has run in this database\n")
        return
    console, clean = _console()
    rows = [
        (
            *(job.job, clean(_table(job)), job.state, str(job.pass_number), f"{job.progress_ratio:.1%}", _eta(job)),
            *(f"{job.rows_total:,}", f"{job.rows_s:,.0f}", f"{format_duration(job.idle_s)} ago"),
        )
        for job in statuses
    ]
    titles = ("job", "table", "state", "pass", "done", "ETA", "rows", "rows/s", "last activity")
    _print_table(console, titles, rows, right=frozenset({"pass", "done", "ETA", "rows", "rows/s"}))
    for job in statuses:
        for sentence in _sentences(job, explained=explained):
            console.print(f"{job.job}: {clean('; '.join(sentence.splitlines()))}", soft_wrap=True)


def show_decisions(decisions: Sequence[DecisionRecord], *, json_lines: bool) -> None:
    """Print one line a batch or event, the newest last."""
    if json_lines:
        for decision in decisions:
            sys.stdout.write(json.dumps(asdict(decision) | {"at": decision.at.isoformat()}) + "\n")
        return
    console, clean = _console()
    rows = [tuple(map(clean, _event(decision) if decision.kind else _batch(decision))) for decision in decisions]
    titles = ("at", "rows", "limited by", "replica", "lag", "on the way", "window", "replays", "B/row", "waited")
    left = {"at", "limited by", "replica", "waited"}
    _print_table(console, titles, rows, right=frozenset(titles) - left, wrapped=frozenset({"waited"}))


def _event(record: DecisionRecord) -> list[str]:
    return [f"{record.at:%H:%M:%S}", "", record.kind or "", *[""] * 6, record.text or ""]


def _batch(record: DecisionRecord) -> list[str]:
    waited = f"{format_duration(record.waited_s)}: {record.waited_for}" if record.waited_s and record.waited_for else ""
    if record.blocked_sessions:
        waited = f"{record.blocked_sessions} sessions blocked; {waited}".rstrip("; ")
    inputs = record.inputs
    if inputs is None:
        return [f"{record.at:%H:%M:%S}", f"{record.rows:,}", *[""] * 7, waited]
    return [
        f"{record.at:%H:%M:%S}",
        f"{record.rows:,}",
        ", ".join(filter(None, (record.limited_by, inputs.compression))),
        inputs.replica or "none",
        _or_blank(inputs.lag_s, format_duration),
        _or_blank(inputs.on_the_way_bytes, format_size),
        _or_blank(inputs.window_bytes, format_size),
        _or_blank(inputs.rate_bytes_s, format_rate),
        f"{inputs.row_wal_bytes:,.0f}",
        waited,
    ]


def _or_blank(value: float | None, text_of: Callable[[float], str]) -> str:
    return "" if value is None else text_of(value)


def _console() -> tuple[Console, Callable[[str], str]]:
    """Return where to print, and what makes a text of somebody else harmless: no markup, no control characters."""
    from rich.console import Console  # noqa: PLC0415 - help starts faster without

    from backfill.observe.terminal.glyphs import glyphs_for  # noqa: PLC0415

    console = Console(width=None if sys.stdout.isatty() else WIDTH, markup=False, emoji=False, highlight=False)
    return console, glyphs_for(console.encoding).clean


def _print_table(
    console: Console,
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: frozenset[str],
    wrapped: frozenset[str] | None = None,
) -> None:
    """Print a table; `wrapped` are the columns that may take several lines, None is all."""
    from rich.table import Table  # noqa: PLC0415 - help starts faster without

    table = Table(box=None, pad_edge=False)
    for title in titles:
        no_wrap = wrapped is not None and title not in wrapped
        table.add_column(title, justify="right" if title in right else "left", no_wrap=no_wrap)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _sentences(job: StoredJobStatus, *, explained: bool) -> Iterator[str]:
    """Yield what else there is to say about a job: what it waits for, its vacuum, its layout, its worker."""
    from backfill.events.job_outcome import rejected_rows  # noqa: PLC0415 - help starts faster without

    if job.request and job.request != job.reason:
        yield job.request
    yield from filter(None, (job.reason, job.next_step and f"next: {job.next_step}", job.vacuum))
    if job.tuned:
        ends = {name: f" until {end}" for name, end in job.tuned_until.items()}
        yield "tuned " + ", ".join(f"{name}={value}{ends.get(name, '')}" for name, value in job.tuned.items())
    if job.sync_trigger:
        yield f"trigger {job.sync_trigger}"
    if job.rows_rejected:
        yield rejected_rows(job.rows_rejected)
        yield from (f"rejected: {sample}" for sample in job.rejected)
    yield from (f"finish: {step}" for step in job.finish)
    yield from (f"layout {why}" for why in sorted(set(job.layouts)) if explained)
    if job.worker:
        yield f"worker {job.worker}"


def _table(job: StoredJobStatus) -> str:
    leaf = f" (leaf {job.leaf_number:,} of {job.leaves:,}: {job.leaf})"
    return job.table + leaf if job.leaf and job.state not in ("done", "unconverged") else job.table


def _eta(job: StoredJobStatus) -> str:
    """Return how long the job will still fill; nothing of one that does not work."""
    return job.eta or ("unknown" if job.state == "running" else "")
