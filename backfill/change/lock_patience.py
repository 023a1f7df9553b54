"""The law of a polite lock: who is waited for before a try, how long a try may keep others waiting, when the next is.

A session that waits for a strong lock makes everybody wait who comes after it. So a try is short, and it is not made
while somebody holds a conflicting lock who is not about to let go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from backfill.change.blocker import Blocker
from backfill.retry.sqlstate import CANCELED, LOCK_NOT_AVAILABLE

LOCK_TIMEOUT_S = 0.5
"""How long one try waits for a lock, and so the application behind it."""
STATEMENT_S = 1.0
"""How long a statement takes at most: a table with partitions has a lock_timeout for each of them."""
STATEMENT_MAX_S = 8.0
"""The same, after it was seen that nobody blocks the statement: it has that much to do."""
YOUNG_S = 5.0
"""A transaction of this age is likely to end within a try; an older one is waited for."""
LOOK_EVERY_S = 1.0
REPORT_EVERY_S = 5.0
BACKOFF_S = 0.5
BACKOFF_MAX_S = 30.0
FAILURES_QUIET = 3
"""Failures in a row after which each further one is a warning."""
GIVE_UP_S = 3600.0
SLOW_S = 30.0
"""DDL that takes longer than this is a warning."""
DEADLOCK = "40P01"


@dataclass(frozen=True, slots=True)
class Patience:
    """How a polite lock stands: failures in a row, and what a statement may take in the next try."""

    failures: int = 0
    statement_s: float = STATEMENT_S

    @property
    def loud(self) -> bool:
        """Whether it has failed so often that somebody should know."""
        return self.failures > FAILURES_QUIET


def holder_to_wait_for(blockers: Iterable[Blocker], seen: Collection[str]) -> Blocker | None:
    """Return whose transaction has to end before a try; None if a try is fair.

    `seen` are the transactions of the last look. The age of a transaction that this role may not see is unknown: it is
    waited for at its second look. A prepared transaction does not end by itself.
    """
    found = [blocker for blocker in blockers if blocker.granted and _is_old(blocker, seen)]
    return max(found, key=lambda blocker: blocker.transaction_s or 0.0, default=None)


def _is_old(blocker: Blocker, seen: Collection[str]) -> bool:
    if blocker.gid is not None:
        return True
    if blocker.transaction_s is None:
        return blocker.transaction in seen
    return blocker.transaction_s > YOUNG_S


def is_retried(sqlstate: str, *, took_s: float, statement_s: float) -> bool:
    """Whether a try that failed is repeated: it waited too long for a lock. A person who cancels it means it."""
    if sqlstate == CANCELED:
        return took_s >= statement_s * 0.9
    return sqlstate in (LOCK_NOT_AVAILABLE, DEADLOCK)


def after_failure(patience: Patience, sqlstate: str, *, blocked: bool) -> Patience:
    """Return what the next try may take: more, if the statement itself took the time and not somebody's lock."""
    statement_s = patience.statement_s
    if sqlstate == CANCELED and not blocked:
        statement_s = min(STATEMENT_MAX_S, 2 * statement_s)
    return Patience(patience.failures + 1, statement_s)


def pause_s(failures: int, jitter: float) -> float:
    """Return the wait before the next try: doubling, bounded; `jitter` in [0, 1] halves it."""
    return min(BACKOFF_MAX_S, BACKOFF_S * 2.0 ** min(failures - 1, 30)) * (0.5 + 0.5 * jitter)
