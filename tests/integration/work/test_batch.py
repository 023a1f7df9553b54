"""One batch: exactly the rows of its range and stripe, with its checkpoint or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from backfill.jobfile.load import JobFile
from backfill.sandbox.wait import wait_until
from backfill.table.batch import Committed, TooManyRows
from backfill.table.checkpoint import Checkpoint, Tid
from backfill.table.row_counts import BatchRange
from backfill.values.errors import ConnectionLost, StatementRefused, WhereStaysTrue
from tests.factories import admission, run_order
from tests.fixtures_postgres import Database
from tests.integration.jobs import (
    asleep,
    fill,
    job_file,
    make_users,
    next_cut,
    next_pass,
    open_leaf,
    run,
    run_sql,
    session,
)
from tests.integration.worker import Worker as Session

pytestmark = pytest.mark.anyio


ROWS = 2000


DONE = "handle is not null"


@pytest.fixture
def users(shared: Database) -> Database:
    """Table users anew, and no job in the state schema."""
    run_sql(shared, "drop table if exists users cascade", "drop schema if exists backfill cascade")
    make_users(shared, ROWS)
    return shared


def of_stripes(stripes: int, **keys: Any) -> JobFile:
    return job_file(batch={"stripes": stripes, "rows": 1000}, **keys)


def ids(database: Database, where: str) -> set[int]:
    with psycopg.connect(database.dsn) as connection:
        return {row[0] for row in connection.execute(f"select id from users where {where}".encode())}


def everything(database: Database) -> list[tuple[Any, ...]]:
    """Each row's version, and the state schema but for its times."""
    return database.query(
        "select ctid::text, xmin::text, users::text from users union all"
        " select '', '', (to_jsonb(s) - 'updated_at')::text from backfill.checkpoint s union all"
        " select '', '', b::text from backfill.batch b order by 1, 3"
    )


async def fill_window(worker: Session, checkpoint: Checkpoint, rows: int = 1_000_000) -> list[Committed]:
    """Run batches to the end of the pass."""
    batches = []
    while not checkpoint.pass_done:
        batches.append(await fill(worker, checkpoint, await next_cut(worker, checkpoint, rows)))
        checkpoint = batches[-1].checkpoint
    return batches


async def test_a_batch_fills_its_range_and_stripe_and_no_other_row(users: Database):
    run_sql(users, "update users set handle = 'kept' where id % 7 = 0", "vacuum users")
    async with session(users.dsn, of_stripes(4)) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        place = await worker.save_checkpoint(replace(checkpoint, next=Tid(1, 5), stripe=2))
        low, high = "(1,5)", "(6,9)"
        wanted = ids(
            users, f"ctid >= '{low}' and ctid < '{high}' and get_byte(tidsend(ctid), 5) & 3 = 2 and handle is null"
        )
        untouched = users.query("select id, xmin::text from users where handle is not null")
        done = await fill(worker, place, BatchRange(end=Tid(6, 9), rows=len(wanted)))
    assert done.rows == len(wanted) > 20
    assert ids(users, "handle = username") == wanted
    assert users.query("select id, xmin::text from users where handle = 'kept'") == untouched
    assert done.checkpoint == replace(
        place,
        next=Tid(6, 9),
        sequence=place.sequence + 1,
        rows_pass=done.rows,
        rows_converged_pass=done.rows,
        rows_total=done.rows,
        wal_bytes=done.checkpoint.wal_bytes,
    )


@pytest.mark.parametrize("stripes", [1, 2, 8, 12])
@pytest.mark.parametrize("rows", [37, 1_000_000])
async def test_the_stripes_of_a_window_are_every_row_once(users: Database, stripes: int, rows: int):
    run_sql(
        users,
        "create table if not exists touched (id bigint)",
        "truncate touched",
        "create or replace function touch() returns trigger language plpgsql as"
        " 'begin insert into touched values (new.id); return null; end'",
        "create trigger touch after update on users for each row execute function touch()",
    )
    async with session(users.dsn, of_stripes(stripes)) as worker:
        batches = await fill_window(worker, (await open_leaf(worker)).checkpoints[0], rows)
    assert users.query("select count(*), count(distinct id) from touched") == [(ROWS, ROWS)]
    assert ids(users, "handle is distinct from username") == set()
    assert sum(done.rows for done in batches) == batches[-1].checkpoint.rows_total == ROWS
    assert max(done.rows for done in batches) <= rows
    assert {done.checkpoint.stripe for done in batches} == set(range(stripes))


