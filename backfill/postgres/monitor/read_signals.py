"""One reading of everything that our work can hurt: one round trip, and None for what cannot be seen."""

from __future__ import annotations

import time
from contextlib import nullcontext
from datetime import datetime
from typing import Any

from psycopg import AsyncCursor
from psycopg.rows import DictRow, dict_row

from backfill.jobfile.limits import ThrottleLimits
from backfill.postgres.session.connection import INSUFFICIENT_PRIVILEGE, Connection, translated
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.request import request_of
from backfill.postgres.state.stored_values import limits_in, reading
from backfill.throttle.conditions.operator_request import OperatorRequest
from backfill.throttle.conditions.registry import queries
from backfill.throttle.signals import Archiver, Replica, ReplicationSlot, Signals, SignalValue, Upkeep
from backfill.values.errors import StatementRefused


async def read_signals(
    connection: Connection,
    *,
    job: str | None = None,
    limits: ThrottleLimits | None = None,
    table_oid: int | None = None,
    aurora: bool = False,
    vacuum_pid: int = 0,
) -> Signals:
    """Return the reading, stamped with the monotonic clock half way through its round trip.

    With a job, its changed limits and what was asked of it are read, too; with limits, the statements of their
    conditions; with a table, its upkeep, in which `vacuum_pid` is our own; with Aurora, its readers. A role without the
    rights of pg_monitor reads nothing but those of the job: then `visible` is false.
    """
    asked_s = time.monotonic()
    wanted: dict[str, dict[str, Any]] = {"read_signals": {}}
    wanted |= {"read_request": {"job": job}} if job is not None else {}
    wanted |= {"read_upkeep": {"table_oid": table_oid, "vacuum_pid": vacuum_pid}} if table_oid is not None else {}
    wanted |= {"read_aurora": {}} if aurora else {}
    asked = queries(limits) if limits is not None else ()
    wanted |= {query.name: dict(query.parameters) for query in asked}
    try:
        found = await _read(connection, wanted)
    except StatementRefused as error:
        if error.sqlstate != INSUFFICIENT_PRIVILEGE:
            raise
        _, position = await read_insert_lsn(connection)
        request = await read_request(connection, job) if job is not None else None
        return Signals(at_s=time.monotonic(), insert_lsn=position, flush_lsn=position, visible=False, request=request)
    answered_s = time.monotonic()
    [row] = found["read_signals"]
    asked_of = found.get("read_request", [])
    with reading(job or "", "job"):
        overrides = [limits_in(stored) for stored in asked_of]
        requests = [request_of(stored) for stored in asked_of]
    upkeep = [Upkeep(**table) for table in found.get("read_upkeep", [])]
    readers = tuple(Replica(replay_lsn=None, **reader) for reader in found.get("read_aurora", []))
    return Signals(
        at_s=(asked_s + answered_s) / 2,
        round_trip_s=answered_s - asked_s,
        insert_lsn=row["insert_lsn"],
        flush_lsn=row["flush_lsn"],
        visible=row["visible"],
        at=row["at"],
        now=datetime.fromisoformat(asked_of[0]["now"]) if asked_of else None,
        replicas=(*(Replica(**replica) for replica in row["replicas"]), *readers),
        slots=tuple(ReplicationSlot(**slot) for slot in row["slots"]),
        archiver=Archiver(**row["archiver"]) if row["archiver"] else None,
        upkeep=upkeep[0] if upkeep else Upkeep(),
        request=requests[0] if requests else None,
        tuned=tuple(sorted(overrides[0].items())) if overrides else (),
        query_values={query.name: tuple(SignalValue(**value) for value in found[query.name]) for query in asked},
    )


async def read_request(connection: Connection, job: str) -> OperatorRequest | None:
    """Return what a person asked of a job last; None if nothing was."""
    rows = (await _read(connection, {"read_request": {"job": job}}))["read_request"]
    with reading(job, "request"):
        return request_of(rows[0]) if rows else None


async def read_time(connection: Connection) -> datetime:
    """Return the server's time."""
    [row] = (await _read(connection, {"read_time": {}}))["read_time"]
    return datetime.fromisoformat(row["now"])


async def _read(connection: Connection, wanted: dict[str, dict[str, Any]]) -> dict[str, list[DictRow]]:
    """Run named statements in one round trip; return the rows of each."""
    cursors: dict[str, AsyncCursor[DictRow]] = {}
    with translated(connection):
        # Not for a single statement: the error of a pipeline would say less.
        async with connection.pipeline() if len(wanted) > 1 else nullcontext():
            for name, parameters in wanted.items():
                cursors[name] = connection.cursor(row_factory=dict_row)
                await cursors[name].execute(statement(f"monitor/{name}"), parameters or None)
        return {name: await cursor.fetchall() for name, cursor in cursors.items()}


async def read_insert_lsn(connection: Connection) -> tuple[str, int]:
    """Return the primary's insert position, as PostgreSQL writes it and as a byte count."""
    with translated(connection):
        cursor = await connection.execute(statement("monitor/read_insert_lsn"))
        row = await cursor.fetchone()
    assert row is not None, "a select without FROM has one row"
    return row[0], row[1]
