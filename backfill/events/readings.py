"""Readings that belong together: what an event says of one replica."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from backfill.throttle.reading import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaReading:
    """One replica as last read; None if it could not be seen. Only a counted replica has a budget."""

    name: str
    lag_s: float | None
    lag_bytes: int | None
    counted: bool = True
    sync: bool = False


def replica_readings(readings: Iterable[Reading]) -> tuple[ReplicaReading, ...]:
    """Return each replica with its lag in time and in bytes, in the order of the readings."""
    replicas: list[ReplicaReading] = []
    for reading in readings:
        if reading.measure == "replica_lag_s":
            replicas.append(
                ReplicaReading(
                    name=reading.subject,
                    lag_s=reading.value,
                    lag_bytes=None,
                    counted=reading.limit is not None,
                    sync=reading.state == "sync",
                )
            )
        elif reading.measure == "replica_lag_bytes" and reading.value is not None:
            replicas[-1] = replace(replicas[-1], lag_bytes=int(reading.value))
    return tuple(replicas)