async def test_the_last_stripe_takes_what_moved_into_earlier_ones(users: Database):
    """Updates of the application give rows new addresses while a window is worked on."""
    async with session(users.dsn, of_stripes(4)) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        for _ in range(3):
            checkpoint = (await fill(worker, checkpoint, await next_cut(worker, checkpoint))).checkpoint
        run_sql(users, "update users set handle = null where id % 10 = 0", "analyze users")
        window = f"handle is null and ctid < '{checkpoint.window_limit}'"
        moved = ids(users, f"{window} and get_byte(tidsend(ctid), 5) & 3 <> 3")
        assert moved
        batch_range = await next_cut(worker, checkpoint)
        assert batch_range.rows == len(ids(users, window)) > len(moved)
        assert (await fill(worker, checkpoint, batch_range)).rows == batch_range.rows
        assert ids(users, window) == set()


async def test_a_batch_that_meets_more_rows_than_the_limit_changes_nothing(users: Database):
    async with session(users.dsn, job_file(batch={"max_rows": 500, "stripes": 1})) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        before = everything(users)
        done = await run_order(worker.lane, checkpoint, BatchRange(end=checkpoint.window_limit, rows=3), admission(3))
        assert done == TooManyRows(ROWS)
        assert everything(users) == before
        [(high,)] = users.query("select ctid::text as tid from users order by ctid offset 500 limit 1")
        page, offset = map(int, high.strip("()").split(","))
        assert (await fill(worker, checkpoint, BatchRange(end=Tid(page, offset), rows=500))).rows == 500


async def test_a_first_batch_of_which_no_row_converges_is_rolled_back_and_shown(users: Database):
    run_sql(users, "update users set username = null where id < 1000", "cluster users using users_pkey")
    async with session(users.dsn, of_stripes(1)) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        before = everything(users)
        with pytest.raises(WhereStaysTrue) as caught:
            await run_order(worker.lane, checkpoint, BatchRange(end=Tid(3), rows=1), admission(1))
        assert everything(users) == before
    words = "job.yaml:4:9: 'where' stays true for every row of the first batch, which was rolled back; for example row "
    assert str(caught.value).startswith(words)
    assert str(caught.value).removeprefix(words) == '{"id": 1}: {"handle": null} → {"handle": null}'


async def test_a_row_without_a_key_is_shown_by_its_address(users: Database):
    run_sql(users, "alter table users drop constraint users_pkey")
    job = of_stripes(1, set={"handle": "'é%s' || username"}, where="handle IS NULL OR handle LIKE 'é%'")
    async with session(users.dsn, job) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        with pytest.raises(WhereStaysTrue) as caught:
            await run_order(worker.lane, checkpoint, BatchRange(end=Tid(1), rows=1), admission(1))
    assert str(caught.value).endswith('for example row (0,1): {"handle": null} → {"handle": "é%suser1"}')


async def test_a_condition_on_the_table_itself_is_asked_of_the_table_as_it_is_behind_the_batch(users: Database):
    """The UPDATE sees the table as it was, so that in RETURNING every row still matches."""
    job = of_stripes(1, where="id IN (SELECT u.id FROM users u WHERE u.handle IS NULL)", accept=["own-table"])
    async with session(users.dsn, job) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        done = await run_order(worker.lane, checkpoint, BatchRange(end=Tid(1), rows=1), admission(1))
        assert isinstance(done, Committed)
        assert done.rows == len(ids(users, DONE)) > 0
        assert (done.rows_unconverged, done.samples) == (0, ())


async def test_rows_that_stay_are_counted_sampled_and_left_alone_by_later_passes(users: Database):
    run_sql(users, "update users set username = null where id % 100 = 0", "vacuum full users")
    async with session(users.dsn, of_stripes(1)) as worker:
        [done] = await fill_window(worker, (await open_leaf(worker)).checkpoints[0])
        assert (done.rows, done.rows_unconverged, done.checkpoint.rows_converged_pass) == (ROWS, 20, ROWS - 20)
        assert len(done.samples) == 5
        assert set(done.samples) < {f'{{"id": {number}}}' for number in range(0, ROWS + 1, 100)}
        run_sql(users, "update users set handle = null where id in (5, 6)")
        again = await next_pass(worker, done.checkpoint)
        assert (again.pass_number, again.stripes, again.sequence) == (2, 1, done.checkpoint.sequence + 1)
        assert (await next_cut(worker, again)).rows == 2
        stuck = "select id, xmin::text from users where handle is null and username is null order by id"
        before = users.query(stuck)
        [done] = await fill_window(worker, again)
        assert (done.rows, done.rows_unconverged, done.samples) == (2, 0, ())
    assert users.query(stuck) == before
    assert ids(users, "handle is null") == set(range(100, ROWS + 1, 100))


