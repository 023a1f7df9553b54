"""The trigger of `sync: trigger`: made before the first batch, left when the job is done, removed on request.

Each step looks in the catalog for what is there, so a worker that was killed between two of them goes on at the next.
Function, triggers and what the state knows of them are one transaction under SHARE ROW EXCLUSIVE, which waits for every
writer that began without the trigger: from its commit on, no row is written that the trigger has not met.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from psycopg.rows import dict_row
from psycopg.sql import SQL, Composed, Literal

from backfill.change.lock_mode import LockMode
from backfill.change.lock_patience import GIVE_UP_S
from backfill.change.row_condition import when_of
from backfill.change.sync_trigger import function_name
from backfill.events.sync import SyncTriggerMade, SyncTriggerRemoved
from backfill.jobfile.load import JobFile
from backfill.postgres.catalog.sync_tables import SyncTable, free_trigger_name, read_sync_tables, when_columns
from backfill.postgres.change.polite_lock import Report, Sleep, take_politely
from backfill.postgres.monitor.side_connection import SideConnection
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.settings import EXPRESSION_SETTINGS, OURS
from backfill.postgres.session.sql_files import statement
from backfill.postgres.statements.sync_trigger import (
    SyncTrigger,
    create_sequence,
    disarm,
    drop_function,
    drop_trigger,
    function_of,
)
from backfill.table.definition import Table
from backfill.values.identifier import TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTrigger:
    """What is there of a job's trigger: whether its function is as it was made, and the tables that have it."""

    as_made: bool
    definition: str | None
    tables: tuple[tuple[TableName, str], ...]


async def compose_sync_trigger(
    connection: Connection, job_file: JobFile, table: Table, tables: tuple[SyncTable, ...]
) -> SyncTrigger:
    """Return the trigger that a job needs on its table, but for its sequence."""
    job = job_file.job
    generated = {column for found in tables for column in found.generated}
    columns = {name: kind for name, kind in when_columns(table) if name not in generated}
    when = None if job.using else when_of(job.where, job.table.name, columns)
    return SyncTrigger(
        job=job,
        name=free_trigger_name(job_file, tables),
        function=function_name(job.name),
        when=when,
        missed=None,
        not_null=tuple(sorted({column for found in tables for column in found.not_null})),
        schemas=tuple(schema for schema in connection.role_schemas if not schema.startswith("pg_temp")),
        settings=await _role_settings(connection),
    )


async def install_sync_trigger(
    connection: Connection, job_file: JobFile, table: Table, *, side: SideConnection, report: Report, sleep: Sleep
) -> None:
    """Make the trigger wherever it is missing or another one; do nothing if it is there as the job means it."""
    job, tables = job_file.job, await read_sync_tables(connection, job_file)
    trigger = await compose_sync_trigger(connection, job_file, table, tables)
    if trigger.when is not None:
        trigger = replace(trigger, missed=await _make_sequence(connection, trigger.function))
    found = await find_sync_trigger(connection, job.name)
    conditional = trigger.when is not None
    own = [one for one in tables if not one.is_partition]
    if (
        found is not None
        and found.as_made
        and found.definition == trigger.definition
        and all(one.has(trigger.name, conditional=conditional) for one in own)
    ):
        return
    outdated = [drop_trigger(name, on) for on, name in found.tables if name != trigger.name] if found else []
    await take_politely(
        connection,
        [
            trigger.create_function(),
            *trigger.create_triggers(one.name for one in own),
            *outdated,
            _format("change/save_sync_trigger", _saved(trigger)),
        ],
        table=job.table,
        lock=LockMode.ACCESS_EXCLUSIVE if outdated else LockMode.SHARE_ROW_EXCLUSIVE,
        job=job.name,
        side=side,
        report=report,
        as_role=True,
        sleep=sleep,
    )
    report(SyncTriggerMade(job=job.name, table=str(job.table), trigger=trigger.name, conditional=conditional))


async def remove_sync_trigger(
    connection: Connection,
    job: str,
    *,
    side: SideConnection,
    report: Report,
    sleep: Sleep,
    give_up_s: float = GIVE_UP_S,
) -> bool:
    """Remove a job's trigger and what belongs to it; return whether there was one.

    First its function does nothing any more, which takes no lock, so that nobody waits for the rest to take effect.
    Raises DatabaseError if the lock to drop it was not available for `give_up_s`: then it is there and does nothing.
    """
    name, found = function_name(job), await find_sync_trigger(connection, job)
    if found is None and await _read_sequence(connection, name) is None:
        return False
    if found is not None:
        with translated(connection):
            await connection.execute(disarm(name))
        for table, trigger in found.tables:
            await take_politely(
                connection,
                [drop_trigger(trigger, table)],
                table=table,
                lock=LockMode.ACCESS_EXCLUSIVE,
                job=job,
                side=side,
                report=report,
                sleep=sleep,
                give_up_s=give_up_s,
            )
    with translated(connection):
        async with connection.transaction():
            for dropped in drop_function(name):
                await connection.execute(dropped)
            await connection.execute(_format("change/delete_sync_trigger", {"job": Literal(job)}))
    if found is not None:
        triggers = dict.fromkeys(trigger for _, trigger in found.tables)
        report(SyncTriggerRemoved(job, ", ".join(triggers) or name))
    return found is not None


async def find_sync_trigger(connection: Connection, job: str) -> FoundTrigger | None:
    """Return what is there of a job's trigger; None if there is nothing, not even its function."""
    with translated(connection):
        async with connection.cursor(row_factory=dict_row) as cursor:
            parameters = {"job": job, "function": function_name(job)}
            await cursor.execute(statement("change/read_sync_triggers"), parameters)
            row = await cursor.fetchone()
    if row is None:
        return None
    return FoundTrigger(
        as_made=bool(row["as_made"]),
        definition=row["definition"],
        tables=tuple((TableName(schema, name), trigger) for schema, name, trigger in row["triggers"]),
    )


async def _role_settings(connection: Connection) -> dict[str, str]:
    """Return the role's values of the settings that change what an expression means."""
    ours = {name: connection.role_settings.get(name, OURS[name]) for name in EXPRESSION_SETTINGS if name in OURS}
    others = [name for name in EXPRESSION_SETTINGS if name not in OURS]
    with translated(connection):
        cursor = await connection.execute(statement("change/read_settings"), {"names": others})
        return ours | dict(await cursor.fetchall())


async def _make_sequence(connection: Connection, name: str) -> int:
    """Make the count of writes that were not filled; return its identifier, which the function has in its text."""
    found = await _read_sequence(connection, name)
    if found is None:
        with translated(connection):
            async with connection.transaction():
                for made in create_sequence(name):
                    await connection.execute(made)
        found = await _read_sequence(connection, name)
    assert found is not None, "it was made just now, and its schema is ours"
    return found


async def _read_sequence(connection: Connection, name: str) -> int | None:
    """Return the identifier of the count; None if there is none."""
    with translated(connection):
        cursor = await connection.execute(statement("change/read_sequence"), {"name": function_of(name).as_string()})
        row = await cursor.fetchone()
    return row[0] if row else None


def _saved(trigger: SyncTrigger) -> dict[str, Any]:
    return {
        "job": Literal(trigger.job.name),
        "name": Literal(trigger.name),
        "function": Literal(trigger.function),
        "body": Literal(trigger.body),
        "definition": Literal(trigger.definition),
        "missed": SQL("NULL") if trigger.missed is None else Literal(str(trigger.missed)),
    }


def _format(name: str, values: dict[str, Any]) -> Composed:
    return SQL(statement(name).decode()).format(**values)
