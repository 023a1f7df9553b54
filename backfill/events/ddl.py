"""DDL of a job: whom it waits for, tries that failed, and what it took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DdlWaiting:
    """A statement waits, or does not begin, because of `blocker`: a session or a prepared transaction."""

    job: str
    table: str
    lock: str
    blocker: str
    waited_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DdlLockFailed:
    """A lock was not available within its lock_timeout; the next try is in `delay_s`.

    `failures` counts those in a row. From the fourth on (`loud`) somebody should know.
    """

    job: str
    table: str
    lock: str
    blocker: str
    failures: int
    delay_s: float
    loud: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DdlProgress:
    """A statement that takes its time, and how far it is."""

    job: str
    table: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DdlDone:
    """DDL is committed: `statement` is its first line, `took_s` includes the lock but no earlier try."""

    job: str
    table: str
    statement: str
    took_s: float
    slow: bool
