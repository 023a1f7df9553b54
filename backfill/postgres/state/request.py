"""What people ask of jobs, in the state schema: each request is a row; the last one that is not `tune` holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from psycopg import AsyncCursor
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.stored_values import UnreadableValue
from backfill.request.standing import JobStanding
from backfill.throttle.conditions.operator_request import OperatorRequest, RequestAction
from backfill.values.errors import JobError
from backfill.values.text import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How something was asked: for how long, why, and by which user on which machine, as the command says."""

    for_s: float | None = None
    reason: str | None = None
    client: str | None = None


async def keep_on_disk(connection: Connection) -> None:
    """Have the transaction survive a crash of the server; it never waits for a standby."""
    await connection.execute("SET LOCAL synchronous_commit = local")


async def insert_request(
    target: Connection | AsyncCursor[Any],
    job: str,
    action: str,
    asked: Asked,
    *,
    limits: Mapping[str, str] | None = None,
) -> None:
    """Keep a request; the server adds who and when."""
    values = {
        "job": job,
        "action": str(action),
        "for_s": asked.for_s,
        "reason": asked.reason,
        "client": asked.client,
        "limits": None if limits is None else Jsonb(dict(limits)),
    }
    await target.execute(statement("state/save_request"), values)


async def read_standings(connection: Connection, job: str | None) -> list[JobStanding]:
    """Return how jobs stand, or the one of that name."""
    with translated(connection):
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statement("state/read_standings"), {"job": job})
            return [_standing(row) for row in await cursor.fetchall()]


def _standing(row: DictRow) -> JobStanding:
    """Return how the job of a row stands."""
    return JobStanding(
        job=row["name"],
        saved_state=row["state"],
        connected=row["connected"],
        waits_for=row["waits_for"],
        waits_why=row["waits_why"],
        request=request_of(row),
    )


def request_of(row: DictRow) -> OperatorRequest | None:
    """Return the last request that a row holds; None if there was none."""
    if row["number"] is None:
        return None
    try:
        action = RequestAction(row["action"])
    except ValueError:
        raise UnreadableValue(f"action is {shown(str(row['action']))}") from None
    return OperatorRequest(
        number=row["number"],
        action=action,
        role=row["role"],
        since=row["since"],
        reason=row["reason"],
        until=row["until"],
        left_s=row["left_s"],
    )


async def unknown_job(connection: Connection, job: str, *, known: bool = True) -> JobError:
    """Return the error of a name that no job has, with the name that was probably meant."""
    names: list[str] = []
    if known:
        cursor = await connection.execute(statement("state/read_names"), {"job": None})
        names = [name for (name,) in await cursor.fetchall()]
    near = get_close_matches(job, names, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return JobError(f"no job {job!r} in this database; {meant}backfill status lists all")
