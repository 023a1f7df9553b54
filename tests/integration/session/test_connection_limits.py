"""Limits on connections are named as such, with what they are and what a job needs; a job works with as few as it can."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from backfill.engine.ports import Runtime
from backfill.engine.supervisor import JobSupervisor
from backfill.events.event import Event
from backfill.events.job import RetryScheduled
from backfill.postgres.plan.make import make_plan
from backfill.postgres.work.job_session import open_job
from backfill.values.errors import Halted
from tests.fixtures_postgres import Database
from tests.integration.jobs import job_file, make_users, run, run_sql

pytestmark = pytest.mark.anyio


@pytest.fixture
def users(shared: Database) -> Iterator[Database]:
    run_sql(shared, "drop table if exists users", "drop schema if exists backfill cascade")
    make_users(shared, 300)
    yield shared
    run_sql(
        shared, f"alter role {shared.worker} connection limit -1", f"alter database {shared.name} connection limit -1"
    )


async def test_a_job_that_can_never_have_its_connections_is_refused_before_anything_is_touched(users: Database):
    run_sql(users, f"alter role {users.worker} connection limit 1")
    with pytest.raises(Halted) as caught:
        await run(users.worker_dsn, job_file(lanes=2))
    assert str(caught.value) == (
        f"role '{users.worker}' may have 1 connection (CONNECTION LIMIT), and this job needs 2;"
        f" run: ALTER ROLE {users.worker} CONNECTION LIMIT 4; or set lanes: 1"
    )
    assert users.query("select to_regnamespace('backfill')") == [(None,)]


async def test_one_connection_is_enough_for_one_lane_and_plan_says_what_is_missing(users: Database):
    run_sql(users, f"alter database {users.name} connection limit 1")
    plan = await make_plan(users.worker_dsn, job_file())
    assert [text for text in plan.against if "may have 1 connection (CONNECTION LIMIT), and 3 are best" in text]
    finished, _ = await run(users.worker_dsn, job_file())
    assert (finished.state, finished.rows_total) == ("done", 300)


async def test_a_lane_that_others_leave_no_connection_for_waits_with_the_limit_as_its_reason(users: Database):
    run_sql(users, f"alter role {users.worker} connection limit 2")
    other = await psycopg.AsyncConnection.connect(users.worker_dsn)
    events: list[Event] = []

    async def sleep(_delay_s: float) -> None:
        if any(isinstance(event, RetryScheduled) for event in events):
            await other.close()

    runtime = Runtime(record=events.append, now_s=lambda: 0.0, sleep=sleep, jitter=lambda: 0.5)
    job = job_file(lanes=2)
    finished = await JobSupervisor(job.job, lambda: open_job(users.worker_dsn, job), runtime, wait_for_lock=True).run()
    first = next(event for event in events if isinstance(event, RetryScheduled))
    assert (finished.state, first.reason) == ("done", "53300")
    assert first.message == (
        f"another connection is needed: role '{users.worker}' has 2 of 2 connections (CONNECTION LIMIT);"
        f" run: ALTER ROLE {users.worker} CONNECTION LIMIT 4;"
    )
