"""The job's expressions as the server understands them, before a row is touched: EXPLAIN without ANALYZE.

Errors carry the place in the job file, to the column where the server says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.sql import SQL, Composed

from backfill.jobfile.job import Job
from backfill.jobfile.load import JobFile
from backfill.postgres.catalog.job_rights import find_lacking, lacking_grants
from backfill.postgres.catalog.output_types import read_output_types
from backfill.postgres.catalog.repeatable import is_repeatable
from backfill.postgres.catalog.using_table import check_joined
from backfill.postgres.session.connection import INSUFFICIENT_PRIVILEGE, Connection, translated
from backfill.postgres.session.conninfo import InvalidConninfo, parse_conninfo
from backfill.postgres.session.missing_rights import add_grant
from backfill.postgres.session.role_settings import execute_as_role
from backfill.postgres.session.sql_files import statement as static
from backfill.postgres.statements.batch_parameters import Pass, Scope
from backfill.postgres.statements.compose import Statements, compose
from backfill.postgres.statements.fragments import NOTHING, expression, joined_of, name_of, target_of
from backfill.postgres.statements.predicates import RowPredicates
from backfill.retry.missing_grant import with_remedy
from backfill.table.definition import Table
from backfill.values.errors import DatabaseError, JobError, StatementRefused
from backfill.values.redact import foreign

Path = tuple[str | int, ...]

_ANYWHERE = {
    "low": "(0,0)",
    "high": "(1,0)",
    "mask": 0,
    "stripes": [0],
    "bounds": ["(0,0)"],
    "rejected": [],
    "xids": [],
}
NO_VALUES: dict[str, Any] = {}
UNDEFINED_TABLE, QUERY_CANCELED, SYNTAX_ERROR = "42P01", "57014", "42601"
_OURS_TO_SAY = ("42", "22", "0A", "54", "2F", "P0")
"""Classes of SQLSTATE that blame the expression: syntax or access, data, feature, limit, routine."""


async def prepare(connection: Connection, job_file: JobFile, table: Table) -> Statements:
    """Return the job's statements, each accepted by the server; raise JobError at the expression at fault.

    Whether the row after the UPDATE can be foreseen is found out here too: `where` may name a system column or ask
    for the table's row type, which a row that does not exist yet does not have.
    """
    await check_joined(connection, job_file)
    job, alone = job_file.job, SQL("EXPLAIN SELECT FROM {} WHERE ").format(target_of(table))
    read, updated = alone, NOTHING
    if job.using is not None:
        joined = joined_of(job.using)
        read, updated = (
            SQL("EXPLAIN SELECT FROM {}, {} WHERE ").format(target_of(table), joined),
            SQL("\nFROM ") + joined,
        )
        await accept(connection, job_file, ("using", "on"), read, job.using.on)
    await _accept_set(connection, job_file, table, updated)
    await accept(connection, job_file, ("where",), read, job.where)
    mapped = await read_output_types(connection, job_file, table)
    stable = not [
        name for assignment in job.assignments for name in await volatile_functions(connection, assignment.expression)
    ]
    # Who accepts that batches read what earlier ones left wants rows to be tried again.
    once = "own-table" not in job.accept and not await is_repeatable(connection, job, table, stable=stable)
    predicates = RowPredicates(job, table, foreseen=table.foreseeable and mapped is None, once=once)
    if job.using is not None and await _refused(connection, alone + expression(job.where)):
        predicates = replace(predicates, alone=False)
    statements = compose(predicates, stable=stable, mapped=mapped)
    if predicates.foreseen:
        for foreseen in (predicates.foreseeing(), statements.verify):
            if await _refused(connection, SQL("EXPLAIN ") + foreseen):
                predicates = replace(predicates, foreseen=False)
                statements = compose(predicates, stable=stable)
                break
        else:
            statements = replace(statements, unforeseen=compose(replace(predicates, foreseen=False), stable=stable))
    error = await _refused(
        connection, SQL("EXPLAIN ") + statements.update[Scope.STRIPE, Pass.FIRST], statements.no_values
    )
    if error:  # no expression's fault: a rule on the table
        said = await _said(connection, error, "")
        raise JobError(f"{job_file.at('table')}: table '{table.name}' cannot be filled: {said}")
    return statements


async def _accept_set(connection: Connection, job_file: JobFile, table: Table, updated: Composed) -> None:
    """Raise JobError at an expression of `set` that the server refuses: all are asked at once, each if that fails."""
    written = [one for one in job_file.job.assignments if one.column not in job_file.job.from_python]
    if not written:
        return
    together = SQL(", ").join(
        name_of(assignment.column) + SQL(" = ") + expression(assignment.expression) for assignment in written
    )
    asked = SQL("EXPLAIN UPDATE {} SET ").format(target_of(table)) + together + updated
    if len(written) > 1 and not await _refused(connection, asked):
        return
    for assignment in written:
        head = SQL("EXPLAIN UPDATE {} SET {} = ").format(target_of(table), name_of(assignment.column))
        await accept(connection, job_file, ("set", assignment.column), head, assignment.expression, updated)


async def accept_sources(connection: Connection, job_file: JobFile) -> None:
    """Raise JobError at a probe that the server does not understand, and at an invalid connection string."""
    limits = job_file.job.throttle
    for place, probe in enumerate(limits.probes):
        if probe.sql is not None:
            path = ("throttle", "probes", place, "sql")
            await accept(connection, job_file, path, SQL("EXPLAIN SELECT ").format(), probe.sql)
    for place, dsn in enumerate(limits.replicas.direct):
        try:
            parse_conninfo(dsn)
        except InvalidConninfo as error:
            where = job_file.at("throttle", "replicas", "direct", place)
            raise JobError(f"{where}: the connection string cannot be parsed: {error}") from None


async def explain(connection: Connection, statement: Composed, values: dict[str, Any] = NO_VALUES) -> str:
    """Return the server's plan of a statement over the table's first page, without running it."""
    with translated(connection):
        cursor = await execute_as_role(connection, SQL("EXPLAIN (COSTS OFF) ") + statement, _ANYWHERE | values)
        return "\n".join(row[0] for row in await cursor.fetchall())


async def nodes(
    connection: Connection, statement: Composed, values: dict[str, Any] = NO_VALUES
) -> list[dict[str, Any]]:
    """Return the nodes of the plan of a statement over the table's first page, each with the server's own words."""
    with translated(connection):
        cursor = await execute_as_role(connection, SQL("EXPLAIN (FORMAT json) ") + statement, _ANYWHERE | values)
        row = await cursor.fetchone()
    assert row is not None, "a plan is one row"
    return list(below(row[0][0]["Plan"]))


def below(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a plan's node and all below it."""
    yield node
    for child in node.get("Plans", ()):
        yield from below(child)


