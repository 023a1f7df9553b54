"""One worker a job and one job a table: session advisory locks, which die with their session.

Keys are the first 8 bytes of a SHA-256; advisory locks belong to one database, so the database is not part of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from psycopg.rows import class_row

from backfill.postgres.session.connection import WORKER_PREFIX, Connection, translated
from backfill.postgres.session.pooler import require_same_process
from backfill.postgres.session.sql_files import statement
from backfill.values.prepared_transaction import prepared


@dataclass(frozen=True, slots=True, kw_only=True)
class LockHolder:
    """The session that has a lock: the name it gives itself, and the role, which it cannot choose.

    A prepared transaction that has it has no session: its `gid` names it.
    """

    pid: int | None
    application_name: str
    role: str
    may_write: bool
    client: str
    since: str
    gid: str | None = None


def describe(holder: LockHolder, table: str | None) -> str:
    """Return who holds a lock, and that it is not a worker if it cannot be one; `table` is that of a table's lock."""
    if holder.gid is not None:
        return f"{prepared(holder.gid, f'role {holder.role}')} (it is not a worker)"
    who = (
        f"{holder.application_name} (pid {holder.pid}, role {holder.role}, {holder.client},"
        f" connected since {holder.since})"
    )
    if not holder.may_write:
        why = f"role {holder.role} cannot write schema backfill"
    elif not holder.application_name.startswith(WORKER_PREFIX):
        why = f"its application_name does not begin with {WORKER_PREFIX}"
    else:
        return f"{who}, which fills table {table} for another job" if table else who
    return f"{who}, which is not a worker: {why}; end it: SELECT pg_terminate_backend({holder.pid})"


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


async def job_holder(connection: Connection, job: str) -> str | None:
    """Take a job's lock until the transaction ends; return who holds it instead."""
    key = lock_key("job", job)
    with translated(connection):
        cursor = await connection.execute(statement("state/try_job_lock"), {"key": key})
        if await cursor.fetchone() == (True,):
            return None
        return await _holder(connection, key, None)


async def release(connection: Connection, leaf: str) -> None:
    """Release a table's lock; if it is not ours, the server warns and nothing is wrong."""
    with translated(connection):
        await connection.execute(statement("state/release_lock"), {"key": lock_key("table", leaf)})


async def state_locker(connection: Connection, key: int) -> str:
    """Return who keeps us from migrating the state schema, as far as this role may see it."""
    with translated(connection):
        cursor = await connection.execute(statement("state/read_state_lockers"), {"key": key})
        row = await cursor.fetchone()
    if row is None:
        return "a session that has just ended"
    pid, application_name, role, since, gid = row
    if gid is not None:
        return prepared(gid, f"role {role}, since {since}")
    return f"{application_name} (pid {pid}, role {role}, transaction since {since})"


async def _holder(connection: Connection, key: int, table: str | None) -> str:
    async with connection.cursor(row_factory=class_row(LockHolder)) as cursor:
        await cursor.execute(statement("state/read_lock_holder"), {"key": key})
        holder = await cursor.fetchone()
    return describe(holder, table) if holder else "a session that has just ended"