async def test_rows_whose_end_is_not_foreseen_are_updated_once_too(users: Database):
    run_sql(
        users,
        "create or replace function unset() returns trigger language plpgsql as"
        " 'begin if new.id <= 3 then new.handle := null; end if; return new; end'",
        "create trigger unset before update on users for each row execute function unset()",
    )
    async with session(users.dsn, of_stripes(1)) as worker:
        [done] = await fill_window(worker, (await open_leaf(worker)).checkpoints[0])
        assert (done.rows, done.rows_unconverged) == (ROWS, 3)
        again = await next_pass(worker, done.checkpoint)
        assert (await next_cut(worker, again)).rows == 0
        left = await worker.leaf.verify(2)
        assert (left.rows_left, left.rows_unconverged) == (3, 3)


async def test_stripes_let_a_full_cold_table_be_updated_hot_and_the_count_is_the_server_s(users: Database):
    async with session(users.dsn, of_stripes(8)) as worker:
        batches = await fill_window(worker, (await open_leaf(worker)).checkpoints[0])
    hot = [done.rows_hot for done in batches]
    assert hot[0] < batches[0].rows / 2
    assert sum(hot[2:]) > ROWS / 3
    counted = "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'users'"
    wait_until(lambda: users.query(counted) == [(ROWS, sum(hot))], f"the server counts {ROWS}, {sum(hot)}", 15)
    assert users.query("select sum(rows_hot), sum(rows) from backfill.batch") == [(sum(hot), ROWS)]


async def test_a_batch_reports_what_it_cost(users: Database):
    async with session(users.dsn, of_stripes(4)) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        position = "select (pg_current_wal_insert_lsn() - '0/0')::bigint"
        [(before,)] = users.query(position)
        admitted = admission(777, waited_s=1.5, waited_for="replica-a lag 12s > 10s")
        done = await run_order(worker.lane, checkpoint, await next_cut(worker, checkpoint), admitted)
        [(after,)] = users.query(position)
    assert isinstance(done, Committed)
    assert before < done.insert_lsn <= after
    assert done.rows * 50 < done.wal_bytes <= after - before
    assert 0 < done.took_s < 30
    [row] = users.query(
        "select job, ring, sequence, pass_number, stripe, first_tid::text, end_tid::text, rows_wished, rows,"
        " rows_unconverged, rows_hot, waited_s, waited_for from backfill.batch"
    )
    end = str(checkpoint.window_limit)
    assert row[:8] == ("users-handle", 0, 0, 1, 0, "(0,0)", end, 777)
    assert row[8:] == (done.rows, 0, done.rows_hot, 1.5, "replica-a lag 12s > 10s")
    [(kept, of_batch)] = users.query("select s.wal_bytes, b.wal_bytes from backfill.checkpoint s, backfill.batch b")
    assert kept == done.checkpoint.wal_bytes
    assert done.wal_bytes == kept == of_batch


async def test_an_unlogged_table_costs_next_to_nothing(users: Database):
    run_sql(users, "alter table users set unlogged")
    async with session(users.dsn, of_stripes(1)) as worker:
        [done] = await fill_window(worker, (await open_leaf(worker)).checkpoints[0])
    assert done.rows == ROWS
    assert done.wal_bytes < ROWS * 20


OBJECT = """
create or replace function object() returns trigger language plpgsql as
    'begin if new.id = 77 then raise exception using errcode = ''P0042''; end if; return new; end'
"""


OBJECT_LATE = """
create constraint trigger object after update on users deferrable initially deferred
    for each row execute function object()
"""


