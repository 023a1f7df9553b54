"""`backfill status`: how jobs stand, told by the database alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backfill.events.job import Finished
from backfill.postgres.session.connection import worker_name
from backfill.postgres.state.status import StoredJobStatus, read_status
from backfill.sandbox.wait import wait_until
from backfill.table.batch import BatchRequest
from backfill.table.checkpoint import Tid, progress_ratio
from backfill.table.estimate.time_left import TimeLeft
from backfill.table.row_counts import BatchRange
from backfill.throttle.wait_reason import WaitKind, WaitReason
from backfill.values.errors import Halted, JobError
from tests.factories import admission
from tests.fixtures_postgres import Database
from tests.integration.jobs import fill, job_file, make_users, next_cut, open_leaf, run, run_sql, session

pytestmark = pytest.mark.anyio

ROWS = 1000
JOB = job_file(batch={"stripes": 2})


@pytest.fixture
def users(shared: Database) -> Database:
    """Table users anew, and no job in the state schema."""
    run_sql(shared, "drop table if exists users cascade", "drop schema if exists backfill cascade")
    make_users(shared, ROWS)
    return shared


async def only(database: Database) -> StoredJobStatus:
    [status] = await read_status(database.dsn, None)
    return status


def wait_for_end(database: Database) -> None:
    """Return when the server has noticed that workers are gone."""
    working = "select count(*) from pg_stat_activity where application_name like 'backfill:users%%'"
    wait_until(lambda: database.query(working) == [(0,)], "no worker is connected")


async def test_where_no_worker_ever_ran_there_are_no_jobs(users: Database):
    assert await read_status(users.dsn, None) == []
    with pytest.raises(JobError, match="no job 'users-handle' in this database; backfill status lists all"):
        await read_status(users.dsn, "users-handle")


async def test_a_state_of_an_older_version_is_reported_as_such(users: Database):
    async with session(users.dsn, JOB):
        run_sql(users, "drop table backfill.version")
        with pytest.raises(Halted, match=r"has version 0, .*; the next worker migrates it, or run: backfill init"):
            await read_status(users.dsn, None)


async def test_rejected_rows_are_reported_with_a_few_of_them(users: Database):
    job = job_file(on_row_error="skip", throttle={"replicas": {"ignore": ["*"]}})
    run_sql(users, "alter table users add check (handle not in ('user7', 'user9'))")
    await run(users.dsn, job)
    status = await only(users)
    assert (status.state, status.rows_rejected, status.rows_unconverged) == ("unconverged", 2, 0)
    assert {told.partition(": new row")[0] for told in status.rejected} == {
        f'public.users {{"id": {row}}}' for row in (7, 9)
    }
    assert all('violates check constraint "users_handle_check"' in told for told in status.rejected)


async def test_a_job_at_work_reports_its_place_its_pace_and_its_worker(users: Database):
    async with session(users.dsn, JOB) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        status = await only(users)
        assert status == StoredJobStatus(
            job="users-handle",
            table="public.users",
            state="running",
            reason=None,
            worker=worker_name("users-handle"),
            pass_number=1,
            progress_ratio=0.0,
            rows_total=0,
            rows_unconverged=0,
            rows_s=0.0,
            wal_bytes=0,
            idle_s=status.idle_s,
            samples=(),
        )
        assert 0 <= status.idle_s < 30
        done = await fill(worker, checkpoint, BatchRange(end=Tid(4), rows=1))
        done = await fill(worker, done.checkpoint, await next_cut(worker, done.checkpoint))
        await worker.save_wait(WaitReason(WaitKind.LAG, "replica-a lag 12.4s > 10s"), frozenset())
        status = await only(users)
        assert status.progress_ratio == progress_ratio((done.checkpoint,)) == 0.5
        assert (status.rows_total, status.wal_bytes) == (done.checkpoint.rows_total, done.checkpoint.wal_bytes)
        assert status.rows_s > 0
        assert status.reason == "replica-a lag 12.4s > 10s"


async def test_a_job_whose_worker_is_gone_is_abandoned(users: Database):
    async with session(users.dsn, JOB) as worker:
        await open_leaf(worker)
    wait_for_end(users)
    status = await only(users)
    assert (status.state, status.worker) == ("abandoned", None)
    async with session(users.dsn, JOB) as worker:
        await open_leaf(worker)
        status = await only(users)
        assert (status.state, status.worker) == ("running", worker_name("users-handle"))


@pytest.mark.parametrize(
    ("state", "ratio"), [("done", 1.0), ("unconverged", 1.0), ("stopped", 0.5), ("halted", 0.5), ("failed", 0.5)]
)
async def test_a_job_that_ended_shows_how(users: Database, state: str, ratio: float):
    async with session(users.dsn, JOB) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        checkpoint = await worker.save_checkpoint(replace(checkpoint, stripe=1, next=Tid(0)))
        end = Finished(
            job="users-handle",
            state=state,
            why="because",
            rows_total=1000,
            rows_unconverged=3,
            passes=1,
            wal_bytes=5,
            worst_lag_s=0.0,
            elapsed_s=1.0,
            samples=('{"id": 7}',),
        )
        await worker.save_end(end)
    wait_for_end(users)
    status = await only(users)
    assert (status.state, status.reason, status.worker) == (state, "because", None)
    assert (status.progress_ratio, status.rows_unconverged, status.samples) == (ratio, 3, ('{"id": 7}',))


async def test_a_job_before_its_first_checkpoint_is_reported_too(users: Database):
    async with session(users.dsn, JOB) as worker:
        await open_leaf(worker)
        run_sql(users, "delete from backfill.checkpoint")
        status = await only(users)
    assert (status.state, status.progress_ratio, status.pass_number, status.rows_total) == ("running", 0.0, 0, 0)


async def test_jobs_are_reported_by_name_all_or_one(users: Database):
    run_sql(users, "create table orders (id int, username text, handle text)", "insert into orders values (1, 'a')")
    try:
        long = "z" * 63
        for name, table in (("b-users", "users"), (long, "orders")):
            finished, _ = await run(users.worker_dsn, job_file(name=name, table=table))
            assert finished.state == "done"
        told = {status.job: status for status in await read_status(users.dsn, None)}
        assert [*told] == ["b-users", long]
        assert {(one.state, one.progress_ratio) for one in told.values()} == {("done", 1.0)}
        assert told["b-users"].rows_total == ROWS
        assert [one.job for one in await read_status(users.dsn, long)] == [long]
        with pytest.raises(JobError, match=r"no job 'b-user' in this database; did you mean 'b-users'\?"):
            await read_status(users.dsn, "b-user")
    finally:
        run_sql(users, "drop table orders")


async def test_a_role_without_rights_on_the_state_learns_so(users: Database):
    async with session(users.dsn, JOB) as worker:
        await open_leaf(worker)
    run_sql(users, "create role shy login")
    try:
        with pytest.raises(Halted, match="role 'shy' may not read schema backfill; run: GRANT ") as caught:
            await read_status(users.dsn_for("shy"), None)
        run_sql(users, str(caught.value).partition("run: ")[2])
        assert [job.job for job in await read_status(users.dsn_for("shy"), None)] == ["users-handle"]
    finally:
        run_sql(users, "drop owned by shy", "drop role shy")


async def test_the_time_left_is_the_estimate_that_the_last_batch_left(users: Database):
    async with session(users.dsn, JOB) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        done = await fill(worker, checkpoint, BatchRange(end=Tid(4), rows=1))
        assert (await only(users)).eta is None
        request = BatchRequest(
            checkpoint=done.checkpoint,
            batch_range=await next_cut(worker, done.checkpoint, 10),
            admission=admission(10),
            time_left=TimeLeft(60.0, 90.0),
        )
        await worker.lane.run_batch(request, lambda _position: 0)
        status = await only(users)
        assert (status.eta, status.eta_low_s, status.eta_high_s) == ("1m00s to 1m30s", 60.0, 90.0)
        run_sql(users, "update backfill.batch set at = now() - interval '3 minutes'")
        assert (await only(users)).eta is None
