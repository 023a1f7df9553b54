"""`backfill gate`: closed until the replicas have the change; it blocks a deploy."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backfill.cli.options import Dsn, Json, epilog, parse_time, resolve_dsn
from backfill.values.errors import JobError, Stopped
from backfill.values.exit_codes import ExitCode, exit_codes
from backfill.values.text import shown
from backfill.values.units import format_duration

if TYPE_CHECKING:
    from backfill.postgres.monitor.gate_reader import GateColumn
    from backfill.service.gate import GateProgress, GateRequest

EPILOG = epilog(
    exit_codes(
        *(ExitCode.DONE, ExitCode.FAILED, ExitCode.INVALID, ExitCode.HALTED, ExitCode.LOCK_HELD),
        done="open",
        failed="cannot connect, after several attempts",
        invalid="the command line is wrong",
        halted="the role may not see replication, or the server is a standby",
        lock_held="closed until its time was over",
    ),
)
_LSN = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")


def gate(
    dsn: Dsn = None,
    max_lag: Annotated[
        str, typer.Option("--max-lag", metavar="TIME", help="Most lag of a replica that reports a lag and no position.")
    ] = "1s",
    calm: Annotated[
        str, typer.Option("--for", metavar="TIME", help="How long that lag has to stay below --max-lag.")
    ] = "5s",
    jobs: Annotated[
        list[str] | None,
        typer.Option(
            "--job",
            metavar="JOB",
            help="A job, by name or by file, that has to be done and proven; its limits say which replicas count.",
            show_default=False,
        ),
    ] = None,
    lsn: Annotated[
        str | None,
        typer.Option(
            "--lsn",
            metavar="LSN",
            help="Position that replicas have to replay; default: the primary's position at the start.",
            show_default=False,
        ),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="TABLE.COLUMN",
            help="A column that the primary and each standby of --replica must have.",
            show_default=False,
        ),
    ] = None,
    replicas: Annotated[
        list[str] | None,
        typer.Option(
            "--replica", metavar="DSN", help="A standby to ask directly, too. No passwords.", show_default=False
        ),
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option("--require", metavar="NAME", help="A replica that must be connected.", show_default=False),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="PATTERN", help="Replicas that do not count.", show_default=False),
    ] = None,
    min_replicas: Annotated[
        int, typer.Option("--min-replicas", min=0, max=1000, metavar="N", help="Replicas that must be connected.")
    ] = 0,
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="TIME", help="How long to wait before exiting with 75.")
    ] = "10m",
    json_lines: Json = False,
) -> None:
    """Wait until every counted replica has replayed the change, and jobs are done and proven. Then a deploy is safe.

    Closed on whatever is unknown: a replica that is missing or at an unknown position, another timeline, no
    connection. A line with the reason is printed every few seconds. Run it after the change has committed.
    """
    import anyio  # noqa: PLC0415 - help starts faster without what follows

    from backfill.change.gate_values import GateTerms  # noqa: PLC0415
    from backfill.service.gate import GateRequest  # noqa: PLC0415
    from backfill.service.job_directory import read_job  # noqa: PLC0415

    files = [read_job(Path(job)) for job in jobs or () if Path(job).suffix in (".yaml", ".yml")]
    names = [job for job in jobs or () if Path(job).suffix not in (".yaml", ".yml")]
    terms = GateTerms(max_lag_s=parse_time("--max-lag", max_lag), calm_s=parse_time("--for", calm), lsn=_parse_lsn(lsn))
    if terms.calm_s < terms.max_lag_s:
        raise JobError(f"--for {calm} is below --max-lag {max_lag}: a replica could lag longer than it was watched")
    request = GateRequest(
        terms=terms,
        timeout_s=parse_time("--timeout", timeout),
        require=tuple(require or ()),
        ignore=tuple(ignore or ()),
        min_count=min_replicas,
        replicas=tuple(map(_parse_replica, replicas or ())),
        file_limits=tuple((file.job.name, file.job.throttle) for file in files),
    )
    all_jobs = tuple(dict.fromkeys([*(file.job.name for file in files), *names]))
    found = tuple(map(_parse_column, columns or ()))
    raise typer.Exit(anyio.run(_watch, resolve_dsn(dsn), request, all_jobs, found, json_lines))


async def _watch(
    dsn: str, request: GateRequest, jobs: tuple[str, ...], columns: tuple[GateColumn, ...], json_lines: bool
) -> int:
    import random  # noqa: PLC0415 - as above

    from backfill.postgres.monitor.gate_reader import GateReader  # noqa: PLC0415
    from backfill.service.background import run_with_background  # noqa: PLC0415
    from backfill.service.gate import GateRuntime, GateWatch  # noqa: PLC0415
    from backfill.service.shutdown import Shutdown  # noqa: PLC0415

    shutdown, reader = Shutdown(lambda _name: None), GateReader(dsn, jobs, columns)
    report = _print_json if json_lines else _print_text
    runtime = GateRuntime(now_s=time.monotonic, sleep=shutdown.sleep, jitter=random.random, report=report)

    async def watch() -> int:
        await GateWatch(request, reader, runtime).run()
        return ExitCode.DONE

    try:
        return await run_with_background(watch, shutdown.listen)
    except Stopped as error:
        raise Stopped("stopped before the gate opened", error.exit_code) from None
    finally:
        await reader.close()


def _print_text(progress: GateProgress) -> None:
    from backfill.cli.output import print_line  # noqa: PLC0415 - as above

    waited = format_duration(progress.waited_s)
    if progress.verdict.is_open:
        replicas = ", ".join(progress.verdict.replicas) or "no replica is counted"
        print_line(f"gate open after {waited}: {replicas}")
    else:
        print_line(f"gate closed for {waited}: {'; '.join(progress.verdict.reasons)}")
    sys.stdout.flush()


def _print_json(progress: GateProgress) -> None:
    verdict = progress.verdict
    values = {"at": time.time(), "open": verdict.is_open, "waited_s": progress.waited_s}
    sys.stdout.write(json.dumps(values | {"reasons": verdict.reasons, "replicas": verdict.replicas}) + "\n")
    sys.stdout.flush()


def _parse_lsn(text: str | None) -> int | None:
    if text is None:
        return None
    found = _LSN.fullmatch(text)
    if found is None:
        raise JobError(f"--lsn: not an LSN: {shown(text)}; write one as pg_current_wal_insert_lsn() does, 0/3000060")
    return int(found[1], 16) << 32 | int(found[2], 16)


def _parse_replica(conninfo: str) -> str:
    from backfill.postgres.session.conninfo import InvalidConninfo, parse_conninfo  # noqa: PLC0415 - as above

    try:
        parse_conninfo(conninfo)
    except InvalidConninfo as error:
        raise JobError(f"--replica: the connection string cannot be parsed: {error}") from None
    return conninfo


def _parse_column(text: str) -> GateColumn:
    from backfill.postgres.monitor.gate_reader import GateColumn  # noqa: PLC0415 - as above
    from backfill.values.identifier import TableName, parse_column  # noqa: PLC0415

    table, _, column = text.rpartition(".")
    try:
        return GateColumn(text, TableName.parse(table), parse_column(column))
    except ValueError as error:
        raise JobError(f"--column {shown(text)}: {error}; write schema.table.column") from None
