"""What the throttle read, what it decided, what it waits for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from backfill.events.job import Started
from backfill.events.readings import ReplicaReading, replica_readings
from backfill.throttle.decision_values import Inputs
from backfill.throttle.reading import Reading
from backfill.throttle.wait_reason import WaitReason


@dataclass(frozen=True, slots=True)
class NoReplicas:
    """No replica is in view and none is required: `max_wal_rate` alone sets the pace. Recorded once a run."""

    job: str
    max_wal_rate_bytes_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalsRead:
    """One reading of every signal. Frequent: metrics and the live view need it, logs show it at level debug.

    `missing` names replicas that the job expects and cannot see.
    """

    job: str
    readings: tuple[Reading, ...]
    missing: tuple[str, ...]
    wal_rate_bytes_s: float | None
    own_wal_rate_bytes_s: float
    wal_budget_bytes: float

    @property
    def replicas(self) -> tuple[ReplicaReading, ...]:
        """The replicas in view."""
        return replica_readings(self.readings)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsChanged:
    """Somebody changed limits of the running job, or discarded changes; they apply from the next decision on.

    `changes` are all limits that differ from the job file, as `limit=value`; `refused` says why they do not apply.
    """

    job: str
    changes: tuple[str, ...]
    max_lag_s: float
    max_lag_bytes: int
    max_wal_rate_bytes_s: int
    statement_timeout_s: float
    refused: str | None = None

    def limits(self, started: Started) -> Started:
        """Return the start of the run under the current limits."""
        return replace(
            started,
            max_lag_s=self.max_lag_s,
            max_lag_bytes=self.max_lag_bytes,
            max_wal_rate_bytes_s=self.max_wal_rate_bytes_s,
            statement_timeout_s=self.statement_timeout_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleDecision:
    """One decision of the throttle: the rows of a batch and what limits them, or a wait (no rows) and its reason."""

    job: str
    rows: int
    limited_by: str
    delay_s: float
    inputs: Inputs


@dataclass(frozen=True, slots=True)
class WaitStarted:
    """The next batch is held back for `delay_s`: by the pace, or by a stop condition."""

    job: str
    reason: WaitReason
    delay_s: float
