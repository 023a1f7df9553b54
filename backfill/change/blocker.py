"""A session or a prepared transaction that is in the way of a lock, and the sentence that names it."""

from __future__ import annotations

from dataclasses import dataclass

from backfill.change.lock_mode import sql_name
from backfill.values.units import format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """Who holds a conflicting lock, or waits for one before us if it is not `granted`.

    `transaction` is the server's name of its transaction. `gid` names a prepared transaction, which has no process.
    What this role may not see is None. `relation` is None if no table is waited for, but an older snapshot.
    """

    pid: int | None
    gid: str | None
    transaction: str
    application_name: str | None
    role: str | None
    state: str | None
    state_s: float | None
    transaction_s: float | None
    mode: str
    relation: str | None
    granted: bool = True

    def __str__(self) -> str:
        return f"{self.who}, {self._has}"

    @property
    def who(self) -> str:
        """The session and how long it has been in its state: what stays the same while we wait is at the beginning."""
        if self.gid is not None:
            age = "" if self.transaction_s is None else f", prepared {format_duration(self.transaction_s)} ago"
            return f"prepared transaction {self.gid!r} of {self.role or 'unknown'}{age}"
        named = f"pid {self.pid} ({self.application_name or 'unknown'}, {self.role or 'unknown'})"
        if self.state is None:
            return named
        age = "" if self.state_s is None else f" for {format_duration(self.state_s)}"
        return f"{named}, {self.state}{age}"

    @property
    def _has(self) -> str:
        if self.relation is None:
            return "whose transaction began earlier"
        return f"{'holds' if self.granted else 'waits for'} {sql_name(self.mode)} on {self.relation}"

    @property
    def remedy(self) -> str:
        """What ends it."""
        if self.gid is not None:
            return f"COMMIT PREPARED or ROLLBACK PREPARED {self.gid!r}"
        return f"let it finish, or: SELECT pg_terminate_backend({self.pid})"
