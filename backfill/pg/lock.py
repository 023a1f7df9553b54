"""One worker a job and one job a table: session advisory locks, which die with their session.

Keys are the first 8 bytes of a SHA-256; advisory locks belong to one database, so the database is not part of it.
"""

from __future__ import annotations

import hashlib

from backfill.pg.session import Connection, translated
from backfill.pg.sqlfile import statement


def lock_key(kind: str, name: str) -> int:
    """Return the advisory lock's key for a `job` or a `table`, as a signed 64-bit integer."""
    digest = hashlib.sha256(f"backfill:{kind}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


async def try_lock(connection: Connection, job: str, table: str) -> str | None:
    """Take both locks; return None when they are ours, else who holds the one that is not."""
    keys = {"job_key": lock_key("job", job), "table_key": lock_key("table", table)}
    with translated(connection):
        cursor = await connection.execute(statement("try_lock"), keys)
        row = await cursor.fetchone()
        held_key = row[0] if row else None
        if held_key is None:
            return None
        cursor = await connection.execute(statement("read_lock_holder"), {"key": held_key})
        holder = await cursor.fetchone()
    if holder is None:
        return "a session that has just ended"
    pid, application_name, client, since = holder
    what = "" if held_key == keys["job_key"] else f", which fills table {table} for another job"
    return f"{application_name} (pid {pid}, {client}, connected since {since}){what}"
