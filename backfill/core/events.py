"""What happened, told once: frozen facts that logs, metrics, the live view and the report read.

Every event names its job. Times are durations; the reader stamps the clock. `to_dict` and `from_dict` are the
JSON form that `--json` prints, one object a line, with the event's name under `event`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from backfill.core.decision import Inputs
from backfill.core.reason import Kind, Reason


@dataclass(frozen=True, slots=True)
class ReplicaReading:
    """One replica as last read; None where it could not be seen."""

    name: str
    lag_s: float | None
    lag_bytes: int | None
    counted: bool = True
    sync: bool = False


@dataclass(frozen=True, slots=True)
class SlotReading:
    """One replication slot: the WAL that it keeps on the primary's disk; None where it could not be seen.

    `unconfirmed_bytes` is what the consumer of a logical slot has yet to confirm, None for a physical one.
    """

    name: str
    retained_bytes: int | None
    wal_status: str | None
    unconfirmed_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ProbeReading:
    """One of the job's own probes; None where it could not be read."""

    name: str
    value: float | None
    limit: float


@dataclass(frozen=True, slots=True)
class Started:
    """A worker begins, or resumes at its checkpoint. Pages and rows are those of all `leaves` together."""

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


@dataclass(frozen=True, slots=True)
class LockWaiting:
    """Another worker holds the job's lock, or that of the leaf that is next."""

    job: str
    holder: str
    waited_s: float
    leaf: str | None = None


@dataclass(frozen=True, slots=True)
class LockTaken:
    """The job's lock is ours, or that of a leaf which was waited for."""

    job: str
    waited_s: float
    leaf: str | None = None


@dataclass(frozen=True, slots=True)
class LeafStarted:
    """One of several tables of a job is at work: a partition, a child, or the parent itself."""

    job: str
    leaf: str
    number: int
    leaves: int
    pages: int
    resumed: bool
    pass_number: int
    progress_ratio: float
    rows_unconverged: int
    rows_rejected: int = 0


@dataclass(frozen=True, slots=True)
class LeafDone:
    """A leaf is filled and proven. Rows that cannot converge, and those set aside, are of all leaves so far."""

    job: str
    leaf: str
    number: int
    leaves: int
    rows_unconverged: int
    rows_rejected: int = 0


@dataclass(frozen=True, slots=True)
class LeafGone:
    """A leaf was dropped or detached while it was at work: the job goes on without it."""

    job: str
    leaf: str
    why: str


@dataclass(frozen=True, slots=True)
class Unreplicated:
    """No replica is in view and none is required: `max_wal_rate` alone sets the pace. Told once a run."""

    job: str
    max_wal_rate_bytes_s: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One reading of everything that our WAL can hurt. Frequent: metrics and the live view want it, logs do not."""

    job: str
    replicas: tuple[ReplicaReading, ...]
    missing: tuple[str, ...]
    slots: tuple[SlotReading, ...]
    wal_rate_bytes_s: float | None
    own_wal_rate_bytes_s: float
    wal_budget_bytes: float
    archive_backlog_bytes: int | None
    archive_failing: bool = False
    blocked_sessions: int = 0
    dead_tuples: int | None = None
    oldest_snapshot_s: float | None = None
    probes: tuple[ProbeReading, ...] = ()


@dataclass(frozen=True, slots=True)
class Tuned:
    """Somebody changed limits of the running job, or took changes back; these hold from the next decision on.

    `changes` are `limit=value`, all that differ from the job file; `refused` says why they do not hold, if so.
    """

    job: str
    changes: tuple[str, ...]
    max_lag_s: float
    max_lag_bytes: int
    max_wal_rate_bytes_s: int
    statement_timeout_s: float
    refused: str | None = None

    def limits(self, started: Started) -> Started:
        """Return what was told at the start, under the limits that hold now."""
        return replace(
            started,
            max_lag_s=self.max_lag_s,
            max_lag_bytes=self.max_lag_bytes,
            max_wal_rate_bytes_s=self.max_wal_rate_bytes_s,
            statement_timeout_s=self.statement_timeout_s,
        )


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision of the throttle: of a batch's rows and what limits them, or of a wait (no rows) and its reason."""

    job: str
    rows: int
    limited_by: str
    delay_s: float
    inputs: Inputs


@dataclass(frozen=True, slots=True)
class Waited:
    """The throttle or a fault held the next batch back for `delay_s`."""

    job: str
    reason: Reason
    delay_s: float


@dataclass(frozen=True, slots=True)
class BatchDone:
    """A batch and its checkpoint are committed."""

    job: str
    pass_number: int
    stripe: int
    first_page: int
    last_page: int
    rows: int
    rows_unconverged: int
    rows_hot: int
    wal_bytes: int
    took_s: float
    rows_total: int
    progress_ratio: float
    eta_s: float | None
    blocked_sessions: int = 0
    stripes: int = 1
    lane: int = 0


