"""The least rights that a job needs, found before anybody is refused: of its tables, and of what its expressions name.

The expressions are parsed as temporary views, which are rolled back. Parsing executes nothing, so that a superuser may
ask for the rights of a role that does not exist yet. A function that runs with the rights of its caller may need more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from backfill.jobfile.job import Job
from backfill.jobfile.load import JobFile
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.role_settings import take_our_settings, take_role_settings
from backfill.postgres.session.sql_files import statement
from backfill.postgres.statements.expression_view import VIEWS, compose_expression_views
from backfill.retry.missing_grant import MissingRight
from backfill.values.errors import JobError

_COLUMNS_READ = re.compile(r":relid (\d+) (?:(?!:relid ).)*?:selectedCols \(b([ \d]*)\)", re.DOTALL)
"""A relation in a parsed query, and the columns that the server will ask the right to read of."""
FIRST_COLUMN = 7
"""What the server counts column 0, the row as a whole, by there (FirstLowInvalidHeapAttributeNumber)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRight:
    """A right on an object; `for_all` is whether everybody has it, `had` whether the role of the session has it."""

    kind: str
    target: str
    name: str
    privilege: str
    for_all: bool
    had: bool


def columns_read(query: str) -> list[tuple[int, list[int]]]:
    """Return relations of a query in the server's own notation, each with the numbers of its columns that are read."""
    found = ((int(oid), columns.split()) for oid, columns in _COLUMNS_READ.findall(query))
    return [(oid, [int(column) - FIRST_COLUMN for column in columns]) for oid, columns in found if oid]


def grants_of(rights: Iterable[JobRight], role: str) -> tuple[str, ...]:
    """Return a GRANT for each object of which not everybody has the rights."""
    return _grants((right for right in rights if not right.for_all), role)


def lacking_grants(rights: Iterable[JobRight], role: str) -> tuple[str, ...]:
    """Return a GRANT for each object of which the role of the session has not the rights, the longest name first."""
    return _grants(sorted((right for right in rights if not right.had), key=lambda right: -len(right.name)), role)


def _grants(rights: Iterable[JobRight], role: str) -> tuple[str, ...]:
    wanted: dict[tuple[str, str], list[str]] = {}
    for right in rights:
        privileges = wanted.setdefault((right.kind, right.target), [])
        if right.privilege not in privileges:
            privileges.append(right.privilege)
    return tuple(
        MissingRight(kind=kind, target=target, lacks=tuple(privileges), role=role).grant
        for (kind, target), privileges in wanted.items()
    )


async def read_job_rights(connection: Connection, job_file: JobFile) -> tuple[JobRight, ...]:
    """Return all rights that a job needs beside those on the state; raise JobError where it cannot be parsed."""
    job = job_file.job
    parameters = {
        "table": str(job.table),
        "columns": [assignment.column for assignment in job.assignments],
        "vacuum": job.vacuum == "auto",
        "compression": job.wal_compression == "on",
    }
    try:
        used = await read_expression_rights(connection, job)
    except psycopg.Error as error:
        said = error.diag.message_primary or str(error)
        raise JobError(f"{job_file.at('table')}: {said}; backfill plan shows the position") from None
    with translated(connection):
        async with connection.cursor(row_factory=class_row(JobRight)) as cursor:
            await cursor.execute(statement("catalog/read_table_rights"), parameters)
            tables = await cursor.fetchall()
    return (*tables, *used)


async def read_expression_rights(connection: Connection, job: Job) -> tuple[JobRight, ...]:
    """Return the rights on what the job's expressions and probes name; raises the server's error as it is."""
    defaulted = [target.column for target in job.assignments if target.expression.strip().upper() == "DEFAULT"]
    async with connection.transaction(force_rollback=True):
        await take_role_settings(connection)
        for view in compose_expression_views(job):
            await connection.execute(view, {})
        await take_our_settings(connection)
        cursor = await connection.execute(statement("catalog/read_view_rules"), {"views": list(VIEWS)})
        rules = await cursor.fetchall()
        parameters = {
            "rules": [oid for oid, _ in rules],
            "relations": Jsonb([relation for _, query in rules for relation in columns_read(query)]),
            "table": str(job.table),
            "defaulted": defaulted,
        }
        async with connection.cursor(row_factory=class_row(JobRight)) as rights:
            await rights.execute(statement("catalog/read_expression_rights"), parameters)
            return tuple(await rights.fetchall())


async def find_lacking(connection: Connection, job: Job, said: str) -> tuple[JobRight, ...]:
    """Return the rights that this role lacks on an object that a message names; none if that cannot be found out."""
    try:
        rights = await read_expression_rights(connection, job)
    except psycopg.Error:
        return ()
    return tuple(right for right in rights if not right.had and right.name in said)
