"""`backfill plan`: a job checked against the database, with its layout, its cost and its SQL."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated

import typer

from backfill.cli.options import Dsn, File, Json, epilog, resolve_dsn
from backfill.values.exit_codes import ExitCode, exit_codes
from backfill.values.units import format_duration, format_rate, format_size

if TYPE_CHECKING:
    from backfill.change.findings.finding import Finding
    from backfill.events.measurement import Measurement
    from backfill.events.plan import Costs, Plan, PlannedTable, RowsToDo
    from backfill.events.wal_forecast import Forecast

EPILOG = epilog(
    "Next: backfill run JOB.yaml",
    exit_codes(
        *(ExitCode.DONE, ExitCode.FAILED, ExitCode.INVALID, ExitCode.HALTED),
        done="the job can run; with --sql the SQL is printed",
        failed="cannot connect, or a statement failed",
        halted="a finding says stop, so a run would be refused; or permission denied",
    ),
)
LABEL = 10
WIDTH_MIN = 60


def plan(
    file: File,
    dsn: Dsn = None,
    json_lines: Json = False,
    sql_only: Annotated[
        bool, typer.Option("--sql", help="Print only the SQL that a run sends, and the DDL at its two ends.")
    ] = False,
    no_measure: Annotated[
        bool, typer.Option("--no-measure", help="Do not run the sample batch that is rolled back.")
    ] = False,
    force: Annotated[
        list[str] | None,
        typer.Option(
            "--force",
            metavar="NAME",
            help="Exit with 0 although this finding says stop, as `run --force` runs; repeat it for several.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check a job against the database, measure a sample batch, show layout, cost and SQL. Nothing is committed.

    Matching rows are counted for up to 5 s. The sample is up to five batches of 250 rows, the first of them twice, and
    one row if a BEFORE trigger may change indexed columns; all are rolled back. Triggers fire for these rows, sequences
    that they use stay advanced, and dead row versions remain for VACUUM.
    """
    import anyio  # noqa: PLC0415 - help starts faster without what follows

    from backfill.change.findings.registry import parse_forced, stops  # noqa: PLC0415
    from backfill.postgres.plan.make import make_plan  # noqa: PLC0415
    from backfill.service.job_directory import read_job  # noqa: PLC0415

    measuring, forced = not (no_measure or sql_only), parse_forced(force or ())
    made = anyio.run(partial(make_plan, measuring=measuring), resolve_dsn(dsn), read_job(file))
    if sql_only and not json_lines:
        typer.echo("\n".join(sql_lines(made)).lstrip("\n"))
    else:
        typer.echo(json.dumps(made.to_dict()) if json_lines else plan_text(made, _width()))
        raise typer.Exit(ExitCode.HALTED if stops(made.findings, forced) else ExitCode.DONE)


def _width() -> int | None:
    """Return the terminal's width, None if lines are not to be wrapped."""
    return max(WIDTH_MIN, shutil.get_terminal_size().columns) if sys.stdout.isatty() else None


def plan_text(plan: Plan, columns: int | None = None) -> str:
    """Return a plan for a person; lines above the SQL are wrapped to `columns`."""
    lines = []
    before = ""
    for label, text in _described(plan):
        lines += _wrapped("" if label == before else label, text, columns)
        before = label
    lines += sql_lines(plan)
    lines += ["", "-- the server's plan of a batch", *(f"-- {line}" for line in plan.sql.explained.splitlines())]
    return "\n".join(lines)


def sql_lines(plan: Plan) -> Iterator[str]:
    """Yield the statements under their titles."""
    for title, statement in plan.sql.statements:
        yield from ("", f"-- {title}", f"{statement};")


