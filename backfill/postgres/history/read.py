"""All that is kept of a job, for a report: from the state schema alone, during the run or long after it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from psycopg.rows import DictRow, dict_row

from backfill.events.history.job_history import EventRecord, HistoryPoint, JobHistory, ProofRecord, RequestRecord
from backfill.events.history.span import HistorySpan, WorstReading
from backfill.postgres.session.connection import Connection, connect
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.request import read_standings, unknown_job
from backfill.postgres.state.required_rights import TO_LOOK, requires
from backfill.postgres.state.schema import has_state
from backfill.postgres.state.stored_values import UnreadableValue, object_in, reading, value_of
from backfill.table.batch import Verification
from backfill.values.errors import StatementRefused

MINUTE_S, HOUR_S = 60, 3600
HOURS_BY_MINUTE = 24
"""A job that worked in more hours than these is shown by the hour: its minutes are no longer all there."""


async def read_history(dsn: str, job: str) -> JobHistory:
    """Return what is kept of a job; raises JobError if nothing is, Halted if the role may not look."""
    async with await connect(dsn, application_name="backfill:report") as connection:
        with requires(connection, *TO_LOOK):
            known = await has_state(connection)
            rows = await _rows(connection, "history/read_job", {"job": job}) if known else []
            if not rows:
                raise await unknown_job(connection, job, known=known)
            [standing] = await read_standings(connection, job)
            with reading(job, "history"):
                return await _history(connection, rows[0], standing.state)


async def _history(connection: Connection, row: DictRow, state: str) -> JobHistory:
    name, spec = row["name"], object_in(row, "spec")
    table = spec.get("table")
    if not isinstance(table, str):
        raise UnreadableValue("spec names no table")
    span_s, points = await _points(connection, name)
    proofs = await _rows(connection, "history/read_proofs", {"job": name})
    return JobHistory(
        job=name,
        table=table,
        state=state,
        reason=row["reason"],
        read_at=row["read_at"],
        created_at=row["created_at"],
        updated_at=max(row["updated_at"], row["moved_at"]),
        finished_at=row["finished_at"],
        rows_total=row["rows_total"],
        rows_unconverged=row["rows_unconverged"],
        rows_rejected=row["rows_rejected"],
        wal_bytes=row["wal_bytes"],
        passes=row["passes"],
        pages=row["pages"],
        table_bytes=await _table_bytes(connection, table),
        samples=tuple(filter(None, row["samples"])),
        rejected=tuple(row["rejected"]),
        finish=tuple(f"{step}: {_text(record)}" for step, record in sorted(object_in(row, "finish").items())),
        settings=tuple(
            (key, _text(value))
            for column in ("spec", "limits", "tuned")
            for key, value in object_in(row, column).items()
            if value not in (None, {}, [], "")
        ),
        span_s=span_s,
        points=points,
        requests=tuple(
            RequestRecord(**asked) for asked in await _rows(connection, "history/read_requests", {"job": name})
        ),
        events=tuple(EventRecord(**event) for event in await _rows(connection, "history/read_events", {"job": name})),
        proofs=tuple(
            ProofRecord(
                found["leaf"],
                found["at"] if found["proof"] is not None else None,
                None if found["proof"] is None else value_of(Verification, found["proof"], "proof"),
            )
            for found in proofs
        ),
    )


async def _rows(connection: Connection, name: str, values: Mapping[str, Any]) -> list[DictRow]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement(name), values)
        return await cursor.fetchall()


async def _points(connection: Connection, job: str) -> tuple[int, tuple[HistoryPoint, ...]]:
    """Return the history by the minute, or by the hour if it is long."""
    hours = await _rows(connection, "history/read_spans", {"job": job, "span_s": HOUR_S})
    if len(hours) > HOURS_BY_MINUTE:
        return HOUR_S, tuple(map(_point, hours))
    minutes = await _rows(connection, "history/read_spans", {"job": job, "span_s": MINUTE_S})
    since: datetime | None = hours[0]["at"] if hours else None
    return MINUTE_S, tuple(_point(row) for row in minutes if since is None or row["at"] >= since)


def _point(row: DictRow) -> HistoryPoint:
    waits = object_in(row, "waits")
    if not all(isinstance(wait_s, int | float) for wait_s in waits.values()):
        raise UnreadableValue("waits holds what is not a number")
    span = HistorySpan(
        batches=row["batches"],
        rows=row["rows"],
        rows_hot=row["rows_hot"],
        wal_bytes=row["wal_bytes"],
        batch_rows_max=row["batch_rows_max"],
        waits={kind: float(wait_s) for kind, wait_s in waits.items()},
        signals={measure: _worst(subjects) for measure, subjects in object_in(row, "signals").items()},
    )
    return HistoryPoint(row["at"], span)


def _worst(subjects: Any) -> dict[str, WorstReading]:
    if not isinstance(subjects, dict):
        raise UnreadableValue("signals holds what is not an object")
    found = {}
    for subject, stored in subjects.items():
        match stored:
            case [float() | int() | None as value, float() | int() | None as limit, bool(unknown)]:
                found[subject] = WorstReading(value, limit, unknown)
            case _:
                raise UnreadableValue("signals holds what is not a value, a limit and whether it was unknown")
    return found


async def _table_bytes(connection: Connection, table: str) -> int | None:
    """Return the size of the table now; None if it is gone, or somebody holds a lock under which it cannot be read."""
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '200ms'")
            [row] = await _rows(connection, "history/read_table_size", {"table": table})
    except StatementRefused:
        return None
    size: int | None = row["table_bytes"]
    return size


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
