"""What a failed attempt means, by SQLSTATE, and how long to wait before the next.

The table is the whole policy. Classes (the first two characters) stand in for codes that are not listed.
Source of the codes: PostgreSQL manual, appendix A.
"""

from __future__ import annotations

from enum import Enum

FUNCTION_DIED = "function_died"
"""Stands where a SQLSTATE would: a row function's process ended before it answered."""
RETRIES_LOUD = 3
"""Failures in a row from which on each is told as a warning."""
BACKOFF_S = 0.1
BACKOFF_MAX_S = 10.0


class Remedy(Enum):
    """What to do after a statement failed and its transaction was rolled back."""

    RETRY = "retry"  # the same again, a little later
    SHRINK = "shrink"  # a smaller batch, a little later
    RECONNECT = "reconnect"  # a new session, then the checkpoint tells where we are
    HALT = "halt"  # a person must look
    FAIL = "fail"  # it would fail again


_REMEDIES = {
    "40001": Remedy.RETRY,  # serialization_failure
    "40P01": Remedy.SHRINK,  # deadlock_detected
    "55P03": Remedy.SHRINK,  # lock_not_available: lock_timeout
    FUNCTION_DIED: Remedy.SHRINK,
    "57014": Remedy.SHRINK,  # query_canceled: statement_timeout
    "53300": Remedy.RECONNECT,  # too_many_connections
    "57P01": Remedy.RECONNECT,  # admin_shutdown
    "57P02": Remedy.RECONNECT,  # crash_shutdown
    "57P03": Remedy.RECONNECT,  # cannot_connect_now
    "57P05": Remedy.RECONNECT,  # idle_session_timeout
    "25P03": Remedy.RECONNECT,  # idle_in_transaction_session_timeout
    "25006": Remedy.HALT,  # read_only_sql_transaction
    "53100": Remedy.HALT,  # disk_full
    "42501": Remedy.HALT,  # insufficient_privilege
    "08": Remedy.RECONNECT,  # connection exceptions
    "53": Remedy.SHRINK,  # insufficient resources: out of memory, configuration limits
}


def classify(sqlstate: str) -> Remedy:
    """Return the remedy for a SQLSTATE; FAIL for one that the table does not know."""
    return _REMEDIES.get(sqlstate) or _REMEDIES.get(sqlstate[:2], Remedy.FAIL)


def backoff_s(attempt: int, jitter: float) -> float:
    """Return the wait before attempt number `attempt` (from 1): doubling, bounded, `jitter` in [0, 1] halves it."""
    ceiling = min(BACKOFF_MAX_S, BACKOFF_S * 2.0 ** min(attempt - 1, 30))
    return ceiling * (0.5 + 0.5 * jitter)
