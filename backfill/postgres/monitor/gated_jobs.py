"""Jobs as a gate sees them: whether they are done and proven, under which limits they ran, which replicas they saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import DictRow

from backfill.change.gate_values import GatedJob, PrimaryPosition
from backfill.jobfile.limits import ThrottleLimits
from backfill.postgres.session.connection import Connection, dict_rows
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.job import seen_in
from backfill.postgres.state.overrides import job_of
from backfill.postgres.state.stored_values import reading
from backfill.throttle.conditions.seen_replicas import SeenReplica


@dataclass(frozen=True, slots=True)
class StoredGatedJob:
    """A job's limits, and the replicas that it saw on the server and timeline `at`."""

    limits: ThrottleLimits
    seen: tuple[SeenReplica, ...]
    at: PrimaryPosition


async def read_gated_jobs(connection: Connection, names: Sequence[str]) -> tuple[GatedJob, ...]:
    """Return how jobs stand, in the order of their names; one that never started has no state."""
    rows = await _read(connection, names)
    return tuple(_gated(name, rows.get(name)) for name in names)


async def read_stored_jobs(connection: Connection, names: Sequence[str]) -> dict[str, StoredGatedJob]:
    """Return what is stored of the jobs that have started."""
    found = {}
    for name, row in (await _read(connection, names)).items():
        with reading(name, "job"):
            at = PrimaryPosition(row["system_identifier"] or 0, row["timeline"] or 0)
            found[name] = StoredGatedJob(job_of(name, row).throttle, seen_in(row), at)
    return found


async def _read(connection: Connection, names: Sequence[str]) -> dict[str, DictRow]:
    if not names:
        return {}
    with reading(names[0], "checkpoint"):
        async with dict_rows(connection) as cursor:
            await cursor.execute(statement("monitor/read_gated_jobs"), {"jobs": list(names)})
            return {row["name"]: row for row in await cursor.fetchall()}


def _gated(name: str, row: DictRow | None) -> GatedJob:
    if row is None:
        return GatedJob(name=name)
    return GatedJob(
        name=name,
        state=row["state"],
        leaves_unproven=row["leaves_unproven"],
        leaves_unknown=tuple(row["leaves_unknown"]),
        rows_left=row["rows_left"],
    )
