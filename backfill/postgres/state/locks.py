"""One worker a job and one job a table: session advisory locks, which die with their session.

Keys are the first 8 bytes of a SHA-256; advisory locks belong to one database, so the database is not part of it.
"""

from __future__ import annotations

import hashlib

from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.pooler import require_same_process
from backfill.postgres.session.sql_files import statement


def lock_key(kind: str, name: str) -> int:
    """Return the advisory lock's key for a `job` or a `table`, as a signed 64-bit integer."""
    digest = hashlib.sha256(f"backfill:{kind}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


async def try_lock(connection: Connection, job: str, table: str) -> str | None:
    """Take both locks; return None when they are ours, else who holds the one that is not."""
    keys = {"job_key": lock_key("job", job), "table_key": lock_key("table", table)}
    with translated(connection):
        cursor = await connection.execute(statement("state/try_lock"), keys)
        row = await cursor.fetchone()
        assert row is not None, "a select without FROM has one row"
        held_key, pid = row
        require_same_process(connection.server_pid, pid)
        if held_key is None:
            return None
        return await _holder(connection, held_key, None if held_key == keys["job_key"] else table)


async def try_leaf_lock(connection: Connection, leaf: str) -> str | None:
    """Take the lock of one table more; return who holds it instead."""
    key = lock_key("table", leaf)
    with translated(connection):
        cursor = await connection.execute(statement("state/try_leaf_lock"), {"key": key})
        if await cursor.fetchone() == (True,):
            return None
        return await _holder(connection, key, leaf)


async def release(connection: Connection, leaf: str) -> None:
    """Give a table's lock back; where it is not ours the server warns, and nothing is wrong."""
    with translated(connection):
        await connection.execute(statement("state/release_lock"), {"key": lock_key("table", leaf)})


async def _holder(connection: Connection, key: int, table: str | None) -> str:
    cursor = await connection.execute(statement("state/read_lock_holder"), {"key": key})
    holder = await cursor.fetchone()
    if holder is None:
        return "a session that has just ended"
    pid, application_name, client, since = holder
    what = f", which fills table {table} for another job" if table else ""
    return f"{application_name} (pid {pid}, {client}, connected since {since}){what}"
