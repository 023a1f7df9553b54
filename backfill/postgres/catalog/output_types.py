"""What a row function reads and gives, from the columns of the table that it fills."""

from __future__ import annotations

from collections.abc import Mapping

from backfill.jobfile.job import Job
from backfill.jobfile.load import JobFile
from backfill.postgres.catalog.table import no_column
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.role_settings import execute_as_role
from backfill.postgres.session.settings import OURS
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
            where = job_file.at("python", "inputs", place)
            raise JobError(f"{where}: {no_column(table.name, name, columns)}")
    with translated(connection):
        cursor = await connection.execute(statement("catalog/read_base_types"), {"table_oid": table.identity.oid})
        found = await cursor.fetchall()
    bases: dict[str, str] = {column: base for column, base, _ in found}
    arrays_inside = frozenset(column for column, _, inside in found if inside)
    for column in job_file.job.from_python:
        if why := await _misread(connection, bases[column], array_inside=column in arrays_inside):
            name, value = why
            raise JobError(
                f"{job_file.at('set', column)}: this role has {name} = {connection.role_settings[name]}, with which"
                f" values of type {bases[column].removeprefix('pg_catalog.')} are not read as the function gives them;"
                f" run the job with options='-c {name}={value}' in the DSN"
            )
    return function_values(job_file.job, table, bases, json_arrays=reads_no_nulls(connection.role_settings))


def reads_no_nulls(role_settings: Mapping[str, str]) -> bool:
    """Return whether a role's sessions take NULL in an array's text for a word."""
    return "array_nulls" in role_settings


async def _misread(connection: Connection, base: str, *, array_inside: bool) -> tuple[str, str] | None:
    """Return the setting of the role under which texts of a type are read otherwise, and the value that it needs."""
    settings = connection.role_settings
    if array_inside and reads_no_nulls(settings):
        return "array_nulls", "on"
    if "xmloption" in settings and base.startswith("pg_catalog.xml"):
        return "xmloption", OURS["xmloption"]
    if "lc_monetary" in settings and base.startswith("pg_catalog.money"):
        amounts = statement("catalog/show_amounts")
        with translated(connection):
            ours = await (await connection.execute(amounts)).fetchone()
            theirs = await (await execute_as_role(connection, amounts)).fetchone()
        return None if ours == theirs else ("lc_monetary", OURS["lc_monetary"])
    return None


def function_values(
    job: Job, table: Table, bases: dict[str, str], *, json_arrays: bool = False
) -> FunctionValues | None:
    """Return the same from the types of `Output` by column."""
    if job.python is None:
        return None
    outputs = tuple(Output(column, bases[column]) for column in job.from_python)
    return FunctionValues(job.python.inputs, outputs, prefix_for(table), json_arrays)
