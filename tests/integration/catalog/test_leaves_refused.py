"""Leaves that cannot be filled are refused by name, and leaves that others lock are waited for."""

from __future__ import annotations

import time

import anyio
import pytest

from backfill.events.event import Event
from backfill.events.job import LockWaiting
from backfill.events.leaf import LeafDone, LeafStarted
from backfill.postgres.plan.make import make_plan
from backfill.values.errors import Halted, JobError
from tests.fixtures_postgres import Database
from tests.integration.catalog.leaves_of_users import TREES, of, partitioned, ranges, told
from tests.integration.jobs import job_file, run, run_sql, session
from tests.integration.worker import Worker as Session

pytestmark = pytest.mark.anyio


async def test_a_job_on_a_leaf_waits_until_that_leaf_is_free(empty: Database):
    partitioned(empty, *ranges(3))
    alone = job_file(name="alone", table="public.users_1")
    async with session(empty.dsn, alone):
        waits: list[str] = []
        with anyio.move_on_after(30) as scope:

            def heard(event: Event) -> None:
                if isinstance(event, LockWaiting):
                    waits.append(f"{event.leaf}: {event.holder}")
                    scope.cancel()

            _, _ = await told(empty.dsn, job_file(), heard)
        assert "public.users_1: backfill:alone@" in waits[0]
        assert "fills table public.users_1 for another job" in waits[0]
        assert empty.query("select count(handle) from users") == [(1000,)]
    finished, events = await run(empty.worker_dsn, job_file())
    assert (finished.state, finished.rows_total) == ("done", 3000)
    assert [event.number for event in of(events, LeafStarted)] == [2, 3], "the first one was done"


async def test_the_leaf_at_work_is_locked_for_other_jobs_and_free_afterwards(empty: Database):
    partitioned(empty, *ranges(2))
    held: list[str | None] = []

    async with session(empty.dsn, job_file()) as worker:
        await worker.begin()
        assert await worker.try_leaf("public.users_0") is None
        async with Session(empty.dsn, job_file(name="alone", table="public.users_0")) as other:
            held.append(await other.try_lock())
            await worker.release_leaf("public.users_0")
            held.append(await other.try_lock())
    assert "backfill:users-handle@" in str(held[0])
    assert held[1] is None


REFUSED = {
    "a foreign partition": (
        (
            "create foreign data wrapper nowhere_{0}",
            "create server nowhere_{0} foreign data wrapper nowhere_{0}",
            "create foreign table away partition of users for values from (9000) to (9999) server nowhere_{0}",
        ),
        "job.yaml:2:9: leaf 'public.away' of table 'public.users' is a foreign table; only ordinary tables can be filled",
    ),
    "another access method": (
        (
            "create access method method_{0} type table handler heap_tableam_handler",
            "create table users_9 partition of users for values from (9000) to (9999) using method_{0}",
        ),
        "job.yaml:2:9: leaf 'public.users_9' of table 'public.users' has access method 'method_{0}'; only heap tables",
    ),
    "a rule": (
        (
            "create table users_9 partition of users for values from (9000) to (9999)",
            "create rule r as on update to users_9 do instead select 1",
        ),
        "job.yaml:2:8: rule 'r' on 'public.users_9' rewrites UPDATE, and would rewrite each batch",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_a_leaf_that_cannot_be_filled_is_refused_by_its_name(empty: Database, what: str):
    statements, words = REFUSED[what]
    tag = str(time.monotonic_ns())
    partitioned(empty, *ranges(3))
    run_sql(empty, *(one.format(tag) for one in statements))
    for attempt in (run, make_plan):
        args = (empty.dsn, job_file())
        with pytest.raises(JobError) as caught:
            await attempt(*args)
        assert words.format(tag).removeprefix("job.yaml:2:8: ") in str(caught.value)
    assert empty.query("select to_regclass('backfill.job')") == [(None,)], "nothing was written"
    assert empty.query("select count(handle) from users where id < 9000") == [(0,)]


async def test_a_foreign_partition_that_comes_during_the_run_halts_it(empty: Database):
    partitioned(empty, *ranges(3))

    def attach(event: Event) -> None:
        if isinstance(event, LeafDone) and event.leaf == "public.users_2":
            run_sql(
                empty,
                "create foreign data wrapper nowhere",
                "create server nowhere foreign data wrapper nowhere",
                "create foreign table away partition of users for values from (9000) to (9999) server nowhere",
            )

    with pytest.raises(Halted, match=r"leaf 'public.away' of table 'public.users' is a foreign table"):
        await told(empty.dsn, job_file(), attach)
    run_sql(empty, "drop foreign data wrapper nowhere cascade")
    finished, events = await run(empty.worker_dsn, job_file())
    assert (finished.state, of(events, LeafStarted)) == ("done", []), "all were done before"


KEYS = {
    "the root's": (ranges(3), "range (id)", "id"),
    "an expression": (["users_0 partition of users default"], "list ((id % 3))", "id"),
    "a level below": (TREES["several levels"], "range (id)", "username"),
}


@pytest.mark.parametrize("key", KEYS)
async def test_a_column_of_a_partition_key_is_refused(empty: Database, key: str):
    leaves, by, column = KEYS[key]
    partitioned(empty, *leaves, by=by)
    job = job_file(set={"handle": "username", column: column})
    of_table = "public.upper" if column == "username" else "public.users"
    with pytest.raises(JobError) as caught:
        await run(empty.worker_dsn, job)
    assert f"column '{column}' is in the partition key of '{of_table}'" in str(caught.value)
    assert str(caught.value).startswith("job.yaml:3:")


async def test_mistakes_are_reported_once_at_the_place_in_the_job_file(empty: Database):
    partitioned(empty, *ranges(2))
    for expression, words in {
        "usrname": 'column "usrname" does not exist',
        "public.users.username": 'invalid reference to FROM-clause entry for table "users"',
    }.items():
        with pytest.raises(JobError) as caught:
            await run(empty.worker_dsn, job_file(set={"handle": expression}))
        assert str(caught.value).startswith("job.yaml:3:18: " + words)


async def test_a_role_needs_its_rights_on_every_leaf(empty: Database):
    partitioned(empty, *ranges(2))
    role = f"filler_{time.monotonic_ns()}"
    dsn = empty.dsn_for(role)
    run_sql(
        empty,
        f"create role {role} login",
        f"grant pg_monitor to {role}",
        f"grant create on database {empty.name} to {role}",
        f"grant select, update on users to {role}",
    )
    grants = []
    for _ in range(4):
        with pytest.raises(JobError) as caught:
            await run(dsn, job_file())
        grants.append(str(caught.value).partition("run: ")[2])
        run_sql(empty, grants[-1].replace("SELECT, UPDATE (handle)", "SELECT"))
    finished, _ = await run(dsn, job_file())
    assert (finished.state, finished.rows_total) == ("done", 3000)
    assert grants == [
        f"GRANT SELECT, UPDATE (handle) ON public.users_0 TO {role};",
        f"GRANT UPDATE (handle) ON public.users_0 TO {role};",
        f"GRANT SELECT, UPDATE (handle) ON public.users_1 TO {role};",
        f"GRANT UPDATE (handle) ON public.users_1 TO {role};",
    ]
    run_sql(empty, f"drop owned by {role} cascade", f"drop role {role}")