async def volatile_functions(connection: Connection, text: str) -> list[str]:
    """Return the volatile functions among the words of an expression, by name."""
    if "(" not in text:
        return []
    with translated(connection):
        cursor = await connection.execute(static("catalog/read_volatile"), {"expression": text})
        return [row[0] for row in await cursor.fetchall()]


async def accept(
    connection: Connection,
    job_file: JobFile,
    path: Path,
    head: Composed,
    text: str,
    tail: Composed = NOTHING,
    *,
    why: str | None = None,
) -> None:
    """Raise JobError at an expression that the server refuses between `head` and `tail`; `why` says what is asked."""
    try:
        error = await _refused(connection, head + expression(text) + tail)
    except StatementRefused as refused:
        if refused.sqlstate != QUERY_CANCELED:
            raise
        said = str(refused).partition("\n")[0]
        raise DatabaseError(f"{job_file.at(*path)}: {said}; a part of it is evaluated to plan it") from None
    if error is None:
        return
    position = _position(connection, head, error)
    if error.sqlstate == UNDEFINED_TABLE and position is not None and position < 0:
        gone = f"{_words(error)}; it was dropped or renamed while the job was checked"
        raise JobError(f"{job_file.at('table')}: {gone}")
    # Behind the text stands our own parenthesis: what is wrong with that is how the text ends.
    place = job_file.at(*path, offset=min(position or 0, len(text) - 1))
    if error.sqlstate == SYNTAX_ERROR and position is not None and position > len(text):
        raise JobError(f"{place}: syntax error at the end: the expression is incomplete")
    said = await _said(connection, error, text, job_file.job)
    raise JobError(f"{place}: {said}" if why is None else f"{place}: {said}; {why}")


async def _refused(
    connection: Connection, statement: Composed, values: dict[str, Any] = NO_VALUES
) -> psycopg.Error | None:
    """Let the server plan a statement; return the error that blames the job file, raise any other."""
    in_transaction = connection.info.transaction_status != TransactionStatus.IDLE
    try:
        # A transaction that is open has to go on; without one the statement is a transaction of its own.
        async with connection.transaction() if in_transaction else nullcontext():
            await execute_as_role(connection, statement, _ANYWHERE | values)
    except psycopg.Error as error:
        if (error.sqlstate or "").startswith(_OURS_TO_SAY):
            return error
        with translated(connection):
            raise
    return None


def _position(connection: Connection, head: Composed, error: psycopg.Error) -> int | None:
    """Return the character of the text that the server points at, negative for what stands before it."""
    if error.diag.statement_position is None:
        return None
    sent_before = head.as_string(connection).replace("%%", "%") + "(\n"
    return int(error.diag.statement_position) - 1 - len(sent_before)


async def _said(connection: Connection, error: psycopg.Error, text: str, job: Job | None = None) -> str:
    """Return the server's words; of a missing right with the GRANT, of columns alone if the job reads some."""
    words = _words(error)
    if error.sqlstate != INSUFFICIENT_PRIVILEGE:
        return words
    lacking = await find_lacking(connection, job, words) if job else ()
    for grant in lacking_grants(lacking, connection.info.user):
        return with_remedy(words, grant)
    return await add_grant(connection, words, text)


def _words(error: psycopg.Error) -> str:
    words = error.diag.message_primary or str(error)
    return foreign(f"{words}; {error.diag.message_hint}" if error.diag.message_hint else words)
