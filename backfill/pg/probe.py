"""One reading of everything that our WAL can hurt: one round trip, and an honest None for what cannot be seen."""

from __future__ import annotations

import time

from psycopg.rows import dict_row

from backfill.core.signals import Archiver, Replica, Signals, Slot
from backfill.errors import Refused
from backfill.pg.session import Connection, translated
from backfill.pg.sqlfile import statement

INSUFFICIENT_PRIVILEGE = "42501"


async def read_signals(connection: Connection) -> Signals:
    """Return the reading, stamped with the monotonic clock half way through its round trip.

    A role that may not execute what pg_monitor may reads nothing: `visible` is false then.
    """
    asked_s = time.monotonic()
    try:
        with translated(connection):
            cursor = connection.cursor(row_factory=dict_row)
            await cursor.execute(statement("read_signals"))
            row = await cursor.fetchone()
    except Refused as error:
        if error.sqlstate != INSUFFICIENT_PRIVILEGE:
            raise
        _, position = await read_insert_lsn(connection)
        return Signals(at_s=time.monotonic(), insert_lsn=position, flush_lsn=position, visible=False)
    assert row is not None, "a select without FROM has one row"
    answered_s = time.monotonic()
    return Signals(
        at_s=(asked_s + answered_s) / 2,
        round_trip_s=answered_s - asked_s,
        insert_lsn=row["insert_lsn"],
        flush_lsn=row["flush_lsn"],
        visible=row["visible"],
        replicas=tuple(Replica(**one) for one in row["replicas"]),
        slots=tuple(Slot(**one) for one in row["slots"]),
        archiver=Archiver(**row["archiver"]) if row["archiver"] else None,
    )


async def read_insert_lsn(connection: Connection) -> tuple[str, int]:
    """Return the primary's insert position, as PostgreSQL writes it and as a byte count."""
    with translated(connection):
        cursor = await connection.execute(statement("read_insert_lsn"))
        row = await cursor.fetchone()
    assert row is not None, "a select without FROM has one row"
    return row[0], row[1]
