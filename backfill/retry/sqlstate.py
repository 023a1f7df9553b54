"""What a failed attempt means, by SQLSTATE, how often it is tried in a row, and how long to wait before the next.

The table is the whole policy. Classes (the first two characters) stand in for codes that are not listed; a class that
is not PostgreSQL's is what a trigger or a function of somebody's own raises, so it is about a row.
Source of the codes: PostgreSQL manual, appendix A.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

FUNCTION_DIED = "function_died"
"""Stands where a SQLSTATE would: a row function's process ended before it answered."""
CANCELED = "57014"
"""The server's code for a statement timeout, and for a person who cancels: the elapsed time shows which it was."""
LOCK_NOT_AVAILABLE = "55P03"
"""The server's word for `lock_timeout`."""
TIMER_SHARE = 0.99
"""Of statement_timeout: the server's clock and ours do not run exactly alike."""
RETRIES_LOUD = 3
"""Failures in a row from which on each is reported as a warning."""
TIMEOUT_TRIES = 3
"""Timeouts of a statement on one row alone, after which the row is to blame."""
READ_TRIES = 10
"""Timeouts in a row of a read of one page alone, after which the run ends."""
BACKOFF_S = 0.1
BACKOFF_MAX_S = 10.0
PATIENT_MAX_S = 30.0
"""Longest wait before another attempt of what has failed often, or of what somebody else has to end first."""


class Remedy(Enum):
    """What to do after a statement failed and its transaction was rolled back."""

    RETRY = "retry"  # the same again, a little later
    SHRINK = "shrink"  # a smaller batch, a little later
    SPLIT_ON_TIMEOUT = "split_on_timeout"  # it took too long: each half by itself, down to one row or one page
    ISOLATE_ROW = "isolate_row"  # a row that the server refuses may be in it: each half by itself, down to that row
    WAIT = "wait"  # the same again, much later
    RECONNECT = "reconnect"  # a new session, which continues from the checkpoint
    HALT = "halt"  # a person must look
    FAIL = "fail"  # it would fail again


@dataclass(frozen=True, slots=True)
class Bound:
    """How many failures in a row a remedy is for (None: any number), what is done then, and the longest wait."""

    tries: int | None
    then: Remedy
    wait_max_s: float = BACKOFF_MAX_S


BOUNDS = {
    Remedy.RETRY: Bound(10, Remedy.WAIT),
    Remedy.SHRINK: Bound(20, Remedy.WAIT),  # 20 halvings leave one row of a million
    Remedy.SPLIT_ON_TIMEOUT: Bound(
        TIMEOUT_TRIES, Remedy.ISOLATE_ROW
    ),  # of one row alone; a larger batch is halved each time
    Remedy.ISOLATE_ROW: Bound(1, Remedy.FAIL),  # of one row alone, if the job does not skip such rows
    Remedy.WAIT: Bound(None, Remedy.WAIT, PATIENT_MAX_S),
    Remedy.RECONNECT: Bound(None, Remedy.RECONNECT),
    Remedy.HALT: Bound(0, Remedy.HALT),
    Remedy.FAIL: Bound(0, Remedy.FAIL),
}

