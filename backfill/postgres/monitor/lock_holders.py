"""Who holds the lock that a batch has waited for in vain: a session, or a prepared transaction, which no session ends.

The server names a row by its address alone. Its `xmax` is the transaction that has locked it, unless several have.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass

from psycopg.rows import class_row

from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.sql_files import statement
from backfill.postgres.statements.compose import Statements
from backfill.retry.sqlstate import LOCK_NOT_AVAILABLE
from backfill.values.errors import DatabaseError, StatementRefused
from backfill.values.prepared_transaction import prepared
from backfill.values.redact import foreign
from backfill.values.units import format_duration

_ADDRESS = re.compile(r"\((\d+,\d+)\)")
SHOWN_MAX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LockingTransaction:
    """A transaction and what it has locked: a `row`, a `table`, or `rows` of the table, of which ours may be one."""

    what: str
    relation: str | None
    pid: int | None
    gid: str | None
    application_name: str
    role: str
    state: str | None
    age_s: float | None

    def __str__(self) -> str:
        age = "" if self.age_s is None else f", for {format_duration(self.age_s)}"
        if self.gid is not None:
            return prepared(self.gid, f"role {self.role}{age}")
        state = f", {self.state}" if self.state else ""
        return f"{foreign(self.application_name)} (pid {self.pid}, role {self.role}{state}{age})"


def describe(holders: list[LockingTransaction], row: str | None) -> str | None:
    """Return who holds what was waited for: whoever surely does, else whoever may; None if nobody is seen."""
    if not holders:
        return None
    first = holders[0]
    if first.what == "row":
        return f"row {row} is locked by {first}"
    if first.what == "table":
        return f"table {first.relation} is locked by {first}"
    shown = [str(holder) for holder in holders[:SHOWN_MAX]]
    more = f" or {len(holders) - SHOWN_MAX} more" if len(holders) > SHOWN_MAX else ""
    one = f"row {row} of " if row else "rows of "
    return f"{one}{first.relation} may be locked by {' or '.join(shown)}{more}"


async def with_holder(
    connection: Connection, error: StatementRefused, statements: Statements, tables: list[int]
) -> StatementRefused:
    """Return the error with who holds the lock, or as it is; `tables` are those that the statement locks."""
    if error.sqlstate != LOCK_NOT_AVAILABLE:
        return error
    first, line_break, rest = str(error).partition("\n")
    found = None
    with suppress(DatabaseError):  # the lock is the error to report
        found = await _find(connection, statements, tables, _ADDRESS.search(rest))
    return StatementRefused(f"{first}; {found}{line_break}{rest}", error.sqlstate, error.took_s) if found else error


async def _find(
    connection: Connection, statements: Statements, tables: list[int], address: re.Match[str] | None
) -> str | None:
    row, xid = None, None
    with translated(connection):
        if address is not None:
            cursor = await connection.execute(statements.row_lock, {"tid": f"({address[1]})"})
            row, xid = await cursor.fetchone() or (None, None)
        async with connection.cursor(row_factory=class_row(LockingTransaction)) as found:
            parameters = {"xid": xid, "tables": tables, "row": address is not None}
            await found.execute(statement("monitor/read_lock_holders"), parameters)
            holders = await found.fetchall()
    return describe(holders, row)
