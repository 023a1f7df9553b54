"""One reading of everything that our work can hurt: values with their time, None if unknown.

LSNs are byte positions. None never means "fine": a condition turns it into a wait with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from backfill.throttle.conditions.operator_request import OperatorRequest
from backfill.throttle.lsn_clock import LsnClock
from backfill.throttle.wait_reason import WaitReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One standby, as the primary or the standby itself reports it.

    The application's commits wait for a `sync` one. `lag_s` is set by Aurora, whose readers have no replay position.
    `state` says why a position is missing. Several may share an `application_name`; `name` distinguishes them.
    """

    name: str
    state: str | None
    replay_lsn: int | None
    sync: bool = False
    lag_s: float | None = None
    application_name: str = ""
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationSlot:
    """One replication slot and the WAL that it retains on the primary's disk.

    `unconfirmed_bytes` is what the consumer of a logical slot has yet to confirm, None for a physical slot.
    `safe_bytes` may still be written before the slot can be lost, None without such a limit.
    """

    name: str
    wal_status: str | None
    retained_bytes: int | None
    unconfirmed_bytes: int | None = None
    safe_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Archiver:
    """The archiver: bytes of finished segments not archived yet, and whether its last attempt failed."""

    backlog_bytes: int
    failing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """What keeps the table healthy: dead tuples, the snapshot that holds their removal back, vacuums.

    `oldest_snapshot_s` is the age of the oldest snapshot that holds pruning back, None when there is none;
    `oldest_snapshot` says whose it is, and `oldest_xids` how many transactions began since its xmin, of which
    `next_xid` will be the next.
    `vacuum` names our table while an autovacuum of it prevents wraparound, `vacuumed_by` who else than we vacuums it;
    `vacuums` counts those of it that ended. `vacuum_needs` is the statement that gives this role the right to vacuum
    it, None if it has that, empty if only an owner may. `redo_lsn` is where the last checkpoint began. `heap_bytes` and
    `index_bytes` are the table's sizes, without TOAST.
    """

    dead_tuples: int | None = None
    live_tuples: int | None = None
    oldest_snapshot_s: float | None = None
    oldest_snapshot: str | None = None
    oldest_xids: int | None = None
    next_xid: int | None = None
    vacuum: str | None = None
    vacuumed_by: str | None = None
    vacuums: int | None = None
    vacuum_needs: str | None = None
    redo_lsn: int | None = None
    heap_bytes: int | None = None
    index_bytes: int | None = None

    def vacuum_refusal(self, table: str) -> str | None:
        """Return that this role may not vacuum the table, with what helps; before 17 no GRANT gives that alone."""
        if self.vacuum_needs is None:
            return None
        cannot = f"vacuum: auto cannot vacuum {table}"
        if not self.vacuum_needs:
            owner = "before PostgreSQL 17 only the owner of the table or of the database may"
            return f"{cannot}: {owner}; leave it to autovacuum (vacuum: off)"
        return f"{cannot}: permission denied; run: {self.vacuum_needs}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VacuumResult:
    """How our vacuum ended; `stopped` and `failed` say why it did not complete.

    `removed` row versions freed their space, `held` ones are kept by older snapshots; None if the server did not say.
    """

    took_s: float
    removed: int | None = None
    held: int | None = None
    wal_bytes: int | None = None
    stopped: str | None = None
    failed: str | None = None

    @property
    def result(self) -> str:
        """Return done, stopped or failed."""
        return "failed" if self.failed else "stopped" if self.stopped else "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeAnswer:
    """One of the job's own probes as last read: a value that may not exceed `limit`; None, and why, if unknown."""

    name: str
    limit: float
    value: float | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class SignalQuery:
    """A statement of `postgres/sql/monitor` that returns one number for each subject, and its parameters."""

    name: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SignalValue:
    """One row of such a statement: None, and why, if the value is unknown."""

    subject: str
    value: float | None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """A reading at `at_s`. `visible` is whether this role may see replication at all (pg_monitor).

    No replica can have WAL that is inserted and not flushed: the walwriter is up to `wal_writer_delay` behind
    asynchronous commits. `round_trip_s` is how long the reading itself took. `tuned` are limits that somebody changed
    since the job file was read, as key and text. `vacuumed` is how our last vacuum ended, None before, and while one
    runs. `query_values` are the rows of the conditions' own statements, by statement. `request` is what a person
    asked last. `at` is the server's time, for people, `now` to reckon with; None if it was not read for a job. `closed`
    is why the job's time windows keep it from working.
    """

    at_s: float
    insert_lsn: int
    flush_lsn: int
    visible: bool
    round_trip_s: float = 0.0
    replicas: tuple[Replica, ...] = ()
    slots: tuple[ReplicationSlot, ...] = ()
    archiver: Archiver | None = None
    upkeep: Upkeep = Upkeep()
    probes: tuple[ProbeAnswer, ...] = ()
    tuned: tuple[tuple[str, str], ...] = ()
    vacuumed: VacuumResult | None = None
    query_values: Mapping[str, tuple[SignalValue, ...]] = field(default_factory=dict)
    request: OperatorRequest | None = None
    at: str | None = None
    now: datetime | None = None
    closed: WaitReason | None = None


def lag_s(replica: Replica, clock: LsnClock, now_s: float) -> float | None:
    """Return how far a replica is behind: as it reports, or by the LSN clock; None without a position."""
    if replica.replay_lsn is None:
        return None
    return clock.lag_s(now_s, replica.replay_lsn) if replica.lag_s is None else replica.lag_s


def located(signals: Signals, clock: LsnClock) -> Signals:
    """Return the reading with a position for replicas that report only a lag: where the primary was then."""
    if all(replica.lag_s is None for replica in signals.replicas):
        return signals
    clock = clock.tick(signals.at_s, signals.insert_lsn)
    replicas = tuple(
        replica if replica.lag_s is None else replace(replica, replay_lsn=clock.position(signals.at_s - replica.lag_s))
        for replica in signals.replicas
    )
    return replace(signals, replicas=replicas)