_REMEDIES = {
    # What another session did, or the server at this moment.
    "40": Remedy.RETRY,  # transaction rollback; 40001 is a serialization failure
    "40P01": Remedy.SHRINK,  # deadlock_detected
    LOCK_NOT_AVAILABLE: Remedy.SHRINK,
    FUNCTION_DIED: Remedy.SHRINK,
    "53": Remedy.SHRINK,  # insufficient resources: out of memory, configuration limits
    "57": Remedy.RETRY,  # operator intervention
    CANCELED: Remedy.SPLIT_ON_TIMEOUT,  # unless a person did it
    "72": Remedy.RETRY,  # snapshot_too_old
    "53300": Remedy.WAIT,  # too_many_connections
    "55006": Remedy.WAIT,  # object_in_use
    "57P03": Remedy.WAIT,  # cannot_connect_now
    "HV": Remedy.WAIT,  # foreign data wrapper: another server, which a trigger or a view reads
    "08": Remedy.RECONNECT,  # connection exceptions
    "25P03": Remedy.RECONNECT,  # idle_in_transaction_session_timeout
    "25P04": Remedy.RECONNECT,  # transaction_timeout
    "40003": Remedy.RECONNECT,  # statement_completion_unknown
    "57P01": Remedy.RECONNECT,  # admin_shutdown
    "57P02": Remedy.RECONNECT,  # crash_shutdown
    "57P05": Remedy.RECONNECT,  # idle_session_timeout
    # What a person has to fix.
    "25006": Remedy.HALT,  # read_only_sql_transaction
    "28": Remedy.HALT,  # invalid authorization
    "3D": Remedy.HALT,  # invalid catalog name: the database is gone
    "42501": Remedy.HALT,  # insufficient_privilege
    "53100": Remedy.HALT,  # disk_full
    "57P04": Remedy.HALT,  # database_dropped
    "58": Remedy.HALT,  # system errors: input and output, files that are not there
    "F0": Remedy.HALT,  # configuration file
    "XX": Remedy.HALT,  # data_corrupted, index_corrupted
    # What one row may have brought about: its data, a constraint, a trigger, a function.
    "09": Remedy.ISOLATE_ROW,  # triggered action
    "0A": Remedy.ISOLATE_ROW,  # feature not supported: some values have none, such as infinity as a number
    "0Z": Remedy.ISOLATE_ROW,  # diagnostics
    "10": Remedy.ISOLATE_ROW,  # XQuery
    "20": Remedy.ISOLATE_ROW,  # case_not_found of PL/pgSQL
    "21": Remedy.ISOLATE_ROW,  # cardinality: a sub-select gave several rows
    "22": Remedy.ISOLATE_ROW,  # data: casts, division by zero, too long
    "23": Remedy.ISOLATE_ROW,  # integrity constraints
    "27": Remedy.ISOLATE_ROW,  # triggered data change
    "2F": Remedy.ISOLATE_ROW,  # SQL routine
    "38": Remedy.ISOLATE_ROW,  # external routine
    "39": Remedy.ISOLATE_ROW,  # external routine invocation: a trigger's protocol among them
    "40002": Remedy.ISOLATE_ROW,  # transaction_integrity_constraint_violation
    "44": Remedy.ISOLATE_ROW,  # WITH CHECK OPTION
    "54": Remedy.ISOLATE_ROW,  # program limits: an index entry that is too large, a recursion that is too deep
    "P0": Remedy.ISOLATE_ROW,  # PL/pgSQL: RAISE, ASSERT, STRICT
    "XX000": Remedy.ISOLATE_ROW,  # internal_error: what extensions raise by elog for a value that they cannot read
    # What the statement or the session is wrong in, whatever the rows.
    **dict.fromkeys(("00", "01", "02", "03", "0B", "0F", "0L", "0P", "24", "25", "26", "2B", "2D"), Remedy.FAIL),
    **dict.fromkeys(("34", "3B", "3F", "42", "55"), Remedy.FAIL),
}


def classify(sqlstate: str) -> Remedy:
    """Return the remedy of a SQLSTATE; what is none is our own word for a failure, and fails."""
    if len(sqlstate) != 5 and sqlstate not in _REMEDIES:
        return Remedy.FAIL
    return _REMEDIES.get(sqlstate) or _REMEDIES.get(sqlstate[:2], Remedy.ISOLATE_ROW)


def timed_out(sqlstate: str, took_s: float, statement_timeout_s: float) -> bool:
    """Whether a statement was ended by its timeout, and not by a person."""
    return sqlstate == CANCELED and took_s >= statement_timeout_s * TIMER_SHARE


class Blame(Enum):
    """What a refused statement is to be searched for; anything else is tried again or ends the run."""

    ROW = "row"  # one of its rows is refused whenever it is met
    TIME = "time"  # its rows took too long together


def blame(sqlstate: str, took_s: float, statement_timeout_s: float) -> Blame | None:
    """Return what to search a refused statement for; None if its rows have no part in it."""
    found = remedy(sqlstate, timeout=timed_out(sqlstate, took_s, statement_timeout_s))
    return {Remedy.ISOLATE_ROW: Blame.ROW, Remedy.SPLIT_ON_TIMEOUT: Blame.TIME}.get(found)


def remedy(sqlstate: str, failures: int = 1, *, timeout: bool = True) -> Remedy:
    """Return what to do after `failures` in a row; `timeout` is whether a cancelled statement was timed out."""
    found = classify(sqlstate)
    if sqlstate == CANCELED and not timeout:
        found = Remedy.RETRY
    bound = BOUNDS[found]
    return found if bound.tries is None or failures <= bound.tries else bound.then


def backoff_s(attempt: int, jitter: float, after: Remedy = Remedy.RETRY) -> float:
    """Return the wait before attempt number `attempt` (from 1): doubling, bounded, `jitter` in [0, 1] halves it."""
    ceiling = min(BOUNDS[after].wait_max_s, BACKOFF_S * 2.0 ** min(attempt - 1, 30))
    return ceiling * (0.5 + 0.5 * jitter)
