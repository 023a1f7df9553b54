"""A row is updated at most once by a job, however often a pass meets it, unless somebody else writes it in between."""

from __future__ import annotations

import pytest

from backfill.table.batch import Committed
from backfill.values.errors import JobError, RowRefused, WhereRefused
from tests.fixtures_postgres import Database
from tests.integration.jobs import fill, job_file, next_cut, next_pass, open_leaf, run, run_sql, session

pytestmark = pytest.mark.anyio

COUNTED = (
    (
        "create table public.users (id int primary key, username text, handle text, updates int not null default 0)"
        " with (autovacuum_enabled = off)"
    ),
    (
        "insert into public.users (id, username) select i, case when i % 3 > 0 then 'u' || i end"
        " from generate_series(1, 600) i"
    ),
    (
        "create function public.counts() returns trigger language plpgsql as"
        " $$ begin new.updates := old.updates + 1; return new; end $$"
    ),
    "create trigger counts before update on public.users for each row execute function public.counts()",
)
SUBTRANSACTION = (
    (
        "create function public.subtransaction() returns trigger language plpgsql as"
        " $$ begin begin perform 1 / 0; exception when others then null; end; return new; end $$"
    ),
    "create trigger subtransaction before update on public.users for each row execute function public.subtransaction()",
)


async def test_a_trigger_that_counts_counts_one_update_of_rows_that_cannot_converge(database: Database):
    run_sql(database, *COUNTED, *SUBTRANSACTION)
    finished, _ = await run(database.dsn, job_file(batch={"max_rows": 50, "stripes": 4}))
    assert (finished.state, finished.rows_unconverged) == ("unconverged", 200)
    assert database.query("select updates, count(*) from users group by 1") == [(1, 600)]


async def test_values_that_grow_with_each_update_grow_once(database: Database):
    run_sql(
        database,
        "create table public.users (id int primary key, n int)",
        "insert into public.users select i, i % 5 from generate_series(1, 400) i",
    )
    finished, _ = await run(
        database.dsn, job_file(set={"n": "n + 1"}, where="n < 5", batch={"max_rows": 60, "stripes": 3})
    )
    assert (finished.state, finished.rows_unconverged) == ("unconverged", 320)
    assert database.query("select n - (id % 5) as grown, count(*) from users group by 1") == [(1, 400)]


async def test_what_others_write_in_between_is_met_again(database: Database):
    run_sql(database, *COUNTED)
    async with session(database.dsn, job_file(batch={"max_rows": 1000, "stripes": 1})) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        done = await fill(worker, checkpoint, await next_cut(worker, checkpoint))
        assert (done.rows, done.rows_unconverged, len(done.checkpoint.unconverged_xids)) == (600, 200, 1)
        run_sql(database, "update users set username = 'now' where id = 3")
        again = await next_pass(worker, done.checkpoint)
        cut = await next_cut(worker, again)
        assert cut.rows == 1
        done = await fill(worker, again, cut)
        assert (done.rows, done.rows_unconverged) == (1, 0)
    assert database.query("select handle, updates from users where id = 3") == [("now", 3)]


async def test_another_worker_knows_the_rows_that_are_not_updated_again(database: Database):
    run_sql(database, *COUNTED)
    job = job_file(batch={"max_rows": 60, "stripes": 1})
    async with session(database.dsn, job) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        for _ in range(4):
            done = await fill(worker, checkpoint, await next_cut(worker, checkpoint, 60))
            assert isinstance(done, Committed)
            checkpoint = done.checkpoint
    finished, _ = await run(database.dsn, job)
    assert (finished.state, finished.rows_unconverged) == ("unconverged", 200)
    assert database.query("select updates, count(*) from users group by 1") == [(1, 600)]


async def test_a_job_that_has_ended_and_begins_again_tries_such_rows_once_more(database: Database):
    run_sql(database, *COUNTED)
    for updates in (1, 2):
        await run(database.dsn, job_file(batch={"max_rows": 50}))
        stuck = "select distinct updates from users where handle is null"
        assert database.query(stuck) == [(updates,)]


FAILS = {"set": {"n": "0"}, "where": "10 / n > 1"}
NUMBERS = (
    "create table public.users (id int primary key, n int, made text)",
    "insert into public.users (id, n) select i, 1 + i % 4 from generate_series(1, 100) i",
)


async def test_a_condition_that_fails_on_the_row_as_it_is_set_is_refused_and_nothing_is_left(database: Database):
    run_sql(database, *NUMBERS)
    with pytest.raises(
        JobError, match=r"^job\.yaml:4:9: 'where' fails on a row as 'set' leaves it: division by zero; guard it"
    ):
        await run(database.dsn, job_file(**FAILS))
    assert database.query("select count(*) from users where n = 0") == [(0,)]
    assert database.query("select count(*) from pg_namespace where nspname = 'backfill'") == [(0,)]


async def test_one_that_fails_in_a_later_batch_is_named_as_such_and_not_as_a_bad_row(database: Database):
    run_sql(database, *NUMBERS)
    job = job_file(
        set={"made": "CASE WHEN id = 60 THEN 'x' ELSE '1' END"},
        where="made IS NULL OR made::int < 0",
        batch={"max_rows": 20, "stripes": 1},
    )
    with pytest.raises(WhereRefused, match=r"^job\.yaml:4:9: 'where' fails on a row as 'set' leaves it: invalid input"):
        await run(database.dsn, job)
    assert database.query("select count(*) from users where made = '1'") != [(0,)]


