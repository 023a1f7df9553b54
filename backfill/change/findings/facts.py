"""What was read of a database before a run; None is unknown, and unknown is never judged to be well."""

from __future__ import annotations

from dataclasses import dataclass

from backfill.jobfile.limits import ThrottleLimits
from backfill.throttle.signals import Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKeyFacts:
    """A foreign key of another table to a column that is set; `indexed` is whether that table finds its rows by it."""

    name: str
    table: str
    indexed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """One table that holds rows: the job's own, a partition or a child.

    Triggers are those that fire for each updated row. `references` are foreign keys of columns that are set,
    `target_indexes` indexes that hold such a column. `frozen_age` counts transactions since it was frozen.
    """

    name: str
    analysed: bool = True
    has_key: bool = True
    live_rows: int = 0
    dead_rows: int = 0
    heap_bytes: int = 0
    autovacuum: bool = True
    frozen_age: int = 0
    logged: bool = True
    full_identity: bool = False
    before_triggers: tuple[str, ...] = ()
    after_triggers: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    referenced_by: tuple[ForeignKeyFacts, ...] = ()
    target_indexes: tuple[str, ...] = ()
    invalid_indexes: tuple[str, ...] = ()
    unproven_constraints: tuple[str, ...] = ()
    publications: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotFacts:
    """A replication slot that nobody reads now."""

    name: str
    wal_status: str | None = None
    retained_bytes: int | None = None
    safe_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedTransaction:
    """A prepared transaction of this database; `blocks` is whether it holds a lock that keeps rows from updates."""

    gid: str
    age_s: float
    owner: str
    blocks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Settings and state of the server that bear on a run. `database_age` counts transactions since it was frozen.

    `unslotted` are streaming replicas without a replication slot. `synchronous_missing` is whether commits wait for a
    standby that is not there. `pooled` is whether a pooler is between us and the server.
    """

    version: int
    autovacuum: bool = True
    track_counts: bool = True
    freeze_max_age: int = 200_000_000
    database_age: int = 0
    max_wal_bytes: int = 1 << 30
    wal_keep_bytes: int = 0
    checkpoint_s: float = 300.0
    slots_inactive: tuple[SlotFacts, ...] = ()
    unslotted: tuple[str, ...] = ()
    synchronous_missing: bool = False
    prepared: tuple[PreparedTransaction, ...] = ()
    pooled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherJob:
    """Another job on the same table that is not done; `columns` are those that both set."""

    name: str
    state: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EarlierJob:
    """A job that must be done before this one; `state` is None if it has never run in this database."""

    name: str
    state: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredFacts:
    """What a plan measures in addition: batches that are rolled back, and what the planner says.

    `touched` are indexed columns that a trigger changes; `read_whole` are tables that each batch reads whole, with
    their rows. `wal_bytes` is the WAL to come, None if it could not be forecast. `unmeasured` says why no row was
    tried. `connections_tight` is what a limit on connections keeps a run from.
    """

    rows: int = 0
    rows_unconverged: int = 0
    unmeasured: str = ""
    wal_bytes: int | None = None
    touched: tuple[str, ...] = ()
    predicted: bool = True
    volatile: tuple[str, ...] = ()
    one_value: bool = False
    read_whole: tuple[tuple[str, int], ...] = ()
    several_partners: str | None = None
    enabled_settings: tuple[str, ...] = ()
    state_missing: bool = False
    connections_tight: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFacts:
    """All of it. `measured` is None before a run, which does not measure."""

    table: str
    limits: ThrottleLimits
    signals: Signals
    server: ServerSettings
    tables: tuple[TableFacts, ...] = ()
    others: tuple[OtherJob, ...] = ()
    earlier: tuple[EarlierJob, ...] = ()
    vacuums: bool = True
    measured: MeasuredFacts | None = None
    asked_directly: tuple[str, ...] = ()
