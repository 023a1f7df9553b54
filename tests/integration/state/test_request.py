"""Requests of people reach a worker through the database, by a role that may do nothing else, and are kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import psycopg
import pytest

from backfill.events.batch import BatchDone
from backfill.events.event import Event
from backfill.jobfile.load import JobFile
from backfill.postgres.state.ask import Answered, ask
from backfill.postgres.state.overrides import tune
from backfill.postgres.state.removal import forget_job
from backfill.postgres.state.request import Asked
from backfill.postgres.state.status import StoredJobStatus, read_status
from backfill.throttle.conditions.operator_request import RequestAction
from backfill.values.errors import BackfillError, Cancelled, Halted, JobError, LockHeld
from backfill.values.identifier import quote
from tests.fixtures_postgres import Database
from tests.integration.jobs import asleep, job_file, make_users, open_leaf, run, run_sql, session

pytestmark = pytest.mark.anyio

ROWS = 800
SLOW: dict[str, Any] = {"batch": {"rows": 10, "max_rows": 10}, "throttle": {"max_wal_rate": "100kB/s"}}
"""Small batches, each followed by a wait."""
PAUSE, RESUME, CANCEL = RequestAction.PAUSE, RequestAction.RESUME, RequestAction.CANCEL
NAME = "users-handle"


@pytest.fixture
def users(shared: Database) -> Database:
    """Table users anew, and no job in the state schema."""
    run_sql(shared, "drop table if exists users cascade", "drop schema if exists backfill cascade")
    make_users(shared, ROWS)
    return shared


@pytest.fixture
def alice(users: Database) -> Iterator[str]:
    """A role that may log in and nothing else; return its connection string."""
    role = f"Alice {users.name}"
    run_sql(users, f"create role {quote(role)} login")
    yield users.dsn_for(role)
    run_sql(users, f"drop owned by {quote(role)}", f"drop role {quote(role)}")


async def one(dsn: str, action: RequestAction, **asked: Any) -> str:
    [answered] = await ask(dsn, NAME, action, Asked(**asked))
    assert answered.job == NAME
    return answered.text


async def status_of(database: Database) -> StoredJobStatus:
    [status] = await read_status(database.dsn, NAME)
    return status


async def until(database: Database, state: str) -> StoredJobStatus:
    for _ in range(400):
        if (status := await status_of(database)).state == state:
            return status
        await anyio.sleep(0.05)
    raise AssertionError(f"the job never was {state}: {status}")


@asynccontextmanager
async def at_work(database: Database, job: JobFile) -> AsyncIterator[asyncio.Task[tuple[Any, list[Event]]]]:
    """Run a job alongside; give its task once it has committed a batch."""
    working = asyncio.create_task(run(database.worker_dsn, job))
    try:
        for _ in range(400):
            assert not working.done(), working
            if database.query("select to_regclass('backfill.batch') is not null") == [(True,)] and database.query(
                "select count(*) > 0 from backfill.batch"
            ) == [(True,)]:
                break
            await anyio.sleep(0.05)
        yield working
    finally:
        if not working.done():
            working.cancel()
        await asyncio.wait([working])


HELD = """
select a.backend_xmin::text, a.backend_xid::text, a.state,
    (select array_agg(distinct l.locktype) from pg_locks l where l.pid = a.pid)
