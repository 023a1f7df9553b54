"""The job's expressions as the server understands them, before a row is touched: EXPLAIN without ANALYZE.

Errors carry the place in the job file, to the column where the server says so.
"""

from __future__ import annotations

import psycopg
from psycopg.sql import SQL, Composable, Composed

from backfill.core.jobfile import JobFile
from backfill.core.table import Table
from backfill.errors import JobError
from backfill.pg.session import Connection, translated
from backfill.pg.sqlfile import statement as static
from backfill.pg.statements import Statements, compose, expression, name_of, target_of

_ANYWHERE = {"low": "(0,0)", "high": "(1,0)", "mask": 0, "stripe": 0, "bounds": ["(0,0)"]}
_OURS_TO_SAY = ("42", "22", "0A", "54", "2F", "P0")
"""Classes of SQLSTATE that blame the expression: syntax or access, data, feature, limit, routine."""


async def prepare(connection: Connection, job_file: JobFile, table: Table) -> Statements:
    """Return the job's statements, each accepted by the server; raise JobError at the expression at fault.

    Whether the row after the UPDATE can be foreseen is found out here too: `where` may name the whole row or a
    system column, which a row that does not exist yet does not have.
    """
    for one in job_file.job.assignments:
        head = SQL("EXPLAIN UPDATE {} SET {} = ").format(target_of(table), name_of(one.column))
        await _accept(connection, job_file, ("set", one.column), head, one.expression)
    head = SQL("EXPLAIN SELECT FROM {} WHERE ").format(target_of(table))
    await _accept(connection, job_file, ("where",), head, job_file.job.where)
    if table.foreseeable:
        foreseen = compose(job_file.job, table, foreseen=True)
        try:
            await connection.execute(SQL("EXPLAIN ") + foreseen.verify, _ANYWHERE)
        except psycopg.Error as error:
            if not (error.sqlstate or "").startswith(_OURS_TO_SAY):
                with translated(connection):
                    raise
        else:
            return foreseen
    return compose(job_file.job, table, foreseen=False)


async def explain(connection: Connection, statement: Composed) -> str:
    """Return the server's plan of a statement over the table's first page, without running it."""
    with translated(connection):
        cursor = await connection.execute(SQL("EXPLAIN (COSTS OFF) ") + statement, _ANYWHERE)
        return "\n".join(row[0] for row in await cursor.fetchall())


async def volatile_functions(connection: Connection, text: str) -> list[str]:
    """Return the volatile functions among the words of an expression, by name."""
    with translated(connection):
        cursor = await connection.execute(static("read_volatile"), {"expression": text})
        return [row[0] for row in await cursor.fetchall()]


async def _accept(
    connection: Connection, job_file: JobFile, path: tuple[str, ...], head: Composable, text: str
) -> None:
    try:
        await connection.execute(head + expression(text), {})
    except psycopg.Error as error:
        if not (error.sqlstate or "").startswith(_OURS_TO_SAY):
            with translated(connection):
                raise
        raise JobError(f"{_place(connection, job_file, path, head, text, error)}: {_words(error)}") from None


def _place(
    connection: Connection,
    job_file: JobFile,
    path: tuple[str, ...],
    head: Composable,
    text: str,
    error: psycopg.Error,
) -> str:
    sent_before = head.as_string(connection).replace("%%", "%") + "(\n"
    position = int(error.diag.statement_position or 0) - 1 - len(sent_before)
    return job_file.at(*path, offset=position if 0 <= position < len(text) else 0)


def _words(error: psycopg.Error) -> str:
    words = error.diag.message_primary or str(error)
    return f"{words}; {error.diag.message_hint}" if error.diag.message_hint else words
