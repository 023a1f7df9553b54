"""What a row function reads and gives, from the columns of the table that it fills."""

from __future__ import annotations

from difflib import get_close_matches

from backfill.jobfile.job import Job
from backfill.jobfile.load import JobFile
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.sql_files import statement
from backfill.postgres.statements.function_values import FunctionValues, Output, prefix_for
from backfill.table.definition import Table
from backfill.values.errors import JobError


async def read_output_types(connection: Connection, job_file: JobFile, table: Table) -> FunctionValues | None:
    """Return what the job's function reads and gives; raise JobError at an input that the table does not have."""
    python = job_file.job.python
    if python is None:
        return None
    columns = [column.name for column in table.columns]
    for place, name in enumerate(python.inputs):
        if name not in columns:
            near = get_close_matches(name, columns, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else f"; it has {', '.join(columns)}"
            where = job_file.at("python", "inputs", place)
            raise JobError(f"{where}: table '{table.name}' has no column '{name}'{hint}")
    with translated(connection):
        cursor = await connection.execute(statement("catalog/read_base_types"), {"table_oid": table.identity.oid})
        bases: dict[str, str] = dict(await cursor.fetchall())
    return function_values(job_file.job, table, bases)


def function_values(job: Job, table: Table, bases: dict[str, str]) -> FunctionValues | None:
    """Return the same from the types of `Output` by column."""
    if job.python is None:
        return None
    outputs = tuple(Output(column, bases[column]) for column in job.from_python)
    return FunctionValues(job.python.inputs, outputs, prefix_for(table))
