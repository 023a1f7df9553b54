"""The locks of a table, as SQL names them, and which of them conflict (PostgreSQL manual, table 13.2)."""

from __future__ import annotations

from enum import StrEnum


class LockMode(StrEnum):
    """A table's lock; the weakest first."""

    ACCESS_SHARE = "ACCESS SHARE"
    ROW_SHARE = "ROW SHARE"
    ROW_EXCLUSIVE = "ROW EXCLUSIVE"
    SHARE_UPDATE_EXCLUSIVE = "SHARE UPDATE EXCLUSIVE"
    SHARE = "SHARE"
    SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE"
    EXCLUSIVE = "EXCLUSIVE"
    ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE"

    @property
    def server_name(self) -> str:
        """The name in pg_locks: `AccessShareLock`."""
        return self.value.title().replace(" ", "") + "Lock"

    @property
    def conflicts(self) -> frozenset[LockMode]:
        """The locks of other sessions that it waits for."""
        weakest, strongest = _CONFLICTS[self]
        modes = tuple(LockMode)
        found = modes[modes.index(weakest) : modes.index(strongest) + 1]
        # SHARE is the only lock in the middle of the order that does not conflict with itself.
        return frozenset(found) - ({LockMode.SHARE} if self is LockMode.SHARE else set())


_CONFLICTS = {
    LockMode.ACCESS_SHARE: (LockMode.ACCESS_EXCLUSIVE, LockMode.ACCESS_EXCLUSIVE),
    LockMode.ROW_SHARE: (LockMode.EXCLUSIVE, LockMode.ACCESS_EXCLUSIVE),
    LockMode.ROW_EXCLUSIVE: (LockMode.SHARE, LockMode.ACCESS_EXCLUSIVE),
    LockMode.SHARE_UPDATE_EXCLUSIVE: (LockMode.SHARE_UPDATE_EXCLUSIVE, LockMode.ACCESS_EXCLUSIVE),
    LockMode.SHARE: (LockMode.ROW_EXCLUSIVE, LockMode.ACCESS_EXCLUSIVE),
    LockMode.SHARE_ROW_EXCLUSIVE: (LockMode.ROW_EXCLUSIVE, LockMode.ACCESS_EXCLUSIVE),
    LockMode.EXCLUSIVE: (LockMode.ROW_SHARE, LockMode.ACCESS_EXCLUSIVE),
    LockMode.ACCESS_EXCLUSIVE: (LockMode.ACCESS_SHARE, LockMode.ACCESS_EXCLUSIVE),
}
"""The weakest and the strongest lock that each conflicts with; so do those between them."""


def sql_name(server_name: str) -> str:
    """Return `ACCESS SHARE` for `AccessShareLock`; what is not a table's lock stays as it is."""
    return next((mode.value for mode in LockMode if mode.server_name == server_name), server_name)
