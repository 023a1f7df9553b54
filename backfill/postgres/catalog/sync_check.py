"""Whether what a job does to rows can be said in a trigger, without harm to whoever writes them; else why not, by name.

Raises JobError at the key of the job file at fault: nothing was touched.
"""

from __future__ import annotations

from collections.abc import Iterable

from psycopg.sql import SQL, Composed

from backfill.jobfile.load import JobFile
from backfill.jobfile.sql_expression import BLANK, tokens_of
from backfill.postgres.catalog.check_expressions import Path, accept
from backfill.postgres.catalog.sync_tables import SyncTable, free_trigger_name, parameters_of, read_sync_tables
from backfill.postgres.catalog.update_effects import plan_of
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.sql_files import statement
from backfill.postgres.statements.fragments import NOTHING, joined_of, name_of, target_of
from backfill.table.definition import Table
from backfill.table.plain_update import Difference
from backfill.values.errors import JobError
from backfill.values.identifier import quote

_SEES = "'sync: trigger' sees the columns of the row: none that is generated, no system column, not its row type"
_OF_SESSION = frozenset({
    "current_catalog", "current_query", "current_role", "current_setting", "current_user", "inet_client_addr",
    "inet_client_port", "pg_backend_pid", "session_user", "system_user", "user",
})  # fmt: skip


async def check_sync(connection: Connection, job_file: JobFile, table: Table) -> None:
    """Raise JobError unless a trigger may do to each row what the job does; `table` is the job's, or a leaf of it."""
    job = job_file.job
    if job.sync != "trigger":
        return
    if job.python is not None:
        raise JobError(f"{job_file.at('python')}: a row function cannot run in the trigger of 'sync: trigger'")
    tables = await read_sync_tables(connection, job_file)
    await _check_expressions(connection, job_file, table, tables)
    free_trigger_name(job_file, tables)
    for difference in await _constraints(connection, job_file):
        if difference.name not in job.accept:
            raise JobError(f"{job_file.at(*difference.path)}: {difference.text}")
    await _check_rights(connection, job_file, tables)


async def _check_expressions(
    connection: Connection, job_file: JobFile, table: Table, tables: tuple[SyncTable, ...]
) -> None:
    job = job_file.job
    generated = {column for found in tables for column in found.generated}
    source = _row_alone(table, generated)
    joined = SQL(", {}").format(joined_of(job.using)) if job.using else NOTHING
    select, behind = SQL("EXPLAIN SELECT ").format(), SQL(" FROM {}{}").format(source, joined)
    condition = SQL("EXPLAIN SELECT FROM {}{} WHERE ").format(source, joined)
    tree = frozenset(str(found.name) for found in tables)
    asked: list[tuple[Path, str, Composed, Composed]] = [(("where",), job.where, condition, NOTHING)]
    asked += [(("using", "on"), job.using.on, condition, NOTHING)] if job.using else []
    asked += [(("set", target.column), target.expression, select, behind) for target in job.assignments]
    for path, text, head, tail in asked:
        if text.strip().upper() == "DEFAULT":
            raise JobError(
                f"{job_file.at(*path)}: DEFAULT cannot stand in the trigger of 'sync: trigger'; write the expression"
            )
        await accept(connection, job_file, path, head, text, tail, why=_SEES)
        for difference in await _of_expression(connection, job_file, table, path, text, tree):
            raise JobError(f"{job_file.at(*path)}: {difference}")


async def _of_expression(
    connection: Connection, job_file: JobFile, table: Table, path: Path, text: str, tree: frozenset[str]
) -> list[str]:
    """Return why an expression would be another one in a trigger."""
    found: list[str] = []
    key = str(path[0])
    if word := _of_session(text):
        found.append(f"'{word}' in '{key}' is of the session: the trigger of 'sync: trigger' runs in the writer's")
    if "(" not in text:
        return found
    volatile = await _functions(connection, "catalog/read_volatile", text)
    if volatile and key != "set":
        found.append(f"'{key}' calls volatile function '{volatile[0]}'; 'sync: trigger' and a batch would differ")
    reading = await _functions(connection, "catalog/read_functions_naming", text, table=job_file.job.table.name)
    found += [
        f"function '{function}' in '{key}' names the table; a trigger on it would read rows that are being written"
        for function in reading[:1]
    ]
    row = table.alias or table.name.name
    for node in await plan_of(connection, job_file, table, text):
        name, alias = f"{node.get('Schema')}.{node.get('Relation Name')}", node.get("Alias", "")
        if name in tree and alias != row:
            found.append(f"'{key}' reads other rows of the table, which a trigger on it meets while they are written")
        if node.get("Parent Relationship") == "InitPlan" and volatile:
            found.append(
                f"'{key}' calls '{volatile[0]}' in a sub-select that an UPDATE evaluates once, a trigger for each row"
            )
    return found


async def _constraints(connection: Connection, job_file: JobFile) -> list[Difference]:
    with translated(connection):
        cursor = await connection.execute(statement("catalog/read_sync_constraints"), parameters_of(job_file))
        return [
            Difference(
                name="trigger-constraints",
                sentence=f"{what} on '{table}' may refuse what the trigger sets '{column}' to, and then the"
                " application's write fails; drop it until the job is done, or write sync: none",
                path=("sync",),
            )
            for what, table, column in await cursor.fetchall()
        ]


async def _check_rights(connection: Connection, job_file: JobFile, tables: Iterable[SyncTable]) -> None:
    place = job_file.at("sync")
    with translated(connection):
        cursor = await connection.execute(statement("catalog/read_sync_rights"))
        row = await cursor.fetchone()
    assert row is not None, "a select without FROM has one row"
    role, may_create, may_write = row
    for table in tables:
        if not table.is_owned:
            raise JobError(
                f"{place}: role {role!r} does not own '{table.name}', and only its owner may enable and drop a trigger;"
                f" run: GRANT {quote(table.owner)} TO {quote(role)};"
            )
    if not may_create:
        raise JobError(
            f"{place}: role {role!r} may not make the trigger's function; run: GRANT CREATE ON SCHEMA backfill TO"
            f" {quote(role)};"
        )
    if not may_write:
        raise JobError(
            f"{place}: role {role!r} may not write PL/pgSQL; run: GRANT USAGE ON LANGUAGE plpgsql TO {quote(role)};"
        )


def _row_alone(table: Table, generated: set[str]) -> Composed:
    """Return a row as a BEFORE trigger sees it: its columns, under the name that expressions call it."""
    columns = SQL(", ").join(name_of(column.name) for column in table.columns if column.name not in generated)
    return SQL("(SELECT {} FROM {}) AS {}").format(columns, target_of(table), name_of(table.alias or table.name.name))


def _of_session(text: str) -> str | None:
    """Return the first word of an expression by which it asks for the session, if there is one."""
    words = [token for token in tokens_of(text) if token.kind not in BLANK]
    return next(
        (
            token.text
            for before, token in zip([None, *words], words, strict=False)
            if token.kind == "word" and token.text.lower() in _OF_SESSION and not (before and before.text == ".")
        ),
        None,
    )


async def _functions(connection: Connection, name: str, text: str, **parameters: str) -> list[str]:
    with translated(connection):
        cursor = await connection.execute(statement(name), {"expression": text, **parameters})
        return [row[0] for row in await cursor.fetchall()]
