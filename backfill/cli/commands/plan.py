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
    from backfill.events.plan import Costs, Forecast, Measurement, Plan

EPILOG = epilog(
    "Next: backfill run JOB.yaml",
    exit_codes(
        *(ExitCode.DONE, ExitCode.FAILED, ExitCode.INVALID, ExitCode.HALTED),
        done="the job can run",
        failed="cannot connect, or a statement failed",
    ),
)
LABEL = 10
WIDTH_MIN = 60


def plan(
    file: File,
    dsn: Dsn = None,
    json_lines: Json = False,
    no_measure: Annotated[
        bool, typer.Option("--no-measure", help="Do not run the sample batch that is rolled back.")
    ] = False,
) -> None:
    """Check a job against the database, measure a sample batch, show layout, cost and SQL. Nothing is committed.

    The sample is up to three times 1,000 rows, and is rolled back. Triggers fire for these rows, sequences that they
    use stay advanced, and dead row versions remain for VACUUM.
    """
    import anyio  # noqa: PLC0415 - help starts faster without what follows

    from backfill.postgres.plan.make import make_plan  # noqa: PLC0415
    from backfill.service.job_directory import read_job  # noqa: PLC0415

    made = anyio.run(partial(make_plan, measuring=not no_measure), resolve_dsn(dsn), read_job(file))
    typer.echo(json.dumps(made.to_dict()) if json_lines else plan_text(made, _width()))


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
    for title, statement in plan.statements:
        lines += ["", f"-- {title}", f"{statement};"]
    lines += ["", "-- the server's plan of a batch", *(f"-- {line}" for line in plan.explained.splitlines())]
    return "\n".join(lines)


def _described(plan: Plan) -> Iterator[tuple[str, str]]:
    size, key = format_size(plan.size_bytes), f"key ({', '.join(plan.key)})" if plan.key else "no key"
    yield "job", plan.job
    yield "table", f"{plan.table}: {plan.pages:,} pages ({size}), about {plan.rows_estimated:,} rows, {key}"
    yield from _leaves(plan)
    if plan.rows_to_do is not None:
        yield "to do", f"about {plan.rows_to_do:,} rows, as the server's planner estimates"
    yield "replicas", ", ".join(plan.replicas) or "none"
    for why in plan.layouts:
        yield "layout", why
    yield from _costs(plan.costs)
    yield from _whole(plan)
    for notice in plan.notices:
        yield "notice", notice
    for sample in plan.samples:
        yield "function", sample


def _leaves(plan: Plan) -> Iterator[tuple[str, str]]:
    if plan.leaf_count == 1 and plan.shown == plan.table:
        return
    yield "leaves", f"{plan.leaf_count:,}; key, layout, figures, notices and SQL are those of {plan.shown}"
    for name, size_bytes in plan.leaves:
        yield "leaf", f"{name} ({format_size(size_bytes)})"
    more = plan.leaf_count - len(plan.leaves)
    if more:
        yield "leaf", f"and {more:,} more"


def _costs(costs: Costs) -> Iterator[tuple[str, str]]:
    if costs.plain is None:
        yield "measured", f"nothing: {costs.unmeasured}"
        return
    yield "measured", f"{_measurement(costs.plain)}; rolled back"
    if costs.compressed is not None:
        yield "measured", f"{_measurement(costs.compressed)}; rolled back"
    elif costs.uncompressed:
        yield "measured", f"nothing compressed: {costs.uncompressed}"


def _measurement(measured: Measurement) -> str:
    how = f" with {measured.compression}" if measured.compression else ""
    images = "no full-page image, as these pages had theirs since the last checkpoint"
    if measured.image_bytes is not None:
        images = f"{measured.images:,} full-page images of {format_size(measured.image_bytes)}"
    pages = f"pages {measured.first_page:,} to {measured.last_page:,}"
    return (
        f"{measured.rows:,} rows of {pages} at once{how} in {format_duration(measured.took_s)},"
        f" {measured.rows_hot / max(1, measured.rows):.0%} HOT: {measured.row_records_bytes:,.0f} B of WAL a row,"
        f" and {images}"
    )


def _whole(plan: Plan) -> Iterator[tuple[str, str]]:
    if plan.forecast is None:
        return
    least = "at most about" if plan.stripes > 1 else "about"
    yield "in all", f"{least} {_forecast(plan.forecast, plan.max_wal_rate_bytes_s)}"
    if plan.forecast_compressed is not None and plan.image_ratio is not None:
        small = _forecast(plan.forecast_compressed, plan.max_wal_rate_bytes_s)
        yield "in all", f"{least} {small}, with images of {plan.image_ratio:.2f} times their size"


def _forecast(forecast: Forecast, rate_bytes_s: int) -> str:
    time = f"{format_duration(forecast.at_max_wal_rate_s)} at max_wal_rate {format_rate(rate_bytes_s)}"
    return f"{format_size(forecast.wal_bytes)} of WAL, {time}"


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