FAILURES = {
    "a row breaks a constraint": (["alter table users add check (handle <> 'user77')"], "23514"),
    "a trigger objects": (
        [OBJECT, "create trigger object before update on users for each row execute function object()"],
        "P0042",
    ),
    "the commit fails": ([OBJECT, OBJECT_LATE], "P0042"),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_batch_and_its_checkpoint_are_one_transaction(users: Database, failure: str):
    statements, sqlstate = FAILURES[failure]
    async with session(users.dsn, of_stripes(1)) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        run_sql(users, *statements)
        with pytest.raises(StatementRefused) as caught:
            await fill(worker, checkpoint, BatchRange(end=checkpoint.window_limit, rows=1))
        assert caught.value.sqlstate == sqlstate
        assert ids(users, DONE) == set()
        assert users.query("select sequence, next_tid::text, rows_total from backfill.checkpoint") == [(0, "(0,0)", 0)]
        assert users.query("select count(*) from backfill.batch") == [(0,)]
        assert (await worker.read_signals()).visible  # the session is of use still


async def test_a_row_that_is_locked_is_waited_for_no_longer_than_allowed(users: Database):
    async with session(users.dsn, of_stripes(1, lock_timeout="100ms")) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        before = everything(users)
        with psycopg.connect(users.dsn) as other:
            other.execute("select from users where id = 77 for update")
            with pytest.raises(StatementRefused) as caught:
                await fill(worker, checkpoint, BatchRange(end=checkpoint.window_limit, rows=1))
        assert caught.value.sqlstate == "55P03"
        assert everything(users) == before
        assert (await fill(worker, checkpoint, BatchRange(end=checkpoint.window_limit, rows=1))).rows == ROWS


async def test_a_table_that_is_locked_is_not_waited_for_either(users: Database):
    async with session(users.dsn, of_stripes(1, lock_timeout="100ms")) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        with psycopg.connect(users.dsn) as other:
            other.execute("lock table users in share row exclusive mode")
            with pytest.raises(StatementRefused) as caught:
                await fill(worker, checkpoint, BatchRange(end=checkpoint.window_limit, rows=1))
        assert caught.value.sqlstate == "55P03"
    assert ids(users, DONE) == set()


async def test_a_batch_that_takes_too_long_or_is_cancelled_changes_nothing(users: Database):
    slow = of_stripes(1, set={"handle": "username || pg_sleep(60)::text"}, statement_timeout="1s", lock_timeout="500ms")
    async with session(users.dsn, slow) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        before = everything(users)
        for stop in (None, worker.cancel):
            batch = asyncio.ensure_future(fill(worker, checkpoint, BatchRange(end=Tid(1), rows=1)))
            if stop:
                await asleep(users)
                await stop()
            with pytest.raises(StatementRefused) as caught:
                await batch
            assert caught.value.sqlstate == "57014"
            assert everything(users) == before


async def test_a_batch_whose_session_is_ended_changes_nothing(users: Database):
    slow = of_stripes(1, set={"handle": "username || pg_sleep(60)::text"})
    async with session(users.dsn, slow) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        before = everything(users)
        batch = asyncio.ensure_future(fill(worker, checkpoint, BatchRange(end=Tid(1), rows=1)))
        pid = await asleep(users)
        users.query("select pg_terminate_backend(%s::int, 10000)", pid)
        with pytest.raises(ConnectionLost):
            await batch
        assert everything(users) == before


async def test_what_another_session_writes_meanwhile_is_not_overwritten(users: Database):
    async with session(users.dsn, of_stripes(1, lock_timeout="10s")) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        with psycopg.connect(users.dsn) as other:
            other.execute("update users set handle = 'theirs' where id = 77")
            other.execute("delete from users where id = 78")
            batch = asyncio.ensure_future(fill(worker, checkpoint, BatchRange(end=checkpoint.window_limit, rows=1)))
            await asleep(users, "transactionid")
            other.commit()
            done = await batch
    assert done.rows == ROWS - 2
    assert users.query("select handle from users where id in (77, 78)") == [("theirs",)]


async def test_a_row_that_another_session_moves_meanwhile_is_found_by_the_next_pass(users: Database):
    """The server skips a row that it waited for when its new address lies outside of the range."""
    async with session(users.dsn, of_stripes(1, lock_timeout="10s")) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        with psycopg.connect(users.dsn) as other:
            other.execute("update users set email = repeat('y', 5000) where id = 77")
            batch = asyncio.ensure_future(fill(worker, checkpoint, BatchRange(end=checkpoint.window_limit, rows=1)))
            await asleep(users, "transactionid")
            other.commit()
            first = await batch
        assert first.rows in {ROWS - 1, ROWS}
        batches = await fill_window(worker, await next_pass(worker, first.checkpoint))
    assert batches[-1].checkpoint.rows_total == ROWS
    assert ids(users, "handle is distinct from username") == set()


async def test_a_batch_takes_rows_of_its_own_table_alone_where_others_inherit(users: Database):
    run_sql(
        users,
        "create table heirs () inherits (users)",
        "insert into heirs select i, 'heir', '' from generate_series(5001, 5100) i",
    )
    finished, _ = await run(users.worker_dsn, of_stripes(4))
    assert (finished.state, finished.rows_total) == ("done", ROWS + 100)
    assert users.query("select leaf, sum(rows) from backfill.batch group by 1 order by 1") == [
        ("public.heirs", 100),
        ("public.users", ROWS),
    ]
    assert users.query("select count(*) from users where handle is distinct from username") == [(0,)]
