"""A job in the state schema: what a started one may not change, how a run ended, and the rings of its history."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from backfill.events.job import Finished
from backfill.jobfile.spec import spec_of
from backfill.table.checkpoint import Checkpoint, Tid
from backfill.table.row_counts import BatchRange
from backfill.throttle.wait_reason import WaitKind, WaitReason
from backfill.values.errors import JobError
from tests.fixtures_postgres import Database
from tests.integration.jobs import (
    fill,
    job_file,
    make_users,
    next_cut,
    open_leaf,
    run_sql,
    session,
)
from tests.integration.worker import Worker as Session

pytestmark = pytest.mark.anyio

ROWS = 1000
JOB = job_file(batch={"stripes": 4})


@pytest.fixture
def users(shared: Database) -> Database:
    """Table users anew, and no job in the state schema."""
    run_sql(shared, "drop table if exists users, other, gone cascade", "drop schema if exists backfill cascade")
    make_users(shared, ROWS)
    return shared


def batch_result(database: Database) -> int:
    [(rows,)] = database.query("select count(handle) from users")
    return int(rows)


def pages(database: Database) -> int:
    [(size,)] = database.query("select pg_relation_size('users')")
    return int(size) // 8192


def state(database: Database) -> list[tuple[object, ...]]:
    """All that a batch writes beside the table, without its times."""
    return database.query(
        "select to_jsonb(s) - 'updated_at', to_jsonb(b) from backfill.checkpoint s left join backfill.batch b using (job)"
        " order by b.ring"
    )


async def first_batch(worker: Session) -> Checkpoint:
    """Open the job and fill a little of it, so that its place is inside a page."""
    opened = await open_leaf(worker)
    batch_range = await next_cut(worker, opened.checkpoints[0], 10)
    done = await fill(worker, opened.checkpoints[0], BatchRange(end=Tid(2, 20), rows=batch_range.rows))
    assert 0 < done.rows < 100
    return done.checkpoint


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "where": ({"where": "handle = ''"}, "- where: handle IS NULL\n+ where: handle = ''"),
    "set": ({"set": {"handle": "email"}}, "- set.handle: username\n+ set.handle: email"),
    "another column": ({"set": {"handle": "username", "email": "''"}}, "+ set.email: ''"),
    "table": ({"table": "other"}, "- table: public.users\n+ table: public.other"),
    "using": (
        {
            "using": {"table": "other", "as": '"O"', "on": '"O".id = users.id'},
            "set": {"handle": "users.username"},
            "where": "users.handle IS NULL",
        },
        '+ using.table: public.other\n+ using.as: "O"\n+ using.on: "O".id = users.id',
    ),
    "python": (
        {"python": {"function": "os.path:commonprefix", "inputs": ["username"]}, "set": {"handle": "python"}},
        "+ set.handle: python\n+ python.function: os.path:commonprefix\n+ python.inputs: [username]",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_started_job_may_not_become_another_one_unless_asked_to(users: Database, change: str):
    keys, told = CHANGES[change]
    run_sql(users, "create table other (like users)")
    async with session(users.dsn, JOB) as worker:
        await first_batch(worker)
    before = users.query("select * from backfill.job, backfill.checkpoint")
    changed = job_file(batch={"stripes": 4}, **keys)
    async with session(users.dsn, changed) as worker:
        with pytest.raises(JobError) as caught:
            await open_leaf(worker)
    said = str(caught.value)
    assert ": job 'users-handle' was started with another file\n" in said
    assert "--restart" in said
    assert told in said
    assert users.query("select * from backfill.job, backfill.checkpoint") == before
    async with session(users.dsn, changed, restart=True) as worker:
        opened = await open_leaf(worker)
        assert (opened.resumed, opened.rewritten, opened.checkpoints[0].rows_total) == (False, None, 0)
        with worker.session._restart.take() as restart:
            assert not restart
    assert users.query("select spec from backfill.job") == [(spec_of(changed.job),)]
    async with session(users.dsn, changed) as worker:
        assert (await open_leaf(worker)).resumed


async def test_a_restart_is_one_also_without_a_change_and_happens_once(users: Database):
    async with session(users.dsn, JOB) as worker:
        await first_batch(worker)
    async with session(users.dsn, JOB, restart=True) as worker:
        opened = await open_leaf(worker)
        assert (opened.checkpoints[0].rows_total, opened.checkpoints[0].next, opened.resumed) == (0, Tid(0), False)
        checkpoint = (await fill(worker, opened.checkpoints[0], BatchRange(end=Tid(1), rows=1))).checkpoint
        assert (await open_leaf(worker)).checkpoints[0] == replace(checkpoint, epoch=checkpoint.epoch + 1)


async def test_limits_may_change_and_layout_is_no_change(users: Database):
    async with session(users.dsn, JOB) as worker:
        left = await first_batch(worker)
    changed = job_file(
        batch={"stripes": 8, "rows": 100}, throttle={"max_lag": "1s"}, lock_timeout="2s", synchronous_commit="on"
    )
    async with session(users.dsn, changed) as worker:
        opened = await open_leaf(worker)
        assert opened.resumed
        assert opened.checkpoints[0] == replace(left, epoch=left.epoch + 1)


def finished(state: str) -> Finished:
    return Finished(
        job="users-handle",
        state=state,
        why="because",
        rows_total=ROWS,
        rows_unconverged=3,
        passes=2,
        wal_bytes=1,
        worst_lag_s=0.0,
        elapsed_s=1.0,
        samples=('{"id": 1}', "o'neil %s"),
    )


@pytest.mark.parametrize("state", ["done", "unconverged", "stopped", "halted", "failed"])
async def test_how_a_run_ended_is_kept_until_the_next_begins(users: Database, state: str):
    async with session(users.dsn, JOB) as worker:
        await open_leaf(worker)
        await worker.save_end(finished(state))
    row = "select state, reason, rows_unconverged, samples, finished_at is not null from backfill.job"
    assert users.query(row) == [(state, "because", 3, ['{"id": 1}', "o'neil %s"], state in ("done", "unconverged"))]
    assert users.query("select kind, text from backfill.event") == [(state, "because")]
    async with session(users.dsn, JOB) as worker:
        await open_leaf(worker)
    assert users.query("select state, reason, finished_at from backfill.job") == [("running", None, None)]


async def test_histories_are_rings(users: Database):
    async with session(users.dsn, JOB) as worker:
        await open_leaf(worker)
        run_sql(
            users,
            "insert into backfill.event (job, ring, kind, text, at) select 'users-handle', i, 'lag', i::text,"
            " now() - interval '1 h' + i * interval '1 s' from generate_series(0, 499) i",
        )
        await worker.save_wait(WaitReason(WaitKind.SLOT, "newest"), frozenset())
    assert users.query("select count(*) from backfill.event") == [(500,)]
    newest = users.query("select kind, text from backfill.event order by at desc limit 2")
    assert newest == [("slot", "newest"), ("lag", "499")]
    assert users.query("select count(*) from backfill.event where text = '0'") == [(0,)]
