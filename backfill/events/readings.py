"""Readings that events carry: one replica, one slot, one probe, as last seen."""

from __future__ import annotations

from dataclasses import dataclass


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
