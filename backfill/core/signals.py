"""One reading of everything that our WAL can hurt: values with their time, None where unobservable.

LSNs are byte positions. None never means "fine": `core.throttle` turns it into a wait with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Replica:
    """One row of pg_stat_replication that belongs to a physical standby; `sync`: commits wait for it."""

    name: str
    state: str | None
    replay_lsn: int | None
    sync: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """One replication slot and the WAL that it keeps on the primary's disk."""

    name: str
    wal_status: str | None
    retained_bytes: int | None


@dataclass(frozen=True, slots=True)
class Archiver:
    """The archiver: bytes of finished segments not archived yet, and whether its last try failed."""

    backlog_bytes: int
    failing: bool


@dataclass(frozen=True, slots=True)
class Signals:
    """A reading at `at_s`. `visible` is whether this role may see replication at all (pg_monitor).

    What is inserted and not flushed yet no replica can have: the walwriter is up to `wal_writer_delay` behind
    asynchronous commits. `round_trip_s` is how long the reading itself took.
    """

    at_s: float
    insert_lsn: int
    flush_lsn: int
    visible: bool
    round_trip_s: float = 0.0
    replicas: tuple[Replica, ...] = ()
    slots: tuple[Slot, ...] = ()
    archiver: Archiver | None = None
