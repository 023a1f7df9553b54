"""Partitioned and inherited tables of users for tests, and jobs on them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from backfill.engine.ports import Runtime
from backfill.engine.supervisor import JobSupervisor
from backfill.events.event import Event
from backfill.events.job import Finished
from backfill.jobfile.load import JobFile
from backfill.postgres.work.job_session import open_job
from tests.fixtures_postgres import Database
from tests.integration.jobs import run_sql

PARENT = "create table users (id int, username text, handle text)"


FILL = "select i, 'u' || i from generate_series(1, {}) i"


@pytest.fixture
def empty(shared: Database) -> Database:
    """No table users, and no state."""
    tables = ", ".join(f"users_{number}" for number in range(10))
    run_sql(
        shared,
        "drop foreign table if exists away",
        f"drop table if exists users, apart, {tables} cascade",
        "drop function if exists louder, of_user",
        "drop schema if exists backfill cascade",
    )
    return shared


def partitioned(database: Database, *leaves: str, by: str = "range (id)", rows: int = 3000) -> None:
    """Make table users of such leaves: each the rest of a CREATE TABLE, its name first."""
    run_sql(
        database,
        f"{PARENT} partition by {by}",
        *(f"create table {leaf}" for leaf in leaves),
        f"insert into users (id, username) {FILL.format(rows)}",
    )


def ranges(count: int, rows: int = 3000) -> list[str]:
    """Return so many partitions of the numbers up to `rows`."""
    step = rows // count
    return [
        f"users_{number} partition of users for values from ({number * step + (number > 0)}) to ({(number + 1) * step + 1})"
        for number in range(count)
    ]


async def told(dsn: str, job: JobFile, act: Callable[[Event], None] = lambda _: None) -> tuple[Finished, list[Any]]:
    """Run a job, and do something with each event at the moment when it is told."""
    events: list[Event] = []

    def record(event: Event) -> None:
        events.append(event)
        act(event)

    runtime = Runtime(record=record, now_s=time.monotonic, sleep=anyio.sleep, jitter=lambda: 0.5)
    return await JobSupervisor(job.job, lambda: open_job(dsn, job), runtime, wait_for_lock=True).run(), events


def of(events: list[Any], kind: type[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


TREES = {
    "range": ranges(3),
    "list": ("by list ((id % 3))", *(f"users_{one} partition of users for values in ({one})" for one in range(3))),
    "hash": (
        "by hash (id)",
        *(f"users_{one} partition of users for values with (modulus 3, remainder {one})" for one in range(3)),
    ),
    "a default one": [*ranges(3, 1500)[:2], "users_2 partition of users default"],
    "several levels": [
        *ranges(3)[:2],
        "upper partition of users for values from (2001) to (3001) partition by hash (username)",
        "users_2 partition of upper for values with (modulus 2, remainder 0)",
        "users_3 partition of upper for values with (modulus 2, remainder 1)",
    ],
}
