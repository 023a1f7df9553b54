"""The DDL of `sync: trigger` as `backfill plan` prints it: made before the first batch, removed on request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from psycopg.sql import Composed

from backfill.jobfile.load import JobFile
from backfill.postgres.catalog.sync_tables import read_sync_tables
from backfill.postgres.catalog.table import read_table
from backfill.postgres.change.sync_trigger import compose_sync_trigger
from backfill.postgres.session.connection import Connection
from backfill.postgres.statements.sync_trigger import (
    SyncTrigger,
    create_sequence,
    disarm,
    drop_function,
    drop_trigger,
)
from backfill.values.identifier import TableName

UNNUMBERED = 0


async def planned_trigger(connection: Connection, job_file: JobFile, role: str) -> tuple[tuple[str, str], ...]:
    """Return the statements of the trigger that a run would make, with their titles; none without `sync`."""
    if job_file.job.sync != "trigger":
        return ()
    tables = await read_sync_tables(connection, job_file)
    table = await read_table(connection, job_file, role)
    trigger = await compose_sync_trigger(connection, job_file, table, tables)
    if trigger.when is not None:  # nothing is made here, so its sequence has no number yet
        trigger = replace(trigger, missed=UNNUMBERED)
    titled = titled_trigger(trigger, (one.name for one in tables if not one.is_partition))
    return tuple((title, composed.as_string(connection)) for title, composed in titled)


def titled_trigger(trigger: SyncTrigger, tables: Iterable[TableName]) -> list[tuple[str, Composed]]:
    """Return the statements with their titles, in the order that they are sent."""
    on = tuple(tables)
    count = create_sequence(trigger.function) if trigger.when is not None else []
    number = "; '0' becomes the number of its sequence" if trigger.missed == UNNUMBERED else ""
    return [
        *(("sync: the count of writes that it could not fill", one) for one in count),
        (f"sync: the function of the trigger, before the first batch{number}", trigger.create_function()),
        *(("sync: the trigger, in one transaction with its function", one) for one in trigger.create_triggers(on)),
        ("sync, removed: the function does nothing from now on; no lock", disarm(trigger.function)),
        *(("sync, removed: the trigger", drop_trigger(trigger.name, table)) for table in on),
        *(("sync, removed: what belonged to it", one) for one in drop_function(trigger.function)),
    ]