async def test_a_row_that_the_server_refuses_is_not_the_fault_of_the_condition(database: Database):
    run_sql(database, *NUMBERS, "alter table users add check (made <> 'bad')")
    job = job_file(set={"made": "CASE WHEN id = 60 THEN 'bad' ELSE '1' END"}, where="made IS NULL")
    with pytest.raises(RowRefused, match="the server rejected row"):
        await run(database.dsn, job)


OWN = (
    "create table public.users (id int primary key, user_id int, is_primary bool not null default false)",
    "insert into public.users select i, i / 3 from generate_series(1, 300) i",
)
PRIMARY = {
    "set": {"is_primary": "true"},
    "where": "NOT EXISTS (SELECT FROM users o WHERE o.user_id = users.user_id AND o.is_primary)"
    " AND id = (SELECT min(o.id) FROM users o WHERE o.user_id = users.user_id)",
    "accept": ["own-table"],
}


async def test_a_condition_on_the_own_table_is_asked_once_more_behind_the_update(database: Database):
    run_sql(database, *OWN)
    finished, _ = await run(database.dsn, job_file(**PRIMARY, batch={"max_rows": 40}))
    assert (finished.state, finished.rows_unconverged) == ("done", 0)
    assert database.query("select count(*) from users where is_primary") == [(101,)]


async def test_a_condition_on_the_value_as_it_is_stored_is_asked_once_more_behind_the_update(database: Database):
    run_sql(
        database,
        "create table public.users (id int primary key, doc text)",
        "alter table public.users alter column doc set storage external",
        "insert into public.users select i, repeat('some text ', 500) from generate_series(1, 60) i",
        "alter table public.users alter column doc set storage extended",
    )
    job = job_file(set={"doc": "doc || ''"}, where="pg_column_size(doc) > 1000", batch={"max_rows": 20})
    finished, _ = await run(database.dsn, job)
    assert (finished.state, finished.rows_unconverged) == ("done", 0)
    assert database.query("select count(*) from users where pg_column_size(doc) > 1000") == [(0,)]


@pytest.mark.long
async def test_a_tree_is_filled_level_by_level_however_deep_it_is(database: Database):
    run_sql(
        database,
        "create table public.users (id int primary key, parent int, path text)",
        "insert into public.users select i, nullif(i - 1, 0), case when i = 1 then '1' end"
        " from generate_series(80, 1, -1) i",
    )
    job = job_file(
        set={"path": "(SELECT p.path || '/' || users.id FROM users p WHERE p.id = users.parent)"},
        where="path IS NULL AND (SELECT p.path FROM users p WHERE p.id = users.parent) IS NOT NULL",
        accept=["own-table"],
    )
    finished, _ = await run(database.dsn, job)
    assert finished.state == "done"
    assert database.query("select count(*) from users where path is null") == [(0,)]


BALANCED = (
    "create table public.users (id int primary key, entry int, minor int not null default 0, booked bool)",
    "insert into public.users select i, i % 30 from generate_series(1, 60) i",
    "create table public.totals as select count(*) as entries from public.users",
    (
        "create function public.balance() returns trigger language plpgsql as $$ begin"
        " execute format('select 1 / (sum(minor) = 0)::int from %s where entry = %s', tg_relid::regclass, new.entry);"
        " return null; end $$"
    ),
    (
        "create constraint trigger balance after update on public.users deferrable initially deferred"
        " for each row execute function public.balance()"
    ),
)


async def test_a_deferred_trigger_that_holds_over_several_rows_is_named_and_nothing_is_left(database: Database):
    run_sql(database, *BALANCED)
    job = job_file(
        set={"minor": "CASE WHEN id <= 30 THEN 5 ELSE -5 END", "booked": "true"},
        where="booked IS NULL",
        batch={"max_rows": 7},
    )
    with pytest.raises(
        JobError, match=r"^job\.yaml:2:9: deferred constraint or trigger 'balance' on 'public\.users': .* several rows"
    ):
        await run(database.dsn, job)
    assert database.query("select count(*) from users where booked") == [(0,)]
    assert database.query("select count(*) from pg_namespace where nspname = 'backfill'") == [(0,)]


async def test_a_deferred_trigger_that_holds_within_each_batch_is_no_obstacle(database: Database):
    run_sql(database, *BALANCED)
    job = job_file(set={"booked": "true"}, where="booked IS NULL", batch={"max_rows": 7})
    finished, _ = await run(database.dsn, job)
    assert finished.state == "done"


async def test_one_that_refuses_a_row_of_a_later_batch_is_named_with_the_row(database: Database):
    run_sql(database, *BALANCED)
    job = job_file(
        set={"minor": "(id = 60)::int", "booked": "true"}, where="booked IS NULL", batch={"max_rows": 7, "stripes": 1}
    )
    with pytest.raises(RowRefused, match=r"the server rejected row .*: deferred constraint or trigger 'balance' on"):
        await run(database.dsn, job)
    assert database.query("select count(*) from users where booked") == [(59,)]
