"""A closed window holds a job up on a real server, is shown with what helps, ends the proof, and is opened by a resume."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import anyio
import pytest

from backfill.jobfile.schedule.time_window import DAYS
from backfill.postgres.monitor.side_connection import SideConnection
from backfill.postgres.plan.make import make_plan
from backfill.postgres.plan.read_facts import refuse_stops
from backfill.postgres.session.connection import connect
from backfill.postgres.state.ask import ask
from backfill.postgres.state.request import Asked
from backfill.postgres.state.status import StoredJobStatus, read_status
from backfill.postgres.work.verify import must_end
from backfill.throttle.conditions.operator_request import RequestAction
from backfill.values.errors import BackfillError, PlanStops
from tests.fixtures_postgres import Database
from tests.integration.jobs import asleep, job_file, make_users, run, run_sql, session

pytestmark = pytest.mark.anyio

ROWS = 200
NAME = "users-handle"
HELD = """
select a.backend_xmin::text, a.backend_xid::text, a.state,
    (select array_agg(distinct l.locktype) from pg_locks l where l.pid = a.pid)
from pg_stat_activity a where a.application_name like 'backfill:users%%'
"""


@pytest.fixture
def users(shared: Database) -> Database:
    """Table users anew, and no job in the state schema."""
    run_sql(shared, "drop table if exists users cascade", "drop schema if exists backfill cascade")
    make_users(shared, ROWS)
    return shared


def days_away(*days: int) -> list[str]:
    """Return windows of whole days so far from today."""
    today = datetime.now(UTC).weekday()
    return [f"{DAYS[(today + day) % 7]} 00:00-24:00 UTC" for day in days]


CLOSED, OPEN = (3,), (0, 1)
"""Also when midnight comes while the test runs."""


async def resume(database: Database, for_s: float | None = None) -> str:
    [answered] = await ask(database.dsn, NAME, RequestAction.RESUME, Asked(for_s=for_s))
    return answered.text


async def until_waiting(database: Database, working: asyncio.Task[object]) -> StoredJobStatus:
    for _ in range(400):
        assert not working.done(), working
        [status] = await read_status(database.dsn, NAME)
        if status.waits_for == "schedule":
            return status
        await anyio.sleep(0.05)
    raise AssertionError("the job never waited for its window")


async def test_a_job_waits_for_its_window_holds_nothing_and_works_when_it_is_opened(users: Database):
    job = job_file(window=days_away(*CLOSED), sync="trigger")
    async with session(users.dsn, job) as worker:
        await worker.begin()  # so that there is a state to look at
    working = asyncio.create_task(run(users.dsn, job))
    try:
        status = await until_waiting(users, working)
        day = DAYS[(datetime.now(UTC).weekday() + CLOSED[0]) % 7]
        assert status.reason is not None
        assert status.reason.startswith("window closed until ")
        assert status.reason.endswith(" 00:00 UTC")
        assert status.next_step == (
            "it continues by itself; to let it work now: backfill resume users-handle --for 2h"
        ), day
        assert users.query(HELD) == [(None, None, "idle", ["advisory"])]
        assert users.query("select count(*) from pg_trigger where not tgisinternal") == [(0,)]
        assert "; to let it work now: backfill resume users-handle --for 2h" in await resume(users)
        assert (await resume(users, 3600.0)).startswith("resumed: until ")
        finished, _ = await asyncio.wait_for(working, 40)
    finally:
        working.cancel()
        await asyncio.wait([working])
    assert finished.state == "done"
    assert users.query("select count(*) from users where handle is null") == [(0,)]


async def test_a_closed_window_ends_the_proof_and_a_resume_with_an_end_does_not(users: Database):
    slowly = {"where": "handle IS NULL AND pg_sleep(0.005) IS NOT NULL"}
    closed, opened = job_file(window=days_away(*CLOSED), **slowly), job_file(window=days_away(*OPEN), **slowly)
    side = SideConnection(users.dsn, standby=False)
    async with session(users.dsn, closed) as worker:
        await worker.begin()
        assert not await must_end(side, opened.job)
        assert await must_end(side, closed.job)

        async def stay(_: object) -> None:
            await anyio.lowlevel.checkpoint()

        proof = asyncio.create_task(worker.leaf.verify(1, stay))
        await asleep(users)
        with pytest.raises(BackfillError, match="or its time windows are closed; the final read begins again"):
            await asyncio.wait_for(proof, 30)
        await resume(users, 3600.0)
        assert not await must_end(side, closed.job)
        await resume(users)
        assert await must_end(side, closed.job)
    await side.close()


async def test_a_job_behind_another_is_refused_until_that_is_done_and_a_plan_shows_its_windows(users: Database):
    later = job_file(name="later", after=[NAME], window=days_away(*CLOSED))
    async with await connect(users.dsn, application_name="backfill:later") as connection:
        with pytest.raises(PlanStops, match=r"after: job users-handle has never run .*; or force it: --force after"):
            await refuse_stops(connection, later.job, frozenset())
        await refuse_stops(connection, later.job, frozenset({"after"}))
        async with session(users.dsn, job_file()) as worker:
            await worker.begin()
            with pytest.raises(PlanStops, match=r"after: job users-handle is running, and this job comes after it"):
                await refuse_stops(connection, later.job, frozenset())
        await run(users.dsn, job_file())
        await refuse_stops(connection, later.job, frozenset())
    plan = await make_plan(users.dsn, later, measuring=False)
    assert plan.window[0] == str(later.job.window[0])
    assert plan.window[1].startswith("closed until ")
    assert [finding.name for finding in plan.findings if finding.level == "stop"] == []