from pg_stat_activity a where a.application_name like 'backfill:users%%'
"""


async def mended(dsn: str, database: Database, error: Halted) -> None:
    """Run the statements that an error ends with."""
    run_sql(database, *str(error).partition("run: ")[2].rstrip(";").split("; "))


async def test_a_job_is_paused_and_resumed_by_a_role_that_may_do_only_that(users: Database, alice: str):
    async with at_work(users, job_file(**SLOW)) as working:
        with pytest.raises(Halted, match="may not pause, resume or cancel jobs; run: GRANT USAGE ON SCHEMA") as caught:
            await ask(alice, NAME, PAUSE, Asked())
        await mended(alice, users, caught.value)
        text = await one(alice, PAUSE, for_s=3600.0, reason="deploy", client="alice@laptop")
        assert text.startswith("pausing until ")
        status = await until(users, "paused")
        assert status.reason == status.request
        assert str(status.reason).startswith(f"paused by Alice {users.name} since ")
        assert str(status.reason).endswith(" UTC (deploy)")
        assert users.query(HELD) == [(None, None, "idle", ["advisory"])]
        before = users.query("select count(*), max(sequence) from backfill.batch")
        assert (await one(alice, PAUSE)).startswith("already paused by Alice ")
        await anyio.sleep(0.6)  # two readings
        assert users.query("select count(*), max(sequence) from backfill.batch") == before
        assert users.query("select count(*) from backfill.event where kind = 'paused'") == [(1,)]
        with pytest.raises(LockHeld, match=r"locked by backfill:users-handle.*cancel it first: backfill cancel"):
            await forget_job(users.dsn, NAME)
        assert await one(alice, RESUME) == "resumed: its worker continues within a second"
        finished, events = await asyncio.wait_for(working, 60)
    assert (finished.state, sum(event.rows for event in events if isinstance(event, BatchDone))) == ("done", ROWS)
    kept = users.query("select action, role, client, reason, until > at from backfill.request order by number")
    assert kept == [
        ("pause", f"Alice {users.name}", "alice@laptop", "deploy", True),
        ("resume", f"Alice {users.name}", None, None, None),
    ]
    with pytest.raises(JobError, match="job 'users-handle' is done; there is nothing to pause"):
        await one(alice, PAUSE)
    with psycopg.connect(alice) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("insert into backfill.request (job, action, role) values ('users-handle', 'pause', 'bob')")


async def test_a_cancelled_job_ends_and_runs_again_only_from_the_beginning(users: Database):
    job = job_file(**SLOW)
    async with at_work(users, job) as working:
        assert (
            await one(users.dsn, CANCEL, reason="wrong column")
            == "cancelling: its worker ends after the batch in flight"
        )
        with pytest.raises(Cancelled, match=r"was cancelled by postgres at .* UTC \(wrong column\); filled rows stay"):
            await asyncio.wait_for(working, 60)
    assert users.query("select state, waits_for from backfill.job") == [("cancelled", None)]
    status = await until(users, "cancelled")
    assert (0 < status.rows_total < ROWS, status.worker) == (True, None)
    assert (await one(users.dsn, CANCEL)).startswith("already cancelled by postgres at ")
    for action in (PAUSE, RESUME):
        with pytest.raises(JobError, match=r"was cancelled by .*; to start it again: backfill run JOB.yaml --restart"):
            await one(users.dsn, action)
    with pytest.raises(Cancelled):
        await run(users.worker_dsn, job)
    async with session(users.worker_dsn, job, restart=True) as worker:
        await open_leaf(worker)
        assert (await status_of(users)).state == "running"
    await run(users.worker_dsn, job_file())
    assert (await status_of(users)).state == "done"
    assert users.query("select array_agg(action order by number) from backfill.request") == [(["cancel", "restart"],)]


async def test_all_jobs_are_asked_at_once_and_those_that_are_done_are_left_alone(users: Database):
    assert await ask(users.dsn, None, PAUSE, Asked()) == []
    for name in ("first", "second", "third"):
        async with session(users.dsn, job_file(name=name)) as worker:
            await open_leaf(worker)
    await run(users.dsn, job_file(name="second"))
    texts = [
        [(answer.job, answer.text.partition(";")[0].partition(" by ")[0]) for answer in answers]
        for answers in [
            await ask(users.dsn, None, action, Asked()) for action in (PAUSE, PAUSE, RESUME, RESUME, CANCEL, CANCEL)
        ]
    ]
    jobs = ("first", "third")
    assert texts == [
        [(job, "paused") for job in jobs],
        [(job, "already paused") for job in jobs],
        [(job, "resumed") for job in jobs],
        [],
        [(job, "cancelled") for job in jobs],
        [],
    ]


async def test_a_job_that_nobody_runs_is_forgotten_with_all_that_was_kept_of_it(users: Database):
    with pytest.raises(JobError, match="no job 'users-handle' in this database; backfill status lists all"):
        await forget_job(users.dsn, NAME)
    await run(users.dsn, job_file())
    for asking in (forget_job(users.dsn, "user-handle"), ask(users.dsn, "user-handle", PAUSE, Asked())):
        with pytest.raises(JobError, match=r"no job 'user-handle' in this database; did you mean 'users-handle'\?"):
            await asking
    await forget_job(users.dsn, NAME)
    assert await read_status(users.dsn, None) == []
    assert users.query("select count(*) from backfill.batch") == [(0,)]
    assert users.query("select count(*) from users where handle is null") == [(0,)]


async def test_what_was_asked_before_a_job_ended_does_not_hold_up_its_next_run(users: Database):
    async with session(users.dsn, job_file()) as worker:
        await open_leaf(worker)
        await one(users.dsn, PAUSE)
    run_sql(users, "update backfill.job set state = 'done', finished_at = now()")
    assert (await status_of(users)).request is None
    finished, _ = await run(users.dsn, job_file())
    assert finished.state == "done"


async def test_of_many_requests_the_last_thousand_are_kept(users: Database):
    await run(users.dsn, job_file())
    run_sql(
        users,
        "insert into backfill.request (job, action) select 'users-handle', 'tune' from generate_series(1, 1100)",
    )
    await run(users.dsn, job_file())
    assert users.query("select count(*), max(number) - min(number) from backfill.request") == [(1000, 999)]


async def test_a_limit_may_be_tuned_for_a_while(users: Database):
    async with session(users.dsn, job_file()) as worker:
        await open_leaf(worker)
        await tune(users.dsn, NAME, {"max_lag": "8s", "batch.rows": "1500"}, Asked(), reset=False)
        shown = await tune(users.dsn, NAME, {"max_lag": "5s"}, Asked(for_s=3600.0, reason="night"), reset=False)
        assert (shown.after["max_lag"], shown.before["max_lag"], shown.then) == ("5s", "8s", {"max_lag": "8s"})
        assert shown.until["max_lag"].endswith(" UTC")
        tuned = dict((await worker.read_signals()).tuned)
        assert tuned == {"max_lag": "5s", "batch.rows": "1500"}
        status = await status_of(users)
        assert (status.tuned, list(status.tuned_until)) == (tuned, ["max_lag"])
        await tune(users.dsn, NAME, {"max_lag": "4s"}, Asked(for_s=0.2), reset=False)
        await anyio.sleep(0.3)
        assert dict((await worker.read_signals()).tuned) == {"max_lag": "8s", "batch.rows": "1500"}
        await tune(users.dsn, NAME, {"max_lag": "3s"}, Asked(for_s=3600.0), reset=False)
        await tune(users.dsn, NAME, {"max_lag": "6s"}, Asked(), reset=False)
        assert dict((await worker.read_signals()).tuned)["max_lag"] == "6s"
        with pytest.raises(JobError, match="'rows' 1500 is above 'max_rows' 1200"):
            await tune(users.dsn, NAME, {"batch.max_rows": "1200"}, Asked(for_s=60.0), reset=False)
        await tune(users.dsn, NAME, {}, Asked(), reset=True)
        assert (await worker.read_signals()).tuned == ()
    assert users.query(
        "select count(*), count(*) filter (where limits ->> 'max_lag' = '5s' and reason = 'night') from backfill.request"
    ) == [(6, 1)]


@pytest.mark.parametrize("in_pieces", [False, True])
async def test_a_pause_ends_the_proof_and_its_snapshots(users: Database, in_pieces: bool):
    slowly = job_file(where="handle IS NULL AND pg_sleep(0.005) IS NOT NULL")
    async with session(users.dsn, slowly) as worker:
        await worker.begin()

        async def stay(_: object) -> None:
            await anyio.lowlevel.checkpoint()

        proof = asyncio.create_task(worker.leaf.verify(1, stay))
        await asleep(users)
        if in_pieces:
            await asyncio.to_thread(run_sql, users, "alter table users alter email drop default")
            await asleep(users)
        await one(users.dsn, PAUSE)
        with pytest.raises(BackfillError, match="the final read begins again"):
            await asyncio.wait_for(proof, 8)
        assert users.query(
            "select count(*) from pg_stat_activity where backend_xmin is not null and pid <> pg_backend_pid()"
            " and datname = current_database() and backend_type = 'client backend'"
        ) == [(0,)]


async def test_answers_are_values(users: Database):
    async with session(users.dsn, job_file()) as worker:
        await open_leaf(worker)
        assert await ask(users.dsn, NAME, PAUSE, Asked()) == [
            Answered(job=NAME, state="pausing", text="pausing: its worker stops after the batch in flight")
        ]