@dataclass(frozen=True, slots=True)
class BatchRefused:
    """A batch was rolled back, as one of its rows is refused or takes too long; halves of it are tried by themselves.

    `rows` of the `rows_searched` in which the row is looked for: all of them when the search begins.
    """

    job: str
    lane: int
    rows: int
    rows_searched: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class RowRejected:
    """The job set a row aside that the server refuses (`on_row_error: skip`); so many are, of the whole job."""

    job: str
    leaf: str
    key: str
    reason: str
    message: str
    rows_rejected: int


@dataclass(frozen=True, slots=True)
class RowRetried:
    """A row that was set aside was tried again: it is filled, gone, or refused again for `message`."""

    job: str
    leaf: str
    key: str
    result: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class LaidOut:
    """A lane goes through its next windows in another way: shares of their stripes, their width, and why."""

    job: str
    lane: int
    sizes: tuple[int, ...]
    window_pages: int
    why: str


@dataclass(frozen=True, slots=True)
class Compressing:
    """Full-page images of our batches are compressed by a method from now on, or not compressed (None), and why."""

    job: str
    method: str | None
    why: str


@dataclass(frozen=True, slots=True)
class PassDone:
    """One pass over the table found and updated this many rows; 0 ends the passes."""

    job: str
    pass_number: int
    rows: int


@dataclass(frozen=True, slots=True)
class VacuumStarted:
    """A VACUUM of the table begins beside the batches, as `moved` row versions have left their page since the last."""

    job: str
    moved: int
    cost_limit: int
    cost_delay_ms: float


@dataclass(frozen=True, slots=True)
class VacuumDone:
    """A VACUUM of ours is over: `result` is done, stopped or failed, `why` says why it is one of the latter.

    `removed` are row versions whose place is free now, `held` those that older snapshots keep; None where it is
    not known.
    """

    job: str
    result: str
    why: str
    took_s: float
    removed: int | None
    held: int | None
    wal_bytes: int | None


@dataclass(frozen=True, slots=True)
class VacuumUnable:
    """This role may not vacuum the table; the GRANT that mends it. Told once a run, which goes on without."""

    job: str
    why: str


@dataclass(frozen=True, slots=True)
class Verified:
    """The final read of the whole table: rows that still match `where`, and those of them that no pass can mend.

    Of the latter some may have no partner in the joined table. `rows_rejected` match, too, and are set aside.
    """

    job: str
    rows_left: int
    rows_unconverged: int
    took_s: float
    rows_without_partner: int = 0
    rows_rejected: int = 0


@dataclass(frozen=True, slots=True)
class Retried:
    """An attempt failed in a way that is worth trying again; `attempt` is how many of the lane's have in a row."""

    job: str
    reason: str
    message: str
    attempt: int
    delay_s: float
    lane: int = 0


@dataclass(frozen=True, slots=True)
class TableRewritten:
    """The table's row addresses changed under us; the pass starts again. Rows already filled stay filled."""

    job: str
    why: str


@dataclass(frozen=True, slots=True)
class Stopping:
    """A signal arrived: the batch in flight ends, then the worker does."""

    job: str
    signal: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The worker's last word: `state` is done, unconverged, stopped, halted or failed; `why` says so in a sentence."""

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


Event = (
    Started
    | LockWaiting
    | LockTaken
    | LeafStarted
    | LeafDone
    | LeafGone
    | Unreplicated
    | Measured
    | Tuned
    | Decided
    | Waited
    | BatchDone
    | BatchRefused
    | RowRejected
    | RowRetried
    | LaidOut
    | Compressing
    | PassDone
    | VacuumStarted
    | VacuumDone
    | VacuumUnable
    | Verified
    | Retried
    | TableRewritten
    | Stopping
    | Finished
)

_TYPES: dict[str, type[Any]] = {kind.__name__: kind for kind in Event.__args__}


def to_dict(event: Event) -> dict[str, Any]:
    """Return the event as plain JSON values, its name under `event`."""
    return {"event": type(event).__name__, **asdict(event)}


def from_dict(fields: dict[str, Any]) -> Event:
    """Return the event that `to_dict` wrote; raise KeyError or TypeError on anything else."""
    values = {name: value for name, value in fields.items() if name != "event"}
    if "reason" in values and isinstance(values["reason"], dict):
        values["reason"] = Reason(Kind(values["reason"]["kind"]), values["reason"]["text"])
    for name, kind in (("replicas", ReplicaReading), ("slots", SlotReading), ("probes", ProbeReading)):
        if name in values:
            values[name] = tuple(kind(**item) for item in values[name])
    if "inputs" in values:
        values["inputs"] = Inputs(**values["inputs"])
    for name in ("missing", "samples", "rejected", "changes", "sizes"):
        if name in values:
            values[name] = tuple(values[name])
    event: Event = _TYPES[fields["event"]](**values)
    return event