def _described(plan: Plan) -> Iterator[tuple[str, str]]:
    table = plan.table
    size, key = format_size(table.size_bytes), f"key ({', '.join(table.key)})" if table.key else "no key"
    yield "job", plan.job
    yield "table", f"{table.name}: {table.pages:,} pages ({size}), about {table.rows:,} rows, {key}"
    yield from _leaves(table)
    yield "matching", rows_text(plan.to_do)
    yield "replicas", ", ".join(plan.replicas) or "none"
    for window in plan.window:
        yield "window", window
    for why in plan.layout.why:
        yield "layout", why
    yield from _costs(plan.costs)
    if plan.forecast is not None:
        yield "in all", _forecast(plan.forecast, plan.max_wal_rate_bytes_s)
    yield from _findings(plan.findings)
    for sample in plan.samples:
        yield "function", sample


def _findings(findings: tuple[Finding, ...]) -> Iterator[tuple[str, str]]:
    """Yield what speaks against a run, the worst first, and which checks found nothing."""
    for level in ("stop", "warn"):
        for finding in findings:
            if finding.level == level:
                yield level, f"{finding.name}: {finding.text}"
    well = [finding.name for finding in findings if finding.level == "ok"]
    if well:
        yield "ok", ", ".join(well)


def rows_text(to_do: RowsToDo) -> str:
    """Return how many rows are to do, and how far that is known."""
    found, ended = to_do.estimate, f"; the count ended early: {to_do.why}" if to_do.why else ""
    if found is None:
        return f"unknown: {to_do.why or 'no page was read in time'}"
    if found.exact:
        return f"{found.rows:,} rows, counted"
    return (
        f"about {found.rows:,} rows ({found.low:,} to {found.high:,}), at most {found.most:,}:"
        f" {to_do.pages_read:,} of {to_do.pages:,} pages were read{ended}"
    )


def _leaves(table: PlannedTable) -> Iterator[tuple[str, str]]:
    if table.leaf_count == 1 and table.shown == table.name:
        return
    yield "leaves", f"{table.leaf_count:,}; key, layout, costs and SQL are those of {table.shown}"
    for name, size_bytes in table.leaves:
        yield "leaf", f"{name} ({format_size(size_bytes)})"
    more = table.leaf_count - len(table.leaves)
    if more:
        yield "leaf", f"and {more:,} more"


def _costs(costs: Costs) -> Iterator[tuple[str, str]]:
    if not costs.places:
        yield "measured", f"nothing: {costs.unmeasured}"
        return
    for place in costs.places:
        yield "measured", f"{_measurement(place.measured)}; rolled back"
    if costs.compressed is not None:
        smaller = f", {costs.image_ratio:.2f} times their size" if costs.image_ratio is not None else ""
        yield "measured", f"{_measurement(costs.compressed, smaller)}; rolled back"
    elif costs.uncompressed:
        yield "measured", f"nothing compressed: {costs.uncompressed}"


def _measurement(measured: Measurement, smaller: str = "") -> str:
    pages = f"page {measured.first_page:,}"
    if measured.last_page > measured.first_page:
        pages = f"pages {measured.first_page:,} to {measured.last_page:,}"
    done = f"{measured.rows:,} rows of {pages} in {format_duration(measured.took_s)}, {measured.hot_share:.0%} HOT"
    if measured.compression:
        return f"{done}, with {measured.heap_images:,} full-page images by {measured.compression}{smaller}"
    images = "no full-page image: already written for these pages since the last checkpoint"
    if measured.images:
        images = f"{measured.images:,} full-page images, {measured.index_images:,} of them of index pages"
    return f"{done}: {measured.row_wal_bytes:,.0f} B of WAL a row, and {images}"


def _forecast(forecast: Forecast, rate_bytes_s: int) -> str:
    least, high, most = map(format_size, (forecast.low_bytes, forecast.high_bytes, forecast.most_bytes))
    time = f"{format_duration(forecast.at_max_wal_rate_s)} at max_wal_rate {format_rate(rate_bytes_s)}"
    return f"about {format_size(forecast.wal_bytes)} of WAL ({least} to {high}), at most {most}; {time}"


def _wrapped(label: str, text: str, columns: int | None) -> list[str]:
    start, further = f"{label:{LABEL}}", " " * LABEL
    if columns is None:
        return [start + text]
    return wrap(
        text,
        columns,
        initial_indent=start,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
    )
