"""Rows that are few, on a real server: what is found, what a batch of addresses touches, and how many pages are read."""

from __future__ import annotations

import time

import pytest

from backfill.events.batch import BatchDone, LayoutChanged
from backfill.events.job import PassDone, Verified
from backfill.sandbox.wait import wait_until
from backfill.table.checkpoint import Tid
from backfill.table.sparse_rows import RowAddresses, next_batch
from tests.fixtures_postgres import Database
from tests.integration.jobs import fill, job_file, make_users, open_leaf, run, run_sql, session

pytestmark = pytest.mark.anyio

ROWS = 40_000
PAGE_READS_ROW = 12
"""Page reads of one update: its own page a few times, the free space map, the page that the new version goes to."""

SAMPLES = 2
"""Reads of a small table for progress, when a run first sees it: one counts its rows, one those that match."""


@pytest.fixture
def users(shared: Database) -> Database:
    """Table users anew, of which one row in 2,000 is to do, and no job in the state schema."""
    run_sql(shared, "drop table if exists users cascade", "drop schema if exists backfill cascade")
    make_users(shared, 0)
    fill_users(shared, "id % 2000 = 7")
    return shared


def fill_users(database: Database, to_do: str) -> None:
    """Write the table's rows in order; of these the handle is to be set."""
    run_sql(
        database,
        "truncate users",
        "insert into users select id, 'user' || id, repeat('x', 60) || id || '@example.org',"
        f" case when {to_do} then null else 'user' || id end from generate_series(1, {ROWS}) id",
        "vacuum analyze users",
    )


def page_reads(database: Database, updated: int) -> int:
    """Return how often pages of the table were read so far, as soon as so many updates are counted and all sessions.

    Before PostgreSQL 15 a session's counts come up to half a second after it has ended, or in two parts.
    """
    counted = "select n_tup_upd >= %s and n_tup_ins >= %s from pg_stat_user_tables where relname = 'users'"
    wait_until(lambda: database.query(counted, updated, ROWS) == [(True,)], f"{updated} updates counted")
    read = "select heap_blks_hit + heap_blks_read from pg_statio_user_tables where relname = 'users'"
    [(reads,)] = database.query(read)
    for _ in range(20):
        time.sleep(0.6)
        before, [(reads,)] = reads, database.query(read)
        if reads == before:
            break
    return int(reads)


def pages_of(database: Database) -> int:
    [(pages,)] = database.query("select pg_relation_size('users') / 8192")
    return int(pages)


async def test_the_read_returns_every_row_to_do_in_its_range_in_order(users: Database):
    async with session(users.dsn, job_file()) as worker:
        [checkpoint] = (await open_leaf(worker)).checkpoints
        found = await worker.find_rows(checkpoint, 400)
    expected = users.query("select ctid::text from users where handle is null and ctid < '(400,0)' order by users.ctid")
    assert found == RowAddresses(start=Tid(0), end=Tid(400), tids=tuple(Tid.parse(tid) for (tid,) in expected))
    assert found.tids


async def test_a_sparse_table_is_read_once_to_find_its_rows_and_once_as_proof(users: Database):
    pages, due = pages_of(users), ROWS // 2000
    before = page_reads(users, 0)
    finished, events = await run(users.worker_dsn, job_file())
    after = page_reads(users, due)
    assert (finished.state, finished.rows_total, finished.passes) == ("done", due, 1)
    assert [type(event) for event in events if isinstance(event, PassDone | Verified)] == [PassDone, Verified]
    assert 2 * pages <= after - before <= (2.1 + SAMPLES) * pages + due * PAGE_READS_ROW


async def test_with_an_index_on_the_condition_the_table_is_not_read_at_all(users: Database):
    run_sql(users, "create index users_todo on users (id) where handle is null", "vacuum analyze users")
    pages, due = pages_of(users), ROWS // 2000
    before = page_reads(users, 0)
    finished, _ = await run(users.worker_dsn, job_file())
    assert (finished.state, finished.rows_total) == ("done", due)
    assert page_reads(users, due) - before <= (0.1 + SAMPLES) * pages + 2 * due * PAGE_READS_ROW


async def test_rows_that_became_due_or_moved_since_the_read_are_left_to_the_next_pass(users: Database):
    job = job_file()
    async with session(users.dsn, job) as worker:
        [checkpoint] = (await open_leaf(worker)).checkpoints
        found = await worker.find_rows(checkpoint, 4096)
        run_sql(
            users,
            "update users set handle = null where id between 101 and 1100",
            f"update users set email = 'moved' where ctid = '{found.tids[5]}'",
        )
        done = await fill(worker, checkpoint, next_batch(found, checkpoint, 10_000))
        assert done.rows == len(found.tids) - 1
        assert done.checkpoint.pass_done
        assert (await worker.verify(1)).rows_left == 1001
    finished, _ = await run(users.worker_dsn, job)
    assert (finished.state, finished.passes) == ("done", 2)
    assert users.query("select count(*) from users where handle is distinct from username") == [(0,)]


async def test_rows_that_lie_together_are_laid_out_in_stripes_from_their_first_page_on(users: Database):
    first = 36_000
    fill_users(users, f"id > {first}")
    [(page,)] = users.query("select min((ctid::text::point)[0])::int from users where handle is null")
    finished, events = await run(users.worker_dsn, job_file(batch={"rows": 500, "max_rows": 500}))
    assert (finished.state, finished.rows_total) == ("done", ROWS - first)
    [*_, laid_out] = [event for event in events if isinstance(event, LayoutChanged)]
    assert len(laid_out.sizes) > 1
    batches = [event for event in events if isinstance(event, BatchDone)]
    assert (batches[0].first_page, batches[0].stripes) == (page, len(laid_out.sizes))
    assert max(event.rows for event in batches) <= 500
