"""Jobs of which the server rejects rows, and what they record."""

from __future__ import annotations

import time
from typing import Any

import anyio
import pytest

from backfill.engine.ports import Runtime
from backfill.engine.retry_rejected import RetryRejectedRun
from backfill.events.batch import RowRetried
from backfill.events.event import Event
from backfill.jobfile.load import JobFile
from backfill.table.checkpoint import Checkpoint, Tid
from backfill.table.row_counts import BatchRange
from backfill.values.errors import StatementRefused
from tests.fixtures_postgres import Database
from tests.integration.jobs import (
    make_users,
    run_sql,
)
from tests.integration.worker import Worker as Session

ROWS = 2000


WORDS = StatementRefused("new row violates it\nDETAIL:  this one", "23514")


@pytest.fixture
def rejecting_users(shared: Database) -> Database:
    run_sql(
        shared,
        "drop table if exists users, accounts, kinds, other cascade",
        "drop function if exists never cascade",
        "drop schema if exists backfill cascade",
    )
    make_users(shared, ROWS)
    return shared


def rejected(database: Database) -> list[tuple[Any, ...]]:
    return database.query("select key, sqlstate, pass_number from backfill.rejected order by tid")


async def aside(worker: Session, checkpoint: Checkpoint, tid: Tid, end: Tid | None = None) -> Checkpoint:
    """Set the row at an address aside."""
    batch_range = BatchRange(end=end or Tid(tid.page, tid.offset + 1), rows=1, tids=(tid,))
    return (await worker.lane.reject_row(checkpoint, batch_range, WORDS)).checkpoint


def told(events: list[Event], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


async def again(database: Database, job: JobFile) -> dict[str, str]:
    """Try the rows again that are set aside; return what became of each."""
    events: list[Event] = []
    runtime = Runtime(record=events.append, now_s=time.monotonic, sleep=anyio.sleep, jitter=lambda: 0.5)
    async with Session(database.dsn, job) as worker:
        await RetryRejectedRun(job.job, worker, runtime).run()
    return {event.key: event.result for event in told(events, RowRetried)}
