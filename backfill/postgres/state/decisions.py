"""`backfill status --explain`: the last decisions of a job's throttle, from the rings in the state schema."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import dict_row

from backfill.postgres.session.connection import connect
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.required_rights import TO_LOOK, requires
from backfill.postgres.state.stored_values import reading, value_of
from backfill.throttle.decision_values import Inputs


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One batch with what it was decided from, or one event (`kind` and `text`) such as a wait or an end.

    `rows_wished` is what was admitted, `rows` what the batch found; `inputs` is None for batches of older versions.
    """

    at: datetime
    rows_wished: int | None
    rows: int | None
    wal_bytes: int | None
    waited_s: float | None
    waited_for: str | None
    limited_by: str | None
    inputs: Inputs | None
    blocked_sessions: int
    kind: str | None
    text: str | None


async def read_decisions(dsn: str, job: str, count: int) -> list[DecisionRecord]:
    """Return the last decisions and events of a job that has run, the newest last."""
    async with await connect(dsn, application_name="backfill:status") as connection:
        with requires(connection, *TO_LOOK):
            async with connection.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(statement("state/read_decisions"), {"job": job, "count": count})
                rows = await cursor.fetchall()
    with reading(job, "batch"):
        return [DecisionRecord(**row | {"inputs": _inputs(row["inputs"])}) for row in rows]


def _inputs(stored: object) -> Inputs | None:
    return None if stored is None else value_of(Inputs, stored, "inputs")
