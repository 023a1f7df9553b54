"""Statements under the role's own settings: what a plain connection would make of the same expressions.

Between two of our statements the session has our settings again, whatever a function or a trigger has set meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from psycopg import AsyncCursor
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow
from psycopg.sql import Composed
from psycopg.types.json import Jsonb

from backfill.change.sync_trigger import SETTING
from backfill.postgres.session.connection import Connection
from backfill.postgres.session.settings import OURS
from backfill.postgres.session.sql_files import statement

Parameters = Mapping[str, Any]
NO_PARAMETERS: Parameters = {}


async def take_role_settings(connection: Connection, *, keep: Collection[str] = ()) -> None:
    """Run the rest of the transaction under the role's settings, except for some of our own."""
    settings = {name: value for name, value in connection.role_settings.items() if name not in keep}
    await _change(connection, settings, local=True)


async def take_our_settings(connection: Connection) -> None:
    """Let the session run under our settings again."""
    await _change(connection, OURS, local=False)


async def execute_as_role(
    connection: Connection,
    query: Composed | bytes,
    parameters: Parameters = NO_PARAMETERS,
    *,
    keep: Collection[str] = (),
) -> AsyncCursor[TupleRow]:
    """Execute a statement that has expressions of the job.

    Without a transaction the pipeline is one, in one round trip, and our settings come back with its end.
    """
    cursor = connection.cursor()
    async with connection.pipeline():
        await take_role_settings(connection, keep=keep)
        await cursor.execute(query, parameters)
    if connection.info.transaction_status != TransactionStatus.IDLE:
        await take_our_settings(connection)
    return cursor


async def execute_all_as_role(
    connection: Connection, queries: Iterable[tuple[Composed, Parameters]]
) -> list[AsyncCursor[TupleRow]]:
    """Execute several such statements in one round trip."""
    cursors = []
    async with connection.pipeline():
        await take_role_settings(connection)
        for query, parameters in queries:
            cursors.append(connection.cursor())
            await cursors[-1].execute(query, parameters)
    if connection.info.transaction_status != TransactionStatus.IDLE:
        await take_our_settings(connection)
    return cursors


async def _change(connection: Connection, settings: Mapping[str, str], *, local: bool) -> None:
    own = {SETTING: connection.sync_function}  # whatever a trigger has reset
    parameters = {"settings": Jsonb({**settings, **own}), "local": local}
    await connection.execute(statement("session/change_settings"), parameters)
