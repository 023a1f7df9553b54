"""What findings judge, read in a few statements without any write; and the stops that a run is refused for."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from psycopg.rows import dict_row

from backfill.change.findings.facts import (
    EarlierJob,
    ForeignKeyFacts,
    MeasuredFacts,
    OtherJob,
    PlanFacts,
    PreparedTransaction,
    ServerSettings,
    SlotFacts,
    TableFacts,
)
from backfill.change.findings.finding import Finding, FindingLevel
from backfill.change.findings.registry import find_all, stops
from backfill.change.findings.vacuum import prepared
from backfill.jobfile.job import Job
from backfill.postgres.catalog.table import read_relation
from backfill.postgres.monitor.read_signals import read_signals
from backfill.postgres.monitor.side_connection import replica_name
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.server import read_server
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.schema import read_state
from backfill.throttle.signals import Signals
from backfill.values.errors import PlanStops

_UNREAD = Signals(at_s=0.0, insert_lsn=0, flush_lsn=0, visible=False)


async def read_facts(
    connection: Connection, job: Job, signals: Signals, measured: MeasuredFacts | None = None
) -> PlanFacts:
    """Return what there is to judge; `measured` is what a plan has measured, None before a run."""
    columns = [assignment.column for assignment in job.assignments]
    tables = await _rows(connection, "plan/read_tables", _at(job) | {"columns": columns})
    return PlanFacts(
        table=str(job.table),
        limits=job.throttle,
        signals=signals,
        server=await _read_settings(connection, job),
        tables=tuple(map(_table, tables)),
        others=await _other_jobs(connection, job),
        earlier=await _earlier_jobs(connection, job),
        vacuums=job.vacuum == "auto",
        measured=measured,
        asked_directly=tuple(map(replica_name, job.throttle.replicas.direct)),
    )


async def refuse_blocked(connection: Connection, job: Job) -> None:
    """Raise PlanStops for a prepared transaction that locks the table: whatever else is read would wait for it, too."""
    server = await _read_settings(connection, job)
    facts = PlanFacts(table=str(job.table), limits=job.throttle, signals=_UNREAD, server=server)
    _refuse(job, tuple(found for found in prepared(facts) if found.level is FindingLevel.STOP))


async def refuse_stops(connection: Connection, job: Job, forced: Collection[str]) -> None:
    """Raise PlanStops for what would make the job end badly or never; what the job itself is wrong in is not judged."""
    server = await read_server(connection)
    if server.in_recovery or not server.visible:
        return  # the run says so, with what helps
    if "prepared-transaction" not in forced:
        await refuse_blocked(connection, job)
    relation = await read_relation(connection, job.table)
    if relation is None:
        return
    signals = await read_signals(connection, table_oid=relation["oid"], aurora=server.aurora)
    _refuse(job, stops(find_all(await read_facts(connection, job, signals)), forced))


def _refuse(job: Job, found: tuple[Finding, ...]) -> None:
    if found:
        lines = [f"{finding.name}: {finding.text}; or force it: --force {finding.name}" for finding in found]
        raise PlanStops("\n".join(f"job {job.name!r} must not run now: {line}" for line in lines))


async def _read_settings(connection: Connection, job: Job) -> ServerSettings:
    [row] = await _rows(connection, "plan/read_settings", _at(job))
    return _settings(row, pooled=connection.server_pid != connection.info.backend_pid)


def _at(job: Job) -> dict[str, Any]:
    return {"schema": job.table.schema, "name": job.table.name}


async def _other_jobs(connection: Connection, job: Job) -> tuple[OtherJob, ...]:
    """Return other jobs on the table, as far as this role may look; a state of another version is not looked into."""
    if not await _is_readable(connection):
        return ()
    ours = {assignment.column for assignment in job.assignments}
    rows = await _rows(connection, "state/read_other_jobs", {"job": job.name})
    return tuple(
        OtherJob(name=row["name"], state=row["state"], columns=tuple(sorted(ours & _columns(row["columns"]))))
        for row in rows
        if row["table"] == str(job.table)
    )


async def _earlier_jobs(connection: Connection, job: Job) -> tuple[EarlierJob, ...]:
    """Return how the jobs stand that this one comes after."""
    readable = bool(job.after) and await _is_readable(connection)
    rows = await _rows(connection, "state/read_job_states", {"jobs": list(job.after)}) if readable else []
    states = {row["name"]: row["state"] for row in rows}
    return tuple(EarlierJob(name, states.get(name)) for name in job.after)


async def _is_readable(connection: Connection) -> bool:
    known = await read_state(connection)
    return known.exists and known.complete and known.may_use


def _columns(written: list[str]) -> set[str]:
    return {name[1:-1].replace('""', '"') if name.startswith('"') else name for name in written}


async def _rows(connection: Connection, name: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    with translated(connection):
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(statement(name), parameters)
        return await cursor.fetchall()


def _table(row: dict[str, Any]) -> TableFacts:
    lists = {key: tuple(value) for key, value in row.items() if isinstance(value, list) and key != "referenced_by"}
    keys = tuple(ForeignKeyFacts(**key) for key in row["referenced_by"])
    return TableFacts(**row | lists | {"referenced_by": keys})


def _settings(row: dict[str, Any], *, pooled: bool) -> ServerSettings:
    return ServerSettings(
        **row
        | {
            "slots_inactive": tuple(SlotFacts(**slot) for slot in row["slots_inactive"]),
            "unslotted": tuple(row["unslotted"]),
            "prepared": tuple(PreparedTransaction(**transaction) for transaction in row["prepared"]),
            "pooled": pooled,
        }
    )
