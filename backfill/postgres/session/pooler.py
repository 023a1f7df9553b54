"""A pooler between us and the server: in session mode nothing is different, any other mode is refused.

Locks and settings belong to a server process. A pooler in transaction or statement mode gives that process to others
between ours, so our locks would guard nothing, and our settings would be somebody else's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from backfill.values.errors import Halted

TRIES = 8
PROOF_S = 2.0
"""A pool in session mode that is used up lets a second connection wait: so long, and then nothing is proven."""
_REMEDY = "give a DSN of the server itself, or of a pool in session mode"


def require_same_process(expected_pid: int, pid: int) -> None:
    """Raise Halted where another process answers than the one that has this session's locks and settings."""
    if pid != expected_pid:
        raise Halted(
            f"a pooler moved this session from server process {expected_pid} to {pid}, and its locks and settings"
            f" stayed behind; {_REMEDY}"
        )


async def require_session_mode(
    connection: AsyncConnection[TupleRow], open_second: Callable[[], Awaitable[AsyncConnection[TupleRow]]]
) -> None:
    """Raise Halted where the pooler is seen to share out server processes between statements.

    A second connection then meets the process that ours has just left, or ours meets another one: in session mode
    neither can be. If the pool's other clients hide it, the batches notice (`insist_on_process`).
    """
    second = await open_second()
    asking = asyncio.ensure_future(_ask(connection, second))
    try:
        await asyncio.wait([asking], timeout=PROOF_S)
        if asking.done():
            asking.result()
    finally:
        await second.close()  # before the task is cancelled: nobody would answer a question that waits for its turn
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def _ask(connection: AsyncConnection[TupleRow], second: AsyncConnection[TupleRow]) -> None:
    ours = await read_pid(connection)
    for _ in range(TRIES):
        if await read_pid(second) == ours:
            raise Halted(
                f"a pooler gave server process {ours} to two of our connections: it pools transactions or statements,"
                f" and locks and settings need a session; {_REMEDY}"
            )
        require_same_process(ours, await read_pid(connection))


async def read_pid(connection: AsyncConnection[TupleRow]) -> int:
    """Return the server process that answers now."""
    cursor = await connection.execute("SELECT pg_catalog.pg_backend_pid()")
    row = await cursor.fetchone()
    assert row is not None, "a select without FROM has one row"
    return int(row[0])
