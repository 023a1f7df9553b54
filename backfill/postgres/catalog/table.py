"""The target table as the catalog has it, or the reason why it cannot be filled.

Raises JobError if the job file is at fault or a right is missing (with the GRANT that helps): nothing was
touched.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any

from psycopg.rows import dict_row

from backfill.jobfile.load import JobFile
from backfill.postgres.catalog.publications import check_publications
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.sql_files import statement
from backfill.table.definition import Column, Table, TableIdentity
from backfill.values.errors import JobError
from backfill.values.identifier import TableName, quote

KINDS = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "S": "a sequence",
    "c": "a composite type",
    "i": "an index",
    "I": "a partitioned index",
}


async def read_table(connection: Connection, job_file: JobFile, role: str, leaf: TableName | None = None) -> Table:
    """Return the job's table, or a leaf of it; raise JobError at the table's or column's place in the job file.

    If there is more than one table to fill, expressions call a row of each by the name of the job's table.
    """
    root, name = job_file.job.table, leaf or job_file.job.table
    row = await read_relation(connection, name)
    if row is None:
        raise JobError(f"{job_file.at('table')}: {await missing(connection, name, 'rp')}")
    why = why_not(name, row, role, [assignment.column for assignment in job_file.job.assignments])
    if why:
        raise JobError(f"{job_file.at('table')}: table '{name}' {why}")
    table = Table(
        name=name,
        identity=TableIdentity(row["oid"], row["filenode"], row["system_identifier"]),
        pages=row["pages"],
        rows_estimated=row["rows_estimated"],
        columns=tuple(
            Column(name=column["name"], type=column["type"], generated=column["generated"], indexed=column["indexed"])
            for column in row["columns"]
        ),
        key=tuple(row["key"]),
        key_operators=tuple(row["key_operators"]),
        before_update_triggers=tuple(row["before_update_triggers"]),
        row_update_triggers=tuple(row["row_update_triggers"]),
        deferrable=tuple(row["deferrable"]),
        indexes=row["indexes"],
        alias=root.name if leaf or row["has_children"] or row["kind"] == "p" else None,
    )
    _check_columns(job_file, table.name, {column["name"]: column for column in row["columns"]}, role)
    if row["kind"] == "r":
        await check_publications(connection, job_file, [table.identity.oid])
    return table


async def read_relation(connection: Connection, name: TableName) -> dict[str, Any] | None:
    """Return what the catalog says of a relation; None if there is none of this name."""
    with translated(connection):
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(statement("catalog/read_table"), {"schema": name.schema, "name": name.name})
        return await cursor.fetchone()


async def missing(connection: Connection, name: TableName, kinds: str) -> str:
    """Return the sentence that says so, with the relation of such a kind (`relkind`) that may have been meant."""
    with translated(connection):
        cursor = await connection.execute(
            statement("catalog/read_similar_tables"), {"name": name.name, "kinds": list(kinds)}
        )
        known = [str(TableName(schema, table)) for schema, table in await cursor.fetchall()]
        cursor = await connection.execute("SELECT current_database()")
        row = await cursor.fetchone()
    same = [candidate for candidate in known if TableName.parse(candidate).name == name.name]
    near = same or get_close_matches(str(name), known, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"table '{name}' does not exist in database {row[0] if row else ''!r}{hint}"


def why_not(name: TableName, row: dict[str, Any], role: str, columns: Sequence[str]) -> str | None:
    """Return why these columns of a relation cannot be filled, and how to fix that; None if they can."""
    why = None
    if row["kind"] not in "rp":
        why = f"is {KINDS.get(row['kind'], 'not a table')}; only ordinary tables can be filled"
    elif row["is_system"] or name.schema == "backfill":
        why = "belongs to the system"
    elif row["persistence"] == "t":
        why = "is temporary: no other session can see it"
    elif row["kind"] == "r" and row["access_method"] != "heap":
        why = f"has access method {row['access_method']!r}; only heap tables have pages to go through"
    else:
        why = out_of_sight(row, name, role, f"SELECT, UPDATE ({', '.join(map(quote, columns))})")
    return why


def out_of_sight(row: dict[str, Any], name: TableName, role: str, rights: str) -> str | None:
    """Return why a role does not see a relation's rows, with the statement that fixes it; None if it does."""
    if not row["may_use_schema"]:
        return f"is out of reach; run: GRANT USAGE ON SCHEMA {quote(name.schema)} TO {quote(role)};"
    if not row["may_select"]:
        return f"cannot be read by role {role!r}; run: GRANT {rights} ON {name} TO {quote(role)};"
    if row["rows_hidden"]:
        return f"has row security that hides rows from role {role!r}; run: ALTER ROLE {quote(role)} BYPASSRLS;"
    return None


def no_column(table: TableName, column: str, columns: Collection[str]) -> str:
    """Return in words that a table does not have a column, with the one that was meant, or all that it has."""
    near = get_close_matches(column, columns, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else f"; it has {', '.join(columns)}"
    return f"table '{table}' has no column '{column}'{hint}"


def _check_columns(job_file: JobFile, table: TableName, columns: dict[str, dict[str, Any]], role: str) -> None:
    for assignment in job_file.job.assignments:
        place = job_file.at("set", assignment.column, "column")
        column = columns.get(assignment.column)
        if column is None:
            raise JobError(f"{place}: {no_column(table, assignment.column, columns)}")
        if column["generated"] or column["identity"]:
            of_leaf = "" if table == job_file.job.table else f" of leaf '{table}'"
            raise JobError(
                f"{place}: column '{assignment.column}'{of_leaf} is generated by the server and cannot be set"
            )
        if not column["may_update"]:
            grant = f"GRANT UPDATE ({quote(assignment.column)}) ON {table} TO {quote(role)};"
            raise JobError(f"{place}: column '{assignment.column}' may not be updated by role {role!r}; run: {grant}")
