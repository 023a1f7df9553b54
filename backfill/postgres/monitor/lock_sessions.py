"""Other sessions at a lock of a table: who waits for ours, who holds the one that we need, and when they are done."""

from __future__ import annotations

from dataclasses import dataclass

from backfill.postgres.monitor.side_connection import SideConnection
from backfill.values.prepared_transaction import prepared


@dataclass(frozen=True, slots=True, kw_only=True)
class LockSession:
    """A session with the lock that it wants or has. `transaction` is that of then: a later one is another matter.

    A prepared transaction has no session, and its `gid` names it.
    """

    pid: int | None
    transaction: str
    mode: str
    relation: str | None
    application_name: str
    role: str
    gid: str | None = None

    def __str__(self) -> str:
        if self.gid is not None:
            return prepared(self.gid, f"role {self.role}, {self.mode} on {self.relation}")
        return f"{self.application_name} (pid {self.pid}, role {self.role}, {self.mode} on {self.relation})"


async def read_waiters(side: SideConnection, pid: int) -> tuple[LockSession, ...]:
    """Return who waits for a lock of a table that this session holds."""
    return tuple(LockSession(**row) for row in await side.read_rows("monitor/read_lock_waiters", {"pid": pid}))


async def read_owners(side: SideConnection, table_oid: int) -> tuple[LockSession, ...]:
    """Return who holds, or waits for, the lock of a table that a read has to wait for."""
    return tuple(
        LockSession(**row) for row in await side.read_rows("monitor/read_lock_owners", {"table_oid": table_oid})
    )


async def is_running(side: SideConnection, session: LockSession) -> bool:
    """Whether the transaction of a session is still under way."""
    parameters = {"pid": session.pid, "transaction": session.transaction}
    [row] = await side.read_rows("monitor/read_transaction", parameters)
    return bool(row["running"])
