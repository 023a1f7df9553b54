"""The state schema as a worker needs it: ours, of this version's number, and open to this role.

Raises Halted if only a person with more rights can help; the message says what to run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from psycopg.rows import class_row
from psycopg.sql import SQL, Composed, Identifier

from backfill.postgres.session.connection import INSUFFICIENT_PRIVILEGE, Connection, connect, translated
from backfill.postgres.session.server import UNDEFINED_OBJECT
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.locks import state_locker
from backfill.postgres.state.migrations import FINDING, KEY, latest, steps
from backfill.values.errors import BackfillError, Halted, JobError, StatementRefused
from backfill.values.identifier import quote

LOCK_NOT_AVAILABLE = "55P03"
MISSING = ("42P01", "42703")  # undefined_table, undefined_column

SCRIPT_SETTINGS = """\
-- Names mean PostgreSQL's own objects and literals are read as the standard says, whatever this database has set.
SET search_path = pg_catalog, pg_temp;
SET standard_conforming_strings = on;
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class StateFacts:
    """What there is of the state schema, and what the role may do with it.

    `complete` says whether all tables of this version are there; `may_create` is about new ones.
    """

    role: str
    exists: bool
    has_version: bool
    has_tables: bool
    complete: bool
    may_look: bool
    may_create: bool
    may_use: bool


async def read_state(connection: Connection) -> StateFacts:
    """Return what the catalog says of the state schema."""
    with translated(connection):
        async with connection.cursor(row_factory=class_row(StateFacts)) as cursor:
            await cursor.execute(statement("state/read_state"))
            state = await cursor.fetchone()
    assert state is not None, "it groups one row"
    return state


async def has_state(connection: Connection) -> bool:
    """Return whether a worker ever ran in this database; raise Halted unless its state is ours, of this version."""
    state = await read_state(connection)
    if not state.exists or (state.may_look and not state.has_tables and not state.has_version):
        return False
    await _refuse(connection, "state/read_foreign_code")
    number = await _read_number(connection, state)
    _refuse_newer(number)
    if number < latest():
        raise Halted(
            f"schema backfill has version {number}, and this backfill works with version {latest()};"
            " the next worker migrates it, or run: backfill init"
        )
    _refuse_incomplete(state)
    return True


async def check_version(connection: Connection, error: StatementRefused) -> None:
    """Raise Halted if a table or column is not there because the schema is no longer that of this version."""
    if error.sqlstate in MISSING:
        await has_state(connection)


async def ensure_state(connection: Connection) -> bool:
    """Create the state schema, or bring it up to date; return whether there was none.

    Raises Halted with the way out if this role may not use it.
    """
    state = await read_state(connection)
    exists = state.exists
    if not state.exists and not state.may_create:
        raise _halted(state, f"schema backfill is missing and role {state.role!r} may not create it")
    if state.exists:
        if not state.may_look:
            raise _halted(state, f"role {state.role!r} may not use schema backfill")
        await _refuse(connection, "state/read_foreign_code")
    number = await _read_number(connection, state)
    _refuse_newer(number)
    if number < latest():
        await _migrate(connection, state, number)
        state = await read_state(connection)
    else:
        await _refuse(connection, "state/read_published")
    _refuse_incomplete(state)
    if not state.may_use:
        raise _halted(state, f"role {state.role!r} may not use schema backfill")
    return not exists


async def _migrate(connection: Connection, state: StateFacts, number: int) -> None:
    try:
        await create_state(connection)
    except StatementRefused as error:
        if error.sqlstate != INSUFFICIENT_PRIVILEGE:
            raise
        why = f"schema backfill has version {number}, this backfill works with version {latest()}"
        if not state.has_tables:
            why = "schema backfill has no tables"
        raise _halted(state, f"{why}, and role {state.role!r} may not change it") from None


async def _read_number(connection: Connection, state: StateFacts) -> int:
    """Return the number of the last migration; 0 for a schema of before there were numbers, or none."""
    if not state.has_version:
        return 0
    with translated(connection):
        cursor = await connection.execute(statement("state/read_version"))
        row = await cursor.fetchone()
    return int(row[0]) if row else 0


def _refuse_newer(number: int) -> None:
    if number > latest():
        raise Halted(
            f"schema backfill has version {number}, and this backfill works with version {latest()} at most:"
            " a newer backfill has migrated it; upgrade this one"
        )


def _refuse_incomplete(state: StateFacts) -> None:
    if not state.complete:
        raise Halted(
            "schema backfill has lost a table of job, checkpoint, batch, event and rejected; restore it,"
            " or start all jobs anew: DROP SCHEMA backfill CASCADE; (rows that are filled stay filled)"
        )


