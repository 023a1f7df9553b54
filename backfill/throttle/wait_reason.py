"""Why we wait: one grammar for logs, status, metrics and people.

A reason reads `subject measure observed > limit`, as in `replica-a lag 12.4s > 10s`. Its kind is a closed set
and the only part that may be a metric label.

Where each kind is found:

    lag, lag_bytes, missing, blind, slot, archive, vacuum, probe, load, paused, schedule    `throttle/conditions`
    window, wal_rate                                                      `throttle/decide`, the ordinary pace
    blocked     `throttle/conditions/locks` for a batch, `postgres/work/polite_proof` for the proof
    rest        `engine/window_planner`: pages rest between two stripes
    after       `jobfile/schedule/job_order`: in `serve`, another job comes first
    lock        `engine/job_run`: another worker holds the job or the leaf
    retry       `engine/retry_loop`: a statement was refused
    connection  `engine/supervisor`: there is no session, or another worker has taken over
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class WaitKind(StrEnum):
    """What we wait for: the closed set behind `wait_seconds_total{reason}`."""

    LAG = "lag"  # a replica is behind by time
    LAG_BYTES = "lag_bytes"  # a replica is behind by bytes
    WINDOW = "window"  # the bytes on the way fill the window; the ordinary pace
    WAL_RATE = "wal_rate"  # max_wal_rate
    REST = "rest"  # pages rest between two stripes; the ordinary pace
    MISSING = "missing"  # an expected replica is not connected
    BLIND = "blind"  # a signal could not be read
    SLOT = "slot"  # a replication slot retains too much WAL
    ARCHIVE = "archive"  # the archiver is behind or failing
    BLOCKED = "blocked"  # sessions wait for our locks
    VACUUM = "vacuum"  # our table is being vacuumed to prevent wraparound
    PROBE = "probe"  # a probe of the job is above its limit
    LOAD = "load"  # the server is busier than the job allows
    PAUSED = "paused"  # a person has paused the job
    SCHEDULE = "schedule"  # the job's time windows are closed
    AFTER = "after"  # another job must be done first
    LOCK = "lock"  # another worker holds the job
    RETRY = "retry"  # the last attempt failed and is repeated
    CONNECTION = "connection"  # no connection to the database


PACE_KINDS = frozenset({WaitKind.WINDOW, WaitKind.WAL_RATE, WaitKind.REST})
"""The ordinary pace: a job held by these is running."""

LASTING_KINDS = frozenset({WaitKind.PAUSED, WaitKind.SCHEDULE, WaitKind.AFTER})
"""Waits that may last for days and say the same all the time."""


ConditionKey = tuple[WaitKind, str]
"""What hysteresis is kept for: a kind of limit, and the replica or slot that it applies to."""


@dataclass(frozen=True, slots=True)
class WaitReason:
    """One wait, in the grammar above."""

    kind: WaitKind
    text: str

    def __str__(self) -> str:
        return self.text
