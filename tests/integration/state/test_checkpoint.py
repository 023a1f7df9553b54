"""The checkpoint: found again where it was left, and moved by its owner only, on the table that it belongs to."""

from __future__ import annotations

from dataclasses import replace
from typing import LiteralString

import pytest

from backfill.jobfile.spec import spec_of
from backfill.postgres.session.connection import worker_name
from backfill.table.checkpoint import Checkpoint, Layout, Tid, begin
from backfill.table.row_counts import BatchRange
from backfill.values.errors import StatementRefused, Superseded, TableRewritten
from tests.fixtures_postgres import Database
from tests.integration.jobs import (
    fill,
    job_file,
    make_users,
    next_cut,
    next_pass,
    open_leaf,
    run,
    run_sql,
    session,
    start_again,
    take_lock,
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


async def test_a_first_worker_writes_the_first_checkpoint(users: Database):
    async with session(users.dsn, JOB) as worker:
        opened = await open_leaf(worker)
    begun = begin(pages(users), Layout((1,) * 4), leaf="public.users")
    assert opened.checkpoints[0] == replace(begun, epoch=opened.checkpoints[0].epoch)
    assert opened.checkpoints[0].epoch > 0
    assert (opened.resumed, opened.rewritten) == (False, None)
    assert (opened.pages, opened.rows_estimated) == (pages(users), ROWS)
    [row] = users.query("select spec, state, reason, worker, finished_at from backfill.job where name = 'users-handle'")
    assert row == (spec_of(JOB.job), "running", None, worker_name("users-handle"), None)


async def test_the_next_worker_goes_on_at_the_very_same_place(users: Database):
    async with session(users.dsn, JOB) as worker:
        left = await first_batch(worker)
        left = await worker.save_checkpoint(replace(left, stripe=2, next=Tid(3, 7), rows_unconverged=5, rows_pass=77))
    assert left.wal_bytes > 0
    async with session(users.dsn, JOB) as worker:
        opened = await open_leaf(worker)
    assert opened.checkpoints[0] == replace(left, epoch=left.epoch + 1)
    assert (opened.resumed, opened.rewritten) == (True, None)
    assert users.query("select reason from backfill.job") == [(None,)]


async def test_a_worker_that_was_overtaken_changes_nothing(users: Database):
    """Its lock was taken from it, or its session stood still on a server that is no primary any more."""
    async with session(users.dsn, JOB) as zombie, Session(users.dsn, JOB) as worker:
        old = await first_batch(zombie)
        rows, place = batch_result(users), state(users)
        opened = await open_leaf(worker)
        for attempt in (
            lambda: fill(zombie, old, BatchRange(end=old.window_limit, rows=1)),
            lambda: zombie.save_checkpoint(old),
            lambda: next_pass(zombie, old),
            lambda: start_again(zombie, old),
        ):
            with pytest.raises(Superseded, match="'users-handle': another worker"):
                await attempt()
        assert batch_result(users) == rows
        run_sql(users, "update backfill.checkpoint set epoch = epoch - 1")
        assert state(users) == place
        run_sql(users, "update backfill.checkpoint set epoch = epoch + 1")
        done = await fill(worker, opened.checkpoints[0], BatchRange(end=opened.checkpoints[0].window_limit, rows=1))
        assert batch_result(users) == rows + done.rows


async def test_a_worker_of_before_a_restart_changes_nothing(users: Database):
    """Even where the sequence of the new one has come to where the old one stood."""
    async with session(users.dsn, JOB) as zombie, Session(users.dsn, JOB, restart=True) as worker:
        old = await first_batch(zombie)
        opened = await open_leaf(worker)
        assert (opened.checkpoints[0].sequence, opened.checkpoints[0].next) == (0, Tid(0))
        checkpoint = await worker.save_checkpoint(opened.checkpoints[0])
        assert checkpoint.sequence == old.sequence
        rows = batch_result(users)
        with pytest.raises(Superseded):
            await fill(zombie, old, BatchRange(end=old.window_limit, rows=1))
        assert batch_result(users) == rows


@pytest.mark.parametrize(
    "by_hand",
    [
        "update backfill.checkpoint set sequence = sequence + 1",
        "update backfill.checkpoint set epoch = epoch - 1",
        "delete from backfill.checkpoint",
    ],
)
async def test_a_checkpoint_that_was_edited_is_not_written_over(users: Database, by_hand: str):
    async with session(users.dsn, JOB) as worker:
        checkpoint = await first_batch(worker)
        run_sql(users, by_hand)
        rows, place = batch_result(users), state(users)
        with pytest.raises(Superseded, match="our batch changed nothing"):
            await fill(worker, checkpoint, BatchRange(end=checkpoint.window_limit, rows=1))
        with pytest.raises(Superseded):
            await worker.save_checkpoint(checkpoint)
    assert batch_result(users) == rows
    assert state(users) == place


REWRITES = {
    "vacuum full": (["vacuum full users"], "was rewritten"),
    "cluster": (["cluster users using users_pkey"], "was rewritten"),
    "truncate": (
        ["truncate users", "insert into users select i, 'again', '' from generate_series(1, 500) i"],
        "was rewritten",
    ),
    "alter": (["alter table users alter id type integer"], "was rewritten"),
    "unlogged": (["alter table users set unlogged"], "was rewritten"),
    "drop and create": (
        ["create table other as table users", "drop table users", "alter table other rename to users"],
        "dropped and made again",
    ),
    "rename and swap": (
        ["create table other as table users", "alter table users rename to gone", "alter table other rename to users"],
        "dropped and made again",
    ),
}


@pytest.mark.parametrize("rewrite", REWRITES)
async def test_on_a_table_that_was_rewritten_nothing_is_changed_and_the_scan_begins_anew(users: Database, rewrite: str):
    statements, why = REWRITES[rewrite]
    async with session(users.dsn, JOB) as worker:
        checkpoint = await first_batch(worker)
        run_sql(users, *statements)
        rows = batch_result(users)
        place = state(users)
        message = "table 'public.users' was rewritten; our batch changed nothing"
        with pytest.raises(TableRewritten, match=message):
            await fill(worker, checkpoint, BatchRange(end=checkpoint.window_limit, rows=1))
        with pytest.raises(TableRewritten, match=message):
            await worker.save_checkpoint(checkpoint)
        assert batch_result(users) == rows
        assert state(users) == place
        fresh, told = await start_again(worker, checkpoint)
        assert why in told
        assert fresh == replace(
            begin(pages(users), Layout(), leaf="public.users"),
            epoch=checkpoint.epoch,
            sequence=checkpoint.sequence,
            rows_total=checkpoint.rows_total,
            wal_bytes=checkpoint.wal_bytes,
        )
        done = await fill(worker, fresh, BatchRange(end=fresh.window_limit, rows=1))
        assert batch_result(users) == rows + done.rows > rows


async def test_a_rewrite_is_found_when_the_next_pass_begins(users: Database):
    async with session(users.dsn, JOB) as worker:
        checkpoint = await first_batch(worker)
        run_sql(users, "vacuum full users")
        with pytest.raises(TableRewritten):
            await next_pass(worker, checkpoint)
        fresh, _ = await start_again(worker, checkpoint)
        assert (fresh.pass_number, fresh.next) == (1, Tid(0))


async def test_a_rewrite_between_two_workers_is_reported_when_the_second_opens(users: Database):
    async with session(users.dsn, JOB) as worker:
        left = await first_batch(worker)
    run_sql(users, "vacuum full users")
    async with session(users.dsn, JOB) as worker:
        opened = await open_leaf(worker)
        assert opened.rewritten == "the table was rewritten (VACUUM FULL, CLUSTER, TRUNCATE or an ALTER TABLE)"
        assert (opened.checkpoints[0].next, opened.checkpoints[0].rows_total, opened.resumed) == (
            Tid(0),
            left.rows_total,
            True,
        )
        await fill(worker, opened.checkpoints[0], BatchRange(end=opened.checkpoints[0].window_limit, rows=1))


@pytest.mark.parametrize("edit", ["sizes = '{}'", "window_end = window_start", "stripe = 12", "next_tid = '(9999,0)'"])
async def test_a_checkpoint_that_was_edited_to_no_place_at_all_begins_anew(users: Database, edit: LiteralString):
    async with session(users.dsn, JOB) as worker:
        left = await first_batch(worker)
    users.query("update backfill.checkpoint set " + edit)
    async with session(users.dsn, JOB) as worker:
        opened = await open_leaf(worker)
        assert opened.rewritten == "its checkpoint was changed by hand to a position that cannot be"
        assert (opened.checkpoints[0].next, opened.checkpoints[0].rows_total, opened.resumed) == (
            Tid(0),
            left.rows_total,
            True,
        )
        await fill(worker, opened.checkpoints[0], BatchRange(end=opened.checkpoints[0].window_limit, rows=1))


async def test_what_happened_during_the_wait_for_the_lock_is_known_when_it_is_ours(users: Database):
    """The first worker has begun anew on the rewritten table; the second must not do it again."""
    async with Session(users.dsn, JOB) as second:
        async with session(users.dsn, JOB) as first:
            checkpoint = await first_batch(first)
            run_sql(users, "vacuum full users")
            fresh, _ = await start_again(first, checkpoint)
            left = (await fill(first, fresh, BatchRange(end=Tid(1), rows=1))).checkpoint
            assert await second.try_lock() is not None
        await take_lock(second)
        opened = await open_leaf(second)
        assert opened.rewritten is None
        assert opened.checkpoints[0] == replace(left, epoch=left.epoch + 1)


@pytest.mark.parametrize(
    ("column", "why"),
    [
        ("system_identifier", "the checkpoint was written in another cluster"),
        ("table_oid", "the table was dropped and made again"),
        ("filenode", "the table was rewritten"),
    ],
)
async def test_a_checkpoint_of_another_table_is_not_believed(users: Database, column: str, why: str):
    async with session(users.dsn, JOB) as worker:
        left = await first_batch(worker)
    run_sql(users, f"update backfill.checkpoint set {column} = 4711")
    async with session(users.dsn, JOB) as worker:
        opened = await open_leaf(worker)
        assert opened.rewritten is not None
        assert opened.rewritten.startswith(why)
        assert (opened.checkpoints[0].next, opened.checkpoints[0].pass_number, opened.checkpoints[0].rows_total) == (
            Tid(0),
            1,
            left.rows_total,
        )
        await fill(worker, opened.checkpoints[0], BatchRange(end=opened.checkpoints[0].window_limit, rows=1))


async def test_a_checkpoint_cannot_be_written_in_half(users: Database):
    """What the schema refuses leaves the row as it was."""
    async with session(users.dsn, JOB) as worker:
        checkpoint = await first_batch(worker)
        place = state(users)
        with pytest.raises(StatementRefused) as caught:
            await worker.save_checkpoint(replace(checkpoint, stripe=100_000))
        assert caught.value.sqlstate == "22003"
        assert state(users) == place
        await worker.save_checkpoint(checkpoint)


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (2, 3)])
async def test_other_lanes_begin_the_pass_again_and_keep_what_was_counted(users: Database, before: int, after: int):
    def job(lanes: int):
        return job_file(lanes=lanes, batch={"stripes": 1})

    async with session(users.dsn, job(before)) as worker:
        opened = await open_leaf(worker)
        assert [checkpoint.lane for checkpoint in opened.checkpoints] == list(range(before))
        done = [
            await fill(worker, checkpoint, BatchRange(end=Tid(checkpoint.next.page, 30), rows=1))
            for checkpoint in opened.checkpoints
        ]
    rows = sum(one.rows for one in done)
    async with session(users.dsn, job(after)) as worker:
        opened = await open_leaf(worker)
        assert opened.rewritten == f"it was begun with lanes: {before}"
        assert sum(checkpoint.rows_total for checkpoint in opened.checkpoints) == rows == batch_result(users)
        assert {(checkpoint.lanes, checkpoint.pass_number) for checkpoint in opened.checkpoints} == {(after, 1)}
        assert users.query("select count(*) from backfill.checkpoint") == [(after,)]
        for one in done:
            with pytest.raises(Superseded):
                await worker.save_checkpoint(one.checkpoint)
    finished, _ = await run(users.worker_dsn, job(after))
    assert finished.state == "done"
    assert (finished.rows_total, batch_result(users)) == (ROWS, ROWS)