async def _refuse(connection: Connection, findings: str) -> None:
    """Raise Halted if the schema holds code that is not ours, or if subscribers would stop at it."""
    with translated(connection):
        cursor = await connection.execute(statement(findings))
        row = await cursor.fetchone()
    if row:
        raise Halted(str(row[0]))


def _halted(state: StateFacts, why: str) -> Halted:
    return Halted(f"{why}; run what this prints: backfill init --print --role {quote(state.role)}")


async def create_state(connection: Connection, *, published: bool = False) -> None:
    """Create the state schema and apply the migrations that it has not had, each in a transaction.

    Raises Halted if something in it is not ours, or subscribers would stop at it; StatementRefused with the holder's
    name if a lock cannot be acquired.
    """
    try:
        for step in steps(published=published):
            with translated(connection):
                async with connection.transaction():
                    await connection.execute(step.encode())
    except StatementRefused as error:
        if error.sqlstate == FINDING:
            raise Halted(str(error).partition("\n")[0]) from None
        if error.sqlstate == LOCK_NOT_AVAILABLE:
            said = f"schema backfill cannot be migrated: locked by {await state_locker(connection, KEY)}"
            raise StatementRefused(said, error.sqlstate, error.took_s) from None
        if error.sqlstate.startswith("42") and error.sqlstate != INSUFFICIENT_PRIVILEGE:
            said = str(error).partition("\n")[0]
            raise Halted(
                f"schema backfill is not as any version of backfill makes it: {said}; fix it, or rename the schema"
            ) from None
        raise


def init_script(role: str | None, *, operator: str | None = None, published: bool = False, grants: str = "") -> str:
    """Return the statements of `backfill init` for a DBA to read and run; with a role, its grants too, and an offer.

    `operator` is the role of somebody who runs no job, and pauses, resumes, cancels, tunes and forgets them.
    """
    parts = [SCRIPT_SETTINGS, *(f"BEGIN;\n{step.rstrip()}\nCOMMIT;\n" for step in steps(published=published))]
    parts += [grant.as_string() for grant in _grants(role, operator)]
    if role is not None:
        parts += [grants] if grants else []
        for name in ("grant_sync", "grant_compression"):
            offered = SQL(statement(f"state/{name}").decode()).format(role=Identifier(role))
            parts.append(f"{_commented(offered.as_string())}\n")
    return "\n".join([*parts, "RESET search_path;\nRESET standard_conforming_strings;\n"])


def _grants(role: str | None, operator: str | None) -> Iterator[Composed]:
    for name, grantee in (("state/grants", role), ("state/grant_operator", operator)):
        if grantee is not None:
            yield SQL(statement(name).decode()).format(role=Identifier(grantee))


def _commented(text: str) -> str:
    """Return statements that nobody runs by accident, whatever line breaks a role's name has."""
    lines = re.split(r"[\r\n]", text.rstrip("\n"))
    return "\n".join(line if line.startswith("--") else f"-- {line}" for line in lines)


async def init(
    dsn: str, role: str | None, *, operator: str | None = None, published: bool = False, grants: str = ""
) -> None:
    """Create or migrate the state schema, and grant roles the least rights of a worker, and of an operator; `grants`
    are those of a job.

    Raises Halted if this role may not, JobError if there is no such role; nothing was changed then.
    """
    async with await connect(dsn, application_name="backfill:init") as connection:
        state = await read_state(connection)
        if not state.exists and not state.may_create:
            database = connection.info.dbname
            grant = f"GRANT CREATE ON DATABASE {quote(database)} TO {quote(state.role)};"
            raise Halted(f"role {state.role!r} may not create schema backfill; run: {grant}")
        if state.may_look:
            _refuse_newer(await _read_number(connection, state))
        try:
            with translated(connection):
                async with connection.transaction():
                    await create_state(connection, published=published)
                    for granted in _grants(role, operator):
                        await connection.execute(granted)
                    if grants:
                        await connection.execute(grants.encode())
        except StatementRefused as error:
            raise _uninitialised(state, role, operator, error) from None


def _uninitialised(state: StateFacts, role: str | None, operator: str | None, error: StatementRefused) -> BackfillError:
    for grantee in sorted(filter(None, (role, operator)), key=len, reverse=True):
        if error.sqlstate == UNDEFINED_OBJECT and grantee in str(error):
            return JobError(f"role {grantee!r} does not exist; run: CREATE ROLE {quote(grantee)} LOGIN;")
    if error.sqlstate != INSUFFICIENT_PRIVILEGE:
        return error
    said, given = str(error).partition("\n")[0], f" --role {quote(role)}" if role else ""
    return Halted(
        f"role {state.role!r} may not do all of this: {said};"
        f" as a superuser run what this prints: backfill init --print{given}"
    )
