"""Runs of one job on a database in memory that refuses some of its rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from backfill.engine.retry_rejected import RetryRejectedRun
from backfill.engine.supervisor import JobSupervisor
from backfill.events.job import Finished
from backfill.values.errors import (
    StatementRefused,
)
from tests.factories import job
from tests.fake_database import Clock, FakeDatabase, Row, users

TIMEOUT = StatementRefused("canceling statement due to statement timeout", "57014", 15.0)
CANCEL = StatementRefused("canceling statement due to user request", "57014", 0.2)


class Run:
    """Runs of one job on one database, and what they told."""

    def __init__(self, database: FakeDatabase, on_row_error: str = "skip", **keys: Any) -> None:
        self.database = database
        self.events: list[Any] = []
        size = {"rows": database.max_rows, "min_rows": 1, "max_rows": database.max_rows, "stripes": 4}
        keys = {"batch": size, "lanes": database.lanes} | keys
        self.job = job(on_row_error=on_row_error, max_rejected=database.max_rejected, **keys)
        self.runtime = database.clock.runtime(self.events.append)

    def run(self) -> Finished:
        self.events.clear()
        return asyncio.run(JobSupervisor(self.job, self.database.connect, self.runtime, wait_for_lock=True).run())

    def retry(self) -> Finished:
        self.events.clear()
        return asyncio.run(self._retry())

    async def _retry(self) -> Finished:
        async with self.database.connect() as session:
            return await RetryRejectedRun(self.job, session, self.runtime).run()

    def told(self, *kinds):
        return [event for event in self.events if isinstance(event, kinds)]


def made(
    rows: int = 100, *, bad: tuple[int, ...] = (), error: StatementRefused | None = None, **changed: Any
) -> FakeDatabase:
    database = FakeDatabase(**{"pages": users(rows), "clock": Clock(), "max_rows": 20, **changed})
    if bad:
        database.refuse = refusing(*bad, error=error)
    return database


def refusing(*ids: int, error: StatementRefused | None = None) -> Callable[[Row], StatementRefused | None]:
    words = error or StatementRefused('violates check constraint "short"\nDETAIL:  a row', "23514")
    return lambda row: words if row["id"] in ids else None


def aside(database: FakeDatabase) -> list[int]:
    return sorted(int(key) for _, key in database.rejected)
