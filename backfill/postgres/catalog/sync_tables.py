"""The tables that a job's trigger is on, as the catalog has them, and the trigger's name there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from psycopg.rows import dict_row

from backfill.change.sync_trigger import function_name, trigger_name
from backfill.jobfile.load import JobFile
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.sql_files import statement
from backfill.table.definition import Table
from backfill.values.errors import JobError
from backfill.values.identifier import TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncTable:
    """A table that the trigger is on, or that has a copy of it because it `is_partition`; its triggers BEFORE a row."""

    name: TableName
    is_partition: bool
    owner: str
    is_owned: bool
    not_null: tuple[str, ...]
    generated: tuple[str, ...]
    triggers: tuple[dict[str, Any], ...]

    @property
    def others(self) -> tuple[str, ...]:
        """The names of triggers that are not ours."""
        return tuple(trigger["name"] for trigger in self.triggers if not trigger["ours"])

    def has(self, name: str, *, conditional: bool) -> bool:
        """Whether the trigger is there as it is made."""
        return any(
            trigger["ours"] and trigger["name"] == name and trigger["always"] and trigger["conditional"] == conditional
            for trigger in self.triggers
        )


async def read_sync_tables(connection: Connection, job_file: JobFile) -> tuple[SyncTable, ...]:
    """Return the job's table and whatever holds its rows."""
    job = job_file.job
    parameters = parameters_of(job_file) | {"function": function_name(job.name)}
    with translated(connection):
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statement("catalog/read_sync_tables"), parameters)
            rows = await cursor.fetchall()
    return tuple(
        SyncTable(
            name=TableName(row["schema"], row["name"]),
            is_partition=row["is_partition"],
            owner=row["owner"],
            is_owned=row["is_owned"],
            not_null=tuple(row["not_null"]),
            generated=tuple(row["generated"]),
            triggers=tuple(row["triggers"]),
        )
        for row in rows
    )


def free_trigger_name(job_file: JobFile, tables: Iterable[SyncTable]) -> str:
    """Return the trigger's name on these tables; raise JobError if another one would fire after it."""
    others = [(name, table.name) for table in tables for name in table.others]
    name = trigger_name(job_file.job.name, (other for other, _ in others))
    if name is None:
        last, table = max(others, key=lambda other: other[0].encode())
        raise JobError(
            f"{job_file.at('sync')}: trigger '{last}' on '{table}' fires after ours, whatever its name, as it sorts"
            " last, and may change what ours has set; rename it"
        )
    return name


def when_columns(table: Table) -> Iterator[tuple[str, str]]:
    """Yield the columns that WHEN may name, with their types."""
    return ((column.name, column.type) for column in table.columns if not column.generated)


def parameters_of(job_file: JobFile) -> dict[str, Any]:
    """Return what the queries about the job's table and its leaves ask for."""
    table = job_file.job.table
    columns = [target.column for target in job_file.job.assignments]
    return {"schema": table.schema, "name": table.name, "columns": columns}
