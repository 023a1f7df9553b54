"""A job as a whole: start, locks, passes, verification, retries, end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A worker begins, or resumes at its checkpoint. Pages and rows are of all `leaves` together."""

    job: str
    table: str
    pages: int
    rows_estimated: int
    resumed: bool
    pass_number: int
    progress_ratio: float
    rows_total: int
    max_lag_s: float
    max_lag_bytes: int
    max_wal_rate_bytes_s: int
    statement_timeout_s: float = 15.0
    lanes: int = 1
    leaves: int = 1
    rows_rejected: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LockWaiting:
    """Another worker holds the lock of the job, or of its next leaf."""

    job: str
    holder: str
    waited_s: float
    leaf: str | None = None


@dataclass(frozen=True, slots=True)
class LockTaken:
    """We hold the lock of the job, or of a leaf for which we waited."""

    job: str
    waited_s: float
    leaf: str | None = None


@dataclass(frozen=True, slots=True)
class PassDone:
    """A pass over the table updated `rows` rows; 0 ends the passes."""

    job: str
    pass_number: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The final read of the whole table: rows that still match `where`, and those of them that no pass can change.

    Some of the latter may have no partner in the joined table. Rejected rows match, too.
    """

    job: str
    rows_left: int
    rows_unconverged: int
    took_s: float
    rows_without_partner: int = 0
    rows_rejected: int = 0


@dataclass(frozen=True, slots=True)
class VerificationRestarted:
    """Sessions waited for the lock of the final read. They are done, and the table is read again, in pieces."""

    job: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryScheduled:
    """An attempt failed and will be repeated after `delay_s`; `attempt` counts the lane's failures in a row."""

    job: str
    reason: str
    message: str
    attempt: int
    delay_s: float
    lane: int = 0


@dataclass(frozen=True, slots=True)
class PassRestarted:
    """The addresses of the table's rows changed; the pass starts over. Filled rows stay filled."""

    job: str
    why: str


@dataclass(frozen=True, slots=True)
class Stopping:
    """A signal arrived: the worker finishes the current batch and exits."""

    job: str
    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How the run ended: `state` is done, unconverged, stopped, halted or failed; `why` is a sentence."""

    job: str
    state: str
    why: str
    rows_total: int
    rows_unconverged: int
    passes: int
    wal_bytes: int
    worst_lag_s: float
    elapsed_s: float
    samples: tuple[str, ...] = ()
    rows_rejected: int = 0
    rejected: tuple[str, ...] = ()

    @property
    def cause(self) -> str:
        """`why` behind the state: where both are shown, it is not said twice that the run was stopped."""
        return self.why.removeprefix(f"{self.state} ")
